//! Services that unit files describe, which PID 1 comes to know while it runs.
//!
//! Control says what such a service is called and how it is to be restarted.
//! What runs is always `aios-init unit-run NAME`, which reads the unit file
//! itself: nobody can make PID 1 run anything else.

use std::path::Path;

use super::services::{self, Process};
use super::supervisor::Supervisor;
use aios_service::manifest::{Manifest, Ready, Restart, Start, TIMEOUT_MAX_MS};
use aios_service::wire::{Reply, UnitRecord};
use aios_service::{boots, installer};
use aios_units::Name;

/// More services than this are not taken on.
const SERVICES_MAX: usize = 256;

impl Supervisor {
    /// Takes on a unit's service, or what changed of one that does not run.
    pub(super) fn define(&mut self, record: UnitRecord) -> Reply {
        let place = self.find(&record.name);
        let refuse = |why: &str| Reply::Refused(format!("{}: {why}", record.name));
        let known = place.and_then(|id| self.processes.get(id));
        let is_left_out =
            boots::is_left_out(&record.name) || installer::leaves_out(&record.name, false);
        if is_left_out || known.is_some_and(|process| !process.manifest.unit) {
            return refuse("is a service of aiOS's own");
        }
        if place.is_none() && self.processes.len() >= SERVICES_MAX {
            return refuse("there are too many services");
        }
        // Not the name that it had when PID 1 was started: that may be another file now.
        let Ok(executable) = std::fs::read_link("/proc/self/exe") else {
            return refuse("PID 1 cannot find its own executable");
        };
        let Ok(name) = Name::new(&record.name) else {
            return refuse("is no name of a service");
        };
        let process = Process::new(manifest(name, &executable, &record));
        // Names that PID 1 does not know are mistakes elsewhere, here nothing to wait for.
        let unit = services::unit(&process, &self.processes, &mut Vec::new());
        let Some(id) = self.machine.define(place, unit) else {
            return refuse("cannot be changed now");
        };
        // Both lists have the same places: they are made of the same manifests, and grow here only.
        match self.processes.get_mut(id) {
            Some(known) => known.manifest = process.manifest,
            None => self.processes.push(process),
        }
        Reply::Accepted
    }
}

fn manifest(name: Name, executable: &Path, record: &UnitRecord) -> Manifest {
    let restart = match record.restart {
        0 => Restart::Never,
        1 => Restart::OnFailure,
        _ => Restart::Always,
    };
    Manifest {
        description: record.description.clone(),
        start: Start::Demand,
        after: record.after.clone(),
        ready: if record.oneshot {
            Ready::Oneshot
        } else {
            Ready::Notify
        },
        restart,
        restart_after_ms: record.restart_after.min(TIMEOUT_MAX_MS),
        start_timeout_ms: record.start_timeout.clamp(1, TIMEOUT_MAX_MS),
        stop_timeout_ms: record.stop_timeout.clamp(1, TIMEOUT_MAX_MS),
        spares_rest: record.spares_rest,
        ..Manifest::unit(
            name.full,
            executable,
            Some(record.files_max).filter(|files| *files > 0),
        )
    }
}
