//! What services still have to do for configurations that are on the disk already. It is noted before
//! the configuration is there: who is killed in between is followed by a process that tells them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::note;
use aios_config::Change;

/// The changes that are owed, each with the number of the order that asked for it last.
#[derive(Debug)]
pub struct Owed {
    note: PathBuf,
    changes: BTreeMap<Change, u64>,
    orders: u64,
}

/// As it is noted.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    services: Vec<String>,
}

/// Which order a change is made for.
pub type Order = Option<u64>;

impl Owed {
    /// Nothing yet.
    pub fn new(note: PathBuf) -> Self {
        Self {
            note,
            changes: BTreeMap::new(),
            orders: 0,
        }
    }

    /// What a former process owed, in order; this one owes it now.
    pub fn take_over(&mut self) -> Vec<Change> {
        let noted: Option<Noted> = note::read(&self.note);
        let services = noted.map(|noted| noted.services).unwrap_or_default();
        let known = Change::all();
        let owed: Vec<_> = known
            .filter(|change| services.iter().any(|name| name == change.service()))
            .collect();
        let order = self.orders;
        self.changes
            .extend(owed.iter().map(|change| (*change, order)));
        owed
    }

    /// A new order owes these.
    ///
    /// # Errors
    /// When it cannot be noted; then they are not owed.
    pub fn add(&mut self, changes: &[Change]) -> io::Result<()> {
        let former = self.changes.clone();
        self.orders += 1;
        let order = self.orders;
        self.changes
            .extend(changes.iter().map(|change| (*change, order)));
        let noted = self.write();
        noted.inspect_err(|_| self.changes = former)
    }

    /// The last order has come to nothing. What it shares with an older one stays owed.
    pub fn take_back(&mut self, former: BTreeMap<Change, u64>) {
        self.changes = former;
        self.rewrite();
    }

    /// What is owed, for [`Owed::take_back`].
    pub fn present(&self) -> BTreeMap<Change, u64> {
        self.changes.clone()
    }

    /// Is about to be made.
    pub fn begin(&self, change: Change) -> Order {
        self.changes.get(&change).copied()
    }

    /// Was made. Owed again if there was an order since it was begun.
    pub fn done(&mut self, change: Change, begun: Order) {
        if begun.is_some() && self.begin(change) == begun {
            self.changes.remove(&change);
            self.rewrite();
        }
    }

    fn rewrite(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(
                "{}: {error}; a service may be told twice",
                self.note.display()
            );
        }
    }

    fn write(&self) -> io::Result<()> {
        if self.changes.is_empty() {
            note::forget(&self.note);
            return Ok(());
        }
        let names = self
            .changes
            .keys()
            .map(|change| change.service().to_owned());
        let services = names.collect();
        note::write(&self.note, &Noted { services })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Change::{Reload, Restart};

    const NETWORK: Change = Reload("network");
    const TOOLS: Change = Restart("tools");

    #[test]
    fn what_is_owed_is_owed_until_it_was_made_after_the_last_order_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("owed.toml");
        let next = || Owed::new(note.clone()).take_over();
        let mut owed = Owed::new(note.clone());
        assert!(next().is_empty());
        owed.add(&[TOOLS, NETWORK]).unwrap();
        assert_eq!(next(), [NETWORK, TOOLS], "in order");
        let begun = owed.begin(TOOLS);
        owed.add(&[TOOLS]).unwrap(); // the service may have read the former configuration
        owed.done(TOOLS, begun);
        assert_eq!(next(), [NETWORK, TOOLS]);
        owed.done(TOOLS, owed.begin(TOOLS));
        assert_eq!(next(), [NETWORK]);
        let former = owed.present();
        owed.add(&[TOOLS, NETWORK]).unwrap();
        owed.take_back(former);
        assert_eq!(next(), [NETWORK]);
        owed.done(NETWORK, owed.begin(NETWORK));
        assert!(!note.exists());
    }
}
