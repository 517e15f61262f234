//! nft(8), run with a vector of arguments and a text for its standard input.

use std::io::{self, Read, Write as _};
use std::process::{Command, Stdio};
use std::thread;

/// The executable.
const NFT: &str = "/usr/sbin/nft";

/// The longest listing that is read, in bytes.
const LISTING_MAX: u64 = 1024 * 1024;

/// How much of what nft says about its failure is kept, in bytes.
const SAID_MAX: u64 = 16 * 1024;

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
    run_program(NFT, arguments, text)
}

/// Runs a program. What it reads and what it says on both ways go on beside each other: it waits for
/// nobody, however much that is.
fn run_program(program: &str, arguments: &[&str], text: &str) -> Result<String, Failed> {
    let mut nft = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (input, output, errors) = (nft.stdin.take(), nft.stdout.take(), nft.stderr.take());
    let (written, listing, said) = thread::scope(|scope| {
        let written = scope.spawn(move || match input {
            Some(mut input) => input.write_all(text.as_bytes()),
            None => Ok(()),
        });
        let said = scope.spawn(move || beginning(errors, SAID_MAX));
        let listing = beginning(output, LISTING_MAX);
        (joined(written), listing, joined(said))
    });
    let status = nft.wait()?;
    if !status.success() {
        let (said, _) = said?;
        return Err(Failed::Refused(said.trim().to_owned()));
    }
    written?;
    match listing? {
        (listing, true) => Ok(listing),
        (_, false) => Err(Failed::Refused(format!(
            "its listing has more than {LISTING_MAX} bytes"
        ))),
    }
}

/// The beginning of what is said, and whether that is all; the rest is read and dropped.
fn beginning(from: Option<impl Read>, most: u64) -> io::Result<(String, bool)> {
    let Some(mut from) = from else {
        return Ok((String::new(), true));
    };
    let mut text = Vec::new();
    (&mut from).take(most).read_to_end(&mut text)?;
    let left = io::copy(&mut from, &mut io::sink())?;
    Ok((String::from_utf8_lossy(&text).into_owned(), left == 0))
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(io::Error::other("a thread that talks to nft crashed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_much_on_both_ways_ends() {
        let shell = |script: &str, text: &str| run_program("/bin/sh", &["-c", script], text);
        // More than any pipe holds, before it reads anything.
        let many = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789012345 \
                    >&2; i=$((i+1)); done";
        let text = "x".repeat(300_000);
        let told = shell(&format!("{many}; /usr/bin/wc -c"), &text).unwrap();
        assert_eq!(told.trim(), "300000");
        match shell(&format!("{many}; exit 1"), &text) {
            Err(Failed::Refused(said)) => {
                assert!(said.starts_with("0123") && said.len() as u64 <= SAID_MAX);
            }
            other => panic!("{other:?}"),
        }
        let endless = format!("/usr/bin/head -c {} /dev/zero", LISTING_MAX + 1);
        assert!(matches!(shell(&endless, ""), Err(Failed::Refused(_))));
        assert_eq!(shell("echo yes", "").unwrap(), "yes\n");
    }
}
