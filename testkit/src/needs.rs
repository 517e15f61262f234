//! What a test needs of the machine that it runs on.
//!
//! A test asks first and returns when the answer is no:
//!
//! ```
//! # fn test() {
//! if !aios_testkit::needs::root() {
//!     return;
//! }
//! # }
//! ```
//!
//! Outside of `cargo xtask test` such a test passes and prints `SKIPPED` with the reason. Under
//! `cargo xtask test` it fails, because `xtask` provides all that can be provided: packages, models,
//! a Debian root with services, and root's rights by `sudo`. Only the kernel cannot be provided. A
//! test that needs more of it than the host has names the machine test that checks the same promise
//! on the appliance's own kernel, and `xtask` prints the test's name at the end.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The environment variable by which `cargo xtask test` says that no test may skip (`1`).
pub const MUST_RUN: &str = "AIOS_TESTS_MUST_RUN";

/// Names the file to which a test adds a line when the host's kernel lacks what it needs.
pub const LEFT: &str = "AIOS_TESTS_LEFT";

/// Names the file to which a test that needs root adds its executable and its name, for a second run.
pub const BY_ROOT: &str = "AIOS_TESTS_BY_ROOT";

/// Names the folder of the models that `cargo xtask models` builds.
pub const MODELS: &str = "AIOS_TEST_MODELS";

/// Names a Debian root with the packages whose services aios-init's tests start.
pub const SERVICES: &str = "AIOS_TEST_SERVICES";

/// Says that the run has got hours (`1`): `cargo xtask test --long`.
pub const LONG: &str = "AIOS_LONG_TESTS";

/// Where Debian puts the programs that tests use; `/usr/sbin` is often not in a user's `PATH`.
const PROGRAMS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/bin"];

/// Root's rights, for namespaces, mounts and changes of identity. Without them the test is noted in the
/// file that [`BY_ROOT`] names, if it names one: `xtask` runs it again, by `sudo`.
///
/// # Panics
/// Under `cargo xtask test`, when this process has not got them and cannot note that.
#[must_use]
pub fn root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if let Some(list) = std::env::var_os(BY_ROOT)
        && !is_root
    {
        let binary = std::env::var("NEXTEST_BINARY_ID").unwrap_or_default();
        let thread = std::thread::current();
        note(
            &list,
            &format!("{binary} {}", thread.name().unwrap_or_default()),
        );
        println!("left to root");
        return false;
    }
    that(is_root, "it needs root")
}

/// Programs of Debian packages, by their names.
///
/// # Panics
/// Under `cargo xtask test`, when one is not installed.
#[must_use]
pub fn programs(names: &[&str]) -> bool {
    let is_there = |name: &str| {
        PROGRAMS
            .iter()
            .any(|folder| Path::new(folder).join(name).exists())
    };
    names.iter().all(|name| {
        let otherwise = format!("it needs {name}; xtask/src/host.rs lists what is installed");
        that(is_there(name), &otherwise)
    })
}

/// The folder that a variable such as [`MODELS`] names and that holds a file or folder `holding`.
///
/// # Panics
/// Under `cargo xtask test`, when there is none.
#[must_use]
pub fn folder(variable: &str, holding: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    let found = folder.filter(|folder| folder.join(holding).exists());
    settle(found.ok_or(format!("{variable} names no folder with {holding} in it")))
}

/// Anything else that can be provided, such as a kernel as Debian builds it.
///
/// # Panics
/// Under `cargo xtask test`, when it is not there.
#[must_use]
pub fn that(is_there: bool, otherwise: &str) -> bool {
    settle(is_there.then_some(()).ok_or(otherwise.to_owned())).is_some()
}

/// A feature that kernels may lack. `checked_by` is the machine test that checks the same promise on
/// the appliance's own kernel; it runs under `cargo xtask test` too, so this one may be left out there.
#[must_use]
pub fn kernel(feature: &str, is_there: bool, checked_by: &str) -> bool {
    if !is_there {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        let line = format!("{test}: the host's kernel has no {feature}; {checked_by} checks it");
        println!("SKIPPED {line}");
        if let Some(path) = std::env::var_os(LEFT) {
            note(&path, &line);
        }
    }
    is_there
}

/// Has the run got hours?
#[must_use]
pub fn has_hours() -> bool {
    is_set(LONG)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value == "1")
}

fn settle<T>(found: Result<T, String>) -> Option<T> {
    settle_when(is_set(MUST_RUN), found)
}

/// The rule itself: what is missing fails a test that must run, and skips any other.
fn settle_when<T>(must_run: bool, found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) if must_run => panic!("this test could not run: {reason}"),
        Err(reason) => {
            println!("SKIPPED: {reason}");
            None
        }
    }
}

/// Adds a line to a file. One write, so that tests that run at the same time do not mix their lines.
fn note(path: &std::ffi::OsStr, line: &str) {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    file.unwrap()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_given_whether_or_not_the_test_must_run() {
        for must_run in [false, true] {
            assert_eq!(settle_when(must_run, Ok(7)), Some(7));
        }
    }

    #[test]
    fn what_is_missing_skips_a_test_that_need_not_run() {
        assert_eq!(settle_when::<()>(false, Err("it needs root".into())), None);
    }

    #[test]
    #[should_panic(expected = "this test could not run: it needs root")]
    fn what_is_missing_fails_a_test_that_must_run() {
        let _ = settle_when::<()>(true, Err("it needs root".into()));
    }

    #[test]
    fn programs_are_looked_for_where_debian_puts_them() {
        assert!(programs(&["sh", "env"]));
        let is_there = std::panic::catch_unwind(|| programs(&["sh", "no-such-program"]));
        assert!(!is_there.unwrap_or(false));
    }

    #[test]
    fn a_folder_without_the_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let found = |holding: &str| {
            // Cargo's own variable: tests must not set any while others read them.
            let holding = holding.to_owned();
            std::panic::catch_unwind(move || super::folder("CARGO_MANIFEST_DIR", &holding))
        };
        assert!(found("Cargo.toml").unwrap().is_some());
        assert!(found("no-such-file").unwrap_or(None).is_none());
        drop(folder);
    }
}
