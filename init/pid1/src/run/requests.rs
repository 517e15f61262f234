//! What control may ask of PID 1, and the answers.

use super::supervisor::Supervisor;
use crate::shutdown::End;
use aios_service::manifest::Way;
use aios_service::names::{CONTROL, LOGGER};
use aios_service::supervise::{Event, Id};
use aios_service::wire::{self, BootRecord, Reply, Request, ServiceRecord};

impl Supervisor {
    /// The packet that answers this one; none when it is no request.
    pub(super) fn answer_to(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (tag, request) = wire::decode_request(packet)?;
        let reply = self.reply_to(request);
        Some(wire::encode_reply(tag, &reply))
    }

    fn reply_to(&mut self, request: Request) -> Reply {
        match request {
            Request::At(place) => self.record(usize::from(place)),
            Request::Find(name) => self.find(&name).map_or(Reply::None, |id| self.record(id)),
            Request::Start(name) => self.order(&name, Event::Start),
            Request::Restart(name) => self.order(&name, Event::Restart),
            Request::Stop(name) if name == CONTROL || name == LOGGER => {
                Reply::Refused(format!("without {name} nobody could start it again"))
            }
            Request::Stop(name) => self.order(&name, Event::Stop),
            Request::KillAgents => self.kill_agents(),
            Request::Define(unit) => self.define(unit),
            Request::Boot => Reply::Boot(self.boot_record()),
            Request::BootEvent(place) => match self.happenings.get(usize::from(place)) {
                Some((at, text)) => Reply::BootEvent {
                    at: *at,
                    text: text.clone(),
                },
                None => Reply::None,
            },
            Request::Power { reboot, reason } => {
                self.shut_down(if reboot { End::Reboot } else { End::Off }, &reason);
                Reply::Accepted
            }
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Id> {
        self.processes
            .iter()
            .position(|process| process.manifest.name == name)
    }

    fn order(&mut self, name: &str, event: fn(Id) -> Event) -> Reply {
        match self.find(name) {
            None => Reply::None,
            Some(_) if self.machine.is_shutting_down() => {
                Reply::Refused("the system is shutting down".to_owned())
            }
            Some(id) => {
                self.tell(event(id));
                Reply::Accepted
            }
        }
    }

    /// All in one turn: none of them hears that the others are gone.
    fn kill_agents(&mut self) -> Reply {
        for id in 0..self.processes.len() {
            if self
                .processes
                .get(id)
                .is_some_and(|process| process.manifest.agent)
            {
                self.tell(Event::Kill(id));
            }
        }
        Reply::Accepted
    }

    fn record(&self, id: Id) -> Reply {
        let Some(process) = self.processes.get(id) else {
            return Reply::None;
        };
        let status = self.machine.status(id);
        let manifest = &process.manifest;
        Reply::Service(ServiceRecord {
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            without: manifest.without.clone(),
            last_exit: match (status.last_exit, process.last_failure.as_str()) {
                (None, _) => String::new(),
                (Some(exit), "") => exit.to_string(),
                (Some(exit), why) => format!("{exit}: {why}"),
            },
            status: process.status.clone(),
            state: wire::state_number(status.state),
            phase: manifest.phase,
            unit: manifest.unit,
            agent: manifest.agent,
            pid: process
                .worker
                .or_else(|| u32::try_from(process.pid?.as_raw()).ok())
                .unwrap_or(0),
            restarts: status.restarts,
            since: self.clock.as_boottime(status.since),
            patience: manifest.start_timeout_ms + manifest.stop_timeout_ms,
        })
    }

    fn boot_record(&self) -> BootRecord {
        let phases = self
            .timeline
            .phases
            .map(|(start, end)| (start.unwrap_or(0), end.unwrap_or(0)));
        BootRecord {
            phases,
            ready: self.timeline.ready.unwrap_or(0),
            degraded: self.timeline.degraded,
            container: self.way == Way::Container,
        }
    }
}
