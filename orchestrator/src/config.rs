//! The configuration: `[management]` of `/etc/aios/config.toml`, and where things are.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::boot::Orchestrator;

/// Where the management API listens when nothing else is configured.
const LISTEN: &str = "0.0.0.0:9090";

/// What the orchestrator needs to know to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the management API.
    pub listen: SocketAddr,
    /// `/etc/aios`.
    pub etc: PathBuf,
    /// `/usr/lib/aios`.
    pub lib: PathBuf,
    /// `/run/aios`.
    pub run: PathBuf,
    /// `/var/lib/aios/orchestrator`.
    pub state: PathBuf,
    /// How patient, and how much at once.
    pub limits: Limits,
}

/// What bounds the work on goals.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A goal that takes longer has failed. An emulated machine takes 20 s for a plain one.
    pub goal: Duration,
    /// How long a daemon that restarts is waited for.
    pub patience: Duration,
    /// How long the agents are waited for before the system is said to be ready without them.
    pub agents: Duration,
    /// Goals that are worked on at once; the others wait.
    pub at_once: usize,
    /// Goals that may be unfinished; more are refused.
    pub unfinished: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            goal: Duration::from_secs(120),
            patience: Duration::from_secs(30),
            agents: Duration::from_secs(90),
            at_once: 8,
            unfinished: 256,
        }
    }
}

/// `config.toml`, as far as it is read here; other daemons read other tables.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    management: Management,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Management {
    listen: Option<SocketAddr>,
}

impl Config {
    /// Reads `$AIOS_ETC_DIR/config.toml`; without that file everything is at its default.
    ///
    /// # Errors
    /// When the file cannot be read, or `[management]` is not right.
    pub fn load() -> anyhow::Result<Self> {
        let folder = |variable, default: &str| {
            std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let etc = folder("AIOS_ETC_DIR", "/etc/aios");
        Ok(Self {
            listen: listen(&etc.join("config.toml"))?,
            lib: folder("AIOS_LIB_DIR", "/usr/lib/aios"),
            run: aios_proto::socket::run_dir(),
            state: folder("AIOS_STATE_DIR", "/var/lib/aios").join("orchestrator"),
            limits: Limits::default(),
            etc,
        })
    }

    /// The orchestrator, not yet listening.
    ///
    /// # Errors
    /// When a manifest is wrong.
    pub fn build(self) -> anyhow::Result<Orchestrator> {
        Orchestrator::new(self)
    }
}

fn listen(path: &Path) -> anyhow::Result<SocketAddr> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let file: File =
        toml::from_str(&text).with_context(|| format!("{} is not right", path.display()))?;
    match file.management.listen {
        Some(listen) => Ok(listen),
        None => Ok(LISTEN.parse()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_table_is_read_and_a_typo_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let check = |text: &str, expected: Option<&str>| {
            std::fs::write(&path, text).unwrap();
            let found = listen(&path).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("", Some("0.0.0.0:9090"));
        check("[approval]\nhigh = \"ask\"\n", Some("0.0.0.0:9090"));
        check(
            "[management]\nlisten = \"127.0.0.1:1\"\n",
            Some("127.0.0.1:1"),
        );
        check("[management]\nlisten = \"nowhere\"\n", None);
        check("[management]\nlissten = \"127.0.0.1:1\"\n", None);
    }
}
