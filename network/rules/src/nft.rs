//! nft(8), run with a vector of arguments and a text for its standard input.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};

/// The executable.
const NFT: &str = "/usr/sbin/nft";

/// The longest listing that is read, in bytes.
const LISTING_MAX: u64 = 1024 * 1024;

/// Why nft did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It cannot be run or talked to.
    #[error("cannot run {NFT}: {0}")]
    Run(#[from] io::Error),
    /// It refused, for this reason.
    #[error("nft refused: {0}")]
    Refused(String),
}

/// Loads a text: all of it or nothing.
///
/// # Errors
/// When nft cannot be run, or refuses; what stood before still stands.
pub fn load(text: &str) -> Result<(), Failed> {
    run(&["--file", "-"], text).map(drop)
}

/// Has nft and the kernel check a text; nothing is loaded.
///
/// # Errors
/// When nft cannot be run, or refuses.
pub fn check(text: &str) -> Result<(), Failed> {
    run(&["--check", "--file", "-"], text).map(drop)
}

/// What the kernel has, by these words of nft's: `["list", "table", "inet", "aios"]`. Protocols in sets and
/// in `meta l4proto` stand there as numbers.
///
/// # Errors
/// When nft cannot be run, or there is no such thing.
pub fn list(words: &[&str]) -> Result<String, Failed> {
    run(&[&["--numeric-protocol"], words].concat(), "")
}

fn run(arguments: &[&str], text: &str) -> Result<String, Failed> {
    let mut nft = Command::new(NFT)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = nft.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    let mut listing = String::new();
    if let Some(output) = nft.stdout.take() {
        output.take(LISTING_MAX).read_to_string(&mut listing)?;
    }
    let output = nft.wait_with_output()?;
    match output.status.success() {
        true => Ok(listing),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Failed::Refused(said.trim().to_owned()))
        }
    }
}
