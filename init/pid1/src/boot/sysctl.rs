//! The kernel's settings at run time: the recommendations of the Kernel
//! Self-Protection Project, as Talos Linux enforces them, and what a server needs.
//! Set at boot and read back: **what did not hold is said**, never assumed.

use std::path::Path;

/// How a value is compared with what the kernel then says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It is exactly this.
    Exactly,
    /// It is this or higher: the kernel's configuration may be stricter.
    AtLeast,
}
use Hold::{AtLeast, Exactly};

/// Below `/proc/sys`. What has no such file here was left out of the kernel, and
/// is listed with [`ABSENT`].
const TABLE: [(&str, &str, Hold); 25] = [
    // Kernel addresses and its log are no user's business.
    ("kernel/kptr_restrict", "2", Exactly),
    ("kernel/dmesg_restrict", "1", Exactly),
    ("kernel/perf_event_paranoid", "3", AtLeast),
    // A process is debugged by root at most.
    ("kernel/yama/ptrace_scope", "1", AtLeast),
    ("kernel/randomize_va_space", "2", Exactly),
    ("kernel/panic_on_oops", "1", Exactly),
    ("kernel/panic", "10", Exactly),
    ("kernel/kexec_load_disabled", "1", Exactly),
    ("kernel/unprivileged_bpf_disabled", "1", AtLeast),
    ("net/core/bpf_jit_harden", "2", Exactly),
    ("dev/tty/ldisc_autoload", "0", Exactly),
    ("dev/tty/legacy_tiocsti", "0", Exactly),
    ("vm/unprivileged_userfaultfd", "0", Exactly),
    ("vm/mmap_min_addr", "65536", AtLeast),
    ("vm/mmap_rnd_bits", "32", AtLeast),
    // No user makes namespaces: PID 1 makes those that there are.
    ("user/max_user_namespaces", "0", Exactly),
    // Links and pipes in /tmp cannot be turned against their user.
    ("fs/protected_symlinks", "1", Exactly),
    ("fs/protected_hardlinks", "1", Exactly),
    ("fs/protected_fifos", "2", Exactly),
    ("fs/protected_regular", "2", Exactly),
    ("fs/suid_dumpable", "0", Exactly),
    // Nobody redirects our packets, or forges where they come from.
    ("net/ipv4/conf/all/accept_redirects", "0", Exactly),
    ("net/ipv4/conf/all/send_redirects", "0", Exactly),
    ("net/ipv4/conf/all/rp_filter", "2", AtLeast),
    ("net/ipv4/tcp_syncookies", "1", AtLeast),
];

/// Settings whose subject is not in this kernel at all, which is stricter.
const ABSENT: [&str; 6] = [
    "kernel/kexec_load_disabled",
    "kernel/unprivileged_bpf_disabled",
    "kernel/perf_event_paranoid",
    "net/core/bpf_jit_harden",
    "vm/unprivileged_userfaultfd",
    "dev/tty/legacy_tiocsti",
];

/// Sets all. Returns what does not hold.
pub fn enforce() -> Vec<String> {
    enforce_in(Path::new("/proc/sys"))
}

fn enforce_in(root: &Path) -> Vec<String> {
    let check = |&(name, value, hold): &(&str, &str, Hold)| {
        let path = root.join(name);
        if !path.exists() && ABSENT.contains(&name) {
            return None;
        }
        let now = || std::fs::read_to_string(&path).map(|text| text.trim().to_owned());
        if now().is_ok_and(|now| holds(&now, value, hold)) {
            return None;
        }
        // Err: reading it back tells.
        let _ = std::fs::write(&path, value);
        match now() {
            Ok(now) if holds(&now, value, hold) => None,
            Ok(now) => Some(format!("{} is {now}, not {value}", dotted(name))),
            Err(error) => Some(format!("{} is not there: {error}", dotted(name))),
        }
    };
    TABLE.iter().filter_map(check).collect()
}

fn dotted(name: &str) -> String {
    name.replace('/', ".")
}

fn holds(now: &str, value: &str, hold: Hold) -> bool {
    match (hold, now.parse::<u64>(), value.parse::<u64>()) {
        (AtLeast, Ok(now), Ok(value)) => now >= value,
        _ => now == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stricter_kernel_is_as_good_and_a_laxer_one_is_not() {
        let check = |now, value, hold, expected| {
            assert_eq!(holds(now, value, hold), expected, "{now} for {value}");
        };
        check("2", "2", Exactly, true);
        check("3", "2", Exactly, false);
        check("3", "2", AtLeast, true);
        check("1", "2", AtLeast, false);
        check("", "2", AtLeast, false);
    }

    #[test]
    fn what_is_lax_is_set_and_what_cannot_be_is_said() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for (name, ..) in TABLE {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "0\n").unwrap();
        }
        assert_eq!(enforce_in(root.path()), Vec::<String>::new());
        let set = std::fs::read_to_string(path("kernel/kptr_restrict")).unwrap();
        assert_eq!(set, "2");
        std::fs::remove_file(path("fs/protected_fifos")).unwrap();
        std::fs::create_dir(path("fs/protected_fifos")).unwrap();
        std::fs::remove_file(path("vm/unprivileged_userfaultfd")).unwrap();
        let said = enforce_in(root.path());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("fs.protected_fifos"), "{said:?}");
    }
}
