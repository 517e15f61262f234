//! The two slots, and what may be done with them. Pure.
//!
//! The boot loader's part of the contract (in its configuration, made by `xtask`):
//! at each boot it takes `first`; when that has no tries left and the other slot was
//! marked good, it makes the other one first, with three tries; it takes one try away
//! and starts the slot.
//!
//! **A slot that is being written can never be booted**: [`State::begin`] takes its
//! mark and its tries away before its first byte changes.

use std::fmt;
use std::str::FromStr;

use crate::bundle::{ARCHITECTURE, Manifest};
use crate::environment::Environment;

/// How often a slot is tried before the other one is taken.
pub const TRIES: u8 = 3;

/// Our variables, the ones that decide a boot in front.
pub const VARIABLES: [&str; 10] = [
    "first",
    "tries_a",
    "tries_b",
    "ok_a",
    "ok_b",
    "floor",
    "release_a",
    "release_b",
    "version_a",
    "version_b",
];

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `boot-a` and `root-a`.
    A,
    /// `boot-b` and `root-b`.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The one that it is not.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its place in lists of both.
    pub(crate) fn place(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

impl FromStr for Slot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|slot| slot.to_string() == text)
            .ok_or(())
    }
}

/// What is known of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Boots left before the other slot is taken.
    pub tries: u8,
    /// Marked good since it was written.
    pub good: bool,
    /// Which release is in it; 0: not known, or nothing whole.
    pub release: u64,
    /// The same for people.
    pub version: String,
}

/// Both slots, as they are while one of them runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The one that runs.
    pub running: Slot,
    /// The one that boots next.
    pub first: Slot,
    /// The highest release that was ever marked good.
    pub floor: u64,
    slots: [Known; 2],
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum No {
    /// Installing now would leave nothing to fall back to.
    #[error(
        "the running slot {0} is not marked good yet, and what it could fall back to is in the other one; \
         wait until everything has been healthy for a minute (aiosctl slots), or roll back"
    )]
    Unproven(Slot),
    /// Too old.
    #[error(
        "release {release} is older than {floor}, which ran well here; an older one may have known holes"
    )]
    Older {
        /// The bundle's.
        release: u64,
        /// The oldest that is taken.
        floor: u64,
    },
    /// A release in between is needed.
    #[error(
        "it can be installed from release {from} on, and {running} is running; install one in between first"
    )]
    Leap {
        /// The oldest from which it can be installed.
        from: u64,
        /// The running one.
        running: u64,
    },
    /// Other hardware.
    #[error("it is for {0}, this machine is {ARCHITECTURE}")]
    Architecture(String),
    /// Nothing to go back to.
    #[error("slot {0} has nothing to go back to: what is in it was never marked good")]
    NothingThere(Slot),
}

impl State {
    /// What the boot loader's environment says while `running` runs. What is missing
    /// in it is as on a new disk: the running slot first, nothing proven.
    pub fn of(environment: &Environment, running: Slot) -> Self {
        let get = |name: &str, slot: Slot| environment.get(&format!("{name}_{slot}"));
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let slots = Slot::ALL.map(|slot| Known {
            tries: u8::try_from(number(get("tries", slot)))
                .unwrap_or(TRIES)
                .min(TRIES),
            good: get("ok", slot) == Some("1"),
            release: number(get("release", slot)),
            version: get("version", slot).unwrap_or_default().to_owned(),
        });
        let first = environment
            .get("first")
            .and_then(|text| text.parse().ok())
            .unwrap_or(running);
        Self {
            running,
            first,
            floor: number(environment.get("floor")),
            slots,
        }
    }

    /// Puts it into an environment; what is not ours there is kept.
    pub fn put(&self, environment: &mut Environment) {
        environment.set("first", &self.first.to_string());
        environment.set("floor", &self.floor.to_string());
        for slot in Slot::ALL {
            let known = self.slot(slot);
            environment.set(&format!("tries_{slot}"), &known.tries.to_string());
            environment.set(&format!("ok_{slot}"), if known.good { "1" } else { "0" });
            environment.set(&format!("release_{slot}"), &known.release.to_string());
            environment.set(&format!("version_{slot}"), &known.version);
        }
    }

    /// What is known of a slot.
    pub fn slot(&self, slot: Slot) -> &Known {
        &self.slots[slot.place()]
    }

    /// What the running system says of itself, where the environment says nothing: a
    /// disk that came so from its builder.
    pub fn introduce(&mut self, release: u64, version: &str) {
        let known = &mut self.slots[self.running.place()];
        if known.release == 0 {
            known.release = release;
            version.clone_into(&mut known.version);
        }
    }

    /// May an update be installed now?
    ///
    /// # Errors
    /// [`No::Unproven`].
    pub fn may_begin(&self) -> Result<(), No> {
        if self.slot(self.running).good {
            Ok(())
        } else {
            Err(No::Unproven(self.running))
        }
    }

    /// May this one?
    ///
    /// # Errors
    /// Why not.
    pub fn takes(&self, manifest: &Manifest) -> Result<(), No> {
        if manifest.architecture != ARCHITECTURE {
            return Err(No::Architecture(manifest.architecture.clone()));
        }
        if manifest.release < self.floor {
            return Err(No::Older {
                release: manifest.release,
                floor: self.floor,
            });
        }
        let running = self.slot(self.running).release;
        if running < manifest.from_release {
            return Err(No::Leap {
                from: manifest.from_release,
                running,
            });
        }
        Ok(())
    }

    /// Before the other slot's first byte changes: nothing may boot it.
    pub fn begin(&mut self) {
        self.first = self.running;
        self.slots[self.running.other().place()] = Known::default();
    }

    /// After its last byte is on the disk: it boots next.
    pub fn finish(&mut self, manifest: &Manifest) {
        let new = self.running.other();
        self.first = new;
        self.slots[new.place()] = Known {
            tries: TRIES,
            good: false,
            release: manifest.release,
            version: manifest.version.clone(),
        };
    }

    /// The other slot boots next.
    ///
    /// # Errors
    /// [`No::NothingThere`].
    pub fn roll_back(&mut self) -> Result<(), No> {
        let other = self.running.other();
        if !self.slot(other).good {
            return Err(No::NothingThere(other));
        }
        self.first = other;
        self.slots[other.place()].tries = TRIES;
        Ok(())
    }

    /// The running slot works.
    pub fn mark_good(&mut self) {
        let known = &mut self.slots[self.running.place()];
        known.good = true;
        known.tries = TRIES;
        self.floor = self.floor.max(known.release);
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
