//! Putting back what was at one path.

use std::io::Read as _;
use std::path::PathBuf;

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use super::{Inverse, Sealed, Undoing, kept};
use crate::argument::FILES;
use crate::demand::lock;
use crate::error::ToolError;
use crate::file::fingerprint;
use crate::file::install::{self, Replace, temporary_name};
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::{has_one_name, sparse, tree};

/// How a path was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prior {
    /// Nothing was there.
    Absent,
    /// A file.
    File {
        /// All but its content.
        meta: Meta,
        /// Where its content is kept.
        content: PathBuf,
        /// The content's SHA-256, hex; empty when a version before this one kept it.
        #[serde(default)]
        sha256: String,
    },
    /// A symbolic link.
    Symlink {
        /// Owner and times.
        meta: Meta,
        /// Where it pointed to.
        target: Vec<u8>,
    },
}

/// Puts back what was at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Where.
    pub path: String,
    /// What.
    pub prior: Prior,
    /// Its fingerprint.
    pub fingerprint: String,
}

impl Restore {
    /// The content that is kept; `None` when no file was there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kept_content(&self) -> Result<Option<Vec<u8>>, ToolError> {
        let Prior::File {
            content, sha256, ..
        } = &self.prior
        else {
            return Ok(None);
        };
        let mut whole = Vec::new();
        kept::open(content, sha256)?
            .read_to_end(&mut whole)
            .map_err(|error| ToolError::io(content.display(), error))?;
        Ok(Some(whole))
    }
}

impl Inverse for Restore {
    fn locks(&self) -> Vec<String> {
        vec![lock(FILES, &self.path)]
    }

    fn state(&self) -> Result<String, ToolError> {
        fingerprint::at(&self.path)
    }

    fn before(&self) -> &str {
        &self.fingerprint
    }

    /// What is put back must be what was kept; and a file that got another name since is put back
    /// under this one only, which would split them.
    fn check(&self, _all: &[Sealed]) -> Result<(), ToolError> {
        let Prior::File {
            content, sha256, ..
        } = &self.prior
        else {
            return Ok(());
        };
        kept::open(content, sha256)?;
        if let Some(place) = Place::open_if_any(&self.path)?
            && let Some(stat) = place.stat()?
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        {
            has_one_name(&place, &stat)?;
        }
        Ok(())
    }

    fn take_back(&self, undoing: &Undoing<'_>, _index: usize) -> Result<(), ToolError> {
        restore(&Place::open(&self.path)?, &self.prior, undoing.name)
    }

    fn undone(&self) -> String {
        match self.prior {
            Prior::Absent => format!("{} is gone again", self.path),
            _ => format!("{} is as it was before", self.path),
        }
    }
}

fn restore(place: &Place, prior: &Prior, execution: &str) -> Result<(), ToolError> {
    match prior {
        Prior::Absent => {
            // Out of sight at once; the rest may take a while.
            let temporary = place.sibling(&temporary_name(execution));
            tree::remove(&temporary)?;
            install::into_place(place, &temporary, Replace::No)?;
            tree::remove(&temporary)?;
            place.sync_parent()
        }
        Prior::File {
            meta,
            content,
            sha256,
        } => {
            let mut kept = kept::open(content, sha256)?;
            install::install(place, execution, meta, Replace::Yes, |file| {
                sparse::copy(&mut kept, file).map(drop)
            })?;
            meta.apply_times(place)
        }
        Prior::Symlink { meta, target } => {
            let temporary = place.sibling(&temporary_name(execution));
            tree::remove(&temporary)?;
            rustix::fs::symlinkat(&target[..], &temporary.parent, &temporary.name)
                .map_err(|error| place.error(error))?;
            meta.apply(&temporary)?;
            install::into_place(&temporary, place, Replace::Yes)
        }
    }
}
