//! Listeners that outlive their process. PID 1 keeps a copy (sd_notify's file
//! descriptor store) and hands it to the daemon's next process, so that a client
//! that connects while the daemon restarts waits for an instant instead of being refused.
//!
//! Without PID 1 (`NOTIFY_SOCKET` is not set) nothing here has any effect.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sd_notify::NotifyState;

type Kept = HashMap<String, OwnedFd>;

/// A copy of the listener of this name, if PID 1 keeps it.
pub fn find(name: &str) -> Option<OwnedFd> {
    kept().get(name)?.try_clone().ok()
}

/// Gives PID 1 a copy of a new listener. Not to be able to is no error: it only
/// means that the listener ends with this process.
pub fn keep(name: &str, listener: &impl AsFd) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let states = [NotifyState::FdStore, NotifyState::FdName(name)];
    let given = sd_notify::notify_with_fds(false, &states, &[listener.as_fd()]);
    match given.and_then(|()| listener.as_fd().try_clone_to_owned()) {
        Ok(copy) => drop(kept().insert(name.to_owned(), copy)),
        Err(error) => tracing::warn!("PID 1 does not keep {name}: {error}"),
    }
}

/// Lets go of a listener that is not wanted any more, here and in PID 1.
pub fn forget(name: &str) {
    if kept().remove(name).is_some() {
        let states = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
        // Err: then PID 1 is gone, and its copy with it.
        let _ = sd_notify::notify(false, &states);
    }
}

/// The names of all that is kept.
pub fn names() -> Vec<String> {
    kept().keys().cloned().collect()
}

fn kept() -> MutexGuard<'static, Kept> {
    static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();
    let kept = KEPT.get_or_init(|| Mutex::new(inherited().unwrap_or_default()));
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What PID 1 gave back to this process (sd_listen_fds(3)).
fn inherited() -> io::Result<Kept> {
    let given = sd_notify::listen_fds_with_names(false)?;
    let own = |(number, name)| {
        // SAFETY: PID 1 opened these for this process (LISTEN_PID was compared
        // with our pid), nothing else here knows of them, and this runs once.
        // Needed: they come as numbers in the environment.
        #[allow(unsafe_code)]
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        (name, descriptor)
    };
    Ok(given.map(own).collect())
}
