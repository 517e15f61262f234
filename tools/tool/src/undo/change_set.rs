//! Taking back the many changes of one act together.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Inverse, Sealed, Undoing, kept};
use crate::argument::FILES;
use crate::budget::{Held, Share};
use crate::changes::{self, Planned};
use crate::context::Context;
use crate::demand::lock;
use crate::error::ToolError;
use crate::file::name;
use crate::file::place::Place;
use crate::file::state::State;
use crate::file::tree::relocate;

/// How many conflicts a refusal names.
const NAMED: usize = 5;

/// The captured change set of an act that changes many files, as the installation of a package does.
/// What it changes is kept in a file of the undo folder, because an outcome has to stay small.
///
/// It judges by itself what was changed since, thing by thing: what a service wrote into its own data
/// is set aside and told, everything else is a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// The file that holds the changes, as JSON lines.
    pub kept: PathBuf,
    /// How many things are changed.
    pub changes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Where undo puts what services wrote since.
    pub aside: PathBuf,
}

/// One change: how the thing was, and how it is planned to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub path: String,
    /// What was there.
    pub before: State,
    /// Where its content is kept, if it was a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<PathBuf>,
    /// What is there afterwards.
    pub after: State,
}

/// The name of the file that holds the change set of the step of this number.
pub(super) fn file_name(step: usize) -> String {
    format!("{step}.changes")
}

/// Where undo puts what services wrote since the execution: where reclaiming room finds it.
pub(super) fn aside(context: &Context) -> PathBuf {
    let quarantine = context.state_dir().join("quarantine");
    quarantine.join(context.execution())
}

/// What the thing of an entry is now.
enum Now {
    /// As before the act: nothing is to be done.
    Before,
    /// As the act left it.
    After(State),
    /// Neither, but its service may have written it: it is set aside.
    Written,
    /// Neither.
    Changed(State),
}

impl ChangeSet {
    /// Keeps the entries in a file, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(
        entries: &[Entry],
        kept: PathBuf,
        aside: PathBuf,
    ) -> Result<Self, ToolError> {
        let written = || -> std::io::Result<String> {
            let folder = kept.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder)?;
            let mut file = BufWriter::new(File::create(&kept)?);
            for entry in entries {
                serde_json::to_writer(&mut file, entry)?;
                file.write_all(b"\n")?;
            }
            file.into_inner()?.sync_all()?;
            // The contents, too, which are kept beside it.
            rustix::fs::syncfs(File::open(folder)?)?;
            kept::digest(&mut File::open(&kept)?)
        };
        let sha256 = written()
            .map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        Ok(Self {
            changes: entries.len() as u64,
            kept,
            sha256,
            aside,
        })
    }

    /// The change set that this execution captured: for the act itself.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(context: &Context) -> Result<Self, ToolError> {
        let folder = context.state_dir().join("undo").join(context.execution());
        // A call may have been captured before it.
        let files = [0, 1].map(|step| folder.join(file_name(step)));
        let kept = files
            .iter()
            .find(|file| file.exists())
            .unwrap_or(&files[0])
            .clone();
        let digest = File::open(&kept).and_then(|mut file| kept::digest(&mut file));
        let sha256 =
            digest.map_err(|error| ToolError::io(format!("reading {}", kept.display()), error))?;
        let set = Self {
            aside: aside(context),
            changes: 0,
            kept,
            sha256,
        };
        let mut changes = 0;
        set.each(|_| {
            changes += 1;
            Ok(true)
        })?;
        Ok(Self { changes, ..set })
    }

    /// All entries, parents before what is in them; they have a share of the memory.
    ///
    /// # Errors
    /// When they cannot be read as they were kept; as [`Share::grow`].
    pub fn entries(&self) -> Result<Held<Vec<Entry>>, ToolError> {
        let (mut entries, mut share) = (Vec::new(), Share::default());
        self.each(|entry| {
            share.grow(bytes_of(&entry))?;
            entries.push(entry);
            Ok(true)
        })?;
        Ok(Held::new(entries, share))
    }

    /// Goes through the entries, parents before what is in them, until `see` says no.
    fn each(&self, mut see: impl FnMut(Entry) -> Result<bool, ToolError>) -> Result<(), ToolError> {
        let fault = |why: String| ToolError::Failed(format!("{}: {why}", self.kept.display()));
        let file = kept::open(&self.kept, &self.sha256)?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| fault(error.to_string()))?;
            let entry = serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
            if !see(entry)? {
                break;
            }
        }
        Ok(())
    }

    /// Is every thing still as it was captured, or as it is planned to be?
    ///
    /// # Errors
    /// `Precondition`, naming the first that is neither.
    pub fn is_as_captured(&self) -> Result<(), ToolError> {
        self.each(|entry| {
            let now = State::at(&entry.path)?;
            if now.is_as(&entry.before) || now.is_as(&entry.after) {
                return Ok(true);
            }
            Err(ToolError::Precondition(format!(
                "{} was changed while the call was prepared; nothing was done, try again",
                entry.path
            )))
        })
    }

    /// Is every thing as it was planned?
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn is_made(&self) -> Result<bool, ToolError> {
        let mut made = true;
        self.each(|entry| {
            made = State::at(&entry.path)?.is_as(&entry.after);
            Ok(made)
        })?;
        Ok(made)
    }

    /// Takes back whatever was made, when the act itself could not go on.
    ///
    /// # Errors
    /// What could not be taken back, and why.
    pub fn give_up(&self, execution: &str) -> Result<(), ToolError> {
        let entries = self.entries()?;
        self.take_all_back(&entries, execution)
    }

    /// Takes back whatever was made by an act that died, so that it may be tried again.
    ///
    /// # Errors
    /// `Unverified` when somebody changed one of the things since. That is how the act ends: no later try
    /// finds it otherwise.
    pub fn end_interrupted(&self, execution: &str) -> Result<(), ToolError> {
        self.give_up(execution).map_err(|error| match error {
            ToolError::Precondition(left) => ToolError::Unverified(format!(
                "it was interrupted, and a part of it may be left: {left}"
            )),
            error => error,
        })
    }

    fn take_all_back(&self, entries: &[Entry], execution: &str) -> Result<(), ToolError> {
        // The database first: whoever looks meanwhile does not see packages that are half there.
        let of_database = |entry: &&Entry| changes::is_within(&entry.path, changes::DATABASE);
        let (first, last): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(of_database);
        for part in [first, last] {
            let is_made = |entry: &&&Entry| entry.before == State::Absent;
            for entry in part.iter().filter(|entry| !is_made(entry)) {
                self.put_back(entry, execution)?;
            }
            for entry in part.iter().rev().filter(is_made) {
                self.put_back(entry, execution)?;
            }
        }
        changes::sync(entries.iter().map(|entry| entry.path.as_str()))
    }

    fn put_back(&self, entry: &Entry, execution: &str) -> Result<(), ToolError> {
        let now = match now(entry)? {
            Now::Before => return Ok(()),
            Now::After(now) => now,
            Now::Written => {
                self.set_aside(&Place::open(&entry.path)?, execution)?;
                State::Absent
            }
            Now::Changed(_) => return Err(changed(&entry.path)),
        };
        if entry.before == State::Absent {
            if let State::Folder { .. } = now {
                for child in Place::open(&entry.path)?.children()? {
                    self.set_aside(&child, execution)?;
                }
            }
            return changes::remove(&entry.path);
        }
        let planned = Planned {
            path: entry.path.clone(),
            after: entry.before.clone(),
            content: entry.content.clone(),
        };
        changes::put(&planned, execution)
    }

    /// Moves what a service wrote out of the way; nothing is lost.
    fn set_aside(&self, place: &Place, execution: &str) -> Result<(), ToolError> {
        if !changes::is_written_by_services(&place.shown()) {
            return Err(changed(&place.shown()));
        }
        let target = self
            .aside
            .join(place.path.strip_prefix("/").unwrap_or(&place.path));
        let folder = target.parent().unwrap_or(&self.aside);
        std::fs::create_dir_all(folder).map_err(|error| ToolError::io(folder.display(), error))?;
        relocate(
            place,
            &Place::open(&name::encode(&target))?,
            execution,
            false,
        )
    }
}

/// What an entry takes in memory, in bytes.
fn bytes_of(entry: &Entry) -> u64 {
    let of = |state: &State| match state {
        State::Absent => 0,
        State::Folder { meta } | State::File { meta, .. } | State::Link { meta, .. } => {
            let attributes = meta.attributes.iter();
            attributes.fold(100, |sum, (name, value)| {
                sum + 100 + name.len() + value.len()
            })
        }
    };
    let target = |state: &State| match state {
        State::Link { target, .. } => target.len(),
        _ => 0,
    };
    let states = [&entry.before, &entry.after];
    let states: usize = states.iter().map(|state| of(state) + target(state)).sum();
    let content = entry
        .content
        .as_ref()
        .map_or(0, |path| path.as_os_str().len());
    (size_of::<Entry>() + entry.path.len() + content + states) as u64
}

fn now(entry: &Entry) -> Result<Now, ToolError> {
    let now = State::at(&entry.path)?;
    if now.is_as(&entry.before) {
        return Ok(Now::Before);
    }
    if now.is_as(&entry.after) {
        return Ok(Now::After(now));
    }
    // What is gone, or what is another kind of thing, is no service's writing.
    let written = changes::is_written_by_services(&entry.path)
        && now.kind() == entry.after.kind()
        && entry.before == State::Absent;
    Ok(match (&now, written) {
        (State::Folder { .. }, true) => Now::After(now),
        (_, true) => Now::Written,
        (_, false) => Now::Changed(now),
    })
}

fn changed(path: &str) -> ToolError {
    ToolError::Precondition(format!("{path} was changed since; undoing would lose that"))
}

impl Inverse for ChangeSet {
    fn locks(&self) -> Vec<String> {
        let mut locks = Vec::new();
        let read = self.each(|entry| {
            locks.push(lock(FILES, &entry.path));
            Ok(true)
        });
        if read.is_err() {
            locks.clear(); // taken back by nobody: the check fails first
        }
        locks
    }

    /// Each thing is compared by [`Self::check`], not all of them in one digest.
    fn state(&self) -> Result<String, ToolError> {
        Ok(String::new())
    }

    fn before(&self) -> &str {
        ""
    }

    fn judges_itself(&self) -> bool {
        true
    }

    fn check(&self, _all: &[Sealed]) -> Result<(), ToolError> {
        let entries = self.entries()?;
        let mut conflicts = Vec::new();
        let known: std::collections::HashSet<&str> =
            entries.iter().map(|entry| entry.path.as_str()).collect();
        for entry in entries.iter() {
            match now(entry)? {
                Now::Changed(State::Absent) => conflicts.push(format!("{} is gone", entry.path)),
                Now::Changed(_) => conflicts.push(format!("{} was changed", entry.path)),
                Now::After(State::Folder { .. }) if entry.before == State::Absent => {
                    let foreign = Place::open(&entry.path)?.children()?;
                    let foreign = foreign.iter().map(Place::shown).filter(|path| {
                        !known.contains(path.as_str()) && !changes::is_written_by_services(path)
                    });
                    conflicts.extend(foreign.map(|path| format!("{path} was made")));
                }
                _ => {}
            }
        }
        refuse(&conflicts)
    }

    fn take_back(&self, undoing: &Undoing<'_>, _index: usize) -> Result<(), ToolError> {
        let entries = self.entries()?;
        self.take_all_back(&entries, undoing.name)?;
        for entry in entries.iter() {
            if !State::at(&entry.path)?.is_as(&entry.before) {
                return Err(ToolError::Unverified(format!(
                    "{} is not as it was before",
                    entry.path
                )));
            }
        }
        Ok(())
    }

    fn undone(&self) -> String {
        let aside = match self.aside.exists() {
            true => format!(
                "; what services wrote since is kept in {}",
                self.aside.display()
            ),
            false => String::new(),
        };
        format!("{} changes are taken back{aside}", self.changes)
    }
}

/// One refusal for all that stands in the way.
fn refuse(conflicts: &[String]) -> Result<(), ToolError> {
    if conflicts.is_empty() {
        return Ok(());
    }
    let database = format!("{}/status was changed", changes::DATABASE);
    let hint = match conflicts.contains(&database) {
        true => "; other packages were installed or removed since: undo that first",
        false => "; undoing would lose that",
    };
    let named = conflicts.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let more = match conflicts.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(ToolError::Precondition(format!(
        "{}{more} since{hint}",
        named.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::super::{Calls, Capture, Step, check, seal, take_back};
    use super::*;
    use crate::file::meta::Meta;
    use serde_json::Value;

    struct NoCalls;
    impl Calls for NoCalls {
        fn call(&self, _: &str, tool: &str, _: &Value) -> Result<(), ToolError> {
            Err(ToolError::Failed(tool.to_owned()))
        }
    }

    /// A folder with a file in it, and what is planned for it.
    struct Scene {
        folder: tempfile::TempDir,
        root: PathBuf,
        planned: Vec<Planned>,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            std::fs::write(root.join("changed"), "before").unwrap();
            std::fs::write(root.join("taken"), "away").unwrap();
            std::fs::write(root.join("content"), "after").unwrap();
            let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
            let State::File { meta, sha256, .. } = State::at(&path("content")).unwrap() else {
                panic!("it is a file");
            };
            let file = |name: &str| Planned {
                path: path(name),
                after: State::File {
                    meta: meta.clone(),
                    size: 5,
                    sha256: sha256.clone(),
                },
                content: Some(root.join("content")),
            };
            let owner = (meta.uid, meta.gid);
            let bare = |name: &str, after: State| Planned {
                path: path(name),
                after,
                content: None,
            };
            let planned = vec![
                file("changed"),
                bare(
                    "folder",
                    State::Folder {
                        meta: Meta::new(0o750, owner),
                    },
                ),
                file("folder/made"),
                bare(
                    "folder/link",
                    State::Link {
                        meta: Meta::new(0o777, owner),
                        target: "made".to_owned(),
                    },
                ),
                bare("taken", State::Absent),
            ];
            Self {
                root,
                planned,
                folder,
            }
        }

        fn read(&self, name: &str) -> Option<String> {
            std::fs::read_to_string(self.root.join(name)).ok()
        }

        fn made(&self) -> Vec<Sealed> {
            let mut capture = Capture::new(&self.folder.path().join("undo/e"));
            let aside = self.folder.path().join("aside");
            capture.changes_aside(&self.planned, aside).unwrap();
            let steps = capture.into_parts().0;
            changes::make(&self.planned, "e").unwrap();
            changes::make(&self.planned, "e").unwrap(); // again, as after a crash
            assert_eq!(self.read("folder/link").as_deref(), Some("after"));
            assert_eq!(self.read("taken"), None);
            seal(steps).unwrap()
        }

        fn is_as_before(&self) {
            assert_eq!(self.read("changed").as_deref(), Some("before"));
            assert_eq!(self.read("taken").as_deref(), Some("away"));
            assert!(!self.root.join("folder").exists());
        }
    }

    fn undoing() -> Undoing<'static> {
        Undoing {
            name: "u",
            resumed: false,
            calls: &NoCalls,
        }
    }

    #[test]
    fn many_changes_are_made_and_taken_back_as_one() {
        let scene = Scene::new();
        let sealed = scene.made();
        check(&sealed, false).unwrap();
        take_back(&sealed, &undoing()).unwrap();
        scene.is_as_before();
        check(&sealed, true).unwrap();
        take_back(&sealed, &undoing()).unwrap(); // already as before: nothing to do
    }

    #[test]
    fn an_undo_that_died_goes_on() {
        let scene = Scene::new();
        let sealed = scene.made();
        std::fs::remove_file(scene.root.join("folder/made")).unwrap();
        std::fs::write(scene.root.join("taken"), "away").unwrap();
        check(&sealed, true).unwrap();
        take_back(&sealed, &undoing()).unwrap();
        scene.is_as_before();
    }

    #[test]
    fn whatever_was_changed_since_is_named_and_nothing_is_taken_back() {
        let scene = Scene::new();
        let sealed = scene.made();
        std::fs::write(scene.root.join("folder/made"), "somebody's").unwrap();
        std::fs::write(scene.root.join("folder/new"), "somebody's").unwrap();
        let refused = check(&sealed, false).unwrap_err().to_string();
        for named in ["folder/made was changed", "folder/new was made", "since"] {
            assert!(refused.contains(named), "{refused}");
        }
        assert_eq!(scene.read("changed").as_deref(), Some("after"));
    }

    #[test]
    fn a_change_set_that_somebody_changed_is_not_used() {
        let scene = Scene::new();
        let sealed = scene.made();
        let Step::ChangeSet(set) = &sealed[0].step else {
            panic!("one change set");
        };
        let text = std::fs::read_to_string(&set.kept).unwrap();
        std::fs::write(&set.kept, text.replace("taken", "stolen")).unwrap();
        assert!(check(&sealed, false).is_err());
    }

    #[test]
    fn content_that_is_not_the_planned_one_is_not_put_in_place() {
        let scene = Scene::new();
        std::fs::write(scene.root.join("content"), "other").unwrap();
        let failed = changes::make(&scene.planned, "e").unwrap_err().to_string();
        assert!(failed.contains("not what was planned"), "{failed}");
        assert_eq!(scene.read("changed").as_deref(), Some("before"));
    }
}
