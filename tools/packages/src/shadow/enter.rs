//! The process that gets namespaces and mounts a shadow.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::INSIDE;

const NONE: Option<&str> = None;

/// What a package's script finds in `/dev`.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Room in the shadow's `/tmp`, which is memory.
const TEMPORARY: &str = "mode=1777,size=256m";

/// Denies whatever starts services.
const POLICY: &str = "usr/sbin/policy-rc.d";

/// Arguments: `network` or `alone`, the root, the daemon's folder, the shadow's folder, and the program
/// with its arguments. The answer is the program's.
pub fn enter(arguments: &[OsString]) -> ExitCode {
    match entered(arguments) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("E: the shadow of the root: {why}");
            ExitCode::FAILURE
        }
    }
}

fn entered(arguments: &[OsString]) -> Result<ExitCode, String> {
    let [network, root, state, folder, program @ ..] = arguments else {
        return Err("too few arguments".to_owned());
    };
    let (root, state, folder) = (Path::new(root), Path::new(state), Path::new(folder));
    let mut own = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    let connected = network == super::Network::Machine.word();
    if !connected {
        own |= CloneFlags::CLONE_NEWNET;
    }
    unshare(own).map_err(|error| format!("no namespaces: {error}"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(|error| format!("no own mounts: {error}"))?;
    let shadow = folder.join("root");
    lay(root, folder, &shadow)?;
    furnish(state, &shadow, connected)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| format!("no end with the daemon: {error}"))?;
    // By the name it was called by: the executable is many programs.
    let own = std::env::args_os().next().ok_or("it has no name")?;
    let status = Command::new(own)
        .arg(INSIDE)
        .arg(&shadow)
        .args(program)
        .status()
        .map_err(|error| format!("no process in it: {error}"))?;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        (None, signal) => Err(format!("ended by signal {}", signal.unwrap_or(0))),
    }
}

/// Mounts the overlay. `userxattr`: what the kernel notes is then readable without CAP_SYS_ADMIN, and
/// folders are never renamed by a note only, so that the upper layer is all that was written.
fn lay(root: &Path, folder: &Path, shadow: &Path) -> Result<(), String> {
    let options = format!(
        "userxattr,lowerdir={},upperdir={},workdir={}",
        root.display(),
        folder.join("upper").display(),
        folder.join("work").display()
    );
    let flags = MsFlags::MS_NODEV;
    mount(
        Some("overlay"),
        shadow,
        Some("overlay"),
        flags,
        Some(options.as_str()),
    )
    .map_err(|error| format!("the overlay cannot be mounted: {error}"))
}

/// Gives the shadow what it must not take from the running system, or must not write.
fn furnish(state: &Path, shadow: &Path, connected: bool) -> Result<(), String> {
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    memory(
        &shadow.join("dev"),
        MsFlags::MS_NOSUID,
        "mode=0755,size=64k",
    )?;
    memory(&shadow.join("run"), closed, "mode=0755,size=64m")?;
    memory(&shadow.join("tmp"), closed, TEMPORARY)?;
    for name in DEVICES {
        let node = shadow.join("dev").join(name);
        File::create(&node).map_err(|error| format!("{}: {error}", node.display()))?;
        bind(&Path::new("/dev").join(name), &node)?;
    }
    bind(&state.join("lists"), &shadow.join("var/lib/apt/lists"))?;
    bind(&state.join("cache"), &shadow.join("var/cache/apt"))?;
    let policy = shadow.join(POLICY);
    if !policy.exists() {
        return Err(format!(
            "/{POLICY} is missing: packages would start services"
        ));
    }
    let names = Path::new("/run/resolv.conf");
    if connected && names.exists() {
        let target = shadow.join("run/resolv.conf");
        std::fs::copy(names, &target).map_err(|error| format!("/run/resolv.conf: {error}"))?;
    }
    Ok(())
}

fn memory(at: &Path, flags: MsFlags, options: &str) -> Result<(), String> {
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options))
        .map_err(|error| format!("{}: {error}", at.display()))
}

fn bind(from: &Path, to: &Path) -> Result<(), String> {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .map_err(|error| format!("{} at {}: {error}", from.display(), to.display()))
}
