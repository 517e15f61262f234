//! How `fs.chmod` and `fs.chown` change what files and folders have beside their content.

use std::collections::HashMap;

use rustix::fs::{FileType, Stat};

use aios_tool::argument::WritePath;
use aios_tool::file::meta::Meta;
use aios_tool::file::place::Place;
use aios_tool::file::{self, path};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::{Owned, Step};

/// So many objects one call may change: all are looked at before the first is changed.
const ENTRIES_MAX: usize = 20_000;

/// What a call is about.
pub struct Subject<'a> {
    /// Where it begins.
    pub path: &'a WritePath,
    /// With everything below?
    pub below: bool,
    /// What an object of this kind is to have; `None`: it stays as it is.
    pub wanted: &'a dyn Fn(FileType, &Meta) -> Option<Meta>,
}

/// What became of the objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turned {
    /// So many were looked at.
    pub entries: u64,
    /// So many were changed.
    pub changed: u64,
    /// So many lost set-user-ID, set-group-ID or capabilities.
    pub privileges_dropped: u64,
}

/// One object that is to change.
struct Turn<'a> {
    place: &'a Place,
    before: Meta,
    after: Meta,
}

impl Subject<'_> {
    /// What would change.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn preview(&self, context: &Context) -> Result<Preview, ToolError> {
        let mut changes = Vec::new();
        self.changes(context, &mut |turn| {
            let object = turn.place.shown();
            changes.push(Foreseen::of(
                object,
                &described(&turn.before),
                &described(&turn.after),
            ));
            Ok(())
        })?;
        Ok(changes.into_iter().collect())
    }

    /// Keeps how all is that would change.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn capture(&self, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        let mut entries = Vec::new();
        self.changes(context, &mut |turn| {
            entries.push(Owned::of(turn.place)?);
            Ok(())
        })?;
        capture.metadata(self.path.as_str(), &entries)
    }

    /// Changes it. When one object cannot be changed, all are given back what they had.
    ///
    /// # Errors
    /// As [`Self::visit`]; what the kernel refused; `Unverified` when a part of it is left.
    pub fn turn(&self, context: &Context) -> Result<Turned, ToolError> {
        let mut done: HashMap<String, Meta> = HashMap::new();
        let mut turned = Turned::default();
        let result = self.changes(context, &mut |turn| {
            done.insert(turn.place.shown(), turn.before.clone());
            turned.changed += 1;
            let lost = turn.before.has_privileges() && !turn.after.has_privileges();
            turned.privileges_dropped += u64::from(lost);
            turn.after.apply(turn.place)
        });
        match result {
            Ok(entries) => Ok(Turned { entries, ..turned }),
            Err(error) => {
                self.give_back(&done, context).map_err(|left| {
                    ToolError::Unverified(format!("{error}; a part of it is left, because {left}"))
                })?;
                Err(error)
            }
        }
    }

    fn give_back(&self, done: &HashMap<String, Meta>, context: &Context) -> Result<(), ToolError> {
        self.visit(context, &mut |place, _, _| match done.get(&place.shown()) {
            Some(meta) => meta.apply(place),
            None => Ok(()),
        })
        .map(drop)
    }

    /// Post-condition: nothing is left to change.
    ///
    /// # Errors
    /// `Unverified`, naming what is not as wanted.
    pub fn verify(&self, context: &Context) -> Result<(), ToolError> {
        self.changes(context, &mut |turn| {
            Err(ToolError::Unverified(format!(
                "{} has {}",
                turn.place.shown(),
                described(&turn.before)
            )))
        })
        .map(drop)
    }

    /// After a crash: what the whole act would have said, when nothing is left of it to do.
    ///
    /// # Errors
    /// As [`Self::visit`].
    pub fn found_done(
        &self,
        steps: &[Step],
        context: &Context,
    ) -> Result<Option<Turned>, ToolError> {
        let mut left = 0;
        let entries = self.changes(context, &mut |_| {
            left += 1;
            Ok(())
        })?;
        let changed = steps.iter().map(|step| match step {
            Step::RestoreMetadata(step) => step.entries,
            _ => 0,
        });
        Ok((left == 0).then(|| Turned {
            entries,
            changed: changed.sum(),
            privileges_dropped: 0,
        }))
    }

    /// Goes through what would change; the answer is how many objects were looked at.
    fn changes(
        &self,
        context: &Context,
        each: &mut dyn FnMut(&Turn<'_>) -> Result<(), ToolError>,
    ) -> Result<u64, ToolError> {
        self.visit(context, &mut |place, kind, before| {
            let Some(after) = (self.wanted)(kind, &before) else {
                return Ok(());
            };
            let same = (before.mode, before.uid, before.gid) == (after.mode, after.uid, after.gid);
            if same && before.has_privileges() == after.has_privileges() {
                return Ok(());
            }
            each(&Turn {
                place,
                before,
                after,
            })
        })
    }

    /// Goes through all objects, parents first.
    ///
    /// # Errors
    /// `Precondition` for a place where something is mounted, a file with other names, too many
    /// objects; `Denied` for what no tool may change.
    fn visit(
        &self,
        context: &Context,
        each: &mut dyn FnMut(&Place, FileType, Meta) -> Result<(), ToolError>,
    ) -> Result<u64, ToolError> {
        let mut entries = 0;
        let top = self.path.place()?;
        top.existing()?;
        self.visit_at(&top, context, &mut entries, each)?;
        Ok(entries)
    }

    fn visit_at(
        &self,
        place: &Place,
        context: &Context,
        entries: &mut u64,
        each: &mut dyn FnMut(&Place, FileType, Meta) -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        *entries += 1;
        may_be_turned(place, *entries, context)?;
        let (stat, meta) = Meta::read(place, &place.hold()?)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        is_alone(place, kind, &stat)?;
        let without_times = Meta {
            times: None,
            ..meta
        };
        each(place, kind, without_times)?;
        if self.below && kind == FileType::Directory {
            for child in place.children()? {
                self.visit_at(&child, context, entries, each)?;
            }
        }
        Ok(())
    }
}

fn may_be_turned(place: &Place, number: u64, context: &Context) -> Result<(), ToolError> {
    let refuse = |why: String| Err(ToolError::Precondition(why));
    if number > ENTRIES_MAX as u64 {
        return refuse(format!(
            "more than {ENTRIES_MAX} entries would be changed; name a folder further down"
        ));
    }
    if context.remaining().is_zero() {
        return Err(ToolError::Deadline(
            "not all could be looked at in time".into(),
        ));
    }
    if number > 1 {
        path::changeable(&place.shown(), context)?;
        if place.is_mounted() {
            return refuse(format!(
                "{} is a place where something is mounted",
                place.shown()
            ));
        }
    }
    Ok(())
}

/// A file with other names would change under names for which the caller holds no capability.
fn is_alone(place: &Place, kind: FileType, stat: &Stat) -> Result<(), ToolError> {
    match (kind, file::names(stat)) {
        (FileType::Directory, _) | (_, 0 | 1) => Ok(()),
        (_, count) => Err(ToolError::Precondition(format!(
            "{} has {count} names (hard links), and the others would change with it",
            place.shown()
        ))),
    }
}

fn described(meta: &Meta) -> String {
    let privileges = if meta.has_privileges() {
        ", runs with privileges"
    } else {
        ""
    };
    format!(
        "mode {:04o}, owner {}:{}{privileges}",
        meta.mode, meta.uid, meta.gid
    )
}

/// For the operator: how many were changed, of how many.
pub fn counted(path: &str, changed: u64, entries: u64) -> String {
    match (changed, entries) {
        (0, 1) => format!("{path} had it already"),
        (0, _) => format!("all {entries} entries at and below {path} had it already"),
        (_, 1) => format!("{path} is changed"),
        _ => format!("{changed} of {entries} entries at and below {path} are changed"),
    }
}
