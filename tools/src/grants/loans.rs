//! Capabilities that an admin lent to an agent: for a time, perhaps for one goal or a number of calls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aios_files::clock::now_ms;
use aios_files::durable;
use aios_tool::demand::Need;
use aios_tool::error::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;

/// Loans that may run at once.
const LOANS_MAX: usize = 256;

/// What was lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loan {
    /// The execution that lent it.
    pub id: String,
    /// To which agent.
    pub agent: String,
    /// The capability.
    pub capability: String,
    /// For this goal alone; empty: for any.
    pub goal: String,
    /// When it ends, Unix milliseconds.
    pub until_ms: i64,
    /// For so many calls more; absent: for any number.
    pub calls: Option<u32>,
    /// Who lent it: an operator's subject.
    pub by: String,
}

impl Loan {
    fn runs(&self, now_ms: i64) -> bool {
        now_ms < self.until_ms && self.calls != Some(0)
    }

    fn covers(&self, agent: &str, need: &Need, goal: &str) -> bool {
        let for_goal = self.goal.is_empty() || self.goal == goal;
        let capability = self.capability.parse::<Capability>();
        self.agent == agent && for_goal && capability.is_ok_and(|held| held.covers(need))
    }
}

/// All loans. They outlive a restart.
#[derive(Debug, Default)]
pub struct Loans {
    /// Where they are kept; without, nothing can be lent.
    file: Option<PathBuf>,
    loans: Mutex<Vec<Loan>>,
}

impl Loans {
    /// The loans of this file. When it cannot be read, nothing is lent.
    pub fn open(file: &Path) -> Self {
        let loans = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!("nothing is lent: {}: {error}", file.display());
                Vec::new()
            }),
            Err(_) => Vec::new(), // nothing was lent yet
        };
        Self {
            file: Some(file.to_owned()),
            loans: Mutex::new(loans),
        }
    }

    /// The loans that run.
    pub fn all(&self) -> Vec<Loan> {
        let now = now_ms();
        let mut all = self.lock().clone();
        all.retain(|loan| loan.runs(now));
        all
    }

    /// A loan by which this agent may do this for this goal.
    pub fn covering(&self, agent: &str, need: &Need, goal: &str) -> Option<Loan> {
        let now = now_ms();
        let loans = self.lock();
        let mut found = loans.iter().filter(|loan| loan.runs(now));
        found.find(|loan| loan.covers(agent, need, goal)).cloned()
    }

    /// Lends, durably. The same id again replaces what it lent.
    ///
    /// # Errors
    /// `Precondition` when too much is lent; `Unavailable` when the disk refuses.
    pub fn lend(&self, loan: Loan) -> Result<(), ToolError> {
        self.change(|loans| {
            loans.retain(|known| known.id != loan.id);
            if loans.len() >= LOANS_MAX {
                return Err(ToolError::Precondition(format!(
                    "{LOANS_MAX} capabilities are lent already; take some back with sec.revoke"
                )));
            }
            loans.push(loan);
            Ok(())
        })
    }

    /// Takes back what an execution lent, durably. The answer: there was something.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn take_back(&self, id: &str) -> Result<Option<Loan>, ToolError> {
        let mut taken = None;
        self.change(|loans| {
            taken = loans.iter().find(|loan| loan.id == id).cloned();
            loans.retain(|loan| loan.id != id);
            Ok(())
        })?;
        Ok(taken)
    }

    /// Counts one call by each of these loans, durably.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses; then the call is not made.
    pub fn used(&self, ids: &[String]) -> Result<(), ToolError> {
        let counted = |loan: &Loan| ids.contains(&loan.id) && loan.calls.is_some();
        if ids.is_empty() || !self.lock().iter().any(counted) {
            return Ok(());
        }
        self.change(|loans| {
            for loan in loans.iter_mut().filter(|loan| ids.contains(&loan.id)) {
                loan.calls = loan.calls.map(|left| left.saturating_sub(1));
            }
            Ok(())
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Loan>) -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        let unwritable = |error: io::Error| {
            ToolError::Unavailable(format!("what is lent cannot be written down: {error}"))
        };
        let Some(file) = &self.file else {
            return Err(ToolError::Precondition("nothing can be lent here".into()));
        };
        let mut loans = self.lock();
        let mut changed = loans.clone();
        let now = now_ms();
        changed.retain(|loan| loan.runs(now));
        change(&mut changed)?;
        let text = serde_json::to_vec(&changed).map_err(|error| unwritable(error.into()))?;
        durable::replace(file, &text).map_err(unwritable)?;
        *loans = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Loan>> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loan(id: &str) -> Loan {
        Loan {
            id: id.into(),
            agent: "storage".into(),
            capability: "fs:write:/data/x/*".into(),
            goal: String::new(),
            until_ms: now_ms() + 60_000,
            calls: None,
            by: "CN=ann".into(),
        }
    }

    fn covers(loans: &Loans, agent: &str, object: &str, goal: &str) -> bool {
        let need = Need::of("fs", "write", object);
        loans.covering(agent, &need, goal).is_some()
    }

    #[test]
    fn a_loan_is_for_its_agent_its_things_its_goal_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let loans = Loans::open(&folder.path().join("loans.json"));
        loans.lend(loan("1")).unwrap();
        assert!(covers(&loans, "storage", "/data/x/y", "g"));
        assert!(!covers(&loans, "dev", "/data/x/y", "g"));
        assert!(!covers(&loans, "storage", "/data/z", "g"));
        let for_goal = Loan {
            goal: "g".into(),
            ..loan("1")
        };
        loans.lend(for_goal).unwrap();
        assert!(covers(&loans, "storage", "/data/x/y", "g"));
        assert!(!covers(&loans, "storage", "/data/x/y", "h"));
        let over = Loan {
            until_ms: now_ms() - 1,
            ..loan("1")
        };
        loans.lend(over).unwrap();
        assert!(!covers(&loans, "storage", "/data/x/y", "g"));
        assert!(loans.all().is_empty());
    }

    #[test]
    fn calls_are_counted_and_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("loans.json");
        let loans = Loans::open(&file);
        let twice = Loan {
            calls: Some(2),
            ..loan("1")
        };
        loans.lend(twice).unwrap();
        loans.used(&["1".into()]).unwrap();
        let loans = Loans::open(&file);
        assert!(covers(&loans, "storage", "/data/x/y", ""));
        loans.used(&["1".into()]).unwrap();
        assert!(!covers(&loans, "storage", "/data/x/y", ""));
        loans.lend(loan("2")).unwrap();
        assert_eq!(
            loans.take_back("2").unwrap().map(|loan| loan.id),
            Some("2".into())
        );
        assert_eq!(loans.take_back("2").unwrap(), None);
        assert!(Loans::default().lend(loan("3")).is_err());
    }
}
