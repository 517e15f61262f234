//! What was written in a shadow, as a list of planned changes: the upper layer of its overlay, read.
//! (Documentation/filesystems/overlayfs.rst: a removed file is a character device 0:0, a folder that
//! replaces another one is opaque.)

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use aios_tool::changes::{Planned, is_within, may_be_changed};
use aios_tool::error::ToolError;
use aios_tool::file::meta::Meta;
use aios_tool::file::name;
use aios_tool::file::state::State;

/// What is mounted over, or is only of the moment: it is not part of what a package changes.
const PASSING: [&str; 16] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/cache/apt",
    "/var/cache/debconf/tmp.ci",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/apt/lists",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/log/alternatives.log",
    "/var/log/apt",
    "/var/log/dpkg.log",
    "/var/tmp",
];

/// Former versions of a database, which its programs keep beside it.
const FORMER: [(&str, &str); 3] = [
    ("/etc/", "-"),
    ("/var/cache/debconf/", "-old"),
    ("/var/lib/dpkg/", "-old"),
];

/// The attributes by which the overlay notes what it needs to know.
const NOTES: &str = "user.overlay.";
/// The one of a folder that replaces what is below it.
const OPAQUE: &str = "user.overlay.opaque";

/// Folders that are nested deeper than this are no package's.
const DEPTH_MAX: usize = 128;

/// What the changes need on the disk, in bytes; below 0: what they give back.
pub fn bytes(root: &Path, planned: &[Planned]) -> i64 {
    let change = |one: &Planned| {
        let after = match one.after {
            State::File { size, .. } => i64::try_from(size).unwrap_or(i64::MAX),
            _ => 0,
        };
        let before = below(root, &name::decode(&one.path))
            .symlink_metadata()
            .ok()
            .filter(Metadata::is_file);
        let before = before.map_or(0, |data| i64::try_from(data.len()).unwrap_or(i64::MAX));
        after.saturating_sub(before)
    };
    planned.iter().map(change).fold(0, i64::saturating_add)
}

/// All that differs in the shadow from the root, parents before what is in them.
///
/// # Errors
/// `Precondition` for what no package may bring (a device, a change of aiOS itself); otherwise when
/// something cannot be read.
pub fn changes(upper: &Path, root: &Path) -> Result<Vec<Planned>, ToolError> {
    let mut found = Found {
        upper,
        root,
        planned: BTreeMap::new(),
    };
    found.folder(Path::new("/"), 0)?;
    Ok(found.planned.into_values().collect())
}

struct Found<'a> {
    upper: &'a Path,
    root: &'a Path,
    /// By path: a parent's is the beginning of its child's.
    planned: BTreeMap<PathBuf, Planned>,
}

impl Found<'_> {
    /// What is in a folder of the upper layer.
    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        if depth > DEPTH_MAX {
            let why = format!("{} is nested too deep", name::encode(path));
            return Err(ToolError::Precondition(why));
        }
        for name in names(&below(self.upper, path)).map_err(fault(path))? {
            self.thing(&path.join(name), depth)?;
        }
        Ok(())
    }

    fn thing(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let shown = name::encode(path);
        if is_passing(&shown) {
            return Ok(());
        }
        let source = below(self.upper, path);
        let data = source.symlink_metadata().map_err(fault(path))?;
        if is_whiteout(&data) {
            return self.removed(path, depth);
        }
        let mut after = State::at(&name::encode(&source))?;
        let notes = forget_notes(&mut after);
        if matches!(after, State::Folder { .. }) {
            if notes {
                self.hidden(path, depth)?;
            }
            self.plan(path, after, None)?;
            return self.folder(path, depth + 1);
        }
        let content = data.is_file().then_some(source);
        self.plan(path, after, content)
    }

    /// Something of the root that is not in the shadow any more, with all that is in it.
    fn removed(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let there = below(self.root, path);
        let Ok(data) = there.symlink_metadata() else {
            return Ok(()); // made and removed in the shadow
        };
        if depth > DEPTH_MAX {
            let why = format!("{} is nested too deep", name::encode(path));
            return Err(ToolError::Precondition(why));
        }
        self.plan(path, State::Absent, None)?;
        if data.is_dir() {
            for name in names(&there).map_err(fault(path))? {
                self.removed(&path.join(name), depth + 1)?;
            }
        }
        Ok(())
    }

    /// What an opaque folder hides: whatever of the root is not in the upper layer.
    fn hidden(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let there = below(self.root, path);
        if !there.symlink_metadata().is_ok_and(|data| data.is_dir()) {
            return Ok(());
        }
        for name in names(&there).map_err(fault(path))? {
            let child = path.join(name);
            if below(self.upper, &child).symlink_metadata().is_err() {
                self.removed(&child, depth + 1)?;
            }
        }
        Ok(())
    }

    fn plan(
        &mut self,
        path: &Path,
        after: State,
        content: Option<PathBuf>,
    ) -> Result<(), ToolError> {
        let shown = name::encode(path);
        let before = State::at(&name::encode(below(self.root, path)))?;
        if before.is_as(&after) {
            return Ok(());
        }
        may_be_changed(&shown)?;
        let one = Planned {
            path: shown,
            after,
            content,
        };
        self.planned.insert(path.to_owned(), one);
        Ok(())
    }
}

fn fault(path: &Path) -> impl Fn(io::Error) -> ToolError + '_ {
    move |error| ToolError::io(name::encode(path), error)
}

/// The same path below another root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn is_whiteout(data: &Metadata) -> bool {
    data.file_type().is_char_device() && data.rdev() == 0
}

/// Takes the overlay's own notes away. The answer: it is an opaque folder.
fn forget_notes(state: &mut State) -> bool {
    let meta: &mut Meta = match state {
        State::Absent => return false,
        State::Folder { meta } | State::File { meta, .. } | State::Link { meta, .. } => meta,
    };
    let opaque = meta.attributes.contains_key(OPAQUE);
    meta.attributes.retain(|name, _| !name.starts_with(NOTES));
    opaque
}

fn is_passing(path: &str) -> bool {
    PASSING.iter().any(|folder| is_within(path, folder)) || is_former(path)
}

/// `passwd-`, `status-old`, `templates.dat-old`: directly in their folder.
fn is_former(path: &str) -> bool {
    FORMER.iter().any(|(folder, ending)| {
        path.strip_prefix(folder)
            .is_some_and(|name| !name.contains('/') && name.ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_of_the_moment_is_left_out() {
        let check = |path: &str, left: bool| assert_eq!(is_passing(path), left, "{path}");
        check("/var/log/apt/term.log", true);
        check("/var/log/apt", true);
        check("/var/log/aptitude", false);
        check("/etc/passwd-", true);
        check("/etc/nginx/x-", false);
        check("/var/lib/dpkg/status-old", true);
        check("/var/lib/dpkg/status", false);
        check("/var/lib/dpkg/info/a-old", false);
        check("/run/nginx.pid", true);
        check("/var/log/nginx/error.log", false);
    }

    #[test]
    fn an_upper_layer_is_read_as_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, root) = (folder.path().join("upper"), folder.path().join("root"));
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("root/etc/same", "1");
        put("root/etc/changed", "1");
        put("upper/etc/same", "1");
        put("upper/etc/changed", "2");
        put("upper/usr/bin/new", "3");
        put("upper/var/log/dpkg.log", "4");
        let planned = changes(&upper, &root).unwrap();
        let paths: Vec<&str> = planned.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/etc/changed",
                "/usr",
                "/usr/bin",
                "/usr/bin/new",
                "/var",
                "/var/log"
            ]
        );
        assert_eq!(
            planned[0].content.as_deref(),
            Some(&*upper.join("etc/changed"))
        );
        assert_eq!(bytes(&root, &planned), 1);
    }

    #[test]
    fn a_change_of_aios_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let upper = folder.path().join("upper");
        std::fs::create_dir_all(upper.join("etc/aios/services")).unwrap();
        std::fs::write(upper.join("etc/aios/services/x.toml"), "user = \"root\"").unwrap();
        let refused = changes(&upper, &folder.path().join("root")).unwrap_err();
        assert!(matches!(refused, ToolError::Denied(_)), "{refused}");
    }
}
