//! The system calls that a service may make (`sandbox.syscalls`). A `"service"` may make all but those
//! that change the machine, reach into other processes, or are the kernel's least tried corners; an
//! `"agent"` those that it needs and no others.
//!
//! **A call that is not allowed fails with EPERM** and does not end the process: the process is kept
//! from it just as well, its log says what it could not do, and a library that tries a newer call first
//! goes on with an older one.

use std::collections::BTreeMap;

use aios_service::manifest::Sockets;
use aios_service::syscalls::{AGENT, DENIED};
use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

/// `clone` must not make a namespace either.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWCGROUP,
];

/// Denies the calling process, for good, what the set does not have.
///
/// # Errors
/// When the kernel takes no filters.
pub fn restrict(allowed: &[String], sockets: Sockets) -> Result<(), String> {
    let text = |error: seccompiler::Error| error.to_string();
    for program in filters(allowed, sockets).map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(text)?;
    }
    Ok(())
}

/// Leaves the calling process, for good, an agent's calls.
///
/// # Errors
/// When the kernel takes no filters.
pub fn restrict_agent(sockets: Sockets) -> Result<(), String> {
    let text = |error: seccompiler::Error| error.to_string();
    for program in agent_filters(sockets).map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(text)?;
    }
    Ok(())
}

/// Two filters, for two answers: what is denied, and `clone3`, whose flags no
/// filter can see. ENOSYS makes the C library use `clone`.
fn filters(allowed: &[String], sockets: Sockets) -> Result<[BpfProgram; 2], BackendError> {
    let denied = DENIED
        .iter()
        .filter(|(name, _)| !allowed.iter().any(|allowed| allowed == name))
        .map(|(_, number)| (*number, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = denied.collect();
    if rules.contains_key(&libc::SYS_unshare) {
        rules.insert(
            libc::SYS_clone,
            NAMESPACES
                .map(makes)
                .into_iter()
                .collect::<Result<_, _>>()?,
        );
    }
    if sockets == Sockets::Unix {
        let other = rule(0, SeccompCmpOp::Ne, UNIX)?;
        rules.insert(libc::SYS_socket, vec![other.clone()]);
        rules.insert(libc::SYS_socketpair, vec![other]);
    }
    let mut first = filter(rules, libc::EPERM)?;
    first.splice(0..0, NO_X32);
    Ok([first, no_clone3()?])
}

/// The one for `clone3` comes first: after the other, none can be added.
fn agent_filters(sockets: Sockets) -> Result<[BpfProgram; 2], BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = AGENT
        .iter()
        .map(|(_, number)| (*number, Vec::new()))
        .collect();
    let any_of = |argument: u8, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        let one = |value: &u64| rule(argument, SeccompCmpOp::Eq, *value);
        values.iter().map(one).collect()
    };
    let none_of = |argument: u8, flags: i32| {
        let flags = u64::from(flags.unsigned_abs());
        rule(argument, SeccompCmpOp::MaskedEq(flags), 0).map(|rule| vec![rule])
    };
    let namespaces = NAMESPACES.iter().fold(0, |all, flag| all | flag);
    rules.insert(libc::SYS_clone, none_of(0, namespaces)?);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, none_of(2, libc::PROT_EXEC)?);
    }
    rules.insert(libc::SYS_ioctl, any_of(1, &IOCTLS)?);
    rules.insert(libc::SYS_prctl, any_of(0, &PRCTLS)?);
    if sockets == Sockets::Unix {
        rules.insert(libc::SYS_socket, any_of(0, &[UNIX])?);
        rules.insert(libc::SYS_socketpair, any_of(0, &[UNIX])?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    let allow = SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?;
    Ok([no_clone3()?, allow.try_into()?])
}

/// `AF_UNIX`, as an argument.
const UNIX: u64 = libc::AF_UNIX as u64;

/// What an agent may ask of a descriptor: whether it is a terminal, not to wait, to be closed by exec.
const IOCTLS: [u64; 3] = [libc::TCGETS, libc::FIONBIO, libc::FIOCLEX];

/// What an agent may set of itself: a thread's name, and a name for its memory (the C library's).
const PRCTLS: [u64; 2] = [libc::PR_SET_NAME as u64, libc::PR_SET_VMA as u64];

fn no_clone3() -> Result<BpfProgram, BackendError> {
    filter(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        libc::ENOSYS,
    )
}

/// That the lower half of an argument compares so.
fn rule(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let size = SeccompCmpArgLen::Dword;
    SeccompRule::new(vec![SeccompCondition::new(argument, size, how, value)?])
}

/// The rule that finds this flag among clone's.
fn makes(flag: i32) -> Result<SeccompRule, BackendError> {
    let flag = u64::from(flag.unsigned_abs());
    let has = SeccompCmpOp::MaskedEq(flag);
    SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        has,
        flag,
    )?])
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()
}

/// The same calls have other numbers, from 0x40000000 on, in the x32 ABI of the
/// same architecture, which nothing here uses: ENOSYS to all (seccomp(2)).
const NO_X32: [sock_filter; 3] = [
    // Load the number.
    sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: 0,
    },
    // Greater or equal: the next; else the one after it.
    sock_filter {
        code: 0x35,
        jt: 0,
        jf: 1,
        k: 0x4000_0000,
    },
    sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_fails_and_the_rest_goes_on() {
        // In a thread of its own, as it is for good.
        let tried = std::thread::spawn(|| {
            restrict(&["chroot".to_owned()], Sockets::Unix)?;
            let unshared = nix::sched::unshare(nix::sched::CloneFlags::empty());
            // Fails in any case, for whoever runs this, but with another error where it is allowed.
            let entered = nix::unistd::chroot("/no/such/folder");
            let thread = std::thread::spawn(|| 5).join();
            // SAFETY: a call that the kernel refuses before it does anything.
            #[allow(unsafe_code)]
            let x32 = unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) };
            let unix = std::os::unix::net::UnixDatagram::unbound().is_ok();
            let inet = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|error| error.kind());
            let sockets = (unix, inet.err());
            Ok::<_, String>((unshared, entered, thread.ok(), x32, sockets))
        });
        let (unshared, entered, thread, x32, sockets) = tried.join().unwrap().unwrap();
        assert_eq!(unshared, Err(nix::errno::Errno::EPERM));
        assert_eq!(entered, Err(nix::errno::Errno::ENOENT));
        assert_eq!((thread, x32), (Some(5), -1));
        assert_eq!(sockets, (true, Some(std::io::ErrorKind::PermissionDenied)));
    }

    #[test]
    fn an_agent_makes_the_calls_of_its_list_and_no_other() {
        // In a thread of its own, as it is for good.
        let tried = std::thread::spawn(|| {
            restrict_agent(Sockets::Unix)?;
            let thread = std::thread::spawn(|| 5).join().ok();
            let unix = std::os::unix::net::UnixDatagram::unbound();
            let works = (thread, unix.is_ok(), std::fs::read("/etc/passwd").is_ok());
            // Calls that would fail without a filter, too, but not so.
            let call = |number: i64, arguments: [i64; 3]| {
                let [one, two, three] = arguments;
                // SAFETY: each is refused before the kernel looks at an argument.
                #[allow(unsafe_code)]
                let result = unsafe { libc::syscall(number, one, two, three) };
                (result, std::io::Error::last_os_error().raw_os_error())
            };
            let exec = i64::from(libc::PROT_READ | libc::PROT_EXEC);
            let refused = [
                call(libc::SYS_inotify_init1, [-1, 0, 0]),
                call(libc::SYS_kill, [-1, 0, 0]),
                call(libc::SYS_setpriority, [-1, 0, 0]),
                call(libc::SYS_bind, [-1, 0, 0]),
                call(libc::SYS_listen, [-1, 0, 0]),
                call(libc::SYS_unlink, [0, 0, 0]),
                call(libc::SYS_chmod, [0, 0, 0]),
                call(libc::SYS_memfd_create, [0, 0, 0]),
                call(libc::SYS_ptrace, [-1, 0, 0]),
                call(libc::SYS_socket, [libc::AF_INET.into(), -1, 0]),
                call(libc::SYS_mprotect, [1, 1, exec]),
                call(libc::SYS_ioctl, [-1, 0x5412, 0]),
                call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), -1, 0]),
                call(libc::SYS_clone, [libc::CLONE_NEWUSER.into(), 0, 0]),
                // No kernel has it yet.
                call(4_000, [0, 0, 0]),
            ];
            Ok::<_, String>((works, refused))
        });
        let (works, refused) = tried.join().unwrap().unwrap();
        assert_eq!(works, (Some(5), true, true));
        assert_eq!(refused, [(-1, Some(libc::EPERM)); 15]);
    }
}
