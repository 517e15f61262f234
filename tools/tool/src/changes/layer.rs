//! What was written over a folder, as a list of planned changes: the upper layer of an overlay, read.
//! (Documentation/filesystems/overlayfs.rst: a removed file is a character device 0:0, a folder that
//! replaces another one is opaque.)

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::{Planned, may_be_changed};
use crate::error::ToolError;
use crate::file::meta::Meta;
use crate::file::name;
use crate::file::state::State;

/// The attributes by which the overlay notes what it needs to know.
const NOTES: &str = "user.overlay.";
/// The one of a folder that replaces what is below it.
const OPAQUE: &str = "user.overlay.opaque";

/// Folders that are nested deeper than this are refused.
const DEPTH_MAX: usize = 128;

/// The upper layer of an overlay.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// What was written.
    pub upper: &'a Path,
    /// What it was written over.
    pub lower: &'a Path,
    /// Where the changes are to be made: what is at `upper/x` is planned for `at/x`.
    pub at: &'a Path,
    /// Which planned paths are left out.
    pub passing: fn(&str) -> bool,
}

impl Layer<'_> {
    /// All that differs from the lower layer, parents before what is in them.
    ///
    /// # Errors
    /// `Denied` for a change of aiOS itself; `Precondition` for what no list of changes may bring (a
    /// device, a tree that is too deep); otherwise when something cannot be read.
    pub fn changes(self) -> Result<Vec<Planned>, ToolError> {
        let mut found = Found {
            layer: self,
            planned: BTreeMap::new(),
        };
        found.folder(Path::new("/"), 0)?;
        Ok(found.planned.into_values().collect())
    }
}

struct Found<'a> {
    layer: Layer<'a>,
    /// By path in the layer: a parent's is the beginning of its child's.
    planned: BTreeMap<PathBuf, Planned>,
}

impl Found<'_> {
    /// What is in a folder of the upper layer.
    fn folder(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        if depth > DEPTH_MAX {
            let why = format!("{} is nested too deep", name::encode(path));
            return Err(ToolError::Precondition(why));
        }
        for name in names(&below(self.layer.upper, path)).map_err(fault(path))? {
            self.thing(&path.join(name), depth)?;
        }
        Ok(())
    }

    fn thing(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let shown = name::encode(below(self.layer.at, path));
        if (self.layer.passing)(&shown) {
            return Ok(());
        }
        let source = below(self.layer.upper, path);
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

    /// Something that is not there any more, with all that is in it.
    fn removed(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let there = below(self.layer.lower, path);
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

    /// What an opaque folder hides: whatever of the lower layer is not in the upper layer.
    fn hidden(&mut self, path: &Path, depth: usize) -> Result<(), ToolError> {
        let there = below(self.layer.lower, path);
        if !there.symlink_metadata().is_ok_and(|data| data.is_dir()) {
            return Ok(());
        }
        for name in names(&there).map_err(fault(path))? {
            let child = path.join(name);
            if below(self.layer.upper, &child).symlink_metadata().is_err() {
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
        let shown = name::encode(below(self.layer.at, path));
        let before = State::at(&name::encode(below(self.layer.lower, path)))?;
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
pub fn below(root: &Path, path: &Path) -> PathBuf {
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
