//! cryptsetup and mke2fs, as programs: LUKS2 has one well-kept implementation, in C.
//!
//! **No secret is an argument**, which everybody could read: keys come by standard input
//! or in a file of [`WORK`], which is memory and root's alone.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::volume::MAPPED;
use crate::layout::{DATA, DATA_OPTIONS, SECTOR};

/// Where keys and a new header are while they are needed; what PID 1 is told lies there too.
pub const WORK: &str = "/run/aios-unlock";

/// Where the encrypted file system begins, in sectors: what LUKS2's headers and key slots need.
const OFFSET_SECTORS: u64 = HEADER_LENGTH / SECTOR;
/// The same in bytes.
pub const HEADER_LENGTH: u64 = 16 << 20;

/// A key of 200 random bits or more needs no stretching: the fewest rounds that there are.
const RANDOM_KEY: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
/// A passphrase does: 64 MiB, as a machine may have no more than 512, during a second.
const PASSPHRASE: [&str; 8] = [
    "--pbkdf",
    "argon2id",
    "--pbkdf-memory",
    "65536",
    "--pbkdf-parallel",
    "1",
    "--iter-time",
    "1000",
];

/// cryptsetup(8): nothing is opened by this key.
const WRONG_KEY: i32 = 2;

/// A key as cryptsetup is given it.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The very bytes.
    pub bytes: &'a [u8],
    /// Was it made by a random generator, or by a person?
    pub is_random: bool,
}

impl Key<'_> {
    fn stretching(self) -> &'static [&'static str] {
        match self.is_random {
            true => &RANDOM_KEY,
            false => &PASSPHRASE,
        }
    }
}

/// Makes [`WORK`], empty.
///
/// # Errors
/// When memory is full.
pub fn prepare() -> Result<(), String> {
    // Err: it is not there.
    let _ = std::fs::remove_dir_all(WORK);
    let made = std::fs::DirBuilder::new().mode(0o700).create(WORK);
    made.map_err(|error| format!("cannot make {WORK}: {error}"))
}

/// Makes a LUKS2 header for the device in a file; the device itself is only measured.
///
/// # Errors
/// What cryptsetup said.
pub fn format(header: &Path, device: &Path, key: Key<'_>) -> Result<(), String> {
    let mut command = cryptsetup("luksFormat");
    command.args(["--type", "luks2", "--cipher", "aes-xts-plain64"]);
    command.args(["--key-size", "512", "--label", DATA, "--key-slot", "0"]);
    let sector = match length(device)? % 4096 {
        0 => "4096",
        _ => "512",
    };
    command.args(["--sector-size", sector, "--key-file", "-"]);
    command.arg("--offset").arg(OFFSET_SECTORS.to_string());
    command.args(key.stretching());
    command.arg("--header").arg(header).arg(device);
    run(command, key.bytes).map(drop)
}

/// Adds a key beside one that is there, in this slot.
///
/// # Errors
/// What cryptsetup said.
pub fn add_key(header: &Path, slot: &str, old: Key<'_>, new: Key<'_>) -> Result<(), String> {
    let file = PathBuf::from(WORK).join("key");
    std::fs::write(&file, new.bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = cryptsetup("luksAddKey");
    command.args(["--key-file", "-", "--key-slot", slot]);
    command.args(new.stretching()).arg(header).arg(&file);
    let added = run(command, old.bytes);
    // Err: it goes with the folder.
    let _ = std::fs::remove_file(&file);
    added.map(drop)
}

/// Puts another key in the place of a slot's; `old` opens another slot.
///
/// # Errors
/// What cryptsetup said.
pub fn replace_key(header: &Path, slot: &str, old: Key<'_>, new: Key<'_>) -> Result<(), String> {
    let mut command = cryptsetup("luksKillSlot");
    command.args(["--key-file", "-"]).arg(header).arg(slot);
    // Err: nothing is in that slot, as the power went between these two.
    let _ = run(command, old.bytes);
    add_key(header, slot, old, new)
}

/// Writes token 0, in the place of the one before if there is one: in one write of the header.
///
/// # Errors
/// What cryptsetup said.
pub fn set_token(header: &Path, token: &str) -> Result<(), String> {
    let mut command = cryptsetup("token");
    command.args(["import", "--token-id", "0", "--token-replace"]);
    command.arg(header);
    run(command, token.as_bytes()).map(drop)
}

/// Token 0; empty without one.
///
/// # Errors
/// When cryptsetup cannot be run.
pub fn token(device: &Path) -> Result<String, String> {
    let mut command = cryptsetup("token");
    command.args(["export", "--token-id", "0"]).arg(device);
    let output = output(command, b"")?;
    Ok(match output.status.success() {
        true => String::from_utf8_lossy(&output.stdout).into_owned(),
        false => String::new(),
    })
}

/// Opens the device as [`MAPPED`]. Was it the right key?
///
/// # Errors
/// Something else than the key is wrong: what cryptsetup said.
pub fn open(device: &Path, header: Option<&Path>, key: &[u8]) -> Result<bool, String> {
    let mut command = cryptsetup("open");
    if let Some(header) = header {
        command.arg("--header").arg(header);
    }
    command.args(["--key-file", "-"]).arg(device).arg(DATA);
    let output = output(command, key)?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(WRONG_KEY) => Ok(false),
        _ => Err(said("cryptsetup open", &output)),
    }
}

/// Closes [`MAPPED`], if it is open.
///
/// # Errors
/// It is in use.
pub fn close() -> Result<(), String> {
    if !Path::new(MAPPED).exists() {
        return Ok(());
    }
    let mut command = cryptsetup("close");
    command.arg(DATA);
    run(command, b"").map(drop)
}

/// Makes an empty file system, as `xtask/src/disk.rs` does for the image.
///
/// # Errors
/// What mke2fs said.
pub fn make_file_system(device: &Path) -> Result<(), String> {
    let mut command = Command::new("/sbin/mke2fs");
    command.args(["-q", "-F"]).args(DATA_OPTIONS);
    command.arg(device);
    run(command, b"").map(drop)
}

fn length(device: &Path) -> Result<u64, String> {
    use std::io::Seek as _;
    let end = std::fs::File::open(device).and_then(|mut file| file.seek(std::io::SeekFrom::End(0)));
    end.map_err(|error| format!("cannot measure {}: {error}", device.display()))
}

fn cryptsetup(action: &str) -> Command {
    let mut command = Command::new("/sbin/cryptsetup");
    command.args(["--batch-mode", action]);
    command
}

fn run(command: Command, input: &[u8]) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let action = command.get_args().nth(1).unwrap_or_default();
    let what = format!("{name} {}", action.to_string_lossy());
    let output = output(command, input)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(said(&what, &output)),
    }
}

fn output(mut command: Command, input: &[u8]) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error| format!("cannot run {name}: {error}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Err: it ended without reading, and says why by its status.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(failed)
}

/// One line about what went wrong.
fn said(what: &str, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let status = output.status;
    format!("{what}: {} ({status})", last.unwrap_or("no reason given"))
}
