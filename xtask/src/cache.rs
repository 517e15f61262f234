//! What was built once is kept in `~/.cache/aios` (`XDG_CACHE_HOME` is
//! respected), in a folder named after the hash of everything it was made from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

/// Entries of one kind that are kept; older ones go when a new one is made.
const KEPT: usize = 3;

/// The hash of a product's inputs.
#[derive(Clone)]
pub struct Key(Sha256);

impl Key {
    /// `recipe` is raised when the code that builds changes what it makes.
    pub fn new(recipe: u32) -> Self {
        Self(Sha256::new()).text("recipe", &recipe.to_string())
    }

    /// Adds a named text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.bytes(name, value.as_bytes())
    }

    /// Adds a file's content and whether it can be executed, under a name of its own.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(self, name: &str, path: &Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let content = fs::read(path).with_context(|| path.display().to_string())?;
        let executable = fs::metadata(path)?.permissions().mode() & 0o111 != 0;
        Ok(self
            .text("executable", if executable { "yes" } else { "no" })
            .bytes(name, &content))
    }

    /// Adds all files below a folder.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn tree(self, folder: &Path) -> Result<Self> {
        files(folder)?.iter().try_fold(self, |key, relative| {
            key.file(&relative.to_string_lossy(), &folder.join(relative))
        })
    }

    // Lengths first, so that no two different inputs run together to the same bytes.
    fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    fn name(&self) -> String {
        hex(&self.0.clone().finalize())[..20].to_owned()
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    std::io::copy(&mut file, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

/// All files and links below a folder, as sorted relative paths.
///
/// # Errors
/// When it cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        let path = folder.join(&relative);
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let below = relative.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(below);
            } else {
                found.push(below);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a product: found, or made by `build`, which is given an empty
/// folder to fill. A build that fails leaves nothing; two at once wait for each other.
///
/// # Errors
/// When the build fails or the cache cannot be written.
pub fn entry(kind: &str, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    entry_in(&folder()?, kind, key, build)
}

fn entry_in(
    cache: &Path,
    kind: &str,
    key: &Key,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let all = cache.join(kind);
    fs::create_dir_all(&all).with_context(|| all.display().to_string())?;
    let finished = all.join(key.name());
    // Before the lock: who makes another one of this kind may take minutes.
    if finished.exists() {
        touch(&finished)?;
        return Ok(finished);
    }
    let lock = File::create(cache.join(format!("{kind}.lock")))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if finished.exists() {
        return Ok(finished);
    }
    let partial = all.join("partial");
    remove(&partial)?;
    fs::create_dir(&partial)?;
    build(&partial)?;
    fs::rename(&partial, &finished)?;
    prune(&all)?;
    Ok(finished)
}

/// Removes a folder that may not be there.
///
/// # Errors
/// When it is there and stays.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}

fn folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match variable("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("aios"))
}

fn touch(folder: &Path) -> Result<()> {
    Ok(File::open(folder)?.set_modified(SystemTime::now())?)
}

fn prune(all: &Path) -> Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(all)? {
        let entry = entry?;
        entries.push((entry.metadata()?.modified()?, entry.path()));
    }
    entries.sort();
    let surplus = entries.len().saturating_sub(KEPT);
    entries[..surplus]
        .iter()
        .try_for_each(|(_, path)| remove(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(cache: &Path, key: &Key, content: &str) -> Result<PathBuf> {
        entry_in(cache, "thing", key, |folder| {
            Ok(fs::write(folder.join("x"), content)?)
        })
    }

    #[test]
    fn the_same_inputs_are_built_once() {
        let cache = tempfile::tempdir().unwrap();
        let first = make(cache.path(), &Key::new(1), "first").unwrap();
        let again = make(cache.path(), &Key::new(1), "again").unwrap();
        assert_eq!(first, again);
        assert_eq!(fs::read_to_string(first.join("x")).unwrap(), "first");
    }

    #[test]
    fn a_failed_build_is_not_taken_for_a_finished_one() {
        let cache = tempfile::tempdir().unwrap();
        let failed = entry_in(cache.path(), "thing", &Key::new(1), |folder| {
            fs::write(folder.join("x"), "half")?;
            anyhow::bail!("power cut")
        });
        assert!(failed.is_err());
        let made = make(cache.path(), &Key::new(1), "whole").unwrap();
        assert_eq!(fs::read_to_string(made.join("x")).unwrap(), "whole");
    }

    #[test]
    fn old_entries_go() {
        let cache = tempfile::tempdir().unwrap();
        for recipe in 0..6 {
            make(cache.path(), &Key::new(recipe), "x").unwrap();
        }
        assert_eq!(
            fs::read_dir(cache.path().join("thing")).unwrap().count(),
            KEPT
        );
    }

    #[test]
    fn every_input_changes_the_key() {
        let key = || Key::new(1);
        let names = [
            key().name(),
            Key::new(2).name(),
            key().text("a", "bc").name(),
            key().text("ab", "c").name(),
            key().text("a", "b").text("c", "").name(),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{index}");
        }
    }
}
