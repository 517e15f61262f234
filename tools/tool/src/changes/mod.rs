//! Many changes to the system that belong together, as the installation of a package makes them:
//! described as data by whoever found them out, made here, taken back by
//! [`crate::undo::ChangeSet`].
//!
//! 1. A [`Planned`] change says what is at a path afterwards. A list of them is a file of JSON lines,
//!    parents before what is in them.
//! 2. Making them ([`make`]) can be repeated after a crash: each change that was made is passed over.
//! 3. Nothing below the folders of [`OWN`] is ever changed by such a list.

pub mod layer;
mod make;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::budget::{Held, Share};
use crate::error::ToolError;
use crate::file::state::State;
use crate::undo::ChangeSet;

pub use make::make;
pub(crate) use make::{put, remove, sync};

/// Where aiOS itself is: what boots, who its daemons are, what they may do, what they keep.
pub const OWN: [&str; 6] = [
    "/usr/lib/aios",
    "/etc/aios",
    "/var/lib/aios",
    "/var/log/aios",
    "/run",
    "/data",
];

/// Where services keep what they write: when it was written since, undo sets it aside and goes on.
const WRITTEN_BY_SERVICES: [&str; 4] = ["/var/log", "/var/lib", "/var/cache", "/var/spool"];

/// Where dpkg and apt keep what is installed. It is changed last, and never passed over.
pub const DATABASE: &str = "/var/lib/dpkg";

/// What a change takes in memory beside its texts, in bytes.
const CHANGE: u64 = 300;
/// The longest change as text, in bytes: a name has at most 4 KiB and its attributes 64 KiB, each byte
/// as four of text.
const LINE_MAX: u64 = 1024 * 1024;

/// What is to be at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Where, absolute, in the written form of names.
    pub path: String,
    /// What is there afterwards.
    pub after: State,
    /// Where its content lies, for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PathBuf>,
}

/// Reads a list of changes, which has a share of the memory.
///
/// # Errors
/// When it cannot be read, is none, or names a path that no list may change; as [`Share::grow`].
pub fn read(plan: &Path) -> Result<Held<Vec<Planned>>, ToolError> {
    read_within(plan, &[])
}

/// The same for a tool that also changes what is in these folders of aiOS's own state.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_within(plan: &Path, own: &[PathBuf]) -> Result<Held<Vec<Planned>>, ToolError> {
    let fault = |error: std::io::Error| ToolError::io(format!("reading {}", plan.display()), error);
    let mut file = BufReader::new(std::fs::File::open(plan).map_err(fault)?);
    let (mut planned, mut share) = (Vec::new(), Share::default());
    let mut line = Vec::new();
    loop {
        line.clear();
        let bounded = &mut (&mut file).take(LINE_MAX);
        if bounded.read_until(b'\n', &mut line).map_err(fault)? == 0 {
            return Ok(Held::new(planned, share));
        }
        share.grow(CHANGE + line.len() as u64)?;
        let one: Planned = serde_json::from_slice(&line).map_err(|error| {
            ToolError::Failed(format!("{} is no list of changes: {error}", plan.display()))
        })?;
        may_be_changed_within(&one.path, own)?;
        planned.push(one);
    }
}

/// Makes the changes of a captured set. When a part cannot be made, all of it is taken back.
///
/// # Errors
/// `Precondition` when something was changed since it was captured: it would be lost; otherwise what could
/// not be made, and `Unverified` when a part of it is left.
pub fn made(set: &ChangeSet, planned: &[Planned], execution: &str) -> Result<(), ToolError> {
    set.is_as_captured()?;
    let Err(error) = make(planned, execution) else {
        return Ok(());
    };
    match set.give_up(execution) {
        Ok(()) => Err(error),
        Err(left) => Err(ToolError::Unverified(format!(
            "{error}; a part of it is left, because {left}"
        ))),
    }
}

/// May a list of changes change what is at this path?
///
/// # Errors
/// `Denied`, when it belongs to aiOS itself; `Invalid`, when it is no resolved path.
pub fn may_be_changed(path: &str) -> Result<(), ToolError> {
    may_be_changed_within(path, &[])
}

/// The same for a tool that also changes what is in these folders of aiOS's own state: not the folders
/// themselves.
///
/// # Errors
/// As [`may_be_changed`].
pub(crate) fn may_be_changed_within(path: &str, own: &[PathBuf]) -> Result<(), ToolError> {
    let plain = path.starts_with('/')
        && path.len() > 1
        && !path[1..]
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."));
    if !plain {
        return Err(ToolError::Invalid(format!("{path:?} is no resolved path")));
    }
    let is_in = |folder: &PathBuf| {
        let below = folder
            .to_str()
            .and_then(|folder| path.strip_prefix(folder)?.strip_prefix('/'));
        below.is_some_and(|name| !name.is_empty())
    };
    if own.iter().any(is_in) {
        return Ok(());
    }
    match OWN.iter().find(|own| is_within(path, own)) {
        None => Ok(()),
        Some(own) => Err(ToolError::Denied(format!(
            "{path} would be changed, and {own} is aiOS's own"
        ))),
    }
}

/// Is it the folder or below it?
pub fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// May it be set aside when it was written since?
pub(crate) fn is_written_by_services(path: &str) -> bool {
    !is_within(path, DATABASE)
        && WRITTEN_BY_SERVICES
            .iter()
            .any(|folder| is_within(path, folder) && path != *folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_changes_what_is_in_its_own_folder_and_no_other_of_aioss() {
        let own = [PathBuf::from("/var/lib/aios/schedules")];
        let check = |path: &str, allowed: bool| {
            assert_eq!(may_be_changed_within(path, &own).is_ok(), allowed, "{path}");
        };
        check("/var/lib/aios/schedules/a.toml", true);
        check("/var/lib/aios/schedules", false);
        check("/var/lib/aios/schedules/", false);
        check("/var/lib/aios/schedules/../tools/ledger.key", false);
        check("/var/lib/aios/schedules-of-others/a", false);
        check("/var/lib/aios/tools/ledger.key", false);
        check("/etc/motd", true);
    }

    #[test]
    fn what_is_aioss_own_is_changed_by_no_list() {
        let check = |path: &str, allowed: bool| {
            assert_eq!(may_be_changed(path).is_ok(), allowed, "{path}");
        };
        check("/etc/nginx/nginx.conf", true);
        check("/etc/passwd", true);
        check("/etc/aiosx", true);
        check("/etc/aios/services/x.toml", false);
        check("/usr/lib/aios", false);
        check("/usr/lib/aios/aios-init", false);
        check("/var/lib/aios/ledger/log", false);
        check("/run/x", false);
        check("/", false);
        check("etc", false);
        check("/etc/../usr/lib/aios", false);
        check("/etc//aios", false);
    }

    #[test]
    fn data_of_services_is_set_aside_and_the_package_database_is_not() {
        let check = |path: &str, aside: bool| {
            assert_eq!(is_written_by_services(path), aside, "{path}");
        };
        check("/var/log/nginx/access.log", true);
        check("/var/lib/postgresql/17/main/PG_VERSION", true);
        check("/var/lib", false);
        check("/var/lib/dpkg/status", false);
        check("/etc/nginx/nginx.conf", false);
        check("/var/www/html/index.html", false);
    }
}
