//! The bundle: one file with a release in it.
//!
//! | offset | length | what |
//! |---|---|---|
//! | 0 | 8 | `aiOSbndl` |
//! | 8 | 4 | format, 1; little endian, as all numbers |
//! | 12 | 4 | length M of the manifest, 1 to 16384 |
//! | 16 | M | the manifest, JSON ([`Manifest`]) |
//! | 16 + M | 64 | Ed25519 signature over `"aiOS update bundle\0"` and everything before it |
//! | 80 + M | | the boot image, then the root image; lengths and SHA-256 are in the manifest |
//!
//! Nothing follows. The signature covers the header, so that no later format can be
//! passed off as this one; the hashes in the manifest cover the images.

mod manifest;
mod verify;

use std::io::{self, Read, Write};

use ed25519_dalek::{Signer, SigningKey};

pub use manifest::{ARCHITECTURE, Manifest, Part};
pub use verify::{Head, Verified, Verifier};

use crate::keys::Keys;

/// How every bundle begins.
pub const MAGIC: [u8; 8] = *b"aiOSbndl";
/// The format that this code reads and writes.
pub const FORMAT: u32 = 1;
/// Bytes before the manifest.
pub const HEADER_LEN: usize = 16;
/// The longest manifest, bytes; today's are 500.
pub const MANIFEST_MAX: usize = 16 * 1024;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;
/// The longest image, bytes. Partitions are smaller still.
pub const PART_MAX: u64 = 1 << 30;
/// The longest bundle, bytes.
pub const BUNDLE_MAX: u64 = (HEADER_LEN + MANIFEST_MAX + SIGNATURE_LEN) as u64 + 2 * PART_MAX;

/// Separates these signatures from any others that the same key may make.
const DOMAIN: &[u8] = b"aiOS update bundle\0";

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first bytes are something else's.
    #[error("it is not an aiOS update bundle")]
    NotABundle,
    /// Made by a newer `cargo xtask bundle`, or damaged.
    #[error("its format is {0}; this system reads format {FORMAT}")]
    Format(u32),
    /// Impossible length.
    #[error("its manifest would be {0} bytes long; 1 to {MANIFEST_MAX} are allowed")]
    ManifestLength(u32),
    /// No key of this system made the signature.
    #[error("its signature is not by a key of this system: it is damaged, or another's")]
    Signature,
    /// Signed, and still not what a manifest is.
    #[error("its manifest is wrong: {0}")]
    Manifest(String),
    /// Some of it is missing.
    #[error("it is cut short: {have} of {want} bytes")]
    Short {
        /// Bytes that are there.
        have: u64,
        /// Bytes that there should be.
        want: u64,
    },
    /// There is more of it than its manifest says.
    #[error("it is longer than its manifest says: more than {0} bytes")]
    Long(u64),
    /// An image is not the one that was signed.
    #[error("its {0} image is damaged: the hash is not the one that was signed")]
    Damaged(&'static str),
}

/// What is signed and the signature: a bundle up to its images.
///
/// # Errors
/// When the manifest is not one that would be taken.
pub fn sign(manifest: &Manifest, key: &SigningKey) -> Result<Vec<u8>, Refusal> {
    manifest.validate()?;
    let text =
        serde_json::to_vec(manifest).map_err(|error| Refusal::Manifest(error.to_string()))?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if text.len() > MANIFEST_MAX {
        return Err(Refusal::ManifestLength(length));
    }
    let mut head = MAGIC.to_vec();
    head.extend(FORMAT.to_le_bytes());
    head.extend(length.to_le_bytes());
    head.extend(text);
    let signature = key.sign(&signed(&head));
    head.extend(signature.to_bytes());
    Ok(head)
}

/// Writes a whole bundle.
///
/// # Errors
/// When an image cannot be read, is not the one in the manifest, or `out` cannot be written.
pub fn write(
    out: &mut impl Write,
    manifest: &Manifest,
    key: &SigningKey,
    boot: &mut impl Read,
    root: &mut impl Read,
) -> io::Result<u64> {
    let keys = Keys::of(key);
    let head = sign(manifest, key).map_err(io::Error::other)?;
    let size = head.len() as u64 + manifest.boot.length + manifest.root.length;
    let mut check = Verifier::new(&keys, size).map_err(io::Error::other)?;
    let mut rest = head.as_slice().chain(boot).chain(root);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match rest.read(&mut buffer)? {
            0 => break,
            length => {
                check.push(&buffer[..length]).map_err(io::Error::other)?;
                out.write_all(&buffer[..length])?;
            }
        }
    }
    check.finish().map_err(io::Error::other)?;
    Ok(size)
}

/// The bytes that the signature is over.
fn signed(head: &[u8]) -> Vec<u8> {
    [DOMAIN, head].concat()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
