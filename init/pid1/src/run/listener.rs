//! The agents' listening sockets. PID 1 makes them, in a folder where only root may: an agent that
//! stops or dies leaves nothing that another could put its own in place of.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use aios_service::manifest::Manifest;
use aios_service::{accounts, places};

/// Connections that may wait. The orchestrator makes one.
const BACKLOG: i32 = 16;

/// Where an agent's service is connected to; none for other services.
pub fn path(manifest: &Manifest) -> Option<PathBuf> {
    let agent = manifest.name.strip_prefix("agent-");
    let agent = agent.filter(|_| manifest.agent)?;
    Some(
        places::run_dir()
            .join("agents")
            .join(format!("{agent}.sock")),
    )
}

/// A new socket at the agent's path that only the orchestrator may connect to, and the name by which
/// the agent looks for it. Nobody can connect before [`listen`].
///
/// # Errors
/// When it cannot be made.
pub fn make(path: &std::path::Path) -> io::Result<(String, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    if let Some(orchestrator) = accounts::find("aios-orchestrator") {
        std::os::unix::fs::chown(path, Some(orchestrator.uid), None)?;
    }
    Ok((path.to_string_lossy().into_owned(), socket))
}

/// In the agent's new process, once it has the agent's identity: who connects is shown that one
/// (`SO_PEERCRED`, unix(7): whose `listen` it was).
///
/// # Errors
/// What the kernel says.
pub fn listen(socket: &OwnedFd) -> io::Result<()> {
    Ok(rustix::net::listen(socket, BACKLOG)?)
}
