//! Ed25519 keys: the builder's private one, and those whose bundles a system takes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signature, VerifyingKey};

/// Where the keys are that the running system takes bundles by.
pub const TRUSTED: &str = "/usr/lib/aios/update.pub";

/// Names the builder's private key, instead of the usual place.
const VARIABLE: &str = "AIOS_UPDATE_KEY";

/// How each key in a file of trusted keys ends.
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds no key that can be used.
    #[error("{path}: {detail}")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

impl KeyError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    fn wrong(path: &Path, detail: impl ToString) -> Self {
        Self::Wrong {
            path: path.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// The public keys whose bundles are taken. More than one, so that a new key can be
/// brought in by a release that the old one signed.
#[derive(Clone, Debug)]
pub struct Keys(Vec<VerifyingKey>);

impl Keys {
    /// The one that belongs to a private key.
    pub fn of(key: &SigningKey) -> Self {
        Self(vec![key.verifying_key()])
    }

    /// Reads a file of public keys in PEM, one after the other.
    ///
    /// # Errors
    /// When it cannot be read, or one of them is no Ed25519 key, or there is none.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(KeyError::file(path))?;
        let keys: Result<Vec<_>, _> = text
            .split_inclusive(PEM_END)
            .filter(|pem| !pem.trim().is_empty())
            .map(|pem| VerifyingKey::from_public_key_pem(pem.trim_start()))
            .collect();
        match keys {
            Ok(keys) if keys.is_empty() => Err(KeyError::wrong(path, "there is no key in it")),
            Ok(keys) => Ok(Self(keys)),
            Err(error) => Err(KeyError::wrong(path, error)),
        }
    }

    /// Did one of them sign this?
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        self.0
            .iter()
            .any(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// Where a builder's private key is: `$AIOS_UPDATE_KEY`, else
/// `~/.config/aios/keys/update.key` (`XDG_CONFIG_HOME` is respected). Not in the
/// checkout: it must outlive that, and never be committed.
pub fn builders() -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let config = || variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    variable(VARIABLE).or_else(|| Some(config()?.join("aios/keys/update.key")))
}

/// Reads a private key (PKCS#8, PEM).
///
/// # Errors
/// When it cannot be read, is no key, or may be read by others.
pub fn private(path: &Path) -> Result<SigningKey, KeyError> {
    let mut file = File::open(path).map_err(KeyError::file(path))?;
    let mode = file.metadata().map_err(KeyError::file(path))?.mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::wrong(
            path,
            "others may read it; its mode must be 0600",
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(KeyError::file(path))?;
    SigningKey::from_pkcs8_pem(&text).map_err(|error| KeyError::wrong(path, error))
}

/// Makes a private key where there is none, for its owner alone. Never replaces one.
///
/// # Errors
/// When there is one, or it cannot be written.
pub fn create(path: &Path) -> Result<SigningKey, KeyError> {
    let mut seed = [0; 32];
    let random = Path::new("/dev/urandom");
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(KeyError::file(random))?;
    let key = SigningKey::from_bytes(&seed);
    let text = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| KeyError::wrong(path, error))?;
    let unfinished = path.with_extension("new");
    drop(fs::remove_file(&unfinished)); // Left by a power cut; it may not be there.
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(KeyError::file(&unfinished))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(KeyError::file(&unfinished))?;
    // A link fails where there is a key; a rename would replace it.
    let made = fs::hard_link(&unfinished, path).map_err(KeyError::file(path));
    fs::remove_file(&unfinished).map_err(KeyError::file(&unfinished))?;
    made.map(|()| key)
}

/// The public half in PEM, as [`Keys::read`] reads it.
///
/// # Errors
/// When it cannot be encoded.
pub fn public_pem(key: &SigningKey) -> Result<String, KeyError> {
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF);
    pem.map_err(|error| KeyError::wrong(Path::new("public key"), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Signer;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_key_is_its_owners_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.key");
        let key = create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(private(&path).unwrap().to_bytes(), key.to_bytes());
        assert!(create(&path).is_err(), "a key was replaced");
        assert_eq!(private(&path).unwrap().to_bytes(), key.to_bytes());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(private(&path).is_err(), "others may read it");
    }

    #[test]
    fn each_key_of_the_file_is_trusted_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.pub");
        let [old, new, stranger] =
            ["old", "new", "stranger"].map(|name| create(&folder.path().join(name)).unwrap());
        let both = public_pem(&old).unwrap() + "\n" + &public_pem(&new).unwrap();
        fs::write(&path, &both).unwrap();
        let keys = Keys::read(&path).unwrap();
        let signs = |key: &SigningKey| keys.verify(b"x", &key.sign(b"x").to_bytes());
        assert!(signs(&old) && signs(&new) && !signs(&stranger));
        for wrong in ["", "\n", "PUBLIC", &both[..both.len() - 40]] {
            fs::write(&path, wrong).unwrap();
            assert!(Keys::read(&path).is_err(), "{wrong:?}");
        }
    }
}
