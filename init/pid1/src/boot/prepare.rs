//! Boot phase 1 before its services: disks, the writable root, this host's own
//! things. Nothing here is fatal; what is lacking becomes a condition.

use super::{data, reset, sysctl, trial};
use aios_service::conditions::{Condition, INSTALLER};
use aios_service::console::{Console, Severity};
use aios_service::manifest::Way;
use aios_service::{boots, host, installer, places, seed};

/// Prepares the system. Returns what it lacks.
pub fn system(way: Way, console: &Console) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut said = String::new();
    let mut say = |text: String| {
        console.announce(&text);
        said = text;
    };
    // Own mounts must not travel to where the container's came from.
    let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    let none: Option<&str> = None;
    if let Err(error) = nix::mount::mount(none, "/", none, private, none) {
        say(format!("cannot make mounts private: {error}"));
    }
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if way == Way::Machine && installer::is_asked(&command_line) {
        // The medium stays as it is, and no disk is touched before somebody names it.
        data::mount_memory(&mut say);
        conditions.push(Condition::new(INSTALLER, ""));
    } else if way == Way::Machine && data::mount_disk(&mut say) == data::Keeps::Memory {
        conditions.push(Condition::new("data-disk", &said));
    }
    let mut tell = |text: String| console.announce(&text);
    reset::if_asked(std::path::Path::new("/data"), &mut tell);
    let ignored = data::overlay_root(&mut |text| {
        console.announce(&text);
        conditions.push(Condition::new("read-only-root", &text));
    });
    for what in &ignored {
        console.announce(&format!("IGNORED in the writable layer: {what}"));
    }
    if !ignored.is_empty() {
        conditions.push(Condition::new("changed-system", &ignored.join("; ")));
    }
    data::bind_state(&mut tell);
    host(way, console);
    if way == Way::Machine {
        machine(console, &mut conditions);
    }
    conditions
}

/// Logs what failed.
fn report(console: &Console, what: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        console.log(Severity::Error, &format!("cannot {what}: {error}"));
    }
}

fn host(way: Way, console: &Console) {
    let report = |what, result| report(console, what, result);
    report("set the host name", host::set_name().map_err(Into::into));
    report("make a machine id", host::ensure_machine_id());
    for failure in host::prepare() {
        console.log(Severity::Error, &failure);
    }
    match trial::end(&places::etc_dir(), &places::state_dir()) {
        Ok(None) => {}
        Ok(Some(recorded)) => {
            console.announce("the configuration that was tried went back: unconfirmed");
            report("keep for the audit log that it went back", recorded);
        }
        Err(error) => report("let the configuration that was tried go back", Err(error)),
    }
    // Memory pressure takes anything before PID 1. Err: some containers forbid it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    // Sockets of many services are kept here; a service's own limit is its manifest's.
    report(
        "have many descriptors",
        host::raise_descriptor_limit().map_err(Into::into),
    );
    if way == Way::Machine {
        host::give_terminals_to_console();
        report(
            "give the kernel log to the logger",
            host::give_kernel_log_to_logger().map_err(Into::into),
        );
        // Ctrl-alt-del becomes SIGINT for PID 1.
        report(
            "catch ctrl-alt-del",
            nix::sys::reboot::set_cad_enabled(false).map_err(Into::into),
        );
    }
}

/// What only a machine of its own has: clock, entropy, kernel settings, boot counter.
fn machine(console: &Console, conditions: &mut Vec<Condition>) {
    match host::correct_clock() {
        Ok(None) => {}
        Ok(Some(wrong)) => console.announce(&format!("the clock was {wrong}")),
        Err(error) => report(console, "correct the clock", Err(error.into())),
    }
    match seed::load() {
        Ok(done) => console.log(Severity::Notice, done),
        Err(error) => report(console, "use the entropy seed", Err(error)),
    }
    let deviations = sysctl::enforce();
    for deviation in &deviations {
        console.log(Severity::Warning, &format!("kernel setting: {deviation}"));
    }
    if !deviations.is_empty() {
        conditions.push(Condition::new("kernel-settings", &deviations.join(", ")));
    }
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let (safe, counted) = boots::count(&command_line);
    report(console, "count this boot", counted);
    if let Some(reason) = safe {
        console.announce(&format!("SAFE MODE: {reason}"));
        conditions.push(Condition::new("safe-mode", &reason));
    }
}
