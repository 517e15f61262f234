//! The keys that a new disk gets.

use std::path::Path;

use aios_config::Encryption;

use super::cryptsetup::{self, Key};
use super::prompt::Terminals;
use super::{recovery, token, tpm};

/// The slot of what opens the disk at each start: the TPM's key, or the passphrase.
pub const SLOT: &str = "0";
/// The slot of the recovery key.
const RECOVERY_SLOT: &str = "1";
/// Bytes of a key for the TPM to keep.
const LENGTH: usize = 32;
/// Characters that a passphrase must have.
const PASSPHRASE_MIN: usize = 12;
/// How long a TPM may take to appear.
const TPM_PATIENCE_MS: u64 = 3_000;

/// What opens a disk.
pub struct Keys {
    first: Vec<u8>,
    is_random: bool,
    recovery: Option<String>,
    token: Option<String>,
}

impl Keys {
    /// Makes them: with the TPM, or with a person. Nothing is written yet.
    ///
    /// # Errors
    /// The TPM does not do it.
    pub fn new(encryption: Encryption, terminals: &Terminals) -> Result<Self, String> {
        match encryption {
            Encryption::Tpm2 => {
                let (first, token) = for_tpm()?;
                let recovery = recovery::new().map_err(|error| format!("no random: {error}"))?;
                Ok(Self {
                    first,
                    is_random: true,
                    recovery: Some(recovery),
                    token: Some(token),
                })
            }
            Encryption::Passphrase => Ok(Self {
                first: chosen(terminals).into_bytes(),
                is_random: false,
                recovery: None,
                token: None,
            }),
            Encryption::None => Err("no encryption was asked for".to_owned()),
        }
    }

    /// The one that is used at each start.
    pub fn first(&self) -> Key<'_> {
        Key {
            bytes: &self.first,
            is_random: self.is_random,
        }
    }

    /// Puts the others, and what the TPM sealed, into a header that knows the first.
    ///
    /// # Errors
    /// What cryptsetup said.
    pub fn add_to(&self, header: &Path) -> Result<(), String> {
        if let Some(recovery) = &self.recovery {
            cryptsetup::add_key(header, RECOVERY_SLOT, self.first(), random(recovery))?;
        }
        match &self.token {
            Some(token) => cryptsetup::set_token(header, token),
            None => Ok(()),
        }
    }

    /// Shows the recovery key, this once.
    pub fn show(&self, terminals: &Terminals) {
        let Some(recovery) = &self.recovery else {
            return;
        };
        terminals.say(&format!("RECOVERY KEY of this node's data: {recovery}"));
        terminals.say(
            "write it down now: it is shown this once and kept nowhere, and it is the only way \
             to the data when this TPM is lost or changed",
        );
    }
}

/// Has the disk opened by the TPM again, after `key`, the recovery key, opened it.
///
/// # Errors
/// The TPM or cryptsetup; the recovery key still opens the disk.
pub fn bind_again(device: &Path, key: &str) -> Result<(), String> {
    let (first, token) = for_tpm()?;
    let new = Key {
        bytes: &first,
        is_random: true,
    };
    cryptsetup::replace_key(device, SLOT, random(key), new)?;
    cryptsetup::set_token(device, &token)
}

/// Another recovery key in the place of the old one, with what the TPM keeps.
///
/// # Errors
/// The TPM or cryptsetup; the TPM still opens the disk.
pub fn new_recovery_key(device: &Path) -> Result<String, String> {
    let sealed = token::read(&cryptsetup::token(device)?);
    let sealed = sealed.ok_or("the key of this disk is not in a TPM: it has no recovery key")?;
    let first = from_tpm(&sealed)?;
    let new = recovery::new().map_err(|error| format!("no random: {error}"))?;
    let first = Key {
        bytes: &first,
        is_random: true,
    };
    cryptsetup::replace_key(device, RECOVERY_SLOT, first, random(&new))?;
    Ok(new)
}

/// The key that the TPM keeps, if it gives it.
///
/// # Errors
/// Why not.
pub fn from_tpm(sealed: &tpm::Sealed) -> Result<Vec<u8>, String> {
    wait_for_tpm();
    let key = tpm::open(Path::new(tpm::DEVICE)).and_then(|mut tpm| tpm.unseal(sealed));
    key.map_err(|error| error.to_string())
}

/// A new key, and the token by which the TPM gives it back. It was tried.
fn for_tpm() -> Result<(Vec<u8>, String), String> {
    wait_for_tpm();
    let key: [u8; LENGTH] = super::random().map_err(|error| format!("no random: {error}"))?;
    let sealed = tpm::open(Path::new(tpm::DEVICE)).and_then(|mut tpm| tpm.seal(&key));
    let sealed = sealed.map_err(|error| error.to_string())?;
    let opened = from_tpm(&sealed)?;
    match opened == key {
        true => Ok((key.to_vec(), token::write(&sealed, SLOT))),
        false => Err("the TPM does not give back what it was given".to_owned()),
    }
}

fn wait_for_tpm() {
    const POLL_MS: u64 = 20;
    for _ in 0..TPM_PATIENCE_MS / POLL_MS {
        if Path::new(tpm::DEVICE).exists() {
            return;
        }
        aios_service::time::pause(POLL_MS);
    }
}

fn random(text: &str) -> Key<'_> {
    Key {
        bytes: text.as_bytes(),
        is_random: true,
    }
}

/// A passphrase of a person's, typed twice.
fn chosen(terminals: &Terminals) -> String {
    loop {
        terminals.say("the data of this node will be encrypted, and cannot be read without this:");
        let Some(first) = terminals.ask("new passphrase", None) else {
            continue;
        };
        if first.chars().count() < PASSPHRASE_MIN {
            terminals.say(&format!("at least {PASSPHRASE_MIN} characters, please"));
            continue;
        }
        match terminals.ask("the same once more", None) {
            Some(second) if second == first => return first,
            _ => terminals.say("these were not the same"),
        }
    }
}
