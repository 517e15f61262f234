//! What callers of a Unix socket may take of its daemon: one table of numbers.
//!
//! What one account can hold of a daemon's memory follows from them. An agent, at most:
//! [`AGENT_CONNECTIONS`] connections, each with a window of [`CONNECTION_WINDOW`] and [`STREAMS`]
//! requests of [`SMALL`], and [`AGENT_BYTES`] of larger requests: 20 MiB.

use crate::identity::Principal;

/// Connections of one agent at a socket. An agent of ours needs one.
pub const AGENT_CONNECTIONS: usize = 8;

/// Connections of any other account that is known at a socket: the orchestrator, a daemon, root.
/// Each account has its own, so nobody can take those of the orchestrator or of root.
pub const CONNECTIONS: usize = 32;

/// Requests under way on one connection.
pub const STREAMS: u32 = 64;

/// Bytes that are received for one request before anybody reads them.
pub const STREAM_WINDOW: u32 = 16 * 1024;

/// Bytes that are received for one connection before anybody reads them. With less than all requests'
/// windows together, requests that wait for room ([`bytes`]) would keep those from ending that hold it.
pub const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// Bytes of headers of one request.
pub const HEADERS: u32 = 8 * 1024;

/// The largest message, in bytes, to a method for which the daemon has not said otherwise
/// ([`crate::serve::Door::takes`]). Most requests are smaller than 4 KiB.
pub const SMALL: usize = 16 * 1024;

/// Bytes of messages larger than [`SMALL`] that one agent may have under way at a daemon. A message
/// that goes beyond waits until others are answered. At least one of the largest fits.
pub const AGENT_BYTES: usize = crate::socket::MESSAGE_MAX;

/// The same for any other account.
pub const BYTES: usize = 4 * crate::socket::MESSAGE_MAX;

/// Connections that this caller may have at a socket.
pub fn connections(caller: &Principal) -> usize {
    match caller {
        Principal::Agent(_) => AGENT_CONNECTIONS,
        _ => CONNECTIONS,
    }
}

/// Bytes of large messages that this caller may have under way at a daemon.
pub fn bytes(caller: &Principal) -> usize {
    match caller {
        Principal::Agent(_) => AGENT_BYTES,
        _ => BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::identities;

    /// PID 1's RLIMIT_NOFILE for a service that names none (`init/service/src/manifest.rs`).
    const FILES_MAX: usize = 4096;

    #[test]
    fn all_accounts_together_leave_a_daemon_most_of_its_descriptors() {
        let accounts = identities().iter().map(|one| Principal::from_uid(one.uid));
        let sum: usize = accounts.map(|one| connections(&one)).sum();
        let sum = sum + connections(&Principal::Root);
        assert!(sum <= FILES_MAX / 4, "{sum} connections");
    }

    #[test]
    fn what_an_agent_can_hold_is_small_and_its_largest_message_fits() {
        let connection = CONNECTION_WINDOW as usize + STREAMS as usize * SMALL;
        let agent = AGENT_CONNECTIONS * connection + AGENT_BYTES;
        assert!(agent <= 20 * 1024 * 1024, "{agent} bytes");
        const { assert!(AGENT_BYTES >= crate::socket::MESSAGE_MAX) }
    }
}
