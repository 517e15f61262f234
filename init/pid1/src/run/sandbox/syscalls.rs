//! The system calls that a service may make (`sandbox.syscalls`): all but those
//! that change the machine, reach into other processes, or are the kernel's
//! least tried corners. A call that is not allowed fails with EPERM.

use std::collections::BTreeMap;

use aios_service::manifest::Sockets;
use aios_service::syscalls::DENIED;
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
        let other = SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            libc::AF_UNIX.unsigned_abs().into(),
        )?;
        let other = SeccompRule::new(vec![other])?;
        rules.insert(libc::SYS_socket, vec![other.clone()]);
        rules.insert(libc::SYS_socketpair, vec![other]);
    }
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut first = filter(rules, libc::EPERM)?;
    first.splice(0..0, NO_X32);
    Ok([first, filter(clone3, libc::ENOSYS)?])
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
}
