//! Makes a service's process. Everything between `fork` and `exec` is here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::{ForkResult, Pid};

use super::{cgroup, listener, rights, sandbox};
use aios_service::accounts::Account;
use aios_service::console::Severity;
use aios_service::manifest::{Manifest, Output, Way};
use aios_service::places;
use aios_service::{exit, host};

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
    /// Its predecessor's sockets, with their names.
    pub stored: &'a [(String, OwnedFd)],
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
    let (executed, mut report) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
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
            let (what, error) = become_service(plan, program, &mut report);
            let text = format!("cannot be started: cannot {what}: {error}");
            let text = line(plan.manifest, Severity::Error as u8, &text);
            // Not the plan's output: a stored socket may have its number by now. Nothing is left to
            // tell if telling fails.
            let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
            let _ = rustix::io::write(&report, b"!");
            std::process::exit(exit::NOT_STARTED)
        }
    }
}

/// sd-daemon(3)'s level for whoever looks for a fault.
const DEBUG: u8 = 7;

/// The kernel's flag of a process that was forked and has not executed anything
/// (`PF_FORKNOEXEC`, include/linux/sched.h).
const FORKED_ONLY: u64 = 0x40;

/// Does the process run its program, or did it before it ended? Only for one
/// that was not reaped yet.
pub fn has_executed(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    flags(&stat).is_some_and(|flags| flags & FORKED_ONLY == 0)
}

/// The flags in a `/proc/PID/stat` (proc_pid_stat(5), the ninth field). The
/// program's name, in parentheses, may hold anything.
fn flags(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(6)?.parse().ok()
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
            &(plan.manifest.watchdog_ms.saturating_mul(1000)).to_string(),
        ));
    }
    for key in places::INHERITED {
        if let Ok(value) = std::env::var(key) {
            all.push((key.to_owned(), value));
        }
    }
    all.extend(plan.manifest.environment.clone());
    if !plan.stored.is_empty() {
        let names: Vec<&str> = plan.stored.iter().map(|(name, _)| name.as_str()).collect();
        all.push(pair("LISTEN_FDS", &names.len().to_string()));
        all.push(pair("LISTEN_FDNAMES", &names.join(":")));
    }
    all
}

/// In the child. Returns only what failed.
fn become_service(
    plan: &Plan<'_>,
    mut program: Program,
    report: &mut OwnedFd,
) -> (&'static str, String) {
    let ready = prepare(plan)
        .and_then(|()| listen(plan))
        .and_then(|()| close_others())
        .and_then(|()| give_back(plan.stored, &mut program, report))
        .and_then(|()| seal(plan))
        .and_then(|()| rights::lower(plan.manifest));
    if let Err(failed) = ready {
        return failed;
    }
    let error = nix::unistd::execve(&program.path, &program.arguments, &program.environment);
    (
        "execute its program",
        error.map_or_else(|error| error.to_string(), |never| match never {}),
    )
}

/// Its socket, when PID 1 made it for it.
fn listen(plan: &Plan<'_>) -> Result<(), (&'static str, String)> {
    let path = listener::path(plan.manifest);
    let is_own = |(name, _): &&(String, OwnedFd)| path.as_deref() == Some(Path::new(name));
    let own = plan.stored.iter().filter(is_own);
    let mut listening = own.map(|(_, socket)| listener::listen(socket));
    let failed = |error: io::Error| ("listen at its socket", error.to_string());
    listening.try_for_each(|done| done).map_err(failed)
}

fn seal(plan: &Plan<'_>) -> Result<(), (&'static str, String)> {
    let lacking = sandbox::seal(plan.manifest)?;
    if !lacking.is_empty() {
        let text = format!(
            "runs without {}: the kernel lacks it",
            lacking.join(" and ")
        );
        let text = line(plan.manifest, Severity::Warning as u8, &text);
        let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
    }
    Ok(())
}

/// A line of ours in a service's log. Nobody reads levels on the console.
fn line(manifest: &Manifest, level: u8, text: &str) -> String {
    let name = &manifest.name;
    match manifest.output {
        Output::Log => format!("<{level}>{name} {text}\n"),
        Output::Console => format!("aios: {name} {text}\n"),
    }
}

/// What is said of capabilities that PID 1 itself lacks. In a container that is how it was made, at
/// each boot anew: only for whoever looks for a fault in the service's log.
fn without(manifest: &Manifest, lacking: &[String], way: Way) -> Option<String> {
    if lacking.is_empty() {
        return None;
    }
    let lacking = lacking.join(", ");
    let text = format!("runs without {lacking}: PID 1 has not got it");
    match (way, manifest.output) {
        (Way::Machine, _) => Some(line(manifest, Severity::Warning as u8, &text)),
        (Way::Container, Output::Log) => Some(line(manifest, DEBUG, &text)),
        (Way::Container, Output::Console) => None,
    }
}

/// Puts the stored sockets where sd_listen_fds(3) looks for them: from 3 on, and
/// not close-on-exec. What else is there has been used by now, except the report.
fn give_back(
    stored: &[(String, OwnedFd)],
    program: &mut Program,
    report: &mut OwnedFd,
) -> Result<(), (&'static str, String)> {
    const FIRST: i32 = 3;
    if stored.is_empty() {
        return Ok(());
    }
    let failed = |error: rustix::io::Errno| ("get its sockets back", error.to_string());
    let beyond = FIRST + i32::try_from(stored.len()).unwrap_or(i32::MAX);
    // First out of the way of each other.
    *report = rustix::io::fcntl_dupfd_cloexec(&*report, beyond).map_err(failed)?;
    let moved: Vec<OwnedFd> = stored
        .iter()
        .map(|(_, socket)| rustix::io::fcntl_dupfd_cloexec(socket, beyond))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    for (socket, place) in moved.iter().zip(FIRST..) {
        // SAFETY: this process ends by exec or exit without running the
        // destructor of anything that had this number. Needed: the places are
        // given by the protocol, whoever holds them now.
        #[allow(unsafe_code)]
        let placed = unsafe { nix::unistd::dup2_raw(socket, place) };
        let owned = placed.map_err(|error| ("get its sockets back", error.to_string()))?;
        std::mem::forget(owned); // open until the program closes it
    }
    let pid = format!("LISTEN_PID={}", std::process::id());
    program.environment.extend(CString::new(pid));
    Ok(())
}

fn prepare(plan: &Plan<'_>) -> Result<(), (&'static str, String)> {
    let step = |what| move |error: nix::errno::Errno| (what, error.to_string());
    // First, for what is to be said of all else that fails.
    nix::unistd::dup2_stdout(plan.output).map_err(step("connect its output"))?;
    nix::unistd::dup2_stderr(plan.output).map_err(step("connect its output"))?;
    nix::unistd::setsid().map_err(step("get a session"))?;
    reset_signals().map_err(step("reset signals"))?;
    connect(plan).map_err(|error| ("connect its input", error.to_string()))?;
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
    if let Some(text) = without(plan.manifest, &lacking, aios_service::manifest::Way::here()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pid_1_lacks_is_a_warning_on_a_machine_and_no_noise_in_a_container() {
        let lacking = ["CAP_SYS_TIME".to_owned()];
        let check = |output, lacking: &[String], way, expected: Option<&str>| {
            let mut manifest = Manifest::unit("time".to_owned(), Path::new("/x"), None);
            manifest.output = output;
            let expected = expected.map(|text| format!("{text}\n"));
            assert_eq!(without(&manifest, lacking, way), expected, "{output:?}");
        };
        let text = "time runs without CAP_SYS_TIME: PID 1 has not got it";
        let (machine, container) = (Way::Machine, Way::Container);
        let levelled = |level: &str| format!("<{level}>{text}");
        check(Output::Log, &lacking, machine, Some(&levelled("4")));
        check(Output::Log, &lacking, container, Some(&levelled("7")));
        let plain = format!("aios: {text}");
        check(Output::Console, &lacking, machine, Some(&plain));
        check(Output::Console, &lacking, container, None);
        check(Output::Log, &[], machine, None);
    }

    #[test]
    fn why_a_program_does_not_run_is_said_in_the_log_and_to_no_client() {
        use std::io::Read;
        use std::os::unix::net::UnixStream;

        let (log, output) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        // So many that the output's number is one of the places that they are given.
        let (clients, stored): (Vec<UnixStream>, Vec<_>) = (0..super::super::store::STORE_MAX)
            .map(|number| {
                let (client, socket) = UnixStream::pair().unwrap();
                (client, (format!("socket-{number}"), OwnedFd::from(socket)))
            })
            .unzip();
        let mut manifest = Manifest::unit("gone".to_owned(), Path::new("/x"), None);
        manifest.command = vec!["/nowhere/gone".to_owned()];
        let account = Account::root();
        let plan = Plan {
            manifest: &manifest,
            account: &account,
            output: output.as_fd(),
            link: None,
            stored: &stored,
            notify: Path::new("/nowhere/notify"),
            cgroup: None,
        };
        let spawned = spawn(&plan).unwrap();
        nix::sys::wait::waitpid(spawned.pid, None).unwrap();
        drop(output);
        let mut said = String::new();
        std::fs::File::from(log).read_to_string(&mut said).unwrap();
        assert!(said.contains("gone cannot be started: cannot "), "{said:?}");
        for mut client in clients {
            client.set_nonblocking(true).unwrap();
            let read = client.read(&mut [0; 1]).map_err(|error| error.kind());
            assert_eq!(read, Err(io::ErrorKind::WouldBlock));
        }
    }

    #[test]
    fn a_process_that_has_not_executed_is_not_taken_for_one_that_has() {
        let stat = |flags: u64| format!("7 (a) b) S 1 7 7 0 -1 {flags} 100 0");
        let check = |text: &str, expected| assert_eq!(flags(text), expected, "{text}");
        check(&stat(4_194_368), Some(4_194_368));
        check("", None);
        check("7 (a", None);
        // SAFETY: the child only ends, which needs no lock of another thread.
        #[allow(unsafe_code)]
        match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Child => {
                // SAFETY: as above; nothing of this process is run or freed.
                #[allow(unsafe_code)]
                unsafe {
                    nix::libc::_exit(0)
                }
            }
            ForkResult::Parent { child } => {
                assert!(!has_executed(child), "it is a copy of us, or its remains");
                nix::sys::wait::waitpid(child, None).unwrap();
            }
        }
        assert!(has_executed(Pid::this()));
    }
}
