//! What makes this system this host: name, id, clock, loopback; and the folders
//! that services expect.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aios_files::AIOS_GID;
use nix::unistd::{Gid, Uid, chown};

use crate::{accounts, network, places};

/// The last time known at the last shutdown, as a file's modification time.
const LAST_TIME: &str = "/var/lib/aios/clock";
/// When the image was built, in decimal Unix seconds (its files' own times are 0).
const BUILD_TIME: &str = "/usr/lib/aios/build-time";

/// Sets the host name from `/etc/hostname`, `aios` without one.
pub fn set_name() -> nix::Result<()> {
    let text = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = text
        .lines()
        .next()
        .map(str::trim)
        .filter(|name| aios_config::is_host_name(name));
    nix::unistd::sethostname(name.unwrap_or("aios"))
}

/// Gives the host an id of its own if it has none (machine-id(5)).
pub fn ensure_machine_id() -> io::Result<()> {
    const PATH: &str = "/etc/machine-id";
    let has_one = |text: String| text.trim().len() == 32;
    if std::fs::read_to_string(PATH).is_ok_and(has_one) {
        return Ok(());
    }
    // Not /dev/urandom, which on a machine with little entropy holds the boot
    // up for seconds: an id must be unique, not secret.
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let id: String = random.chars().filter(char::is_ascii_hexdigit).collect();
    std::fs::write(PATH, id + "\n")
}

/// No clock is believed that is further from the build than this: 30 years. Firmware with
/// an empty battery may say 2070 when it means 1970.
const BELIEVED: Duration = Duration::from_secs(30 * 365 * 86_400);

/// So far behind the time last known a hardware clock may be that runs and is a little slow:
/// one day. The time last known may be wrong as well, from a boot with a clock years ahead.
/// A smaller span would set a slow clock back in time, a larger one keeps such a time for long.
const BEHIND: Duration = Duration::from_secs(86_400);

/// Corrects the clock by the time last known and the time of the build ([`judge`]). Returns
/// what was wrong, if something was.
///
/// # Errors
/// When the kernel does not take the time.
pub fn correct_clock() -> nix::Result<Option<String>> {
    let saved = std::fs::metadata(LAST_TIME)
        .and_then(|meta| meta.modified())
        .ok();
    let built = std::fs::read_to_string(BUILD_TIME)
        .ok()
        .and_then(|text| unix_seconds(&text));
    let now = SystemTime::now();
    let right = match judge(now, saved, built) {
        Verdict::Right => return Ok(None),
        Verdict::SavedIsWrong(ahead) => {
            let days = ahead.as_secs() / 86_400;
            return Ok(Some(format!(
                "believed: the time last known is {days} days ahead of it and is left"
            )));
        }
        Verdict::Wrong(right) => right,
    };
    let since_epoch = right
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let time = nix::sys::time::TimeSpec::from_duration(since_epoch);
    nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time)?;
    Ok(Some(match right.duration_since(now) {
        Ok(behind) => format!("{} s behind; set", behind.as_secs()),
        Err(_) => "decades ahead; set".to_owned(),
    }))
}

/// What is to be thought of the clock.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is right as far as can be known.
    Right,
    /// It is wrong; this is the best that is known.
    Wrong(SystemTime),
    /// It is right; the time last known is so far ahead of it that it must be wrong.
    SavedIsWrong(Duration),
}

/// Judges the clock `now` by the time last known and the time of the build.
///
/// A time before the build or decades after it is none that anybody has set. A clock that has
/// one is set to the time last known, or to the build's. One that has a time that can be is
/// moved up by at most [`BEHIND`]: if it is further behind, one of the two is wrong, and the
/// clock is there to be corrected by a person or a time server, while a time that was saved
/// wrong would come back at every boot.
fn judge(now: SystemTime, saved: Option<SystemTime>, built: Option<SystemTime>) -> Verdict {
    let end = built.and_then(|built| built.checked_add(BELIEVED));
    let believed = |time: &SystemTime| end.is_none_or(|end| *time <= end);
    let saved = saved.filter(believed);
    let Some(floor) = built.max(saved) else {
        return Verdict::Right;
    };
    // Without a build time nothing says which of two times cannot be.
    let is_possible = built.is_some_and(|built| now >= built) && believed(&now);
    match floor.duration_since(now) {
        Ok(ahead) if is_possible && ahead > BEHIND => Verdict::SavedIsWrong(ahead),
        Ok(ahead) if !ahead.is_zero() => Verdict::Wrong(floor),
        _ if !believed(&now) => Verdict::Wrong(floor),
        _ => Verdict::Right,
    }
}

fn unix_seconds(text: &str) -> Option<SystemTime> {
    let seconds = text.trim().parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Remembers the time for a machine whose clock forgets it.
pub fn save_time() -> io::Result<()> {
    std::fs::write(LAST_TIME, "")
}

/// PID 1 may hold so many descriptors as its kernel lets it.
pub fn raise_descriptor_limit() -> nix::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const WANTED: u64 = 65_536;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // As root the hard limit can be raised; where it cannot, it is the most there is.
    setrlimit(Resource::RLIMIT_NOFILE, WANTED.max(soft), WANTED.max(hard))
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
}

/// Makes the folders of sockets and logs; brings the loopback up.
/// Returns what failed.
pub fn prepare() -> Vec<String> {
    let mut failures = Vec::new();
    let uid = |name: &str| accounts::find(name).map_or(0, |account| account.uid);
    let (logger, orchestrator) = (uid("aios-logger"), uid("aios-orchestrator"));
    let maintenance = uid("aios-maintenance");
    let run = places::run_dir();
    for (path, owner, mode) in [
        // Sockets, which PID 1 and root's daemons make: nobody else puts anything there.
        (run.clone(), 0, 0o755),
        // The agents' sockets, which PID 1 makes: nobody can put up another in its place.
        (run.join("agents"), 0, 0o755),
        // What only the orchestrator may say: that there is an emergency stop.
        (run.join("orchestrator"), orchestrator, 0o755),
        // What only maintenance mode may say: by which fingerprint the node is known.
        (run.join("maintenance"), maintenance, 0o755),
        // PID 1's own words to its roles.
        (run.join("init"), 0, 0o755),
        (places::log_dir(), logger, 0o750),
    ] {
        if let Err(error) = make_folder(&path, owner, AIOS_GID, mode) {
            failures.push(format!("cannot make {}: {error}", path.display()));
        }
    }
    if let Err(error) = network::set_up(network::LOOPBACK) {
        failures.push(format!("cannot bring the loopback up: {error}"));
    }
    failures
}

/// On a machine the logger reads and writes the kernel's log.
pub fn give_kernel_log_to_logger() -> nix::Result<()> {
    match accounts::find("aios-logger") {
        Some(account) => chown("/dev/kmsg", Some(Uid::from_raw(account.uid)), None),
        None => Ok(()),
    }
}

/// On a machine the status page is shown on the serial line and the screen, by an account of its own.
pub fn give_terminals_to_console() {
    if let Some(account) = accounts::find("aios-console") {
        for terminal in ["/dev/ttyS0", "/dev/tty1"] {
            // Err: there is none; the page is then shown on the other.
            let _ = chown(terminal, Some(Uid::from_raw(account.uid)), None);
        }
    }
}

/// Makes a folder, or gives an existing one its owner and mode.
pub fn make_folder(path: &Path, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path)?;
    chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_time_is_in_unix_seconds() {
        let check = |text: &str, expected: Option<u64>| {
            let expected =
                expected.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(unix_seconds(text), expected, "{text:?}");
        };
        check("1763690000\n", Some(1_763_690_000));
        check("0", Some(0));
        check("", None);
        check("-1", None);
        check("today", None);
        check("18446744073709551615", None);
    }

    #[test]
    fn the_clock_is_set_to_the_best_time_that_can_be_believed() {
        const BUILT: u64 = 1_763_690_000;
        const DAY: u64 = 86_400;
        const YEAR: u64 = 365 * DAY;
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let check = |now, saved: Option<u64>, built: Option<u64>, expected: Verdict| {
            let verdict = judge(at(now), saved.map(at), built.map(at));
            assert_eq!(verdict, expected, "{now} {saved:?} {built:?}");
        };
        let set = |seconds| Verdict::Wrong(at(seconds));
        let left = |seconds| Verdict::SavedIsWrong(Duration::from_secs(seconds));
        check(BUILT + 5, Some(BUILT + 4), Some(BUILT), Verdict::Right);
        check(BUILT + 5, Some(BUILT + 5), Some(BUILT), Verdict::Right);
        // The battery is empty: 1970, or the year of the firmware.
        check(0, Some(BUILT + 4), Some(BUILT), set(BUILT + 4));
        check(0, Some(BUILT + YEAR), Some(BUILT), set(BUILT + YEAR));
        check(
            BUILT - 1,
            Some(BUILT + YEAR),
            Some(BUILT),
            set(BUILT + YEAR),
        );
        check(0, None, Some(BUILT), set(BUILT));
        check(0, None, None, Verdict::Right);
        check(0, Some(BUILT), None, set(BUILT));
        // The year 2070, and then a time of 2070 that was saved.
        check(3_155_760_000, None, Some(BUILT), set(BUILT));
        check(0, Some(3_155_760_000), Some(BUILT), set(BUILT));
        check(BUILT + 5, Some(3_155_760_000), Some(BUILT), Verdict::Right);
        check(3_155_760_000, Some(BUILT + 4), Some(BUILT), set(BUILT + 4));
        // A clock that is slow, and one boot in 2031 before a right one.
        check(
            BUILT + DAY,
            Some(BUILT + 2 * DAY),
            Some(BUILT),
            set(BUILT + 2 * DAY),
        );
        check(
            BUILT + DAY,
            Some(BUILT + 2 * DAY + 1),
            Some(BUILT),
            left(DAY + 1),
        );
        check(
            BUILT + YEAR,
            Some(BUILT + 6 * YEAR),
            Some(BUILT),
            left(5 * YEAR),
        );
    }

    #[test]
    fn host_names_are_checked() {
        let check =
            |name: &str, expected| assert_eq!(aios_config::is_host_name(name), expected, "{name}");
        check("node-1.example", true);
        check("", false);
        check("-x", false);
        check("a b", false);
        check("a..b", false);
        check(&"x".repeat(65), false);
    }
}
