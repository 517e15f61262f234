//! The first process in a shadow: it makes the shadow its root and becomes the program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use caps::{CapSet, Capability};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// What apt, dpkg and scripts of packages need: files of every owner, other accounts, and a root of
/// their own. Not to mount, not to load, not to trace, nothing of the network.
const KEPT: [Capability; 10] = [
    Capability::CAP_AUDIT_WRITE, // su
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];

/// Arguments: the shadow's root, and the program with its arguments. Returns only when it cannot
/// become the program.
pub fn inside(arguments: &[OsString]) -> ExitCode {
    let why = became(arguments);
    eprintln!("E: inside the shadow of the root: {why}");
    ExitCode::FAILURE
}

fn became(arguments: &[OsString]) -> String {
    let [root, program, words @ ..] = arguments else {
        return "too few arguments".to_owned();
    };
    if let Err(why) = confine(Path::new(root)) {
        return why;
    }
    let error = Command::new(program)
        .args(words)
        .env_clear()
        .envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("UCF_FORCE_CONFFOLD", "1"),
            ("NEEDRESTART_SUSPEND", "1"),
        ])
        .exec();
    format!("{}: {error}", program.display())
}

fn confine(root: &Path) -> Result<(), String> {
    let step = |what: &'static str| move |error| format!("{what}: {error}");
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(step("no end with its parent"))?;
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kind = Some("proc");
    mount(kind, &root.join("proc"), kind, closed, None::<&str>)
        .map_err(|error| format!("/proc: {error}"))?;
    let enter = |error| format!("cannot be entered: {error}");
    nix::unistd::chdir(root).map_err(enter)?;
    nix::unistd::pivot_root(".", ".").map_err(enter)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(enter)?;
    nix::unistd::chdir("/").map_err(enter)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    nix::unistd::sethostname("aios").map_err(enter)?;
    give_up().map_err(|error| format!("capabilities: {error}"))?;
    rustix::thread::set_no_new_privs(true).map_err(step("no_new_privs"))
}

fn give_up() -> Result<(), caps::errors::CapsError> {
    for capability in caps::all() {
        if !KEPT.contains(&capability) && caps::has_cap(None, CapSet::Bounding, capability)? {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept = permitted
        .into_iter()
        .filter(|capability| KEPT.contains(capability))
        .collect();
    caps::set(None, CapSet::Inheritable, &caps::CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
