//! Factory reset: everything that the node was given or has learned is erased
//! before anything uses it.
//!
//! The orchestrator leaves a mark, durably, and asks for a reboot. **The mark goes
//! last**: a power cut on the way leaves it, and the next boot goes on. A disk that is
//! or will be encrypted is made anew instead ([`super::unlock`]), which ends the mark too.

use std::io;
use std::path::Path;

/// Where the mark is, from the data disk's top.
const MARK: [&str; 3] = ["state", "orchestrator", "factory-reset"];

/// ext4's own folder.
const KEPT: &str = "lost+found";

/// Was it asked for?
pub fn is_asked(data: &Path) -> bool {
    let mark = MARK
        .iter()
        .fold(data.to_owned(), |path, part| path.join(part));
    // Not followed: the folder is a service's own.
    std::fs::symlink_metadata(&mark).is_ok_and(|found| found.is_file())
}

/// Erases what is on the data disk if that was asked for.
pub fn if_asked(data: &Path, say: &mut dyn FnMut(String)) {
    if !is_asked(data) {
        return;
    }
    say("factory reset: erasing what this node was given and has learned".to_owned());
    match erase(data, &MARK) {
        Ok(()) => say("factory reset: done".to_owned()),
        Err(error) => say(format!(
            "factory reset: {error}; it is tried again at the next boot"
        )),
    }
}

/// Removes everything below `folder`; what is on the way to the mark after the rest.
fn erase(folder: &Path, way: &[&str]) -> io::Result<()> {
    let on_the_way = way.first().copied();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == KEPT || on_the_way.is_some_and(|next| name == next) {
            continue;
        }
        // Neither follows links.
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    let Some((next, rest)) = way.split_first() else {
        return Ok(());
    };
    let next = folder.join(next);
    if rest.is_empty() {
        // All else must be gone for good before the mark is.
        rustix::fs::sync();
        std::fs::remove_file(&next)?;
        return std::fs::File::open(folder)?.sync_all();
    }
    erase(&next, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> tempfile::TempDir {
        let disk = tempfile::tempdir().unwrap();
        for file in [
            "overlay/upper/etc/shadow",
            "log/tools.log",
            "state/memory/longterm.db",
            "state/orchestrator/goals",
            "lost+found/#12",
        ] {
            let path = disk.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        disk
    }

    #[test]
    fn everything_is_erased_once_it_was_asked_for_and_only_then() {
        let (disk, elsewhere) = (disk(), tempfile::tempdir().unwrap());
        let mut said = Vec::new();
        if_asked(disk.path(), &mut |text| said.push(text));
        assert!(said.is_empty() && disk.path().join("log/tools.log").exists());
        std::fs::write(elsewhere.path().join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), disk.path().join("log/link")).unwrap();
        std::fs::write(disk.path().join("state/orchestrator/factory-reset"), "").unwrap();
        if_asked(disk.path(), &mut |text| said.push(text));
        assert_eq!(said.len(), 2, "{said:?}");
        for gone in ["overlay", "log", "state/memory", "state/orchestrator/goals"] {
            assert!(!disk.path().join(gone).exists(), "{gone}");
        }
        assert!(disk.path().join("lost+found/#12").exists());
        assert!(elsewhere.path().join("precious").exists());
        if_asked(disk.path(), &mut |text| said.push(text));
        assert_eq!(said.len(), 2, "asked once, done twice");
    }

    #[test]
    fn a_mark_that_is_a_link_or_a_folder_does_not_count() {
        let disk = disk();
        let mark = disk.path().join("state/orchestrator/factory-reset");
        std::os::unix::fs::symlink("/etc/passwd", &mark).unwrap();
        if_asked(disk.path(), &mut |text| panic!("{text}"));
        std::fs::remove_file(&mark).unwrap();
        std::fs::create_dir(&mark).unwrap();
        if_asked(disk.path(), &mut |text| panic!("{text}"));
    }
}
