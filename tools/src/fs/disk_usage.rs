//! `fs.disk_usage`: what takes space below a path, and how full its file system is.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{self, Last};
use super::place::Place;
use super::{READING, extent};
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::Spec;
use crate::tool::Tool;

/// So long it is counted what is below the path: the operator waits.
const COUNT_LIMIT: Duration = Duration::from_secs(3);
/// So many of the largest entries are given.
const LARGEST: usize = 10;

/// See the module.
pub struct Act;

/// Arguments of `fs.disk_usage`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path; absent: `/`.
    pub path: Option<String>,
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
    /// The largest directly below it.
    pub largest: Vec<Item>,
    /// Not everything could be counted in the time.
    pub partial: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        kernel: READING,
        timeout_ms: 30_000,
        ..Spec::reading(
            "fs.disk_usage",
            "Shows how full the file system of a path is and what takes the space below it.",
            &["fs:read:{path}"],
        )
    };

    fn resolve(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let raw = input.path.as_deref().unwrap_or("/");
        input.path = Some(path::resolve(raw, Last::Follow)?);
        Ok(())
    }

    fn act(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let path = input.path.clone().unwrap_or_else(|| "/".to_owned());
        let place = Place::open(&path)?;
        let device = place.existing()?.st_dev;
        let held = place.hold()?;
        let system = rustix::fs::fstatvfs(&held).map_err(|error| place.error(error))?;
        let mut counter = extent::Counter::new(device, COUNT_LIMIT);
        let mut largest = Vec::new();
        let mut below = counter.own(&place);
        for child in place.children().unwrap_or_default() {
            let bytes = counter.below(&child);
            below += bytes;
            largest.push(Item {
                path: child.path.display().to_string(),
                bytes,
            });
        }
        largest.retain(|item| item.bytes > 0);
        largest.sort_by_key(|item| std::cmp::Reverse(item.bytes));
        largest.truncate(LARGEST);
        let used = (system.f_blocks - system.f_bfree) * system.f_frsize;
        let free = system.f_bavail * system.f_frsize;
        Ok(Output {
            path,
            total: system.f_blocks * system.f_frsize,
            used,
            free,
            percent: percent(used, free),
            below,
            largest,
            partial: counter.partial(),
        })
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
        if output.partial {
            text.push_str(" (not all could be counted)");
        }
        text
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
