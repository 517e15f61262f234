//! Who a process is: its uid, by the kernel's word, mapped by one table.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Status};

pub use aios_files::AIOS_GID;
/// The table, as text: also what the root file system's `/etc/passwd` is made from.
pub use aios_files::IDENTITIES as TABLE;

/// Who is on the other end of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// uid 0: PID 1 itself, or a person on the recovery shell.
    Root,
    /// One of aiOS's daemons, without its `aios-` prefix: `control`, `tools`, …
    Daemon(String),
    /// One of the agents: `storage`, `network`, …
    Agent(String),
    /// Any other uid: a packaged service, a stranger.
    Other(u32),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => write!(f, "root"),
            Self::Daemon(name) => write!(f, "{name}"),
            Self::Agent(name) => write!(f, "agent:{name}"),
            Self::Other(uid) => write!(f, "uid:{uid}"),
        }
    }
}

impl Principal {
    /// The principal that a uid belongs to.
    pub fn from_uid(uid: u32) -> Self {
        if uid == 0 {
            return Self::Root;
        }
        let known = IDENTITIES
            .identity
            .iter()
            .find(|identity| identity.uid == uid);
        match known.and_then(|identity| identity.name.strip_prefix("aios-")) {
            Some(name) => match name.strip_prefix("agent-") {
                Some(agent) => Self::Agent(agent.to_owned()),
                None => Self::Daemon(name.to_owned()),
            },
            None => Self::Other(uid),
        }
    }

    /// Is it the daemon of this name (`"orchestrator"`)?
    pub fn is_daemon(&self, name: &str) -> bool {
        matches!(self, Self::Daemon(daemon) if daemon == name)
    }
}

/// One row of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Account name, `aios-…`.
    pub name: String,
    /// User id; the primary group is [`AIOS_GID`].
    pub uid: u32,
}

#[derive(Deserialize)]
struct Table {
    identity: Vec<Identity>,
}

static IDENTITIES: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(TABLE).unwrap_or_else(|error| unreachable!("identities.toml: {error}"))
});

/// All accounts of aiOS.
pub fn identities() -> &'static [Identity] {
    &IDENTITIES.identity
}

/// The caller of a request that came over a Unix socket, by its peer credentials.
///
/// # Errors
/// `UNAUTHENTICATED` when the connection carries none (it is not a Unix socket).
pub fn caller<T>(request: &Request<T>) -> Result<Principal, Status> {
    peer(request.extensions())
}

/// The same by a request's extensions, for layers that see no more of it.
///
/// # Errors
/// As [`caller`].
pub fn peer(extensions: &tonic::Extensions) -> Result<Principal, Status> {
    extensions
        .get::<UdsConnectInfo>()
        .and_then(|info| info.peer_cred)
        .map(|credentials| Principal::from_uid(credentials.uid()))
        .ok_or_else(|| Status::unauthenticated("the connection carries no peer credentials"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_map_to_principals() {
        let check =
            |uid, expected: &str| assert_eq!(Principal::from_uid(uid).to_string(), expected);
        check(0, "root");
        check(904, "tools");
        check(915, "agent:storage");
        check(1000, "uid:1000");
    }

    #[test]
    fn every_uid_and_name_is_there_once() {
        let mut seen = std::collections::HashSet::new();
        for identity in identities() {
            assert!(identity.name.starts_with("aios-"), "{}", identity.name);
            assert!(seen.insert(identity.uid), "uid {} twice", identity.uid);
            assert!(
                aios_files::OWN_IDS.contains(&identity.uid),
                "{}",
                identity.name
            );
        }
        assert_eq!(
            identities()
                .iter()
                .filter(|i| i.name.starts_with("aios-agent-"))
                .count(),
            8
        );
    }
}
