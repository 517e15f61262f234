//! `/proc/<pid>`: processes.

use std::time::{Duration, SystemTime};

use aios_daemon::identity::Principal;

use super::{machine, printable, read};
use aios_tool::error::ToolError;

/// Longest name that the kernel keeps (TASK_COMM_LEN less its end).
const COMM_MAX: usize = 15;

/// One line of `/proc/<pid>/stat`, as far as it is used; proc_pid_stat(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: u32,
    /// The name as the process set it; at most 15 bytes.
    pub name: String,
    /// `R`, `S`, `D`, `Z`, `T`, …
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// CPU time used, user and system, in clock ticks.
    pub ticks: u64,
    /// Number of threads.
    pub threads: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// Resident set, in pages.
    pub resident: u64,
}

/// Parses `/proc/<pid>/stat`. The name stands in parentheses and may itself hold
/// any character, parentheses and line feeds too: it ends at the last `)`.
pub fn parse_stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered from 3 in the manual.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.parse().ok()?,
        name: printable(name),
        state: fields.first()?.chars().next()?,
        parent: number(4)?.try_into().ok()?,
        ticks: number(14)?.checked_add(number(15)?)?,
        threads: number(20)?.try_into().ok()?,
        started: number(22)?,
        resident: number(24)?,
    })
}

/// The real user id in `/proc/<pid>/status`. The name, which comes before it, has
/// its line feeds escaped by the kernel.
pub fn parse_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// What a process is called: the kernel's name, or the whole file name of its
/// program where the kernel cut it; an agent with its own name, by its user id.
pub fn display_name(kernel: &str, command: &str, uid: Option<u32>) -> String {
    let program = command.split('\0').next().unwrap_or_default();
    let file = program.rsplit('/').next().unwrap_or_default();
    let cut = kernel.len() >= COMM_MAX && file.starts_with(kernel);
    let name = if cut {
        printable(file)
    } else {
        kernel.to_owned()
    };
    match uid.map(Principal::from_uid) {
        Some(Principal::Agent(agent)) if name == "aios-agent" => format!("aios-agent-{agent}"),
        _ => name,
    }
}

/// A process as it was found.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its numbers.
    pub stat: Stat,
    /// What it is called.
    pub name: String,
    /// User id, when known.
    pub uid: Option<u32>,
}

impl Process {
    /// Resident set in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.stat
            .resident
            .saturating_mul(rustix::param::page_size() as u64)
    }

    /// CPU time used so far.
    pub fn cpu_seconds(&self) -> f64 {
        self.stat.ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// When it started.
    pub fn started(&self) -> Option<SystemTime> {
        let ticks = rustix::param::clock_ticks_per_second();
        let after_boot = Duration::from_millis(self.stat.started.checked_mul(1000)? / ticks);
        machine::boot_time().map(|boot| boot + after_boot)
    }
}

/// One process; `None` when there is none of this id (any more).
pub fn of(pid: u32) -> Option<Process> {
    let stat = parse_stat(&read(&format!("/proc/{pid}/stat")).ok()?)?;
    let status = read(&format!("/proc/{pid}/status")).ok();
    let uid = status.as_deref().and_then(parse_uid);
    let command = read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Process {
        name: display_name(&stat.name, &command, uid),
        stat,
        uid,
    })
}

/// The command line of a process, its arguments separated by spaces.
pub fn command_line(pid: u32) -> String {
    let text = read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    printable(&text.trim_end_matches('\0').replace('\0', " "))
}

/// All processes that can be seen.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn all() -> Result<Vec<Process>, ToolError> {
    Ok(pids()?.into_iter().filter_map(of).collect())
}

/// The ids of all processes that can be seen.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn pids() -> Result<Vec<u32>, ToolError> {
    let entries =
        std::fs::read_dir("/proc").map_err(|error| ToolError::io("cannot list /proc", error))?;
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The account of a user id: aiOS's own table, then `/etc/passwd`, else the number.
pub fn account(uid: u32) -> String {
    let own = aios_daemon::identity::identities();
    if let Some(identity) = own.iter().find(|identity| identity.uid == uid) {
        return identity.name.clone();
    }
    let passwd = read("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| printable(name))
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// The word for a process state.
pub fn state_name(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' | 'I' => "sleeping",
        'D' => "waiting for a device",
        'T' => "stopped",
        't' => "traced",
        'Z' => "ended, not yet collected",
        'X' => "ended",
        _ => "in an unknown state",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 1 71 71 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 12345 9000000 2000 \
        18446744073709551615 0 0 0";

    #[test]
    fn a_stat_line_is_read_whatever_the_process_calls_itself() {
        let check = |name: &str, shown: &str| {
            let stat = parse_stat(&format!("71 ({name}) {REST}\n")).unwrap();
            assert_eq!(stat.name, shown);
            assert_eq!((stat.pid, stat.state, stat.parent), (71, 'S', 1));
            assert_eq!((stat.ticks, stat.threads), (300, 3));
            assert_eq!((stat.started, stat.resident), (12345, 2000));
        };
        check("aios-runtime", "aios-runtime");
        check("Web Content", "Web Content");
        check(") S 1 1 (", ") S 1 1 (");
        check("a) R 1 (b", "a) R 1 (b");
        check("x\n1 (init", "x\u{fffd}1 (init");
        check("", "");
    }

    #[test]
    fn what_is_no_stat_line_is_refused() {
        let check = |text: &str| assert_eq!(parse_stat(text), None, "{text:?}");
        check("");
        check("71 (name");
        check("71 (name) S 1");
        check("x (name) S 1 2 3");
        check(&format!("71 (name) {}", REST.replace("250", "-5")));
    }

    #[test]
    fn the_name_is_whole_where_the_kernel_cut_it_and_not_where_it_lies() {
        let check = |kernel: &str, command: &str, uid, expected: &str| {
            assert_eq!(display_name(kernel, command, uid), expected);
        };
        check(
            "aios-orchestrat",
            "/usr/lib/aios/aios-orchestrator\0",
            None,
            "aios-orchestrator",
        );
        check("aios-orchestrat", "innocent\0", None, "aios-orchestrat");
        check("sh", "/bin/other\0", None, "sh");
        check(
            "aios-agent",
            "/usr/lib/aios/aios-agent\0x\0",
            Some(915),
            "aios-agent-storage",
        );
        check(
            "aios-agent",
            "aios-agent\0storage\0",
            Some(1000),
            "aios-agent",
        );
        check("kthreadd", "", Some(0), "kthreadd");
    }

    #[test]
    fn the_user_is_read_behind_a_name_that_imitates_it() {
        let status = "Name:\tUid:\\n0\nState:\tS (sleeping)\nUid:\t903\t903\t903\t903\n";
        assert_eq!(parse_uid(status), Some(903));
        assert_eq!(parse_uid("Name:\tx\n"), None);
    }

    #[test]
    fn the_own_process_is_found_with_its_true_values() {
        let own = of(std::process::id()).unwrap();
        assert_eq!(
            own.stat.parent,
            rustix::process::getppid().unwrap().as_raw_nonzero().get() as u32
        );
        assert_eq!(own.uid, Some(rustix::process::getuid().as_raw()));
        let age = SystemTime::now().duration_since(own.started().unwrap());
        assert!(age.unwrap_or_default() < Duration::from_secs(600));
        assert!(
            all()
                .unwrap()
                .iter()
                .any(|process| process.stat.pid == own.stat.pid)
        );
    }
}
