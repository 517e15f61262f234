//! Listening sockets in `/run/aios`. PID 1 makes them, in folders where only root may: a daemon or an
//! agent that stops or dies leaves nothing that another could put its own in place of, and nobody puts
//! anything beside.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aios_files::AIOS_GID;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use aios_service::accounts::{self, Account};
use aios_service::manifest::Manifest;
use aios_service::places;

use super::store::Store;

/// Connections that may wait: what the standard library's listeners have. They wait while a daemon
/// restarts.
const BACKLOG: i32 = 128;

/// Where this service is connected to, if PID 1 makes its socket.
pub fn path(manifest: &Manifest) -> Option<PathBuf> {
    let run = places::run_dir();
    if manifest.agent {
        let agent = manifest.name.strip_prefix("agent-")?;
        return Some(run.join("agents").join(format!("{agent}.sock")));
    }
    let socket = manifest.socket.as_ref()?;
    Some(run.join(format!("{socket}.sock")))
}

/// Sees to it that the store has the socket of this service, with its path as its name. Nobody can
/// connect to a new one before [`listen`].
///
/// # Errors
/// When it cannot be made.
pub fn provide(manifest: &Manifest, account: &Account, store: &mut Store) -> io::Result<()> {
    let Some(path) = path(manifest) else {
        return Ok(());
    };
    let name = path.to_string_lossy().into_owned();
    let is_kept = store.entries().iter().any(|(kept, _)| *kept == name);
    let is_there = std::fs::symlink_metadata(&path).is_ok_and(|it| it.file_type().is_socket());
    if is_kept && is_there {
        return Ok(());
    }
    store.forget(&name);
    let socket = make(&path, manifest, account)?;
    store.keep(&name, vec![socket]).map_err(io::Error::other)
}

/// An agent's may be connected to by the orchestrator alone, a daemon's by the group `aios`.
fn make(path: &Path, manifest: &Manifest, account: &Account) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let (owner, group, mode) = if manifest.agent {
        let orchestrator = accounts::find("aios-orchestrator");
        (orchestrator.map_or(0, |account| account.uid), None, 0o600)
    } else {
        (account.uid, Some(AIOS_GID), 0o660)
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    std::os::unix::fs::chown(path, Some(owner), group)?;
    Ok(socket)
}

/// In the new process, once it has its identity: who connects is shown that one
/// (`SO_PEERCRED`, unix(7): whose `listen` it was).
///
/// # Errors
/// What the kernel says.
pub fn listen(socket: &OwnedFd) -> io::Result<()> {
    Ok(rustix::net::listen(socket, BACKLOG)?)
}
