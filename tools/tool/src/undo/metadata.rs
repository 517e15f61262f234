//! Giving back owner, mode and attributes of what is below a path.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Inverse, Sealed, Undoing, kept};
use crate::argument::FILES;
use crate::demand::lock;
use crate::error::ToolError;
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::state::hex;

/// What stands for an object that is gone.
const GONE: &str = "gone";

/// Gives back the metadata that an act changes; contents and times stay as they are. How all was is
/// kept in a file of the undo folder, because an outcome has to stay small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMetadata {
    /// The path that the act was about; everything else is below it.
    pub path: String,
    /// The file that holds the entries, as JSON lines.
    pub kept: PathBuf,
    /// SHA-256 of that file, hex.
    pub sha256: String,
    /// How many objects are changed.
    pub entries: u64,
    /// SHA-256 over how all of them were, hex.
    pub before: String,
}

/// How one object was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Where, resolved.
    pub path: String,
    /// Its inode.
    pub inode: u64,
    /// Owner, mode, attributes.
    pub meta: Meta,
}

impl Owned {
    /// How the object at a place is. Times are left out: they are not given back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(place: &Place) -> Result<Self, ToolError> {
        let (stat, meta) = Meta::read(place, &place.hold()?)?;
        Ok(Self {
            path: place.shown(),
            inode: stat.st_ino,
            meta: Meta {
                times: None,
                ..meta
            },
        })
    }

    /// The same of what is at this path now; `None` when nothing is.
    fn now(&self) -> Result<Option<(Place, Self)>, ToolError> {
        let Some(place) = Place::open_if_any(&self.path)? else {
            return Ok(None);
        };
        if place.stat()?.is_none() {
            return Ok(None);
        }
        let now = Self::of(&place)?;
        Ok(Some((place, now)))
    }
}

impl RestoreMetadata {
    /// Keeps the entries in a file, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(path: &str, entries: &[Owned], kept: PathBuf) -> Result<Self, ToolError> {
        let written = || -> std::io::Result<String> {
            let folder = kept.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder)?;
            let mut file = BufWriter::new(File::create(&kept)?);
            for entry in entries {
                serde_json::to_writer(&mut file, entry)?;
                file.write_all(b"\n")?;
            }
            file.into_inner()?.sync_all()?;
            File::open(folder)?.sync_all()?;
            if let Some(parent) = folder.parent() {
                File::open(parent)?.sync_all()?;
            }
            kept::digest(&mut File::open(&kept)?)
        };
        let sha256 = written()
            .map_err(|error| ToolError::io(format!("keeping {}", kept.display()), error))?;
        let all = entries.iter().map(|entry| Ok(Some(entry.clone())));
        Ok(Self {
            path: path.to_owned(),
            sha256,
            entries: entries.len() as u64,
            before: digest(all)?,
            kept,
        })
    }

    fn entries(&self) -> Result<Vec<Owned>, ToolError> {
        let fault = |error| ToolError::io(format!("reading {}", self.kept.display()), error);
        let mut entries = Vec::new();
        for line in BufReader::new(kept::open(&self.kept, &self.sha256)?).lines() {
            let line = line.map_err(fault)?;
            entries.push(serde_json::from_str(&line).map_err(|error| fault(error.into()))?);
        }
        Ok(entries)
    }
}

impl Inverse for RestoreMetadata {
    fn locks(&self) -> Vec<String> {
        vec![lock(FILES, &self.path)]
    }

    fn state(&self) -> Result<String, ToolError> {
        let entries = self.entries()?;
        digest(
            entries
                .iter()
                .map(|entry| Ok(entry.now()?.map(|(_, now)| now))),
        )
    }

    fn before(&self) -> &str {
        &self.before
    }

    fn check(&self, _all: &[Sealed]) -> Result<(), ToolError> {
        self.entries().map(drop)
    }

    /// Which objects have theirs back already, only each object tells.
    fn resumes_itself(&self) -> bool {
        true
    }

    fn take_back(&self, _undoing: &Undoing<'_>, _index: usize) -> Result<(), ToolError> {
        for entry in self.entries()?.iter().rev() {
            match entry.now()? {
                Some((place, now)) if now.inode == entry.inode => entry.meta.apply(&place)?,
                _ => {
                    return Err(ToolError::Precondition(format!(
                        "{} was replaced or removed since",
                        entry.path
                    )));
                }
            }
        }
        Ok(())
    }

    fn undone(&self) -> String {
        match self.entries {
            1 => format!("{} has its owner and mode again", self.path),
            count => format!(
                "{count} entries at and below {} have their owners and modes again",
                self.path
            ),
        }
    }
}

fn digest(
    entries: impl Iterator<Item = Result<Option<Owned>, ToolError>>,
) -> Result<String, ToolError> {
    let mut digest = Sha256::new();
    for entry in entries {
        let line = match entry? {
            Some(entry) => serde_json::to_string(&entry)
                .map_err(|error| ToolError::Failed(error.to_string()))?,
            None => GONE.to_owned(),
        };
        digest.update(line);
        digest.update(b"\n");
    }
    Ok(hex(&digest.finalize()))
}
