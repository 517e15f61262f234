//! Why a call did not succeed, as the caller learns it.

use serde::{Deserialize, Serialize};

/// The outcome of a call that did not succeed. The text says what happened, to what, and what to
/// do; it is recorded in the ledger and shown to the operator.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", content = "text", rename_all = "snake_case")]
pub enum ToolError {
    /// No such tool.
    #[error("{0}")]
    NotFound(String),
    /// The arguments do not fit.
    #[error("{0}")]
    Invalid(String),
    /// The caller may not do that.
    #[error("{0}")]
    Denied(String),
    /// It cannot be done as things are: no such file, no such service, …
    #[error("{0}")]
    Precondition(String),
    /// It was done, but the post-condition does not hold.
    #[error("{0}")]
    Unverified(String),
    /// It took longer than the tool may take.
    #[error("{0}")]
    Deadline(String),
    /// A part that is needed does not answer (init, the ledger): try again later.
    #[error("{0}")]
    Unavailable(String),
    /// The caller had more than its share: the text says when there is more.
    #[error("{0}")]
    Exhausted(String),
    /// A person is asked first; with the same call id it is made afterwards.
    #[error("{text}")]
    Waits {
        /// The approval that it waits for.
        approval: String,
        /// For people.
        text: String,
    },
    /// The kernel or a peer refused in a way that was not foreseen.
    #[error("{0}")]
    Failed(String),
}

impl ToolError {
    /// Says what an I/O call was doing when it failed. What the operator can change becomes a
    /// failed precondition, the rest a failure.
    pub fn io(doing: impl std::fmt::Display, error: impl Into<std::io::Error>) -> Self {
        use std::io::ErrorKind as Kind;
        let error = error.into();
        let why = match error.kind() {
            Kind::NotFound => "it does not exist".to_owned(),
            Kind::AlreadyExists => "it exists already".to_owned(),
            Kind::NotADirectory => "a part of the path is not a directory".to_owned(),
            Kind::IsADirectory => "it is a directory".to_owned(),
            Kind::DirectoryNotEmpty => "the directory is not empty".to_owned(),
            Kind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            Kind::StorageFull => "there is no space left".to_owned(),
            Kind::PermissionDenied => "the system does not permit it".to_owned(),
            _ => return Self::Failed(format!("{doing}: {error}")),
        };
        Self::Precondition(format!("{doing}: {why}"))
    }
}

impl From<tonic::Status> for ToolError {
    /// The refusal of another daemon, with its meaning kept.
    fn from(status: tonic::Status) -> Self {
        use tonic::Code;
        let text = status.message().to_owned();
        match status.code() {
            Code::NotFound | Code::FailedPrecondition | Code::AlreadyExists => {
                Self::Precondition(text)
            }
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid(text),
            Code::PermissionDenied | Code::Unauthenticated => Self::Denied(text),
            Code::DeadlineExceeded => Self::Deadline(text),
            Code::Unavailable => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<ToolError> for tonic::Status {
    fn from(error: ToolError) -> Self {
        let text = error.to_string();
        match error {
            ToolError::NotFound(_) => Self::not_found(text),
            ToolError::Invalid(_) => Self::invalid_argument(text),
            ToolError::Denied(_) => Self::permission_denied(text),
            ToolError::Precondition(_) | ToolError::Waits { .. } => Self::failed_precondition(text),
            ToolError::Unverified(_) => Self::aborted(text),
            ToolError::Deadline(_) => Self::deadline_exceeded(text),
            ToolError::Unavailable(_) => Self::unavailable(text),
            ToolError::Exhausted(_) => Self::resource_exhausted(text),
            ToolError::Failed(_) => Self::internal(text),
        }
    }
}
