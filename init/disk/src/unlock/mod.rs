//! The `unlock` role: makes or opens an encrypted data partition, before anything uses it.
//!
//! 1. PID 1 runs it when a partition is more than a file system to mount, and waits: it parses
//!    configuration, speaks with a TPM and with people, and formats, none of which PID 1 does.
//! 2. **Only a partition that holds nothing is made anew** ([`volume`]); a power cut leaves one
//!    that is made again or a whole one ([`make`]).
//! 3. **What cannot be done as it was asked for is not done in another way**: without a TPM there is
//!    no plain disk instead; the node says so and keeps its state in memory.
//! 4. LUKS2 by cryptsetup ([`cryptsetup`]); a random key that the TPM keeps ([`tpm`]) and a
//!    recovery key ([`recovery`]), or a passphrase.

mod cryptsetup;
mod keys;
mod make;
mod open;
mod prompt;
mod recovery;
mod token;
mod tpm;
pub mod volume;
pub mod wanted;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aios_config::Encryption;

use cryptsetup::WORK;
use keys::Keys;
use prompt::Terminals;
use volume::Kind;

const DATA: &str = "/data";

/// Where it says to PID 1 why it failed.
pub fn reason() -> PathBuf {
    Path::new(WORK).join("reason")
}

/// There while a person is being asked.
pub fn asking() -> PathBuf {
    Path::new(WORK).join(prompt::ASKING)
}

/// How the data partition is encrypted that was opened at this boot.
pub fn is() -> Encryption {
    let word = std::fs::read_to_string(Path::new(WORK).join("encryption"));
    Encryption::of(&word.unwrap_or_default()).unwrap_or(Encryption::None)
}

/// `unlock open DEVICE`, `unlock reset DEVICE`; and by hand `unlock recovery-key DEVICE`.
pub fn run(arguments: &[String]) -> ExitCode {
    let done = match arguments {
        [verb, device] if verb == "open" => start(Path::new(device)),
        [verb, device] if verb == "reset" => reset(Path::new(device)),
        [verb, device] if verb == "recovery-key" => keys::new_recovery_key(Path::new(device))
            .map(|key| say(&format!("recovery key: {key}"))),
        _ => Err("usage: aios-init unlock open|reset|recovery-key DEVICE".to_owned()),
    };
    let Err(why) = done else {
        return ExitCode::SUCCESS;
    };
    // PID 1 says it to whoever watches the machine, and keeps it.
    let told = match arguments.first().map(String::as_str) {
        Some("open" | "reset") => std::fs::write(reason(), &why).is_ok(),
        _ => false,
    };
    if !told {
        say(&why);
    }
    ExitCode::FAILURE
}

fn say(text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(std::io::stdout(), format!("aios: {text}\n").as_bytes());
}

/// Makes a new partition as it is wanted, opens an encrypted one.
fn start(device: &Path) -> Result<(), String> {
    let kind = volume::look(device).map_err(|error| format!("{}: {error}", device.display()))?;
    // A factory reset has just made it. One whose header is not on the disk is no such disk.
    if Path::new(volume::MAPPED).exists() && matches!(kind, Kind::Encrypted) {
        return Ok(());
    }
    cryptsetup::prepare()?;
    let terminals = Terminals::open();
    let encryption = match kind {
        Kind::Plain => None,
        Kind::Pristine => wanted::given()?.filter(|wanted| *wanted != Encryption::None),
        Kind::Begun(encryption) => Some(encryption),
        Kind::Encrypted => return open::open(device, &terminals).and_then(note),
    };
    let Some(encryption) = encryption else {
        return Ok(());
    };
    let keys = Keys::new(encryption, &terminals)?;
    terminals.say("encrypting the data disk");
    make::make(device, encryption, &keys, &terminals)?;
    note(encryption)
}

/// The data disk is mounted, and a factory reset was asked for: makes it anew, if it is or will be
/// encrypted. Otherwise, and when this fails before anything was written, it stays mounted.
fn reset(device: &Path) -> Result<(), String> {
    let is = is();
    let Some(encryption) = wanted::after_reset(wanted::in_force(), wanted::given, is)? else {
        return Ok(());
    };
    cryptsetup::prepare()?;
    note(is)?;
    let terminals = Terminals::open();
    let keys = Keys::new(encryption, &terminals)?;
    nix::mount::umount(DATA).map_err(|error| format!("cannot unmount {DATA}: {error}"))?;
    terminals.say("factory reset: making the data disk anew, with new keys");
    make::make(device, encryption, &keys, &terminals)?;
    note(encryption)
}

/// For the keeper, who compares it with the configuration.
fn note(encryption: Encryption) -> Result<(), String> {
    let path = Path::new(WORK).join("encryption");
    std::fs::write(&path, encryption.word()).map_err(|error| format!("{}: {error}", path.display()))
}

/// The partition grows before it is opened: the mapping is then as long, without a key.
fn grow(device: &Path) {
    if let Err(error) = crate::grow::grow_partition(device) {
        Terminals::open().say(&format!("the data partition does not grow: {error}"));
    }
}

/// From the kernel, once its generator is seeded: keys are made of it.
fn random<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/random")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
