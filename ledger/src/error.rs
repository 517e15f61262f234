//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the ledger cannot be opened, written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `open`, `write`, `sync`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: Arc<io::Error>,
    },
    /// The files are not what was once acknowledged.
    #[error("the ledger is damaged: {detail}; move its folder away to begin a new one")]
    Damaged {
        /// What is wrong, and where.
        detail: String,
    },
    /// The signing key is missing, unreadable or another ledger's.
    #[error("the ledger's key {path}: {detail}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Another process has it open for writing.
    #[error("the ledger {path} is in use by another process")]
    Locked {
        /// The log's file.
        path: PathBuf,
    },
    /// The entry is larger than [`crate::ENTRY_MAX`].
    #[error("an entry of {bytes} bytes is larger than {} bytes", crate::ENTRY_MAX)]
    TooLarge {
        /// Its size, in bytes of JSON.
        bytes: usize,
    },
    /// A former write failed in a way after which nothing can be promised.
    #[error("the ledger was closed after it could not be written: {detail}")]
    Closed {
        /// The first failure.
        detail: String,
    },
}

impl Error {
    /// Makes [`Error::Io`] of an operating system's error.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source: Arc::new(source.into()),
        }
    }

    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged {
            detail: detail.into(),
        }
    }
}
