use super::relocate::{across, compare};
use super::*;
use crate::file::extent;
use crate::file::install::temporary_name;
use crate::file::place::DEPTH_MAX;
use rustix::fs::{Mode, OFlags};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn place(path: &Path) -> Place {
    let parent = path.parent().unwrap().canonicalize().unwrap();
    let path = parent.join(path.file_name().unwrap());
    Place::open(path.to_str().unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn fill(folder: &Path) {
    std::fs::create_dir_all(folder.join("c")).unwrap();
    for name in ["a", "b", "c/d"] {
        std::fs::write(folder.join(name), name).unwrap();
    }
}

/// Moves as [`relocate`] does from another file system: really, where there are two.
fn check_between(one: &Path, other: &Path, start: fn(&Place, &Place) -> Result<(), ToolError>) {
    let (from, to) = (one.join("x"), other.join("y"));
    fill(&from);
    start(&place(&from), &place(&to)).unwrap();
    assert_eq!(names(one), [""; 0]);
    assert_eq!(names(&to), ["a", "b", "c"]);

    // Out of sight and not copied; then copied and half removed.
    let hidden = one.join(temporary_name("e"));
    std::fs::remove_dir_all(&to).unwrap();
    fill(&hidden);
    relocate(&place(&from), &place(&to), "e", true).unwrap();
    assert_eq!(names(one), [""; 0]);
    assert_eq!(names(&to), ["a", "b", "c"]);
    copy(&place(&to), &place(&hidden), Keep::All, "f").unwrap();
    std::fs::remove_file(hidden.join("a")).unwrap();
    relocate(&place(&from), &place(&to), "e", true).unwrap();
    assert_eq!(names(one), [""; 0]);
    assert_eq!(names(&to), ["a", "b", "c"]);
    std::fs::remove_dir_all(&to).unwrap();

    // What cannot be copied stays.
    fill(&from);
    let outside = one.with_extension("outside");
    std::fs::hard_link(from.join("c/d"), &outside).unwrap();
    let error = start(&place(&from), &place(&to)).unwrap_err();
    assert!(error.to_string().contains("1 more name"), "{error}");
    assert_eq!(names(one), ["x"]);
    assert_eq!(names(&from), ["a", "b", "c"]);
    assert_eq!(names(other), [""; 0]);
    std::fs::remove_file(outside).unwrap();

    // So does what meets something at its new place.
    std::fs::write(&to, "somebody's").unwrap();
    assert!(start(&place(&from), &place(&to)).is_err());
    assert!(relocate(&place(&from), &place(&to), "e", true).is_err());
    assert_eq!(names(&from), ["a", "b", "c"]);
    std::fs::remove_dir_all(&from).unwrap();
    std::fs::remove_file(&to).unwrap();
}

#[test]
fn a_move_between_file_systems_is_whole_or_not_at_all() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    check_between(one.path(), other.path(), |from, to| across(from, to, "e"));
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let device = |path: &Path| path.metadata().unwrap().dev();
    if device(memory.path()) != device(other.path()) {
        let start = |from: &Place, to: &Place| relocate(from, to, "e", false);
        check_between(memory.path(), other.path(), start);
        check_between(other.path(), memory.path(), start);
    }
}

/// A tree of so many directories, each in the one before.
fn nest(folder: &Path, levels: usize) {
    std::fs::create_dir(folder).unwrap();
    let mut at = rustix::fs::open(folder, OFlags::PATH, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", OFlags::PATH, Mode::empty()).unwrap();
    }
}

#[test]
fn every_walk_ends_at_the_same_depth() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let within = DEPTH_MAX - 1;
    nest(&path("shallow"), within);
    assert_eq!(
        extent::of(&place(&path("shallow"))).unwrap().entries,
        DEPTH_MAX as u64
    );
    nest(&path("deep"), within + 2);
    nest(&path("same"), within + 2);
    let (deep, same) = (place(&path("deep")), place(&path("same")));
    let walks = [
        ("remove", remove(&deep)),
        ("compare", compare(&deep, &same)),
        ("same content", has_same_content(&deep, &same).map(drop)),
        (
            "copy",
            copy(&deep, &place(&path("x")), Keep::All, "e").map(drop),
        ),
        ("extent", extent::of(&deep).map(drop)),
        ("fingerprint", fingerprint::of(&deep).map(drop)),
    ];
    for (name, walked) in walks {
        let refused =
            matches!(&walked, Err(ToolError::Precondition(text)) if text.contains("deep"));
        assert!(refused, "{name}: {walked:?}");
    }
    assert_eq!(names(folder.path()), ["deep", "same", "shallow"]);
    let device = deep.existing().unwrap().st_dev;
    let mut counter = extent::Counter::new(device, std::time::Duration::from_secs(9));
    counter.below(&deep);
    assert!(counter.partial(), "usage");
    for name in ["deep", "same"] {
        // Two levels less, so that the walk that removes them ends in time.
        std::fs::rename(path(name).join("d/d"), path("rest")).unwrap();
        remove(&place(&path("rest"))).unwrap();
    }
}

#[test]
fn nothing_is_removed_when_anything_differs_from_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("x"), folder.path().join("y"));
    fill(&from);
    copy(&place(&from), &place(&to), Keep::All, "e").unwrap();
    std::fs::write(from.join("c/d"), "changed").unwrap();
    let error = relocate(&place(&from), &place(&to), "e", true).unwrap_err();
    assert!(error.to_string().contains("c/d differs"), "{error}");
    assert_eq!(names(&from), ["a", "b", "c"]);
}
