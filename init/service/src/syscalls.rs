//! Two sets of system calls, of which PID 1 makes filters.
//!
//! `sandbox.syscalls = "service"` denies [`DENIED`]: those that change the machine, reach
//! into other processes, or are the kernel's least tried corners; a manifest may allow single ones
//! again by name. `sandbox.syscalls = "agent"` allows [`AGENT`] and denies every other, also those
//! that kernels to come will have.

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

/// What an agent needs, and nothing else: its manifest, the sockets that PID 1 gave it, a connection to
/// `aios-tools`, memory, time, threads. Found by tracing an agent's start and end and by running all eight
/// under the filter; and what other versions of the C library and of the runtime use for the same. No new names,
/// owners or modes, no `bind`, no `listen`, no signal to others. Some are allowed with certain arguments
/// only (`pid1/src/run/sandbox/syscalls.rs`).
#[rustfmt::skip]
pub const AGENT: [(&str, i64); 80] = table![
    // Its program. Landlock leaves only that one to execute.
    execve SYS_execve, arch_prctl SYS_arch_prctl, prlimit64 SYS_prlimit64, prctl SYS_prctl,
    uname SYS_uname, getrandom SYS_getrandom, exit SYS_exit, exit_group SYS_exit_group,
    // Memory; none that can be executed.
    brk SYS_brk, mmap SYS_mmap, munmap SYS_munmap, mremap SYS_mremap, mprotect SYS_mprotect,
    madvise SYS_madvise,
    // Threads. clone3 is answered with ENOSYS, so that clone is used, whose flags can be seen.
    clone SYS_clone, clone3 SYS_clone3, futex SYS_futex, futex_waitv SYS_futex_waitv,
    set_robust_list SYS_set_robust_list, set_tid_address SYS_set_tid_address, rseq SYS_rseq,
    membarrier SYS_membarrier, sched_yield SYS_sched_yield,
    sched_getaffinity SYS_sched_getaffinity, getcpu SYS_getcpu,
    // Who it is.
    getpid SYS_getpid, getppid SYS_getppid, gettid SYS_gettid, getuid SYS_getuid,
    geteuid SYS_geteuid, getgid SYS_getgid, getegid SYS_getegid,
    // Its own signals; tgkill ends it (abort).
    rt_sigaction SYS_rt_sigaction, rt_sigprocmask SYS_rt_sigprocmask,
    rt_sigreturn SYS_rt_sigreturn, sigaltstack SYS_sigaltstack, tgkill SYS_tgkill,
    restart_syscall SYS_restart_syscall,
    // Time.
    clock_gettime SYS_clock_gettime, clock_getres SYS_clock_getres,
    clock_nanosleep SYS_clock_nanosleep, nanosleep SYS_nanosleep, gettimeofday SYS_gettimeofday,
    // Files that are there.
    openat SYS_openat, read SYS_read, readv SYS_readv, pread64 SYS_pread64, write SYS_write,
    writev SYS_writev, close SYS_close, lseek SYS_lseek, fcntl SYS_fcntl, ioctl SYS_ioctl,
    fstat SYS_fstat, newfstatat SYS_newfstatat, statx SYS_statx, getdents64 SYS_getdents64,
    readlink SYS_readlink, readlinkat SYS_readlinkat, getcwd SYS_getcwd,
    // Waiting for several.
    poll SYS_poll, ppoll SYS_ppoll, epoll_create1 SYS_epoll_create1, epoll_ctl SYS_epoll_ctl,
    epoll_wait SYS_epoll_wait, epoll_pwait SYS_epoll_pwait, eventfd2 SYS_eventfd2,
    // Sockets: unix ones.
    socket SYS_socket, socketpair SYS_socketpair, connect SYS_connect, accept4 SYS_accept4,
    getsockname SYS_getsockname, getpeername SYS_getpeername, getsockopt SYS_getsockopt,
    setsockopt SYS_setsockopt, sendto SYS_sendto, sendmsg SYS_sendmsg, recvfrom SYS_recvfrom,
    recvmsg SYS_recvmsg, shutdown SYS_shutdown,
];

/// Can this call be denied, so that a manifest may name it to allow it again?
pub fn is_deniable(name: &str) -> bool {
    DENIED.iter().any(|(known, _)| *known == name)
}
