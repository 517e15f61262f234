//! What went wrong, for people, and the exit code that says it to scripts.

use std::fmt;

use crate::output::escape;

/// The process's exit code. Scripts rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done, or the goal succeeded.
    Succeeded = 0,
    /// It was tried and failed, or the goal failed, or the audit is not intact.
    Failed = 1,
    /// The command line, the configuration or an argument is wrong.
    Usage = 2,
    /// The appliance cannot be reached, or TLS with it fails.
    Connect = 3,
    /// The appliance refused: no permission for the role.
    Refused = 4,
    /// The answer did not come in time.
    Timeout = 5,
}

/// A failed command: what and where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which kind.
    pub exit: Exit,
    /// What failed and where.
    pub what: String,
    /// What the operator can do; empty when there is nothing to say.
    pub hint: String,
}

impl Failure {
    /// A failure of the given kind.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            hint: String::new(),
        }
    }

    /// It was tried and failed.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The operator asked for something that cannot be.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aiosctl: {}", escape::text(&self.what))?;
        if !self.hint.is_empty() {
            write!(f, "\n  -> {}", escape::text(&self.hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
