//! Capturing how things are before an act.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use sha2::{Digest as _, Sha256};

use super::{
    ChangeSet, Entry, InverseCall, MoveBack, Owned, Prior, RemoveFolder, Restore, RestoreMetadata,
    Step,
};
use super::{change_set, kept};
use crate::argument::{FilePath, Purpose};
use crate::changes::Planned;
use crate::context::Context;
use crate::error::ToolError;
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::state::State;
use crate::file::tree::Survey;
use crate::file::{fingerprint, name, path, sparse};

/// The largest file that is kept for undo, in bytes: the copy is made while the caller waits.
pub const KEPT_MAX: i64 = 256 * 1024 * 1024;

/// The largest content that need not be on the disk when the capture ends, in bytes.
const SMALL_MAX: i64 = 64 * 1024;

/// A small content that was kept: in a file, which may not have reached the disk yet, and here, for
/// whoever makes it durable together with other things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file in the capture's folder.
    pub path: PathBuf,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Collects the steps of one execution.
#[derive(Debug)]
pub struct Capture {
    folder: PathBuf,
    steps: Vec<Step>,
    small: Vec<Kept>,
}

impl Capture {
    /// A capture that keeps contents in this folder (`undo/<execution id>`), made when needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            steps: Vec::new(),
            small: Vec::new(),
        }
    }

    /// The steps, in the order of capture, undo goes the other way; and the small contents, which
    /// are to be made durable before the act.
    pub fn into_parts(self) -> (Vec<Step>, Vec<Kept>) {
        (self.steps, self.small)
    }

    /// Keeps what is at a path, a file, a link or nothing, so that it can be put back.
    ///
    /// # Errors
    /// `Precondition` when it is something else, or too large to keep.
    pub fn keep<P: Purpose>(&mut self, path: &FilePath<P>) -> Result<(), ToolError> {
        let place = path.place()?;
        let prior = self.prior(&place)?;
        let fingerprint = fingerprint::of(&place)?;
        self.steps.push(Step::Restore(Restore {
            path: path.to_string(),
            prior,
            fingerprint,
        }));
        Ok(())
    }

    /// Notes that nothing is at a path and that the act will make something there.
    pub fn absent<P: Purpose>(&mut self, path: &FilePath<P>) {
        self.steps.push(Step::Restore(Restore {
            path: path.to_string(),
            prior: Prior::Absent,
            fingerprint: fingerprint::ABSENT.to_owned(),
        }));
    }

    /// Notes that the act will make a folder at a resolved path where nothing is.
    pub fn folder(&mut self, path: &str) {
        self.steps.push(Step::RemoveFolder(RemoveFolder {
            path: path.to_owned(),
        }));
    }

    /// Notes that the act will move what is at a path to another place. What cannot be fingerprinted
    /// afterwards cannot be moved back, so a tree that is too deep is refused here.
    ///
    /// # Errors
    /// When nothing is there, or when it cannot be walked through.
    pub fn moved<P: Purpose>(&mut self, from: &FilePath<P>, to: &Path) -> Result<(), ToolError> {
        let survey = Survey::of(&from.place()?)?;
        survey.is_not_mounted()?;
        path::is_not_too_deep(to, survey.depth)?;
        let step = MoveBack::new(from.to_string(), name::encode(to));
        self.steps.push(Step::MoveBack(step));
        Ok(())
    }

    /// Keeps how all that is planned to be changed is now, as one change set. What is as planned
    /// already is left out.
    ///
    /// # Errors
    /// When a part cannot be captured or changed, or the whole cannot be kept.
    pub fn changes(&mut self, planned: &[Planned], context: &Context) -> Result<(), ToolError> {
        self.changes_aside(planned, change_set::aside(context))
    }

    /// The same; `aside` is where undo puts what services write until then.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub(super) fn changes_aside(
        &mut self,
        planned: &[Planned],
        aside: PathBuf,
    ) -> Result<(), ToolError> {
        let number = self.steps.len();
        let contents = self.folder.join(format!("{number}.contents"));
        std::fs::create_dir_all(&contents)
            .map_err(|error| ToolError::io(contents.display(), error))?;
        let mut entries = Vec::new();
        for one in planned {
            let before = State::at(&one.path)?;
            if before.is_as(&one.after) {
                continue;
            }
            let content = match before {
                State::File { .. } => Some(contents.join(entries.len().to_string())),
                _ => None,
            };
            if let Some(kept) = &content {
                keep_file(&one.path, kept)?;
            }
            entries.push(Entry {
                path: one.path.clone(),
                before,
                content,
                after: one.after.clone(),
            });
        }
        let kept = self.folder.join(change_set::file_name(number));
        let set = ChangeSet::keep(&entries, kept, aside)?;
        self.steps.push(Step::ChangeSet(set));
        Ok(())
    }

    /// Keeps owners, modes and attributes of what an act changes at and below a path; none: nothing
    /// is to be taken back.
    ///
    /// # Errors
    /// When they cannot be kept.
    pub fn metadata(&mut self, path: &str, entries: &[Owned]) -> Result<(), ToolError> {
        if entries.is_empty() {
            return Ok(());
        }
        let kept = self.folder.join(format!("{}.metadata", self.steps.len()));
        let step = RestoreMetadata::keep(path, entries, kept)?;
        self.steps.push(Step::RestoreMetadata(step));
        Ok(())
    }

    /// Notes a call that takes the act back.
    pub fn call(&mut self, call: InverseCall) {
        self.steps.push(Step::Call(call));
    }

    fn prior(&mut self, place: &Place) -> Result<Prior, ToolError> {
        if place.stat()?.is_none() {
            return Ok(Prior::Absent);
        }
        let (stat, meta) = Meta::read(place, &place.hold()?)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_size > KEPT_MAX => {
                Err(ToolError::Precondition(format!(
                    "{} has {}, more than the {} that can be kept for undo",
                    place.shown(),
                    crate::format::bytes(u64::try_from(stat.st_size).unwrap_or(0)),
                    crate::format::bytes(KEPT_MAX.unsigned_abs())
                )))
            }
            FileType::RegularFile => {
                let (content, sha256) = self.keep_content(place, stat.st_size)?;
                Ok(Prior::File {
                    meta,
                    content,
                    sha256,
                })
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())
                    .map_err(|error| place.error(error))?;
                Ok(Prior::Symlink {
                    meta,
                    target: target.into_bytes(),
                })
            }
            kind => Err(ToolError::Precondition(format!(
                "{} is a {}",
                place.shown(),
                crate::file::kind_name(kind)
            ))),
        }
    }

    /// Copies the content, a large one durably; the answer is the copy's path and its digest.
    fn keep_content(&mut self, place: &Place, size: i64) -> Result<(PathBuf, String), ToolError> {
        let kept = self.folder.join(self.steps.len().to_string());
        let mut source = place.open_content()?;
        let mut copied = || -> io::Result<(String, Option<Vec<u8>>)> {
            std::fs::create_dir_all(&self.folder)?;
            let mut copy = File::create(&kept)?;
            sparse::copy(&mut source, &mut copy)?;
            // It may have grown meanwhile.
            let most = SMALL_MAX.unsigned_abs();
            if size <= SMALL_MAX && copy.metadata()?.len() <= most {
                let content = std::fs::read(&kept)?;
                return Ok((format!("{:x}", Sha256::digest(&content)), Some(content)));
            }
            copy.sync_all()?;
            File::open(&self.folder)?.sync_all()?;
            if let Some(parent) = self.folder.parent() {
                File::open(parent)?.sync_all()?;
            }
            Ok((kept::digest(&mut File::open(&kept)?)?, None))
        };
        let (digest, small) = copied()
            .map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        self.small.extend(small.map(|content| Kept {
            path: kept.clone(),
            content,
        }));
        Ok((kept, digest))
    }
}

/// Copies the content of a file; the change set makes all of them durable together.
fn keep_file(path: &str, kept: &Path) -> Result<(), ToolError> {
    let mut source = Place::open(path)?.open_content()?;
    let copied = File::create(kept).and_then(|mut copy| sparse::copy(&mut source, &mut copy));
    copied.map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
    Ok(())
}
