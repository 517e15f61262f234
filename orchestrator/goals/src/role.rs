//! The roles of operators.

use std::fmt;

/// What an operator may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also gives goals, cancels and undoes.
    #[default]
    Operator,
    /// May do all.
    Admin,
}

impl Role {
    /// The role that a certificate's organizational unit names.
    pub fn parse(unit: &str) -> Option<Self> {
        match unit {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}
