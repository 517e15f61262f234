//! All schedules of this node: their files, and what became of each.
//!
//! The file of a schedule is written once, by `schedule.create`, and says what was ordered. What became of
//! it is kept apart, so that taking the order back finds the file as it was made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aios_files::durable;
use aios_tool::context::Operator;
use aios_tool::edit::text_at;
use aios_tool::error::ToolError;
use aios_tool::file::name;
use aios_tool::format;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::due::{State, is_over};
use super::file::{ENDING, SIZE_MAX, Schedule, is_id};

/// The folder of the files, in aiOS's state.
pub const FOLDER: &str = "schedules";
/// What became of them, in the folder of `aios-tools`.
const STATES: &str = "tools/schedules.json";
/// The form of that file.
const FORMAT: u32 = 1;
/// Schedules that are not over, of one operator.
const PER_OPERATOR_MAX: usize = 64;
/// Schedules that are not over, in all.
const ACTIVE_MAX: usize = 256;
/// Files, those of schedules that are over counted.
const FILES_MAX: usize = 1024;
/// What is said of a schedule that was deleted and is back.
const AWAY: &str = "what was due while it was deleted is not made up for";
/// The longest reason why a file cannot be read, in bytes: its content is in it.
const WHY_MAX: usize = 300;
/// States that are kept of schedules whose files are gone: an undo may bring them back.
const GONE_MAX: usize = 512;

/// All schedules.
#[derive(Debug)]
pub struct Schedules {
    folder: PathBuf,
    file: PathBuf,
    states: Mutex<BTreeMap<String, State>>,
    /// What is wrong with the file of what became of them; empty when nothing is.
    damage: String,
    /// From when times are counted for a schedule of which nothing is known, when that file was damaged.
    floor_ms: Option<i64>,
}

/// What the folder holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The schedules, the oldest first.
    pub schedules: Vec<Schedule>,
    /// Files that are none, and why.
    pub unreadable: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    states: BTreeMap<String, State>,
}

impl Schedules {
    /// Those of aiOS's state in this folder. What became of them is lost when that file is damaged: then it
    /// is put aside, and the schedules go on from now.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(state_dir: &Path, now_ms: i64) -> std::io::Result<Self> {
        let (folder, file) = (state_dir.join(FOLDER), state_dir.join(STATES));
        std::fs::create_dir_all(&folder)?;
        let (states, damage) = match std::fs::read(&file) {
            Err(_) => (BTreeMap::new(), String::new()), // nothing ran yet
            Ok(text) => match serde_json::from_slice::<Kept>(&text) {
                Ok(kept) if kept.format == FORMAT => (kept.states, String::new()),
                read => {
                    let why = read.map_or_else(
                        |error| error.to_string(),
                        |kept| format!("it has the format {}", kept.format),
                    );
                    let aside = file.with_extension("json.damaged");
                    let why = format!(
                        "what ran before is not known: {} ({why}), kept as {}",
                        file.display(),
                        aside.display()
                    );
                    tracing::error!("{why}");
                    std::fs::rename(&file, &aside)?;
                    (BTreeMap::new(), why)
                }
            },
        };
        Ok(Self {
            folder,
            file,
            states: Mutex::new(states),
            floor_ms: (!damage.is_empty()).then_some(now_ms),
            damage,
        })
    }

    /// The path of a schedule's file.
    pub fn path(&self, id: &str) -> String {
        name::encode(self.folder.join(format!("{id}{ENDING}")))
    }

    /// What is wrong with what is known of earlier runs; empty when nothing is.
    pub fn damage(&self) -> &str {
        &self.damage
    }

    /// What the folder holds now.
    pub fn read(&self, zone: &TimeZone) -> Listing {
        let mut listing = Listing::default();
        let names = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.file_name()),
            Err(error) => {
                let why = format!("{}: {error}", self.folder.display());
                listing.unreadable.push(why);
                return listing;
            }
        };
        let mut names: Vec<_> = names.take(FILES_MAX + 1).collect();
        names.sort();
        if names.len() > FILES_MAX {
            names.truncate(FILES_MAX);
            let why = format!("there are more than {FILES_MAX} files, and only so many are read");
            listing.unreadable.push(why);
        }
        for name in names {
            let shown = format::printable(&name.to_string_lossy());
            match self.read_one(&name.to_string_lossy(), zone) {
                Ok(schedule) => listing.schedules.push(schedule),
                Err(why) => {
                    let why = format::cut(&format::printable(&why), WHY_MAX);
                    listing.unreadable.push(format!("{shown}: {why}"));
                }
            }
        }
        listing.schedules.sort_by_key(|one| one.created_ms);
        listing
    }

    fn read_one(&self, name: &str, zone: &TimeZone) -> Result<Schedule, String> {
        let path = name::encode(self.folder.join(name));
        let text = text_at(&path, SIZE_MAX).map_err(|error| error.to_string())?;
        let text = text.ok_or("it is gone")?;
        Schedule::parse(name, &text, zone)
    }

    /// The schedule of this id.
    ///
    /// # Errors
    /// `Precondition` when there is none, or its file cannot be read.
    pub fn find(&self, id: &str, zone: &TimeZone) -> Result<Schedule, ToolError> {
        let absent = || {
            ToolError::Precondition(format!(
                "there is no schedule {id:?}; schedule.list shows those that there are"
            ))
        };
        if !is_id(id) || text_at(&self.path(id), SIZE_MAX).is_ok_and(|text| text.is_none()) {
            return Err(absent());
        }
        self.read_one(&format!("{id}{ENDING}"), zone)
            .map_err(|why| ToolError::Precondition(format!("schedule {id} cannot be read: {why}")))
    }

    /// Is there room for one more of this operator?
    ///
    /// # Errors
    /// `Precondition`, saying what to delete.
    pub fn has_room(&self, by: &str, zone: &TimeZone) -> Result<(), ToolError> {
        let listing = self.read(zone);
        let full = |what: &str| {
            Err(ToolError::Precondition(format!(
                "{what}; delete some with schedule.delete"
            )))
        };
        let active = listing
            .schedules
            .iter()
            .filter(|one| !is_over(one, &self.state(&one.id)));
        let (mut all, mut own) = (0, 0);
        for one in active {
            all += 1;
            own += usize::from(one.by == by);
        }
        if own >= PER_OPERATOR_MAX {
            return full(&format!("{by} has {PER_OPERATOR_MAX} schedules already"));
        }
        if all >= ACTIVE_MAX {
            return full(&format!("there are {ACTIVE_MAX} schedules already"));
        }
        if listing.schedules.len() + listing.unreadable.len() >= FILES_MAX {
            return full(&format!(
                "there are {FILES_MAX} schedules already, those that are over counted"
            ));
        }
        Ok(())
    }

    /// What became of a schedule so far.
    pub fn state(&self, id: &str) -> State {
        let known = self.lock().get(id).cloned();
        known.unwrap_or_else(|| self.unknown())
    }

    /// The state of a schedule of which nothing is known.
    fn unknown(&self) -> State {
        State {
            decided_ms: self.floor_ms,
            ..State::default()
        }
    }

    /// Changes what is known of a schedule, durably.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses; then nothing is changed.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut State)) -> Result<(), ToolError> {
        self.keep(|states| {
            change(
                states
                    .entry(id.to_owned())
                    .or_insert_with(|| self.unknown()),
            )
        })
    }

    /// Takes note of which schedules there are. One that was away is not made up for: times that passed
    /// meanwhile are over.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub fn note(&self, listing: &Listing, now_ms: i64) -> Result<(), ToolError> {
        let is_there = |id: &String| listing.schedules.iter().any(|one| one.id == *id);
        // A file that cannot be read may be repaired: it is not gone.
        if !listing.unreadable.is_empty() || self.is_noted(listing) {
            return Ok(());
        }
        self.keep(|states| {
            for one in &listing.schedules {
                let state = states.entry(one.id.clone());
                state.or_insert_with(|| self.unknown());
            }
            for (id, state) in states.iter_mut() {
                if state.gone && is_there(id) {
                    state.decide_all(now_ms);
                    state.remark = AWAY.to_owned();
                }
                state.gone = !is_there(id);
            }
            let gone = states.iter().filter(|(_, state)| state.gone);
            let mut gone: Vec<_> = gone
                .map(|(id, state)| (state.decided_ms, id.clone()))
                .collect();
            gone.sort();
            let surplus = gone.len().saturating_sub(GONE_MAX);
            for (_, id) in gone.into_iter().take(surplus) {
                states.remove(&id);
            }
        })
    }

    fn is_noted(&self, listing: &Listing) -> bool {
        let states = self.lock();
        let is_there = |id: &String| listing.schedules.iter().any(|one| one.id == *id);
        let is_so = |(id, state): (&String, &State)| state.gone != is_there(id);
        let is_known = |one: &Schedule| states.contains_key(&one.id);
        states.iter().all(is_so) && listing.schedules.iter().all(is_known)
    }

    /// The schedule that this goal carries out now.
    pub fn of_goal(&self, goal_id: &str) -> Option<String> {
        let runs = |state: &State| {
            let running = state.running.as_ref();
            running.is_some_and(|running| running.goal_id == goal_id)
        };
        let states = self.lock();
        let found = states.iter().find(|(_, state)| runs(state));
        found.map(|(id, _)| id.clone())
    }

    fn keep(&self, change: impl FnOnce(&mut BTreeMap<String, State>)) -> Result<(), ToolError> {
        let mut states = self.lock();
        let mut changed = states.clone();
        change(&mut changed);
        let kept = Kept {
            format: FORMAT,
            states: changed,
        };
        let text =
            serde_json::to_vec(&kept).map_err(|error| ToolError::Failed(error.to_string()))?;
        durable::replace(&self.file, &text).map_err(|error| {
            ToolError::Unavailable(format!("cannot write {}: {error}", self.file.display()))
        })?;
        *states = kept.states;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// May this operator have somebody's schedule run, or take it away? Their own, or one that does no more
/// than they may.
///
/// # Errors
/// `Denied`, naming the role.
pub fn may_touch(schedule: &Schedule, operator: &Operator) -> Result<(), ToolError> {
    match operator.subject == schedule.by || operator.role >= schedule.role {
        true => Ok(()),
        false => Err(ToolError::Denied(format!(
            "schedule {} is of {}, with the role {}",
            schedule.id,
            format::printable(&schedule.by),
            schedule.role
        ))),
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
