//! Capturing how things are before an act.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::kept;
use super::{ChangeSet, InverseCall, MoveBack, Prior, RemoveFolder, Restore, Step};
use crate::argument::{FilePath, Purpose};
use crate::error::ToolError;
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::tree::Survey;
use crate::file::{fingerprint, name, path, sparse};

/// The largest file that is kept for undo, in bytes: the copy is made while the caller waits.
pub const KEPT_MAX: i64 = 256 * 1024 * 1024;

/// Collects the steps of one execution.
#[derive(Debug)]
pub struct Capture {
    folder: PathBuf,
    steps: Vec<Step>,
}

impl Capture {
    /// A capture that keeps contents in this folder (`undo/<execution id>`), made when needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            steps: Vec::new(),
        }
    }

    /// The steps, in the order of capture; undo goes the other way.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
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

    /// Keeps all that is captured in `fill` as one change set.
    ///
    /// # Errors
    /// When a part cannot be captured, or the whole cannot be kept.
    pub fn change_set(
        &mut self,
        fill: impl FnOnce(&mut Self) -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        let number = self.steps.len();
        let mut parts = Self::new(&self.folder.join(format!("{number}.contents")));
        fill(&mut parts)?;
        let name = format!("{number}.changes");
        let set = ChangeSet::keep(&parts.into_steps(), &self.folder, &name)?;
        self.steps.push(Step::ChangeSet(set));
        Ok(())
    }

    /// Notes a call that takes the act back.
    pub fn call(&mut self, call: InverseCall) {
        self.steps.push(Step::Call(call));
    }

    fn prior(&self, place: &Place) -> Result<Prior, ToolError> {
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
                let (content, sha256) = self.keep_content(place)?;
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

    /// Copies the content, durably; the answer is the copy's path and its digest.
    fn keep_content(&self, place: &Place) -> Result<(PathBuf, String), ToolError> {
        let kept = self.folder.join(self.steps.len().to_string());
        let mut source = place.open_content()?;
        let mut copied = || -> io::Result<String> {
            std::fs::create_dir_all(&self.folder)?;
            let mut copy = File::create(&kept)?;
            sparse::copy(&mut source, &mut copy)?;
            copy.sync_all()?;
            File::open(&self.folder)?.sync_all()?;
            if let Some(parent) = self.folder.parent() {
                File::open(parent)?.sync_all()?;
            }
            kept::digest(&mut File::open(&kept)?)
        };
        let digest = copied()
            .map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        Ok((kept, digest))
    }
}
