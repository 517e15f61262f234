//! Who may connect to a daemon's socket, and how often at once. Decided when the connection is
//! accepted, by the kernel's word, before anything that the caller sends is read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::{Callers, Known};
use crate::identity::Principal;
use crate::limits;

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller has no right in any table of this socket, or the kernel does not say who it is.
    Stranger(Option<Principal>),
    /// The caller has that many connections already.
    TooMany(Principal, usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger(Some(caller)) => write!(f, "{caller} has no right here"),
            Self::Stranger(None) => write!(f, "the kernel does not say who connects"),
            Self::TooMany(caller, most) => write!(f, "{caller} has {most} connections already"),
        }
    }
}

/// Connections, by the account that made them.
type Counted = Arc<Mutex<HashMap<u32, usize>>>;

/// Who is let in at a socket.
#[derive(Clone)]
pub struct Guests {
    callers: Callers,
    tables: Vec<&'static dyn Known>,
    counted: Counted,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guests of {} tables", self.tables.len())
    }
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    uid: u32,
    counted: Counted,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counted.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counted.remove(&self.uid);
            }
        }
    }
}

impl Guests {
    /// Whoever has a right in one of these tables.
    pub fn new(callers: Callers, tables: &[&'static dyn Known]) -> Self {
        Self {
            callers,
            tables: tables.to_vec(),
            counted: Counted::default(),
        }
    }

    /// A place for a process of this account.
    ///
    /// # Errors
    /// Why there is none.
    pub fn admit(&self, uid: Option<u32>) -> Result<Place, Refused> {
        let uid = uid.ok_or(Refused::Stranger(None))?;
        let caller = self.callers.of_account(uid);
        if !self.tables.iter().any(|table| table.knows(&caller)) {
            return Err(Refused::Stranger(Some(caller)));
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counted.entry(uid).or_default();
        let most = limits::connections(&caller);
        if *count >= most {
            return Err(Refused::TooMany(caller, most));
        }
        *count += 1;
        Ok(Place {
            uid,
            counted: Arc::clone(&self.counted),
        })
    }

    /// Who an account is, here.
    pub(crate) fn caller(&self, uid: u32) -> Principal {
        self.callers.of_account(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Who};

    static ACCESS: Access<()> = Access::new(
        "Things",
        &[
            (Who::Root, &[()]),
            (Who::Daemon("orchestrator"), &[()]),
            (Who::Agents, &[()]),
            (Who::Daemon("memory"), &[]),
        ],
    );

    const ORCHESTRATOR: u32 = 905;
    const AGENT: u32 = 915;
    const MEMORY: u32 = 903;
    const SOMEBODY: u32 = 1000;

    fn guests() -> Guests {
        Guests::new(Callers::by_kernel(), &[&ACCESS])
    }

    #[test]
    fn strangers_get_no_place() {
        for uid in [MEMORY, SOMEBODY] {
            let refused = guests().admit(Some(uid)).unwrap_err();
            let stranger = Refused::Stranger(Some(Principal::from_uid(uid)));
            assert_eq!(refused, stranger);
        }
        assert_eq!(guests().admit(None).unwrap_err(), Refused::Stranger(None));
    }

    #[test]
    fn an_agent_that_takes_all_its_places_takes_nobody_elses() {
        let guests = guests();
        let mut held: Vec<Place> = Vec::new();
        let refused = loop {
            match guests.admit(Some(AGENT)) {
                Ok(place) => held.push(place),
                Err(refused) => break refused,
            }
        };
        assert_eq!(held.len(), limits::AGENT_CONNECTIONS);
        assert_eq!(
            refused.to_string(),
            "agent:storage has 8 connections already"
        );
        assert!(guests.admit(Some(0)).is_ok());
        assert!(guests.admit(Some(ORCHESTRATOR)).is_ok());
        held.pop();
        assert!(guests.admit(Some(AGENT)).is_ok(), "a place is free again");
    }
}
