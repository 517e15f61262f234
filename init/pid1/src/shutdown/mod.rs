//! The end of the system, after all services have stopped.
//!
//! 1. On a machine PID 1 moves into memory first and executes itself there (the
//!    `shutdown` role), so that every disk can be unmounted, the root too.
//! 2. Everything has a deadline; nothing here can hang a power-off for good.
//! 3. The watchdog, if there is one, stays armed and open: an end that hangs
//!    all the same is a reset. A machine that cannot switch itself off starts again.
//! 4. **"Cleanly" is said only when it was**: no service outlived its end, and
//!    every file system on a disk was unmounted or made read-only.
//!
//! In a container the exit status tells the runtime: 0 power-off, 133 reboot
//! (128 + 5, as a runtime may restart on), 1 not clean.

mod unmount;

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::mounts;
use aios_service::console::{Console, Severity};
use aios_service::manifest::Way;
use aios_service::time::pause;
use aios_service::{boots, exit, host, running, seed};

/// How the system ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Power off.
    Off,
    /// Start again.
    Reboot,
}

/// The memory that PID 1 moves into.
const REFUGE: &str = "/run/shutdown";
/// Where the old root is, seen from there.
const OLD_ROOT: &str = "/old";
/// Processes that nobody knows have this long after SIGTERM, and after SIGKILL.
const KILL_PATIENCE_MS: u64 = 1_000;
const POLL_MS: u64 = 10;

/// As PID 1, in its own file system. `unclean`: what is already known.
/// `watchdog`: armed; it resets the machine if the end takes too long.
pub fn begin(end: End, way: Way, mut unclean: Vec<String>, watchdog: Option<OwnedFd>) -> ExitCode {
    let console = Console::open(way);
    if let Some(watchdog) = watchdog {
        hand_over(watchdog);
    }
    // Err: the disk is full or read-only; then the next clock is a guess.
    let _ = host::save_time();
    if way == Way::Container {
        kill_all();
        rustix::fs::sync();
        say(&console, end, &unclean);
        return ExitCode::from(match (unclean.is_empty(), end) {
            (false, _) => 1,
            (true, End::Off) => 0,
            (true, End::Reboot) => exit::REBOOT,
        });
    }
    kill_all();
    for (what, saved) in [
        ("save an entropy seed", seed::save()),
        ("clear the boot counter", boots::clear()),
        ("note the end of this run", running::end()),
    ] {
        if let Err(error) = saved {
            console.log(Severity::Warning, &format!("cannot {what}: {error}"));
        }
    }
    rustix::fs::sync();
    let (what, error) = match move_to_memory() {
        Ok(()) => ("execute from memory", become_last(end, &unclean)),
        Err(failed) => failed,
    };
    let failed = format!("cannot {what}: {error}");
    console.announce(&format!("{failed}; unmounting from here"));
    unclean.push(failed);
    // What was moved already is needed again: `/proc` says what is mounted,
    // `/dev` has the console. Err: the unmounting will tell.
    let _ = mounts::mount_all(false);
    last(end, Path::new("/"), unclean)
}

/// As the `shutdown` role: PID 1 in memory, with the old root below [`OLD_ROOT`].
pub fn run(arguments: &[String]) -> ExitCode {
    if std::process::id() != 1 {
        return ExitCode::from(exit::USAGE); // for PID 1 only: anyone else would end nothing
    }
    let end = match arguments.first().map(String::as_str) {
        Some("reboot") => End::Reboot,
        _ => End::Off,
    };
    let unclean = arguments.iter().skip(1).cloned().collect();
    last(end, Path::new(OLD_ROOT), unclean)
}

/// Unmounts what is below `old` and ends the machine.
fn last(end: End, old: &Path, mut unclean: Vec<String>) -> ExitCode {
    let console = Console::open(Way::Machine);
    lock_memory();
    kill_all();
    rustix::fs::sync();
    unclean.extend(unmount::all(old));
    rustix::fs::sync();
    say(&console, end, &unclean);
    pause(50); // the serial line sends what it was given
    let mode = match end {
        End::Off => RebootMode::RB_POWER_OFF,
        End::Reboot => RebootMode::RB_AUTOBOOT,
    };
    let Err(error) = reboot(mode);
    console.announce(&format!("the kernel does not end: {error}"));
    // PID 1 must not exit: that is a kernel panic. A machine without power
    // control waits here for its switch.
    loop {
        pause(60_000);
    }
}

/// Keeps the watchdog open, here and in the process that PID 1 becomes.
fn hand_over(watchdog: OwnedFd) {
    // Err: then it closes with this program, and some watchdogs stop with that.
    let _ = rustix::io::fcntl_setfd(&watchdog, rustix::io::FdFlags::empty());
    // Never closed: what ends it is the machine's end.
    std::mem::forget(watchdog);
}

/// From here on nothing is read from a disk, nor waits for memory to be freed.
fn lock_memory() {
    let everything = nix::libc::MCL_CURRENT | nix::libc::MCL_FUTURE;
    // SAFETY: changes where pages may be, not what is in them. Needed: neither nix
    // nor rustix has it in the features that we build.
    #[allow(unsafe_code)]
    // Err: there is not enough memory; then it goes as well as it can.
    let _ = unsafe { nix::libc::mlockall(everything) };
}

fn say(console: &Console, end: End, unclean: &[String]) {
    let text = match end {
        End::Off if unclean.is_empty() => "powered off cleanly",
        End::Off => "powered off",
        End::Reboot => "rebooting",
    };
    if unclean.is_empty() {
        console.announce(text);
    } else {
        console.announce(&format!("{text}, not clean: {}", unclean.join(", ")));
    }
}

/// Ends all other processes: stopped first, so that they cannot multiply
/// meanwhile, asked, then killed.
fn kill_all() {
    let everybody = Pid::from_raw(-1);
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGCONT] {
        // Err: there is nobody.
        let _ = kill(everybody, signal);
    }
    if !wait_for_all() {
        let _ = kill(everybody, Signal::SIGKILL);
        wait_for_all();
    }
}

/// Reaps until there is no child any more, or patience ends.
fn wait_for_all() -> bool {
    for _ in 0..KILL_PATIENCE_MS / POLL_MS {
        loop {
            match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return true, // ECHILD
            }
        }
        pause(POLL_MS);
    }
    false
}

type Failed = (&'static str, String);

/// A small root in memory with this executable in it, and the devices.
fn move_to_memory() -> Result<(), Failed> {
    let step = |what| move |error: std::io::Error| (what, error.to_string());
    let kernel = |what| move |error: nix::errno::Errno| (what, error.to_string());
    let none: Option<&str> = None;
    let inside = |name: &str| format!("{REFUGE}{name}");
    std::fs::create_dir_all(REFUGE).map_err(step("make a folder in memory"))?;
    let flags = MsFlags::MS_NOSUID;
    mount(
        Some("tmpfs"),
        REFUGE,
        Some("tmpfs"),
        flags,
        Some("mode=0755,size=64m"),
    )
    .map_err(kernel("mount memory"))?;
    for folder in ["/dev", "/proc", "/sys", OLD_ROOT] {
        std::fs::create_dir(inside(folder)).map_err(step("make a folder in memory"))?;
    }
    std::fs::copy("/proc/self/exe", inside("/aios-init"))
        .map_err(step("copy this executable to memory"))?;
    for place in ["/dev", "/proc", "/sys"] {
        mount(
            Some(place),
            inside(place).as_str(),
            none,
            MsFlags::MS_MOVE,
            none,
        )
        .map_err(kernel("move devices to memory"))?;
    }
    nix::unistd::chdir(REFUGE).map_err(kernel("enter memory"))?;
    nix::unistd::pivot_root(".", "./old").map_err(kernel("enter memory"))?;
    nix::unistd::chdir("/").map_err(kernel("enter memory"))
}

/// Executes the `shutdown` role. Returns only why not.
fn become_last(end: End, unclean: &[String]) -> String {
    let mode = if end == End::Reboot { "reboot" } else { "off" };
    let words = ["aios-init", "shutdown", mode]
        .into_iter()
        .map(str::to_owned);
    let arguments: Vec<CString> = words
        .chain(unclean.iter().cloned())
        .filter_map(|text| CString::new(text).ok())
        .collect();
    let environment: [CString; 0] = [];
    match nix::unistd::execve(c"/aios-init", &arguments, &environment) {
        Ok(never) => match never {},
        Err(error) => error.to_string(),
    }
}
