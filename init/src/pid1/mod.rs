//! The role of PID 1: boot steps, then one event loop until the end.
//!
//! 1. One thread; nothing in the loop waits for anything but `epoll`.
//! 2. **It never ends by itself**: an error is logged and the loop goes on; a
//!    panic or a fault, which would be a bug, reboots the machine ([`crash`]).
//! 3. What is parsed (manifests, accounts) is parsed once, before the loop.

mod cgroup;
mod check;
mod clock;
mod crash;
pub mod data;
mod define;
mod hardware;
mod link;
mod memory;
pub mod mounts;
mod partuuid;
mod power_button;
mod prepare;
mod requests;
mod reset;
mod rights;
mod sandbox;
mod services;
mod spawn;
mod store;
mod supervisor;
mod sysctl;
mod timeline;
mod trial;
mod unlock;
mod watchdog;

use crate::readahead;
use aios_service::conditions::{self, Condition};
use aios_service::console::{Console, Severity};
use aios_service::manifest::{self, Way};
use aios_service::time::pause;
use aios_service::{boots, installer, places};
use clock::Clock;
use supervisor::Supervisor;

/// Boots, supervises, and ends only by ending the system.
pub fn run() -> std::process::ExitCode {
    let way = Way::here();
    let clock = Clock::new(way);
    let begun = clock.now();
    crash::prepare(way);
    let early = mounts::mount_all(way == Way::Container);
    crash::open_log();
    let console = Console::open(way);
    console.announce(&timeline::Line::Started(1, begun).to_string());
    for failure in early {
        console.log(Severity::Error, &failure);
    }
    if way == Way::Machine
        && let Err(error) = readahead::begin()
    {
        console.log(Severity::Warning, &format!("cannot read ahead: {error}"));
    }
    let mut conditions = prepare::system(way, &console);
    let (mut manifests, mistakes) = manifest::load(&places::etc_dir(), way);
    if manifests.is_empty() {
        let folder = places::etc_dir();
        console.announce(&format!(
            "there is no service manifest in {}",
            folder.display()
        ));
    }
    for mistake in &mistakes {
        console.log(Severity::Error, &format!("manifest refused: {mistake}"));
        console.announce(&format!("manifest refused: {mistake}"));
    }
    conditions.extend(
        mistakes
            .iter()
            .map(|mistake| Condition::new("manifest", &mistake.to_string())),
    );
    if conditions.iter().any(Condition::is_safe_mode) {
        manifests.retain(|manifest| !boots::is_left_out(&manifest.name));
    }
    let installer = conditions.iter().any(Condition::is_installer);
    manifests.retain(|manifest| !installer::leaves_out(&manifest.name, installer));
    if let Err(error) = conditions::publish(&conditions) {
        let text = format!("cannot say what this boot lacks: {error}");
        console.log(Severity::Error, &text);
    }
    let mut supervisor = match Supervisor::new(way, clock, console, manifests) {
        Ok(supervisor) => supervisor,
        Err((console, error)) => return cannot_go_on(way, &console, &error),
    };
    supervisor.timeline.phases[0].0 = Some(begun);
    supervisor.note_missing(conditions.iter().map(Condition::name));
    let (end, unclean) = supervisor.run();
    let watchdog = supervisor.watchdog();
    crate::shutdown::begin(end, way, unclean, watchdog)
}

/// No event loop can be had. On a machine: reboots after a while, in the hope
/// that it was passing.
fn cannot_go_on(way: Way, console: &Console, error: &str) -> std::process::ExitCode {
    console.announce(&format!("PID 1 cannot go on: {error}"));
    if way == Way::Machine {
        pause(10_000);
        let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
    }
    std::process::ExitCode::FAILURE
}
