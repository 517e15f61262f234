//! From what a caller wrote to the one path that is checked and acted on.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::place::DEPTH_MAX;
use super::{name, quarantine};
use crate::context::Context;
use crate::error::ToolError;

/// The longest path, in bytes, its end not counted (PATH_MAX of Linux, limits.h).
const PATH_MAX: usize = 4095;
/// The longest name of a file, in bytes (NAME_MAX).
const NAME_MAX: usize = 255;
/// So many symbolic links are followed, as the kernel does (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// What no tool may change, whatever capabilities say: aiOS itself, its state and configuration
/// (which says who may do what), and the kernel's own trees.
pub const PROTECTED: [&str; 9] = [
    "/data",
    "/dev",
    "/etc/aios",
    "/proc",
    "/run/aios",
    "/run/provision",
    "/sys",
    "/usr/lib/aios",
    "/var/lib/aios",
];
/// What no tool may read either: keys and password files, and where else they can be reached: on
/// the data disk below the overlay, and in what the machine was provisioned from.
pub const SECRET: [&str; 13] = [
    "/data",
    "/etc/aios/pki",
    "/etc/dropbear",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/shadow",
    "/etc/shadow-",
    "/root/.ssh",
    "/run/provision",
    "/sys/firmware/qemu_fw_cfg",
    "/var/lib/aios/schedules",
    "/var/lib/aios/tools",
    "/var/lib/aios/undo",
];

/// What becomes of a symbolic link in the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// The path is what it points to.
    Follow,
    /// The path is the link itself.
    Keep,
}

/// The absolute path without `.`, `..`, doubled slashes or symbolic links, in its written form
/// ([`name`]); the part that does not exist is taken as it is written.
///
/// # Errors
/// `Invalid` for what cannot be a path, `Precondition` when a file stands where a directory must.
pub fn resolve(raw: &str, last: Last) -> Result<String, ToolError> {
    let asked = name::decode(raw);
    check(&asked)?;
    let mut rest: VecDeque<OsString> = parts(&asked).collect();
    let mut done = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        match name.as_bytes() {
            b"" | b"." => continue,
            b".." => {
                done.pop(); // of "/" it is "/"
                continue;
            }
            _ => done.push(&name),
        }
        let is_last = rest
            .iter()
            .all(|part| matches!(part.as_bytes(), b"" | b"."));
        if is_last && last == Last::Keep {
            continue;
        }
        if let Some(target) = link_target(&done)? {
            links += 1;
            if links > LINKS_MAX {
                return Err(ToolError::Precondition(format!(
                    "{}: too many symbolic links",
                    name::encode(&asked)
                )));
            }
            done.pop();
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            let parts: Vec<_> = parts(&target).collect();
            parts
                .into_iter()
                .rev()
                .for_each(|part| rest.push_front(part));
        }
    }
    check(&done)?;
    Ok(name::encode(&done))
}

/// Between its slashes: [`Path::components`] would drop the dots and doubled slashes that count.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    names.map(|name| OsStr::from_bytes(name).to_owned())
}

fn check(path: &Path) -> Result<(), ToolError> {
    let bytes = path.as_os_str().as_bytes();
    let fault = if !path.is_absolute() {
        "must be absolute, from / on"
    } else if bytes.contains(&0) {
        "has a NUL in it"
    } else if bytes.len() > PATH_MAX {
        "is longer than 4095 bytes"
    } else if parts(path).any(|name| name.len() > NAME_MAX) {
        "has a name longer than 255 bytes"
    } else {
        return Ok(());
    };
    let shown: String = name::encode(path).chars().take(80).collect();
    Err(ToolError::Invalid(format!("the path \"{shown}\" {fault}")))
}

/// Where the symbolic link at this path points to; `None` when there is none.
fn link_target(path: &Path) -> Result<Option<PathBuf>, ToolError> {
    use std::io::ErrorKind as Kind;
    match std::fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        // EINVAL: it is not a link. ENOTDIR is left to the act, which says it better.
        Err(error)
            if matches!(
                error.kind(),
                Kind::InvalidInput | Kind::NotFound | Kind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(ToolError::io(name::encode(path), error)),
    }
}

/// Refuses to make what would be so deep that no tool could delete it as a whole. `below`: so many
/// directories come below the path.
///
/// # Errors
/// `Precondition`.
pub fn is_not_too_deep(path: &Path, below: usize) -> Result<(), ToolError> {
    let above = path.components().count() - 1; // the root
    if above + below <= DEPTH_MAX {
        return Ok(());
    }
    Err(ToolError::Precondition(format!(
        "{} directories would be nested there, more than the {DEPTH_MAX} that tools make: what is \
         deeper no tool could delete as a whole",
        above + below
    )))
}

/// Refuses to change what is protected, what is in it, and what it is in.
///
/// # Errors
/// `Denied`, naming the protected folder.
pub fn changeable(path: &str, context: &Context) -> Result<(), ToolError> {
    let path = Path::new(path);
    is_not_in_quarantine(path)?;
    let state = context.state_dir();
    let protected = PROTECTED
        .iter()
        .chain(&SECRET)
        .map(Path::new)
        .chain([state])
        .find(|folder| path.starts_with(folder) || folder.starts_with(path));
    match protected {
        Some(folder) => Err(ToolError::Denied(format!(
            "{} cannot be changed by a tool: {} is protected",
            path.display(),
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses to read a whole tree that has keys or passwords in it.
///
/// # Errors
/// `Denied`, naming the folder.
pub fn holds_no_secret(path: &str, context: &Context) -> Result<(), ToolError> {
    let keys = context.state_dir().join("tools");
    let secret = SECRET
        .iter()
        .map(Path::new)
        .chain([keys.as_path()])
        .find(|folder| folder.starts_with(path) && folder.exists());
    match secret {
        Some(folder) => Err(ToolError::Denied(format!(
            "{path} cannot be copied by a tool: {} in it holds secrets",
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses to read where keys and passwords are.
///
/// # Errors
/// `Denied`, naming the folder.
pub fn readable(path: &str, context: &Context) -> Result<(), ToolError> {
    let path = Path::new(path);
    is_not_in_quarantine(path)?;
    let keys = context.state_dir().join("tools");
    let secret = SECRET
        .iter()
        .map(Path::new)
        .chain([keys.as_path()])
        .find(|folder| path.starts_with(folder));
    match secret {
        Some(folder) => Err(ToolError::Denied(format!(
            "{} cannot be read by a tool: {} holds secrets",
            path.display(),
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses what is deleted: only undo brings it back.
fn is_not_in_quarantine(path: &Path) -> Result<(), ToolError> {
    match path.iter().any(|name| name == quarantine::NAME) {
        true => Err(ToolError::Denied(format!(
            "{} is in the quarantine, which no tool reads or changes",
            path.display()
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_resolved_as_the_kernel_would() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("a/b", root.join("relative")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("round", root.join("round")).unwrap();
        symlink("../../..", root.join("a/b/up")).unwrap();
        let check = |raw: &str, last, expected: &str| {
            let raw = format!("{}{raw}", root.display());
            let expected = format!("{}{expected}", root.display());
            assert_eq!(resolve(&raw, last).unwrap(), expected, "{raw}");
        };
        check("/a//./b/", Last::Follow, "/a/b");
        check("/a/b/../c", Last::Follow, "/a/c");
        check("/relative/new", Last::Follow, "/a/b/new");
        check("/relative", Last::Follow, "/a/b");
        check("/relative", Last::Keep, "/relative");
        check("/relative/", Last::Keep, "/relative");
        check("/relative/..", Last::Follow, "/a"); // physical, not textual
        check("/absolute/b", Last::Keep, "/a/b");
        check("/none/../x", Last::Follow, "/x");
        assert_eq!(resolve("/../..//", Last::Follow).unwrap(), "/");
        let up = format!("{}/a/b/up", root.display());
        assert_eq!(
            Path::new(&resolve(&up, Last::Follow).unwrap()),
            root.parent().unwrap()
        );
        let round = format!("{}/round", root.display());
        assert!(matches!(
            resolve(&round, Last::Follow),
            Err(ToolError::Precondition(_))
        ));
    }

    #[test]
    fn the_ways_round_to_keys_are_closed() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::context::alone(folder.path());
        let check = |path: &str, expected| {
            let refused = (
                readable(path, &context).is_err(),
                changeable(path, &context).is_err(),
            );
            assert_eq!(refused, (expected, expected), "{path}");
        };
        check("/etc/aios/pki/node.key", true);
        check("/data/overlay/upper/etc/aios/pki/node.key", true);
        check("/run/provision/node.toml", true);
        check("/sys/firmware/qemu_fw_cfg/by_name/opt/raw", true);
        check("/database", false);
        check("/srv/data", false);
    }

    #[test]
    fn what_cannot_be_a_path_is_refused() {
        let check = |raw: &str| {
            assert!(
                matches!(resolve(raw, Last::Follow), Err(ToolError::Invalid(_))),
                "{raw:?}"
            );
        };
        check("");
        check("relative/path");
        check("~/x");
        check("/srv/a\0b");
        check(&format!("/{}", "n".repeat(256)));
        check(&"/nnn".repeat(1025));
    }
}
