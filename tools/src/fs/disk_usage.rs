//! `fs.disk_usage`: what takes space below a path, and how full its file system is.

use std::time::Duration;

use aios_tool::argument::ReadPath;
use aios_tool::file::place::Place;
use aios_tool::file::{READING, extent, quarantine};
use aios_tool::prelude::*;

/// So long it is counted what is below the path: the operator waits.
const COUNT_LIMIT: Duration = Duration::from_secs(3);
/// So many of the largest entries are given.
const LARGEST: usize = 10;

/// The tool `fs.disk_usage`.
pub struct Act;

arguments! {
    /// Arguments of `fs.disk_usage`.
    pub struct Input {
        /// Absolute path; absent: `/`.
        pub path: Option<ReadPath>,
    }
}

/// An entry and what is allocated for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its path.
    pub path: String,
    /// Bytes on the disk, with everything below it.
    pub bytes: u64,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Size of its file system in bytes.
    pub total: u64,
    /// Bytes used in its file system.
    pub used: u64,
    /// Bytes free for use.
    pub free: u64,
    /// Percent used, as df(1) shows it.
    pub percent: u32,
    /// Bytes on the disk below the path, its own file system only.
    pub below: u64,
    /// Those of them that are deleted files, kept for undo.
    #[serde(default)]
    pub deleted: u64,
    /// The largest directly below it, without what holds secrets.
    pub largest: Vec<Item>,
    /// Not everything could be counted in the time.
    pub partial: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.disk_usage",
            "Shows how full the file system of a path is and what takes the space below it.",
        )
        .example(json!({"path": "/var"}))
        .timeout_ms(30_000)
        .kernel(READING)
    }

    fn complete(input: &mut Input) {
        input.path.get_or_insert_with(|| ReadPath::of("/"));
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let mut text = format!(
            "{} is {} % full: {} of {} used, {} free",
            output.path,
            output.percent,
            format::bytes(output.used),
            format::bytes(output.total),
            format::bytes(output.free)
        );
        let largest: Vec<_> = output
            .largest
            .iter()
            .take(5)
            .map(|item| format!("{} {}", item.path, format::bytes(item.bytes)))
            .collect();
        if !largest.is_empty() {
            text.push_str(&format!("; largest: {}", largest.join(", ")));
        }
        if output.deleted > 0 {
            let deleted = format::bytes(output.deleted);
            text.push_str(&format!(
                "; {deleted} of it are deleted files, kept for undo"
            ));
        }
        if output.partial {
            text.push_str(" (not all could be counted)");
        }
        text
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let path = argument::defaulted(&input.path)?;
        let place = path.place()?;
        let device = place.existing()?.st_dev;
        let held = place.hold()?;
        let system = rustix::fs::fstatvfs(&held).map_err(|error| place.error(error))?;
        let mut counter = extent::Counter::new(device, COUNT_LIMIT);
        let mut largest = Vec::new();
        let mut below = counter.own(&place);
        for child in place.children().unwrap_or_default() {
            let bytes = counter.below(&child);
            below += bytes;
            if bytes > 0 && !child.is_secret(context) {
                let path = child.shown();
                largest.push(Item { path, bytes });
            }
        }
        let (hidden, in_state) = quarantine::below(&place, context)?;
        let mut in_folder = |folder: Option<Place>| {
            // Without the folder itself, which is there when nothing was deleted, too.
            folder.map_or(0, |folder| {
                counter.below(&folder).saturating_sub(counter.own(&folder))
            })
        };
        let (hidden, in_state) = (in_folder(hidden), in_folder(in_state));
        below += hidden; // what is in the state is counted already
        largest.sort_by_key(|item| std::cmp::Reverse(item.bytes));
        largest.truncate(LARGEST);
        let used = (system.f_blocks - system.f_bfree) * system.f_frsize;
        let free = system.f_bavail * system.f_frsize;
        Ok(Output {
            path: path.to_string(),
            total: system.f_blocks * system.f_frsize,
            used,
            free,
            percent: percent(used, free),
            below,
            deleted: hidden + in_state,
            largest,
            partial: counter.partial(),
        })
    }
}

/// Percent of what ordinary users can use, rounded up, as df(1) does.
fn percent(used: u64, free: u64) -> u32 {
    match u128::from(used) + u128::from(free) {
        0 => 0,
        usable => (u128::from(used) * 100).div_ceil(usable) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_as_df_rounds() {
        let check = |used, free, expected| assert_eq!(percent(used, free), expected);
        check(0, 0, 0);
        check(0, 10, 0);
        check(1, 999, 1);
        check(41, 59, 41);
        check(u64::MAX, 0, 100);
    }
}
