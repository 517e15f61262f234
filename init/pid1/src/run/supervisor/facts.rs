//! What the boot timeline has to know of the services.

use super::super::services::Process;
use super::super::timeline::{Facts, Line};
use super::Supervisor;
use aios_service::console::Severity;
use aios_service::names::ORCHESTRATOR;
use aios_service::supervise::{Millis, State};

impl Supervisor {
    pub(super) fn update_timeline(&mut self) {
        if self.timeline.ready.is_some() || self.machine.is_shutting_down() {
            return;
        }
        let now = self.clock.now();
        let facts = self.facts(now);
        for line in self.timeline.update(now, &facts) {
            self.console.announce(&line.to_string());
            if let Line::Ready(at, missing) = &line
                && !missing.is_empty()
            {
                self.remember(*at, format!("degraded: {}", missing.join(", ")));
            }
        }
        if self.timeline.ready.is_some() {
            if let Err(error) = aios_service::conditions::publish_ready() {
                let text = format!("the keeper does not hear of READY: {error}");
                self.log(Severity::Warning, &text);
            }
            super::super::memory::release();
        }
    }

    fn facts(&self, now: Millis) -> Facts {
        let mut facts = Facts {
            settled: [true; 4],
            missing: self.missing.clone(),
            ..Facts::default()
        };
        for (id, process) in self.processes.iter().enumerate() {
            let place = usize::from(process.manifest.phase).saturating_sub(1);
            let status = self.machine.status(id);
            let untouched = matches!(status.state, State::Inactive | State::Waiting);
            // An agent that nobody has asked for yet is still to come.
            let to_come = place == 3 && !status.wanted;
            let is_settled = self.machine.is_settled(now, id) && !to_come;
            // A manifest's phase is 1 to 4, or it was refused.
            if let (Some(started), Some(settled)) =
                (facts.started.get_mut(place), facts.settled.get_mut(place))
            {
                *started |= !untouched;
                *settled &= is_settled;
            }
            let here = matches!(status.state, State::Ready | State::Done);
            if status.wanted && !here {
                facts.missing.push(process.manifest.name.clone());
            }
        }
        let orchestrator = self
            .processes
            .iter()
            .position(|process| process.manifest.name == ORCHESTRATOR);
        facts.orchestrator_gone = orchestrator.is_none_or(|id| {
            let ready = self.machine.state(id) == State::Ready;
            !ready && self.machine.is_settled(now, id)
        });
        facts.autonomous = self.autonomous;
        let is_install =
            |process: &Process| process.manifest.name == aios_service::installer::SERVICE;
        let installer = self.processes.iter().any(is_install);
        let lacks = match (installer, facts.autonomous) {
            (true, _) => None, // it is no node, and none of this is to come
            (false, false) => Some("autonomy loop"),
            (false, true) => (!is_provisioned()).then_some("not provisioned"),
        };
        facts.missing.extend(lacks.map(str::to_owned));
        facts
    }
}

/// Has the node a certificate, so that somebody can manage it? Asked when all else is there.
fn is_provisioned() -> bool {
    aios_service::places::etc_dir()
        .join("pki/node.crt")
        .exists()
}
