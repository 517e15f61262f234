//! The signing key: an Ed25519 key in PKCS#8 PEM, readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};

use crate::error::Error;

/// Blocks until the kernel's generator is seeded, which matters at the first boot.
const RANDOM: &str = "/dev/random";

/// Reads the key, or makes it when there is none and a new one is allowed.
pub(crate) fn load(path: &Path, may_create: bool) -> Result<SigningKey, Error> {
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => create(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(wrong(
            path,
            "is missing, but there is a ledger that it signed",
        )),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

fn read(path: &Path, mut file: File) -> Result<SigningKey, Error> {
    let mode = file.metadata().map_err(Error::io("stat", path))?.mode();
    if mode & 0o077 != 0 {
        return Err(wrong(
            path,
            "may be read by others than its owner; its mode must be 0600",
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(Error::io("read", path))?;
    SigningKey::from_pkcs8_pem(&text).map_err(|error| wrong(path, &error.to_string()))
}

/// Written under another name first: a power cut leaves no half key.
fn create(path: &Path) -> Result<SigningKey, Error> {
    let mut seed = [0; 32];
    File::open(RANDOM)
        .and_then(|mut random| random.read_exact(&mut seed))
        .map_err(Error::io("read", Path::new(RANDOM)))?;
    let key = SigningKey::from_bytes(&seed);
    let text = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| wrong(path, &error.to_string()))?;
    let unfinished = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(Error::io("create", &unfinished))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(Error::io("write", &unfinished))?;
    std::fs::rename(&unfinished, path).map_err(Error::io("create", path))?;
    crate::layout::sync_folder_of(path)?;
    Ok(key)
}

fn wrong(path: &Path, detail: &str) -> Error {
    Error::Key {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}
