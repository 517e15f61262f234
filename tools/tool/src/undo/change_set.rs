//! Taking back the many changes of one act together.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Inverse, Sealed, Step, Undoing, kept};
use crate::error::ToolError;

/// The captured change set of an act that changes many files, as a package does. Its steps are kept
/// in a file of the undo folder, because an outcome has to stay small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// The file that holds the steps, as JSON.
    pub kept: PathBuf,
    /// How many things are changed.
    pub changes: u64,
    /// How all of them were before, in one digest.
    pub fingerprint: String,
    /// SHA-256 of the file, hex; empty when a version before this one kept it.
    #[serde(default)]
    pub sha256: String,
}

impl ChangeSet {
    /// Keeps the steps in a file, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(steps: &[Step], folder: &Path, name: &str) -> Result<Self, ToolError> {
        let kept = folder.join(name);
        let written = || -> std::io::Result<String> {
            std::fs::create_dir_all(folder)?;
            let mut file = File::create(&kept)?;
            file.write_all(&serde_json::to_vec(steps)?)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            if let Some(parent) = folder.parent() {
                File::open(parent)?.sync_all()?;
            }
            kept::digest(&mut File::open(&kept)?)
        };
        let sha256 = written()
            .map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        let before = steps
            .iter()
            .map(|step| Ok(step.inverse().before().to_owned()));
        Ok(Self {
            changes: steps.len() as u64,
            fingerprint: digest(before)?,
            kept,
            sha256,
        })
    }

    fn steps(&self) -> Result<Vec<Step>, ToolError> {
        let fault = |why: String| ToolError::Failed(format!("{}: {why}", self.kept.display()));
        let file = kept::open(&self.kept, &self.sha256)?;
        serde_json::from_reader(BufReader::new(file)).map_err(|error| fault(error.to_string()))
    }
}

/// One digest of many states.
fn digest(states: impl Iterator<Item = Result<String, ToolError>>) -> Result<String, ToolError> {
    let mut digest = Sha256::new();
    for state in states {
        digest.update(state?);
        digest.update([0]);
    }
    Ok(format!("changes:{:x}", digest.finalize()))
}

impl Inverse for ChangeSet {
    fn locks(&self) -> Vec<String> {
        // What cannot be read is taken back by nobody: the check fails first.
        let steps = self.steps().unwrap_or_default();
        steps
            .iter()
            .flat_map(|step| step.inverse().locks())
            .collect()
    }

    fn state(&self) -> Result<String, ToolError> {
        digest(self.steps()?.iter().map(|step| step.inverse().state()))
    }

    fn before(&self) -> &str {
        &self.fingerprint
    }

    fn check(&self, all: &[Sealed]) -> Result<(), ToolError> {
        let steps = self.steps()?;
        steps.iter().try_for_each(|step| step.inverse().check(all))
    }

    /// A part of the changes may be taken back already.
    fn resumes_itself(&self) -> bool {
        true
    }

    fn take_back(&self, undoing: &Undoing<'_>, index: usize) -> Result<(), ToolError> {
        for step in self.steps()?.iter().rev() {
            let inverse = step.inverse();
            if inverse.state()? != inverse.before() {
                inverse.take_back(undoing, index)?;
            }
        }
        Ok(())
    }

    fn undone(&self) -> String {
        format!("{} changes are taken back", self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Calls, Capture, check, seal, take_back};
    use super::*;
    use crate::argument::{Argument, WritePath};
    use serde_json::Value;

    struct NoCalls;
    impl Calls for NoCalls {
        fn call(&self, _: &str, tool: &str, _: &Value) -> Result<(), ToolError> {
            Err(ToolError::Failed(tool.to_owned()))
        }
    }

    #[test]
    fn many_changes_are_taken_back_as_one_also_when_the_undo_was_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let context = crate::context::alone(&root.join("state"));
        let path = |name: &str| {
            let mut path = WritePath::of(root.join(name).to_str().unwrap());
            path.resolve(name, &context).unwrap();
            path.guard(&context).unwrap();
            path
        };
        let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
        std::fs::write(root.join("changed"), "before").unwrap();
        let mut capture = Capture::new(&root.join("undo/e"));
        capture
            .change_set(|capture| {
                capture.keep(&path("changed"))?;
                capture.keep(&path("made"))
            })
            .unwrap();
        std::fs::write(root.join("changed"), "after").unwrap();
        std::fs::write(root.join("made"), "new").unwrap();
        let sealed = seal(capture.into_parts().0).unwrap();
        let undoing = |resumed| Undoing {
            name: "u",
            resumed,
            calls: &NoCalls,
        };

        std::fs::write(root.join("made"), "somebody's").unwrap();
        let refused = check(&sealed, false).unwrap_err().to_string();
        assert!(refused.contains("since"), "{refused}");
        std::fs::write(root.join("made"), "new").unwrap();
        check(&sealed, false).unwrap();

        std::fs::remove_file(root.join("made")).unwrap(); // the undo died after its first step
        check(&sealed, true).unwrap();
        take_back(&sealed, &undoing(true)).unwrap();
        assert_eq!(read("changed").as_deref(), Some("before"));
        assert_eq!(read("made"), None);
        take_back(&sealed, &undoing(false)).unwrap(); // already as before: nothing to do
    }
}
