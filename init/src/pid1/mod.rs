//! The role of PID 1: boot steps, then one event loop until the end.
//!
//! 1. One thread; nothing in the loop waits for anything but `epoll`.
//! 2. **It never ends by itself**: an error is logged and the loop goes on; a
//!    panic, which would be a bug, reboots the machine instead of halting it in
//!    a kernel panic.
//! 3. What is parsed (manifests, accounts) is parsed once, before the loop.

mod cgroup;
mod clock;
pub mod console;
pub mod data;
mod define;
pub mod host;
mod link;
mod memory;
pub mod mounts;
pub mod notify;
mod partuuid;
mod requests;
mod reset;
mod rights;
mod sandbox;
mod services;
mod spawn;
mod store;
mod supervisor;
mod timeline;
mod trial;

pub use sandbox::is_deniable;
pub use timeline::NAMES as PHASES;

use crate::manifest::{self, Way};
use crate::places;
use clock::Clock;
use console::{Console, Severity};
use supervisor::Supervisor;

/// Waits without the disallowed `std::thread::sleep`; before the loop and in
/// other roles only.
pub fn pause(milliseconds: u64) {
    let span = std::time::Duration::from_millis(milliseconds);
    let span = rustix::thread::Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    };
    // An interruption makes the pause shorter, which every caller bears.
    let _ = rustix::thread::nanosleep(&span);
}

/// How this system runs: in a container when `container` is set (as runc,
/// crun, podman and systemd-nspawn do or can be told to).
pub fn way() -> Way {
    match std::env::var_os("container") {
        Some(kind) if !kind.is_empty() => Way::Container,
        _ => Way::Machine,
    }
}

/// Boots, supervises, and ends only by ending the system.
pub fn run() -> std::process::ExitCode {
    let way = way();
    let clock = Clock::new(way);
    let begun = clock.now();
    reboot_on_panic(way);
    let early = mounts::mount_all(way == Way::Container);
    let console = Console::open(way);
    console.announce(&timeline::Line::Started(1, begun).to_string());
    for failure in early {
        console.log(Severity::Error, &failure);
    }
    let missing = prepare_system(way, &console);
    let (manifests, mistakes) = manifest::load(&places::etc_dir(), way);
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
    let missing = missing
        .into_iter()
        .chain(mistakes.iter().map(|_| "a manifest".to_owned()));
    let mut supervisor = match Supervisor::new(way, clock, console, manifests) {
        Ok(supervisor) => supervisor,
        Err((console, error)) => return cannot_go_on(way, &console, &error),
    };
    supervisor.timeline.phases[0].0 = Some(begun);
    supervisor.note_missing(missing);
    let (end, unclean) = supervisor.run();
    crate::shutdown::begin(end, way, unclean)
}

/// Boot phase 1 before its services. Returns what the system lacks.
fn prepare_system(way: Way, console: &Console) -> Vec<String> {
    let mut missing = Vec::new();
    let mut say = |text: String| console.announce(&text);
    // Own mounts must not travel to where the container's came from.
    let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    let none: Option<&str> = None;
    if let Err(error) = nix::mount::mount(none, "/", none, private, none) {
        say(format!("cannot make mounts private: {error}"));
    }
    if way == Way::Machine && data::mount_disk(&mut say) == data::Keeps::Memory {
        missing.push("data disk".to_owned());
    }
    reset::if_asked(std::path::Path::new("/data"), &mut say);
    data::overlay_root(&mut say);
    data::bind_state(&mut say);
    prepare_host(way, console);
    missing
}

fn prepare_host(way: Way, console: &Console) {
    let report = |what: &str, result: Result<(), String>| {
        if let Err(error) = result {
            console.log(Severity::Error, &format!("cannot {what}: {error}"));
        }
    };
    let text = |error: nix::errno::Errno| error.to_string();
    report("set the host name", host::set_name().map_err(text));
    report(
        "make a machine id",
        host::ensure_machine_id().map_err(|error| error.to_string()),
    );
    for failure in host::prepare() {
        console.log(Severity::Error, &failure);
    }
    match trial::end(&places::etc_dir()) {
        Ok(false) => {}
        Ok(true) => console.announce("the configuration that was tried went back: unconfirmed"),
        Err(error) => console.log(
            Severity::Error,
            &format!("the configuration that was tried cannot go back: {error}"),
        ),
    }
    // Memory pressure takes anything before PID 1. Err: some containers forbid it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    if way == Way::Machine {
        host::give_terminals_to_console();
        report(
            "give the kernel log to the logger",
            host::give_kernel_log_to_logger().map_err(text),
        );
        match host::correct_clock() {
            Ok(0) => {}
            Ok(seconds) => console.announce(&format!("the clock was {seconds} s behind; moved up")),
            Err(error) => console.log(
                Severity::Error,
                &format!("cannot correct the clock: {error}"),
            ),
        }
        // Ctrl-alt-del becomes SIGINT for PID 1.
        report(
            "catch ctrl-alt-del",
            nix::sys::reboot::set_cad_enabled(false).map_err(text),
        );
    }
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

fn reboot_on_panic(way: Way) {
    std::panic::set_hook(Box::new(move |panic| {
        if std::process::id() != 1 {
            // A child on its way to its program has inherited the hook: it fails
            // alone, as with any other error there. Its log is stderr.
            let text = format!("<2>cannot be started: panicked: {panic}\n");
            let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
            std::process::exit(127);
        }
        let text = format!("<2>aios-init: PID 1 panicked, rebooting: {panic}\n");
        let target = if way == Way::Machine {
            "/dev/kmsg"
        } else {
            "/proc/self/fd/1"
        };
        let _ = std::fs::OpenOptions::new()
            .append(true)
            .open(target)
            .and_then(|mut log| std::io::Write::write_all(&mut log, text.as_bytes()));
        rustix::fs::sync();
        if way == Way::Machine {
            let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
        }
        std::process::exit(134)
    }));
}
