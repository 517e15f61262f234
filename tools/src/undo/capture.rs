//! Capturing how things are before an act.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::step::{Prior, Step};
use crate::error::ToolError;
use crate::fs::fingerprint;
use crate::fs::meta::Meta;
use crate::fs::place::Place;

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

    /// Keeps what is at a resolved path, a file, a link or nothing, so that it can be put back.
    ///
    /// # Errors
    /// `Precondition` when it is something else, or too large to keep.
    pub fn keep(&mut self, path: &str) -> Result<(), ToolError> {
        let place = Place::open(path)?;
        let prior = self.prior(&place)?;
        let fingerprint = fingerprint::of(&place)?;
        self.steps.push(Step::Restore {
            path: path.to_owned(),
            prior,
            fingerprint,
        });
        Ok(())
    }

    /// Notes that nothing is at a resolved path and that the act will make something there.
    pub fn absent(&mut self, path: &str) {
        self.steps.push(Step::Restore {
            path: path.to_owned(),
            prior: Prior::Absent,
            fingerprint: fingerprint::ABSENT.to_owned(),
        });
    }

    /// Notes that the act will make a folder at a resolved path where nothing is.
    pub fn folder(&mut self, path: &str) {
        self.steps.push(Step::RemoveFolder {
            path: path.to_owned(),
        });
    }

    /// Notes that the act will move what is at one resolved path to another.
    pub fn moved(&mut self, from: &str, to: &str) {
        self.steps.push(Step::MoveBack {
            from: from.to_owned(),
            to: to.to_owned(),
        });
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
                    place.path.display(),
                    crate::format::bytes(u64::try_from(stat.st_size).unwrap_or(0)),
                    crate::format::bytes(KEPT_MAX.unsigned_abs())
                )))
            }
            FileType::RegularFile => Ok(Prior::File {
                meta,
                content: self.keep_content(place)?,
            }),
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
                place.path.display(),
                crate::fs::kind_name(kind)
            ))),
        }
    }

    /// Copies the content, durably; the answer is the copy's path.
    fn keep_content(&self, place: &Place) -> Result<PathBuf, ToolError> {
        let kept = self.folder.join(self.steps.len().to_string());
        let mut source = place.open_content()?;
        let mut copied = || -> io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            let mut copy = File::create(&kept)?;
            io::copy(&mut source, &mut copy)?;
            copy.sync_all()?;
            File::open(&self.folder)?.sync_all()?;
            match self.folder.parent() {
                Some(parent) => File::open(parent)?.sync_all(),
                None => Ok(()),
            }
        };
        copied().map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        Ok(kept)
    }
}
