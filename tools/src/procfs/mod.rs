//! What the kernel tells under `/proc`: bounded reads, and pure parsers of its texts.
//!
//! Names in these texts are chosen by whoever started a process; parsers take
//! spaces, parentheses and line feeds in them for what they are, and what leaves
//! this module has no control characters.

pub mod machine;
pub mod mounts;
pub mod process;
pub mod sockets;

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use aios_tool::context::Context;
use aios_tool::error::ToolError;

/// No file read here is longer in health; what is, is cut.
const TEXT_MAX: u64 = 4 * 1024 * 1024;

/// A kernel file as text.
///
/// # Errors
/// When it is not there (a container may hide it) or may not be read.
pub fn read(path: &str) -> Result<String, ToolError> {
    read_bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A kernel file as it is.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(path: &str) -> Result<Vec<u8>, ToolError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TEXT_MAX).read_to_end(&mut bytes))
        .map_err(|error| ToolError::io(format_args!("cannot read {path}"), error))?;
    Ok(bytes)
}

/// A one line kernel file, when it is there and says something.
pub fn line(path: &str) -> Option<String> {
    let text = read(path).ok()?;
    let text = printable(text.trim_matches(['\n', '\0', ' ']));
    (!text.is_empty()).then_some(text)
}

/// A number in a one line kernel file, when it is there and is one.
pub fn number<T: std::str::FromStr>(path: &str) -> Option<T> {
    line(path)?.parse().ok()
}

/// The names in a kernel folder, sorted; none when it is not there.
pub fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

/// The name of what a link in a kernel folder points to: a device's driver.
pub fn linked(path: &str) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    Some(printable(&target.file_name()?.to_string_lossy()))
}

pub use aios_tool::format::printable;

/// Lets time pass between two samples of a counter.
///
/// # Errors
/// When the call's deadline comes first.
pub fn pause(context: &Context, time: Duration) -> Result<(), ToolError> {
    context.block_on(async {
        tokio::time::sleep(time).await;
        Ok::<(), ToolError>(())
    })
}

/// A share in percent with one decimal; of nothing, zero.
pub fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => (part as f64 / whole as f64 * 1000.0).round() / 10.0,
    }
}

/// How long, as operators say it: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_shares_read_well() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        check(59, "59 s");
        check(60, "1 min");
        check(3_900, "1 h 5 min");
        check(90_000, "1 d 1 h");
        assert_eq!(percent(1, 3).to_string(), "33.3");
        assert_eq!(percent(1, 0).to_string(), "0");
    }

    #[test]
    fn what_is_hidden_gives_a_clear_error() {
        let text = read("/proc/no-such-file").unwrap_err().to_string();
        assert_eq!(text, "cannot read /proc/no-such-file: it does not exist");
    }

    #[test]
    fn control_characters_do_not_leave() {
        assert_eq!(printable("a\nb\x1b[31m"), "a\u{fffd}b\u{fffd}[31m");
    }
}
