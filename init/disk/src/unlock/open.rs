//! Opening an encrypted data partition: by the TPM, or by a person.

use std::path::Path;
use std::time::Duration;

use aios_config::Encryption;

use super::prompt::Terminals;
use super::{cryptsetup, keys, recovery, token};

/// After a wrong answer.
const PAUSE_MS: u64 = 2_000;
/// When the TPM should have given the key and nobody comes: a start later it may give it, and the
/// boot loader takes the other slot when this one never gets there.
const NOBODY: Duration = Duration::from_secs(600);

/// Opens it; how.
///
/// # Errors
/// It cannot be opened, whatever the key.
pub fn open(device: &Path, terminals: &Terminals) -> Result<Encryption, String> {
    super::grow(device);
    let Some(sealed) = token::read(&cryptsetup::token(device)?) else {
        by_passphrase(device, terminals)?;
        return Ok(Encryption::Passphrase);
    };
    let refused = match keys::from_tpm(&sealed) {
        Ok(key) if cryptsetup::open(device, None, &key)? => return Ok(Encryption::Tpm2),
        Ok(_) => "what the TPM gives is not its key".to_owned(),
        Err(why) => why,
    };
    by_recovery_key(device, &refused, terminals)?;
    Ok(Encryption::Tpm2)
}

fn by_passphrase(device: &Path, terminals: &Terminals) -> Result<(), String> {
    loop {
        // Nobody but a person can help here: a reboot would change nothing.
        let typed = terminals.ask("passphrase of the data disk", None);
        let typed = typed.unwrap_or_default();
        if !typed.is_empty() && cryptsetup::open(device, None, typed.as_bytes())? {
            return Ok(());
        }
        again(terminals);
    }
}

fn by_recovery_key(device: &Path, refused: &str, terminals: &Terminals) -> Result<(), String> {
    terminals.say(&format!("THE DATA DISK STAYS CLOSED: {refused}"));
    loop {
        let Some(typed) = terminals.ask("recovery key of the data disk", Some(NOBODY)) else {
            terminals.say("nobody is here; rebooting");
            rustix::fs::sync();
            let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
            return Err("the machine does not reboot".to_owned());
        };
        match recovery::typed(&typed) {
            Some(key) if cryptsetup::open(device, None, key.as_bytes())? => {
                match keys::bind_again(device, &key) {
                    Ok(()) => terminals.say("the data disk is open, and bound to this TPM again"),
                    Err(why) => terminals.say(&format!(
                        "the data disk is open; it cannot be bound to this TPM: {why}"
                    )),
                }
                return Ok(());
            }
            _ => again(terminals),
        }
    }
}

fn again(terminals: &Terminals) {
    aios_service::time::pause(PAUSE_MS);
    terminals.say("that does not open it");
}
