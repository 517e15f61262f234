//! Makes a service's process. Everything between `fork` and `exec` is here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::{ForkResult, Pid};

use super::{cgroup, host, rights, sandbox};
use crate::accounts::Account;
use crate::manifest::Manifest;
use crate::places;

/// What a new process gets.
pub struct Plan<'a> {
    /// What to run.
    pub manifest: &'a Manifest,
    /// As whom.
    pub account: &'a Account,
    /// stdout and stderr.
    pub output: BorrowedFd<'a>,
    /// stdin: PID 1's end of a conversation; `/dev/null` without one.
    pub link: Option<BorrowedFd<'a>>,
    /// Where to say READY.
    pub notify: &'a Path,
    /// The cgroup to join.
    pub cgroup: Option<PathBuf>,
}

/// A process that was just made.
pub struct Spawned {
    /// Its pid, and its process group's.
    pub pid: Pid,
    /// Ends when the program runs; a byte before that means that it does not.
    pub executed: OwnedFd,
}

/// Forks and, in the child, becomes the service.
///
/// # Errors
/// When there is no process or pipe to be had. What fails in the child is in
/// the service's log, and the child ends with status 127.
pub fn spawn(plan: &Plan<'_>) -> io::Result<Spawned> {
    let program = Program::new(plan)?;
    let (executed, report) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    // SAFETY: PID 1 has one thread, so the child finds every lock free and may
    // do all that the parent may. Needed: only fork can run set-up code of ours
    // (namespaces, capabilities) between a process's creation and its program.
    #[allow(unsafe_code)]
    let forked = unsafe { nix::unistd::fork() }?;
    match forked {
        ForkResult::Parent { child } => Ok(Spawned {
            pid: child,
            executed,
        }),
        ForkResult::Child => {
            let (what, error) = become_service(plan, &program);
            let name = &plan.manifest.name;
            let text = format!("<3>{name} cannot be started: cannot {what}: {error}\n");
            // Nothing is left to tell if telling fails.
            let _ = rustix::io::write(plan.output, text.as_bytes());
            let _ = rustix::io::write(&report, b"!");
            std::process::exit(127)
        }
    }
}

/// What `execve` takes, made before the fork.
struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn new(plan: &Plan<'_>) -> io::Result<Self> {
        let command = &plan.manifest.command;
        let arguments: Vec<CString> = command
            .iter()
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<_, _>>()?;
        let path = arguments.first().cloned().unwrap_or_default();
        let environment = environment(plan)
            .into_iter()
            .map(|(key, value)| CString::new(format!("{key}={value}")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path,
            arguments,
            environment,
        })
    }
}

/// Built from nothing: only what is named here and in the manifest.
fn environment(plan: &Plan<'_>) -> Vec<(String, String)> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut all = vec![
        pair(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        pair("LANG", "C.UTF-8"),
        pair("HOME", &plan.account.home),
        pair("USER", &plan.manifest.user),
        pair("AIOS_SERVICE", &plan.manifest.name),
        pair("NOTIFY_SOCKET", &plan.notify.to_string_lossy()),
    ];
    if plan.manifest.watchdog_ms > 0 {
        all.push(pair(
            "WATCHDOG_USEC",
            &(plan.manifest.watchdog_ms * 1000).to_string(),
        ));
    }
    for key in places::INHERITED {
        if let Ok(value) = std::env::var(key) {
            all.push((key.to_owned(), value));
        }
    }
    all.extend(plan.manifest.environment.clone());
    all
}

/// In the child. Returns only what failed.
fn become_service(plan: &Plan<'_>, program: &Program) -> (&'static str, String) {
    if let Err(failed) = prepare(plan).and_then(|()| close_others()) {
        return failed;
    }
    let error = nix::unistd::execve(&program.path, &program.arguments, &program.environment);
    (
        "execute its program",
        error.map_or_else(|error| error.to_string(), |never| match never {}),
    )
}

fn prepare(plan: &Plan<'_>) -> Result<(), (&'static str, String)> {
    let step = |what| move |error: nix::errno::Errno| (what, error.to_string());
    nix::unistd::setsid().map_err(step("get a session"))?;
    reset_signals().map_err(step("reset signals"))?;
    connect(plan).map_err(|error| ("connect its streams", error.to_string()))?;
    // Err: no such file in some containers; then it keeps PID 1's value.
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    if let Some(folder) = &plan.cgroup {
        cgroup::join(folder).map_err(|error| ("join its cgroup", error.to_string()))?;
    }
    for folder in &plan.manifest.state_dirs {
        host::make_folder(folder, plan.account.uid, plan.account.gid, 0o700)
            .map_err(|error| ("make its state folder", error.to_string()))?;
    }
    sandbox::enter(plan.manifest)?;
    rights::limit(plan.manifest)?;
    let lacking = rights::drop_to(plan.account, plan.manifest)?;
    if !lacking.is_empty() {
        let text = format!(
            "<4>runs without {}: PID 1 has not got it\n",
            lacking.join(", ")
        );
        let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    Ok(())
}

fn connect(plan: &Plan<'_>) -> io::Result<()> {
    match plan.link {
        Some(link) => nix::unistd::dup2_stdin(link)?,
        None => nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?.as_fd())?,
    }
    nix::unistd::dup2_stdout(plan.output)?;
    nix::unistd::dup2_stderr(plan.output)?;
    std::env::set_current_dir("/")
}

/// Whatever PID 1 itself was started with beyond its own (close-on-exec) descriptors.
fn close_others() -> Result<(), (&'static str, String)> {
    // SAFETY: marks descriptors close-on-exec and closes none, so nothing that
    // is owned here is invalidated. Needed: neither nix nor rustix has the call.
    #[allow(unsafe_code)]
    let result = unsafe {
        nix::libc::close_range(3, u32::MAX, nix::libc::CLOSE_RANGE_CLOEXEC.cast_signed())
    };
    nix::errno::Errno::result(result)
        .map(drop)
        .map_err(|error| ("keep its descriptors few", error.to_string()))
}

/// PID 1 blocks signals and reads them from a descriptor; its children do not.
fn reset_signals() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            // SAFETY: the default disposition runs no code of ours. Needed: Rust
            // ignores SIGPIPE, and ignored signals stay ignored across exec.
            #[allow(unsafe_code)]
            unsafe { nix::sys::signal::sigaction(signal, &default) }?;
        }
    }
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}
