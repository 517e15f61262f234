//! What executions keep for undo, found on the disk: deleted files in the quarantines, and contents
//! that were replaced.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aios_tool::file::quarantine;
use uuid::Uuid;

/// What one execution keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Where: files and folders that are its own.
    pub places: Vec<PathBuf>,
    /// What they take on the disk.
    pub bytes: u64,
}

/// What all executions keep, by their ids: in the state's folder and on these mounts.
pub fn kept(state: &Path, mounts: &[PathBuf], owner: u32) -> BTreeMap<String, Kept> {
    let mut found = BTreeMap::<String, Kept>::new();
    let own = [state.join("undo"), state.join("quarantine")];
    let on_mounts = mounts.iter().map(|mount| mount.join(quarantine::NAME));
    let on_mounts = on_mounts.filter(|folder| is_ours(folder, owner));
    for folder in own.into_iter().chain(on_mounts) {
        // Err: there is none, and nothing is kept in it.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(execution) else {
                continue;
            };
            let kept = found.entry(id).or_default();
            kept.bytes += bytes(&entry.path());
            kept.places.push(entry.path());
        }
    }
    found
}

/// Removes what an execution keeps.
///
/// # Errors
/// What could not be removed first.
pub fn remove(kept: &Kept) -> io::Result<()> {
    for place in &kept.places {
        let removed = match fs::symlink_metadata(place)?.is_dir() {
            true => fs::remove_dir_all(place),
            false => fs::remove_file(place),
        };
        removed.map_err(|error| io::Error::other(format!("{}: {error}", place.display())))?;
    }
    Ok(())
}

/// The id, when the name is one as executions have.
fn execution(name: &str) -> Option<String> {
    let id = Uuid::try_parse(name).ok()?.to_string();
    (id == name).then_some(id)
}

/// Is it a quarantine that we made, and nobody else's folder or link of that name?
fn is_ours(folder: &Path, owner: u32) -> bool {
    fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == owner && found.mode() & 0o7777 == 0o700)
}

/// What is at a path and below it takes on the disk. What cannot be read counts nothing.
fn bytes(path: &Path) -> u64 {
    let (mut sum, mut left) = (0, vec![path.to_owned()]);
    while let Some(path) = left.pop() {
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        sum += found.blocks() * 512;
        if found.is_dir() {
            let below = fs::read_dir(&path).into_iter().flatten().flatten();
            left.extend(below.map(|entry| entry.path()));
        }
    }
    sum
}
