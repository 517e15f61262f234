//! What a bundle says about itself.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{PART_MAX, Refusal, hex};

/// The one architecture that is built.
pub const ARCHITECTURE: &str = "x86_64";

/// The longest version text, so that two of them fit into the first sector of the
/// boot loader's environment.
const VERSION_MAX: usize = 32;

/// What a bundle says about itself; signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which release; a newer one has a higher number. Unix time of the last commit
    /// unless the builder chose another.
    pub release: u64,
    /// For people: `0.1.0`.
    pub version: String,
    /// [`ARCHITECTURE`].
    pub architecture: String,
    /// The oldest release from which one may come to this one; 0: any.
    pub from_release: u64,
    /// The root hash of dm-verity: 64 hexadecimal digits.
    pub root_hash: String,
    /// The boot image: kernel and `slot.cfg`.
    pub boot: Part,
    /// The root image: squashfs and its hash tree.
    pub root: Part,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Bytes.
    pub length: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl Part {
    /// The part that a reader gives, read to its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(reader: &mut impl Read) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let length = io::copy(reader, &mut hash)?;
        Ok(Self {
            length,
            sha256: hex(&hash.finalize()),
        })
    }
}

impl Manifest {
    /// Reads and checks a manifest.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let manifest: Self =
            serde_json::from_slice(text).map_err(|error| Refusal::Manifest(error.to_string()))?;
        manifest.validate()?;
        Ok(manifest)
    }

    pub(super) fn validate(&self) -> Result<(), Refusal> {
        let wrong = |what: &str| Err(Refusal::Manifest(what.to_owned()));
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || b".+~-".contains(&byte);
        if self.release == 0 {
            return wrong("release is 0");
        }
        if self.version.is_empty()
            || self.version.len() > VERSION_MAX
            || !self.version.bytes().all(sign)
        {
            return wrong("version is not 1 to 32 letters, digits and .+~-");
        }
        if !is_hash(&self.root_hash) {
            return wrong("root_hash is not 64 hexadecimal digits");
        }
        for (name, part) in self.parts() {
            if part.length == 0 || part.length > PART_MAX {
                return wrong(&format!("{name}.length is not 1 to {PART_MAX}"));
            }
            if !is_hash(&part.sha256) {
                return wrong(&format!("{name}.sha256 is not 64 hexadecimal digits"));
            }
        }
        Ok(())
    }

    /// The images in their order.
    pub fn parts(&self) -> [(&'static str, &Part); 2] {
        [("boot", &self.boot), ("root", &self.root)]
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
