//! Where each daemon listens, how to serve there, and how to connect.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint};

use crate::{Places, kept};

/// The largest message that any daemon accepts, in bytes.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// A local call that takes longer than this to connect means that the daemon is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The folder of the sockets: `/run/aios`.
pub fn run_dir() -> PathBuf {
    Places::of_this_process().run
}

/// The socket of a daemon: `init`, `runtime`, `memory`, `tools`, `orchestrator`.
pub fn of(daemon: &str) -> PathBuf {
    run_dir().join(format!("{daemon}.sock"))
}

/// The socket of an agent.
pub fn of_agent(agent: &str) -> PathBuf {
    run_dir().join("agents").join(format!("{agent}.sock"))
}

/// A channel to a Unix socket. It connects at the first call, and again after
/// the daemon was restarted.
///
/// # Errors
/// When the path cannot be written as a URI.
pub fn channel(path: &Path) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::try_from(format!("unix://{}", path.display()))?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy())
}

/// Listens on a Unix socket that the group `aios` may connect to: on the one that
/// this daemon's former process had if PID 1 kept it ([`kept`]), else on a new
/// one in place of whatever is there.
///
/// # Errors
/// When the socket cannot be removed, bound or given its mode.
pub fn listener(path: &Path) -> io::Result<UnixListener> {
    let name = path.to_string_lossy();
    let listener = match kept::find(&name) {
        Some(former) if is_socket(path) => former.into(),
        _ => {
            kept::forget(&name);
            let new = bind(path)?;
            kept::keep(&name, &new);
            new
        }
    };
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// The same as a stream that lets everybody in; for doubles of daemons.
///
/// # Errors
/// As [`listener`].
pub fn listen(path: &Path) -> io::Result<UnixListenerStream> {
    listener(path).map(UnixListenerStream::new)
}

fn is_socket(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket())
}

fn bind(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Listens on a TCP address, with the former process's listener if PID 1 kept it.
///
/// # Errors
/// When the address cannot be bound. If it is in use, what PID 1 kept for other
/// addresses is let go of, in case it was that: another try may succeed.
pub fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    // Names must not hold a colon.
    let name = format!("tcp/{address}").replace(':', "+");
    let listener = match kept::find(&name) {
        Some(former) => former.into(),
        None => {
            let new = std::net::TcpListener::bind(address).inspect_err(|error| {
                if error.kind() == io::ErrorKind::AddrInUse {
                    let other = kept::names()
                        .into_iter()
                        .filter(|name| name.starts_with("tcp/"));
                    other.for_each(|name| kept::forget(&name));
                }
            })?;
            kept::keep(&name, &new);
            new
        }
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
