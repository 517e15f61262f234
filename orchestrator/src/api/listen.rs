//! Where the management API listens: as configured, or, while this node has not got that address,
//! where operators found it last. Otherwise one mistake in `[management]` would shut all of them out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;

/// Between two looks for an address that this node has not got yet.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why the API listens elsewhere, if it does; shared with who tells it.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere(Arc<Mutex<Option<String>>>);

impl Elsewhere {
    /// What is to be told.
    pub fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Listens at `wanted`, which is then kept in the file `last`; or where [`instead`] says, and why.
///
/// # Errors
/// When neither can be had: the port is taken, above all.
pub fn open(wanted: SocketAddr, last: &Path) -> io::Result<(TcpListener, Option<String>)> {
    let failed = match aios_daemon::socket::listen_tcp(wanted) {
        Ok(listener) => {
            keep(last, wanted);
            return Ok((listener, None));
        }
        Err(error) => error,
    };
    if failed.kind() != io::ErrorKind::AddrNotAvailable {
        return Err(failed);
    }
    let known = std::fs::read_to_string(last).unwrap_or_default();
    for address in instead(wanted, known.trim().parse().ok()) {
        if let Ok(listener) = aios_daemon::socket::listen_tcp(address) {
            let why = format!(
                "this node has no address {}; listening on {address}",
                wanted.ip()
            );
            return Ok((listener, Some(why)));
        }
    }
    Err(failed)
}

/// Where to listen when `wanted` is no address of this node's: at the last right address, or at
/// all. The port stays, which the firewall has opened.
fn instead(wanted: SocketAddr, last: Option<SocketAddr>) -> Vec<SocketAddr> {
    let all = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let last = last.map(|last| last.ip()).filter(|last| *last != all);
    let addresses = last.into_iter().chain([all]);
    addresses
        .filter(|address| *address != wanted.ip())
        .map(|address| SocketAddr::new(address, wanted.port()))
        .collect()
}

fn keep(last: &Path, address: SocketAddr) {
    let text = format!("{address}\n");
    if std::fs::read_to_string(last).is_ok_and(|known| known == text) {
        return;
    }
    if let Err(error) = std::fs::write(last, text) {
        tracing::warn!("where operators connect is not known at the next start: {error}");
    }
}

/// Ready when this node has the address.
pub async fn until_there(wanted: SocketAddr) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if std::net::TcpListener::bind((wanted.ip(), 0)).is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_there_is_replaced_by_the_last_one_and_then_by_all() {
        let check = |wanted: &str, last: Option<&str>, expected: &[&str]| {
            let last = last.map(|last| last.parse().unwrap());
            let found = instead(wanted.parse().unwrap(), last);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{wanted} {last:?}");
        };
        check("192.0.2.55:9090", None, &["0.0.0.0:9090"]);
        check("192.0.2.55:9090", Some("0.0.0.0:9090"), &["0.0.0.0:9090"]);
        check(
            "192.0.2.55:8443",
            Some("192.0.2.7:9090"),
            &["192.0.2.7:8443", "0.0.0.0:8443"],
        );
        check(
            "192.0.2.55:9090",
            Some("192.0.2.55:9090"),
            &["0.0.0.0:9090"],
        );
        check(
            "192.0.2.55:9090",
            Some("[::]:9090"),
            &["[::]:9090", "0.0.0.0:9090"],
        );
    }

    #[tokio::test]
    async fn a_node_without_the_address_can_be_reached_where_it_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder.path().join("listen");
        let (first, why) = open("127.0.0.1:0".parse().unwrap(), &last).unwrap();
        assert_eq!(why, None);
        drop(first);
        // TEST-NET-1 is nobody's.
        let (second, why) = open("192.0.2.55:0".parse().unwrap(), &last).unwrap();
        assert_eq!(second.local_addr().unwrap().ip().to_string(), "127.0.0.1");
        assert!(why.unwrap().contains("no address 192.0.2.55"));
        // A port that is taken is another trouble, which is waited out.
        let taken = second.local_addr().unwrap();
        let error = open(taken, &last).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
