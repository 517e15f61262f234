//! The file, and the one that it replaced while the new one is tried.
//!
//! The kept file is itself the sign that there is a trial: it is there before the new one is, and
//! one rename brings the old configuration back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use aios_daemon::configuration;
use aios_files::durable;

/// What the kept file is called, beside `config.toml`. PID 1 knows it too
/// (`init/pid1/src/boot/trial.rs`).
pub const KEPT: &str = "config.toml.before-trial";

/// How a trial ended on the disk.
#[derive(Debug)]
pub enum Ended {
    /// There was none.
    None,
    /// For good.
    Whole,
    /// For everybody who looks; but the disk did not say that it has it, and a power cut may bring the
    /// trial back.
    Unsynced(io::Error),
}

/// `config.toml` and what is beside it.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    kept: PathBuf,
}

impl Store {
    /// The store of this `config.toml`.
    pub fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            kept: file.with_file_name(KEPT),
        }
    }

    /// What is configured; nothing when there is no file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn current(&self) -> io::Result<String> {
        read(&self.file)
    }

    /// What was configured before the trial; nothing when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn kept(&self) -> io::Result<String> {
        read(&self.kept)
    }

    /// Puts a configuration in the place of the present one, for good.
    ///
    /// # Errors
    /// When the disk refuses; then the old one stands.
    pub fn replace(&self, text: &str) -> io::Result<()> {
        self.keep()?; // left by a trial that failed: at the next start it would undo this one
        write(&self.file, text.as_bytes())?;
        self.remember();
        Ok(())
    }

    /// Has the services fall back to what is there now, should it be made wrong by hand later.
    pub fn remember(&self) {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        if let Err(error) = configuration::remember(folder) {
            tracing::warn!("an older configuration holds should this one be made wrong: {error}");
        }
    }

    /// The same, until [`Store::keep`] or [`Store::go_back`].
    ///
    /// # Errors
    /// When the disk refuses; then the old one stands.
    pub fn replace_for_trial(&self, text: &str) -> io::Result<()> {
        self.keep()?; // what was left is not what is there now
        let kept = write(&self.kept, &bytes(&self.file)?);
        let tried = kept.and_then(|()| write(&self.file, text.as_bytes()));
        // Either write may fail after its rename: the way back is right after both.
        tried.inspect_err(|_| drop(self.go_back()))
    }

    /// Is a configuration being tried?
    pub fn in_trial(&self) -> bool {
        self.kept.try_exists().unwrap_or(true) // what cannot be seen is not taken for gone
    }

    /// Is it a trial that was not begun, only prepared when the process ended? What is there is what
    /// was, and not what was to be `tried`.
    pub fn only_prepared(&self, tried: Option<&str>) -> bool {
        let there = (bytes(&self.file), bytes(&self.kept));
        let (Ok(present), Ok(kept)) = there else {
            return false;
        };
        self.in_trial() && present == kept && tried.is_none_or(|tried| tried.as_bytes() != present)
    }

    /// What was tried stays.
    ///
    /// # Errors
    /// When the disk refuses; then it is still a trial.
    pub fn keep(&self) -> io::Result<Ended> {
        self.ended(std::fs::remove_file(&self.kept))
    }

    /// What was before the trial is there again.
    ///
    /// # Errors
    /// When the disk refuses; then it is still a trial.
    pub fn go_back(&self) -> io::Result<Ended> {
        self.ended(std::fs::rename(&self.kept, &self.file))
    }

    fn ended(&self, done: io::Result<()>) -> io::Result<Ended> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ended::None),
            done => done?,
        }
        self.remember();
        let synced = sync_folder(&self.file);
        Ok(synced.map_or_else(Ended::Unsynced, |()| Ended::Whole))
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes,
    }
}

/// What is no text was written by hand, and parses as little as any other mistake.
fn read(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

/// Every daemon reads its tables.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    durable::replace_with_mode(path, text, 0o644)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_has_not_confirmed_is_no_trial_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("gone/config.toml"));
        let refused = store.ended(Err(io::ErrorKind::ReadOnlyFilesystem.into()));
        assert!(refused.is_err(), "it is still one");
        let unsynced = store.ended(Ok(())).unwrap();
        assert!(matches!(unsynced, Ended::Unsynced(_)), "{unsynced:?}");
    }

    #[test]
    fn at_any_instant_it_is_exactly_old_or_exactly_new() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let store = Store::new(&file);
        let check = |expected: &str, trial: bool| {
            assert_eq!(
                (store.current().unwrap().as_str(), store.in_trial()),
                (expected, trial)
            );
        };
        check("", false);
        store.replace("old").unwrap();
        check("old", false);
        store.replace_for_trial("tried").unwrap();
        check("tried", true);
        assert!(matches!(store.go_back().unwrap(), Ended::Whole));
        check("old", false);
        // A power cut between the two steps of a trial: the kept file is the same as the file.
        std::fs::write(folder.path().join(KEPT), "old").unwrap();
        check("old", true);
        assert!(matches!(store.go_back().unwrap(), Ended::Whole));
        check("old", false);
        store.replace_for_trial("tried").unwrap();
        assert!(matches!(store.keep().unwrap(), Ended::Whole));
        check("tried", false);
        assert!(matches!(store.go_back().unwrap(), Ended::None));
        assert!(matches!(store.keep().unwrap(), Ended::None));
        check("tried", false);
        let right = "[tools]\ncalls_per_caller_max = 4\n";
        store.replace(right).unwrap();
        let last_right = folder.path().join(configuration::LAST_RIGHT);
        assert_eq!(std::fs::read_to_string(last_right).unwrap(), right);
    }
}
