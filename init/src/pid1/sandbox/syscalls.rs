//! The system calls that a service may make (`sandbox.syscalls`): all but those
//! that change the machine, reach into other processes, or are the kernel's
//! least tried corners. A call that is not allowed fails with EPERM.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

macro_rules! table {
    ($($name:ident $call:ident,)*) => { [$((stringify!($name), libc::$call),)*] };
}

/// What `syscalls = "service"` denies, by what it is about.
#[rustfmt::skip]
const DENIED: [(&str, i64); 55] = table![
    // What is mounted where.
    mount SYS_mount, umount2 SYS_umount2, pivot_root SYS_pivot_root, chroot SYS_chroot,
    move_mount SYS_move_mount, open_tree SYS_open_tree, mount_setattr SYS_mount_setattr,
    fsopen SYS_fsopen, fsconfig SYS_fsconfig, fsmount SYS_fsmount, fspick SYS_fspick,
    // New namespaces, where a service would be root.
    unshare SYS_unshare, setns SYS_setns,
    // The kernel itself.
    init_module SYS_init_module, finit_module SYS_finit_module, delete_module SYS_delete_module,
    kexec_load SYS_kexec_load, kexec_file_load SYS_kexec_file_load, bpf SYS_bpf,
    perf_event_open SYS_perf_event_open, reboot SYS_reboot, syslog SYS_syslog,
    // Other processes.
    ptrace SYS_ptrace, process_vm_readv SYS_process_vm_readv,
    process_vm_writev SYS_process_vm_writev, kcmp SYS_kcmp, pidfd_getfd SYS_pidfd_getfd,
    process_madvise SYS_process_madvise, move_pages SYS_move_pages,
    migrate_pages SYS_migrate_pages,
    // The machine: clocks, names, swap, accounting, quotas, ports.
    settimeofday SYS_settimeofday, clock_settime SYS_clock_settime, adjtimex SYS_adjtimex,
    clock_adjtime SYS_clock_adjtime, sethostname SYS_sethostname,
    setdomainname SYS_setdomainname, swapon SYS_swapon, swapoff SYS_swapoff, acct SYS_acct,
    quotactl SYS_quotactl, quotactl_fd SYS_quotactl_fd, ioperm SYS_ioperm, iopl SYS_iopl,
    vhangup SYS_vhangup,
    // Files past their paths, so past Landlock and hidden folders.
    open_by_handle_at SYS_open_by_handle_at, name_to_handle_at SYS_name_to_handle_at,
    fanotify_init SYS_fanotify_init,
    // Keys of the kernel's.
    add_key SYS_add_key, request_key SYS_request_key, keyctl SYS_keyctl,
    // Large and young, or there for exploits mostly.
    io_uring_setup SYS_io_uring_setup, io_uring_enter SYS_io_uring_enter,
    io_uring_register SYS_io_uring_register, userfaultfd SYS_userfaultfd,
    personality SYS_personality,
];

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

/// Is this one of the calls that can be denied, and so allowed again?
pub fn is_deniable(name: &str) -> bool {
    DENIED.iter().any(|(known, _)| *known == name)
}

/// Denies the calling process, for good, what the set does not have.
///
/// # Errors
/// When the kernel takes no filters.
pub fn restrict(allowed: &[String]) -> Result<(), String> {
    let text = |error: seccompiler::Error| error.to_string();
    for program in filters(allowed).map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(text)?;
    }
    Ok(())
}

/// Two filters, for two answers: what is denied, and `clone3`, whose flags no
/// filter can see. ENOSYS makes the C library use `clone`.
fn filters(allowed: &[String]) -> Result<[BpfProgram; 2], BackendError> {
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
            restrict(&["sethostname".to_owned()])?;
            let unshared = nix::sched::unshare(nix::sched::CloneFlags::empty());
            // No address: so it fails in any case, but with another error where it is allowed.
            let number = nix::unistd::sethostname("x".repeat(100));
            let thread = std::thread::spawn(|| 5).join();
            // SAFETY: a call that the kernel refuses before it does anything.
            #[allow(unsafe_code)]
            let x32 = unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) };
            Ok::<_, String>((unshared, number, thread.ok(), x32))
        });
        let (unshared, number, thread, x32) = tried.join().unwrap().unwrap();
        assert_eq!(unshared, Err(nix::errno::Errno::EPERM));
        assert_eq!(number, Err(nix::errno::Errno::EINVAL));
        assert_eq!((thread, x32), (Some(5), -1));
    }
}
