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

/// ext4's own folder: emptied, and kept.
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

/// Removes everything below `folder`; what is on the way to the mark after the rest. Goes
/// on after what cannot be removed; the mark stays then.
fn erase(folder: &Path, way: &[&str]) -> io::Result<()> {
    let on_the_way = way.first().copied();
    let mut result = Ok(());
    let entries: Vec<_> = std::fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    for entry in entries {
        if on_the_way.is_none_or(|next| entry.file_name() != next) {
            result = result.and(remove(folder, &entry.path()));
        }
    }
    result?;
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

/// Removes a file or a tree below `top`. Trees may be deeper than paths are long and than
/// a process may hold descriptors: a folder in a folder is moved to the top before it is
/// emptied. Links are not followed.
fn remove(top: &Path, path: &Path) -> io::Result<()> {
    if !std::fs::symlink_metadata(path)?.is_dir() {
        return std::fs::remove_file(path);
    }
    let (mut folders, mut moved, mut result) = (vec![path.to_owned()], 0_u64, Ok(()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let removed = match entry.file_type()?.is_dir() {
                false => std::fs::remove_file(entry.path()),
                true => {
                    let place = free(top, &mut moved);
                    std::fs::rename(entry.path(), &place).map(|()| folders.push(place))
                }
            };
            result = result.and(removed);
        }
        if folder.file_name().is_none_or(|name| name != KEPT) {
            result = result.and(std::fs::remove_dir(&folder));
        }
    }
    result
}

/// A name in `top` that nothing has.
fn free(top: &Path, tried: &mut u64) -> std::path::PathBuf {
    loop {
        let place = top.join(format!(".erased-{tried}"));
        *tried += 1;
        if std::fs::symlink_metadata(&place).is_err() {
            return place;
        }
    }
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
        assert!(disk.path().join("lost+found").exists());
        assert!(!disk.path().join("lost+found/#12").exists());
        assert!(elsewhere.path().join("precious").exists());
        if_asked(disk.path(), &mut |text| said.push(text));
        assert_eq!(said.len(), 2, "asked once, done twice");
    }

    #[test]
    fn no_tree_is_too_deep() {
        let disk = disk();
        // Deeper than a path is long: made from below, by moving the top into a new top.
        let top = disk.path().join("overlay/deep");
        std::fs::create_dir(&top).unwrap();
        for _ in 0..3_000 {
            let above = disk.path().join("overlay/above");
            std::fs::create_dir(&above).unwrap();
            std::fs::rename(&top, above.join("deep")).unwrap();
            std::fs::rename(&above, &top).unwrap();
        }
        std::fs::write(top.join("file"), "x").unwrap();
        std::fs::write(disk.path().join("state/orchestrator/factory-reset"), "").unwrap();
        let mut said = Vec::new();
        if_asked(disk.path(), &mut |text| said.push(text));
        assert_eq!(said.last().unwrap(), "factory reset: done");
        let left: Vec<_> = std::fs::read_dir(disk.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter().all(|name| name == KEPT || name == "state"),
            "{left:?}"
        );
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
