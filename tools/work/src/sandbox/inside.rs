//! The first process in a sandbox: it makes the sandbox's root its own, gives up what a program must
//! not have, starts the program, and collects whatever the program leaves behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use aios_tool::file::name;
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    Scope, path_beneath_rules,
};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, wait};

use super::{Ground, REPORT, Report, Writing};

/// What is kept until the program starts: to become its account.
const KEPT: [Capability; 2] = [Capability::CAP_SETGID, Capability::CAP_SETUID];

/// The Landlock interface that is asked for; an older kernel enforces what it knows.
const LANDLOCK: ABI = ABI::V6;

/// Where a program may write beside its folder.
const WRITABLE: [&str; 2] = ["/dev", "/tmp"];

/// Arguments: the [`Ground`], and the program with its arguments. How the program ended is in the
/// [`REPORT`].
pub fn inside(arguments: &[OsString]) -> ExitCode {
    match ran(arguments) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("inside the sandbox: {why}");
            ExitCode::FAILURE
        }
    }
}

fn ran(arguments: &[OsString]) -> Result<ExitCode, String> {
    let [text, program, words @ ..] = arguments else {
        return Err("too few arguments".to_owned());
    };
    let ground: Ground =
        serde_json::from_slice(text.as_encoded_bytes()).map_err(|error| error.to_string())?;
    let scratch = name::decode(&ground.scratch);
    // Opened while it can be seen; the program gets no descriptor of it.
    let mut report = File::create_new(scratch.join(REPORT))
        .map_err(|error| format!("nothing to report into: {error}"))?;
    enter_root(&scratch.join("root"))?;
    std::env::set_current_dir(name::decode(&ground.folder))
        .map_err(|error| format!("{}: {error}", ground.folder))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|error| format!("no limits: {error}"))?;
    give_up().map_err(|error| format!("capabilities: {error}"))?;
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    restrict(&ground).map_err(|error| format!("Landlock: {error}"))?;
    let child = Command::new(program)
        .args(words)
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            ("HOME", "/tmp"),
            ("LC_ALL", "C.UTF-8"),
        ])
        .envs(ground.environment.iter().map(|(name, value)| (name, value)))
        .gid(ground.gid)
        .uid(ground.uid)
        .spawn()
        .map_err(|error| format!("{}: {error}", Path::new(program).display()))?;
    say(&mut report, &Report::Started)?;
    let ended = collected(child.id())?;
    say(&mut report, &ended)?;
    Ok(ExitCode::SUCCESS)
}

fn say(file: &mut File, report: &Report) -> Result<(), String> {
    let line = serde_json::to_string(report).map_err(|error| error.to_string())?;
    writeln!(file, "{line}").map_err(|error| format!("reporting: {error}"))
}

fn enter_root(root: &Path) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| format!("no end with its parent: {error}"))?;
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    let kind = Some("proc");
    mount(kind, &root.join("proc"), kind, closed, None::<&str>)
        .map_err(|error| format!("/proc: {error}"))?;
    let enter = |error| format!("cannot be entered: {error}");
    nix::unistd::chdir(root).map_err(enter)?;
    nix::unistd::pivot_root(".", ".").map_err(enter)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(enter)?;
    nix::unistd::chdir("/").map_err(enter)?;
    nix::unistd::sethostname("sandbox").map_err(enter)?;
    // The root itself was only to be built.
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(enter)
}

/// With an empty bounding set, no account gets a capability by executing a program, root neither.
fn give_up() -> Result<(), caps::errors::CapsError> {
    for capability in caps::all() {
        if caps::has_cap(None, CapSet::Bounding, capability)? {
            caps::drop(None, CapSet::Bounding, capability)?;
        }
    }
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = permitted
        .into_iter()
        .filter(|capability| KEPT.contains(capability))
        .collect();
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// A second wall behind the mounts: nothing is written but where it may be, nothing is executed but
/// what may be, no process outside gets a signal. A kernel without Landlock is no error.
fn restrict(ground: &Ground) -> Result<(), RulesetError> {
    let all = AccessFs::from_all(LANDLOCK);
    let mut read = AccessFs::from_read(LANDLOCK);
    let mut write = all;
    if !ground.executes.is_empty() {
        read.remove(AccessFs::Execute);
        write.remove(AccessFs::Execute);
    }
    let mut writable: Vec<_> = WRITABLE.iter().map(Into::into).collect();
    if ground.writing != Writing::Nothing {
        writable.push(name::decode(&ground.folder));
    }
    let executes = ground.executes.iter().map(|path| name::decode(path));
    Ruleset::default()
        .handle_access(all)?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(["/"], read))?
        .add_rules(path_beneath_rules(writable, write))?
        .add_rules(path_beneath_rules(
            executes,
            AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir,
        ))?
        .restrict_self()?;
    Ok(())
}

/// Waits for the program; whatever loses its parent meanwhile is collected.
fn collected(program: u32) -> Result<Report, String> {
    let is_it = |pid: nix::unistd::Pid| u32::try_from(pid.as_raw()).is_ok_and(|pid| pid == program);
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if is_it(pid) => return Ok(Report::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if is_it(pid) => {
                return Ok(Report::Signal(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
}
