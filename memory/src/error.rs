//! What can go wrong, and how a caller is told.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use tonic::Status;

/// Why something could not be kept or found. Cloneable, since all writes of one
/// commit share its failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What it said.
        source: Arc<io::Error>,
    },
    /// SQLite refused.
    #[error("the database failed")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// A stored record cannot be read.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
    /// A newer version of aiOS wrote the database.
    #[error("{path} has schema version {found}, this version of aiOS knows {known}")]
    TooNew {
        /// Which database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// What was sent cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It would be too much.
    #[error("{0}")]
    TooLarge(String),
    /// The model runtime gives no vectors now.
    #[error("{0}")]
    Unavailable(String),
    /// The database's thread has ended: the daemon is going down.
    #[error("memory is shutting down")]
    Stopped,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl From<prost::DecodeError> for Error {
    fn from(error: prost::DecodeError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Error {
    /// Makes [`Error::Io`].
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source: Arc::new(source),
        }
    }

    /// Does it mean that the database file itself is damaged?
    pub fn is_corruption(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    fn sqlite_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = aios_daemon::error::chain(&error);
        match &error {
            Error::Invalid(_) => Self::invalid_argument(text),
            Error::NotFound(_) => Self::not_found(text),
            Error::TooLarge(_) => Self::resource_exhausted(text),
            Error::Unavailable(_) | Error::Stopped => Self::unavailable(text),
            Error::Damaged(_) => Self::data_loss(text),
            Error::Sqlite(_) if error.is_corruption() => Self::data_loss(text),
            Error::Sqlite(_) if error.sqlite_code() == Some(ErrorCode::DiskFull) => {
                Self::resource_exhausted(text)
            }
            _ => Self::internal(text),
        }
    }
}
