//! The processes of a unit's service.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use aios_service::places;

/// All processes below this one, without zombies; nearest first.
pub fn descendants() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    below(own, &all())
}

/// Each process's parent; zombies are not there any more.
fn all() -> HashMap<i32, i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect()
}

fn below(top: i32, parents: &HashMap<i32, i32>) -> Vec<i32> {
    let mut found = vec![top];
    let mut place = 0;
    while let Some(&parent) = found.get(place) {
        let mut children: Vec<i32> = parents
            .iter()
            .filter(|(pid, of)| **of == parent && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        children.sort_unstable();
        found.extend(children);
        place += 1;
    }
    found.split_off(1)
}

struct Stat {
    parent: i32,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5); none for a zombie.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Is it running?
pub fn is_there(pid: i32) -> bool {
    stat(pid).is_some()
}

/// Sends a signal to each.
pub fn signal(pids: &[i32], signal: Signal) {
    for &pid in pids {
        // Err: it has ended meanwhile.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The pid in a PID file.
pub fn read_pid_file(path: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(path).ok()?;
    // PostgreSQL writes more lines.
    text.lines()
        .next()?
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
}

fn record(name: &str) -> PathBuf {
    places::run_dir().join("units").join(format!("{name}.main"))
}

/// Notes the main process for a runner that comes after a crash of this one.
pub fn remember(name: &str, main: i32) {
    if let Some(stat) = stat(main) {
        // Err: then a crash of this process may leave the service's behind.
        let _ = std::fs::write(record(name), format!("{main} {}", stat.started));
    }
}

/// The service has ended.
pub fn forget(name: &str) {
    // Err: there was none.
    let _ = std::fs::remove_file(record(name));
}

/// Kills what a runner left behind that was killed itself: without cgroups,
/// nobody else can.
pub fn end_former(name: &str) {
    let text = std::fs::read_to_string(record(name)).unwrap_or_default();
    let noted = text.split_once(' ');
    let noted = noted.and_then(|(pid, started)| Some((pid.parse().ok()?, started.parse().ok()?)));
    let Some((pid, started)): Option<(i32, u64)> = noted else {
        return;
    };
    if stat(pid).is_some_and(|stat| stat.started == started) {
        let mut rest = below(pid, &all());
        rest.push(pid);
        signal(&rest, Signal::SIGKILL);
    }
    forget(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found_through_dead_generations_and_strange_names() {
        let parents = HashMap::from([(2, 1), (3, 2), (4, 3), (9, 1)]);
        assert_eq!(below(2, &parents), [3, 4]);
        let line = "7 (a) b) S 2 7 7 0 -1 64 1 2 3 4 5 6 7 8 20 0 1 0 4242 9";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.started), (2, 4242));
        assert!(parse(&line.replace(") S", ") Z")).is_none());
    }
}
