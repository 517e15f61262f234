//! The boot counter and safe mode.
//!
//! Each boot raises a counter on the data partition before it starts anything.
//! READY held for ten seconds clears it, and so does an orderly shutdown. After
//! three boots in a row that came to neither, the next is in **safe mode**: no
//! agents and no models, the management API and SSH are up. It belongs to one root
//! (its verity hash), so that another slot begins with a clean sheet.
//!
//! READY in safe mode clears nothing, or a machine would fall back into what fails
//! by itself; an orderly reboot does, which is the way out.

use std::io;
use std::path::Path;

use aios_files::durable;

/// Where the counter is kept.
const PATH: &str = "/var/lib/aios/boots";
/// So many failed boots in a row, and the next one is in safe mode.
const FAILED_MAX: u32 = 3;
/// READY for so long is a good boot, in milliseconds.
pub const HELD_MS: u64 = 10_000;

/// The services that safe mode goes without.
pub fn is_left_out(service: &str) -> bool {
    service == "runtime" || service.starts_with("agent-")
}

/// Counts this boot. Returns why it is to be in safe mode, if it is, and whether
/// counting failed.
pub fn count(command_line: &str) -> (Option<String>, io::Result<()>) {
    count_in(Path::new(PATH), command_line)
}

fn count_in(path: &Path, command_line: &str) -> (Option<String>, io::Result<()>) {
    let key = key(command_line);
    let failed = failed(&std::fs::read_to_string(path).unwrap_or_default(), &key);
    let counted = durable::replace(path, text(&key, failed.saturating_add(1)).as_bytes());
    (reason(command_line, failed), counted)
}

/// This boot was good.
///
/// # Errors
/// When the disk does not take it.
pub fn clear() -> io::Result<()> {
    match std::fs::remove_file(PATH) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Not synchronised: if a power cut brings it back, one boot is counted too many.
        _ => Ok(()),
    }
}

fn reason(command_line: &str, failed: u32) -> Option<String> {
    let asked = command_line
        .split_whitespace()
        .any(|word| word == "aios.safe=1");
    match (asked, failed) {
        (true, _) => Some("asked for by aios.safe=1 on the kernel's command line".to_owned()),
        (_, FAILED_MAX..) => Some(format!(
            "{failed} boots in a row did not stay READY for {} s",
            HELD_MS / 1000
        )),
        _ => None,
    }
}

/// What this root is: the root hash of dm-verity, else the slot, else nothing.
fn key(command_line: &str) -> String {
    let hash = command_line
        .split(|c: char| c.is_whitespace() || c == '"')
        .skip_while(|word| *word != "sha256")
        .nth(1);
    let slot = command_line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("aios.slot="));
    hash.or(slot).unwrap_or("-").to_owned()
}

fn text(key: &str, boots: u32) -> String {
    format!("{boots} {key}\n")
}

fn failed(text: &str, key: &str) -> u32 {
    match text.trim().split_once(' ') {
        Some((boots, counted)) if counted == key => boots.parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "quiet \"dm-mod.create=vroot,,,ro,0 8 verity 1 /dev/vda /dev/vda 4096 4096 \
                        1 1 sha256 abcd ef01\" aios.slot=a";

    #[test]
    fn the_fourth_boot_after_three_failed_ones_is_safe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boots");
        for boot in 1..=5 {
            let (safe, counted) = count_in(&path, LINE);
            counted.unwrap();
            assert_eq!(safe.is_some(), boot > 3, "boot {boot}: {safe:?}");
        }
        let other = LINE.replace("abcd", "9999");
        assert_eq!(count_in(&path, &other).0, None, "another root");
        assert_eq!(count_in(&path, LINE).0, None, "the first root again");
    }

    #[test]
    fn safe_mode_can_be_asked_for_and_says_so() {
        let check = |line: &str, failed, expected| {
            assert_eq!(reason(line, failed).is_some(), expected, "{line} {failed}");
        };
        check("quiet aios.safe=1", 0, true);
        check("quiet aios.safe=0", 2, false);
        check("quiet aios.safe=10", 0, false);
        check("quiet", 3, true);
    }

    #[test]
    fn a_root_is_known_by_its_hash() {
        assert_eq!(key(LINE), "abcd");
        assert_eq!(key("quiet aios.slot=b"), "b");
        assert_eq!(key("quiet"), "-");
    }

    #[test]
    fn a_counter_that_makes_no_sense_counts_nothing() {
        for text in ["", "x abcd", "3", "-1 abcd", "3 other"] {
            assert_eq!(failed(text, "abcd"), 0, "{text:?}");
        }
        assert_eq!(failed("2 abcd\n", "abcd"), 2);
    }

    #[test]
    fn safe_mode_keeps_what_manages_the_node() {
        for name in ["runtime", "agent-system"] {
            assert!(is_left_out(name), "{name}");
        }
        for name in [
            "control",
            "logger",
            "orchestrator",
            "network",
            "ssh",
            "tools",
        ] {
            assert!(!is_left_out(name), "{name}");
        }
    }
}
