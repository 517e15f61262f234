//! What services and control say to PID 1.

use nix::unistd::Pid;

use super::super::link::{self, Received};
use super::{Supervisor, TURN_MAX};
use aios_service::console::Severity;
use aios_service::names::ORCHESTRATOR;
use aios_service::notify::{self, Message, Said};
use aios_service::supervise::Event;

impl Supervisor {
    pub(super) fn take_notifications(&mut self) {
        for _ in 0..TURN_MAX {
            match notify::receive(&self.notify) {
                Ok(None) => return,
                Ok(Some(message)) => self.notified(message),
                Err(error) => self.log(Severity::Warning, &format!("notification: {error}")),
            }
        }
    }

    fn notified(&mut self, mut message: Message) {
        let pid = Some(Pid::from_raw(message.sender));
        let Some(id) = self.processes.iter().position(|process| process.pid == pid) else {
            return message.refuse(); // not a service's main process: does not count
        };
        for word in std::mem::take(&mut message.said) {
            let Some(process) = self.processes.get_mut(id) else {
                break; // the list never gets shorter
            };
            match word {
                Said::Ready => self.tell(Event::Ready(id)),
                Said::Stopping => self.tell(Event::Leaving(id)),
                Said::Alive => self.tell(Event::Alive(id)),
                Said::Extend(span) => self.tell(Event::Extend(id, span)),
                Said::Failure(text) => process.failure = text,
                Said::Final => self.tell(Event::Final(id)),
                Said::Status(text) => process.status = text,
                Said::MainPid(pid) => process.worker = Some(pid),
                // An agent's listener is PID 1's own.
                Said::Forget(_) | Said::Store(_) if process.manifest.agent => {}
                Said::Forget(name) => process.store.forget(&name),
                Said::Store(name) => {
                    let descriptors = std::mem::take(&mut message.descriptors);
                    if let Err(why) = process.store.keep(&name, descriptors) {
                        let text = format!("{}: not stored: {why}", process.manifest.name);
                        self.log(Severity::Warning, &text);
                    }
                }
                Said::Phase5 if process.manifest.name == ORCHESTRATOR => {
                    self.autonomous = true;
                }
                Said::Phase5 => {}
            }
        }
        message.refuse();
    }

    pub(super) fn take_requests(&mut self) {
        for _ in 0..TURN_MAX {
            let Some(control) = &self.control else {
                return;
            };
            match link::receive(control) {
                Received::Packet(packet) => self.answer(&packet),
                Received::Nothing => return,
                Received::Closed => {
                    self.control = None;
                    return;
                }
            }
        }
    }

    /// Answers control; it is gone or stuck when that fails, which is its loss.
    fn answer(&mut self, packet: &[u8]) {
        let Some(answer) = self.answer_to(packet) else {
            return self.log(
                Severity::Warning,
                "control sent something that is no request",
            );
        };
        if let Some(control) = &self.control
            && let Err(error) = link::reply(control, &answer)
        {
            self.log(
                Severity::Warning,
                &format!("cannot answer control: {error}"),
            );
        }
    }
}
