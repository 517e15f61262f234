//! The system calls that `sandbox.syscalls = "service"` denies: those that change the machine, reach
//! into other processes, or are the kernel's least tried corners. PID 1 makes a filter of them;
//! a manifest may allow single ones again by name.

use nix::libc;

macro_rules! table {
    ($($name:ident $call:ident,)*) => { [$((stringify!($name), libc::$call),)*] };
}

/// Names and numbers of the denied calls, grouped by what the calls are about.
#[rustfmt::skip]
pub const DENIED: [(&str, i64); 55] = table![
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

/// Can this call be denied, so that a manifest may name it to allow it again?
pub fn is_deniable(name: &str) -> bool {
    DENIED.iter().any(|(known, _)| *known == name)
}
