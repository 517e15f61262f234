//! The roles of operators: in certificates, on port 9090, and with each goal and its calls.
//!
//! What must not live here: which role a method or a tool needs. Their own tables say that.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an operator may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The organizational unit of its certificates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that a certificate's organizational unit names.
    pub fn parse(unit: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == unit)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_spelling_and_may_do_what_the_ones_before_it_may() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        for unit in ["", "Admin", "admin ", "root"] {
            assert_eq!(Role::parse(unit), None, "{unit:?}");
        }
        assert!(Role::ALL.is_sorted());
    }
}
