//! The configuration: `[management]` of `/etc/aios/config.toml`, and where things are.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::boot::Orchestrator;

/// Where the management API listens when nothing else is configured.
const LISTEN: &str = "0.0.0.0:9090";

/// How long everything must be healthy, seconds, when nothing else is configured.
const HEALTHY_S: u64 = 60;

/// What may be configured instead: less says nothing, more leaves a good slot unproven.
const HEALTHY_RANGE: std::ops::RangeInclusive<u64> = 5..=600;

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
    /// How long everything must be healthy before the running slot is marked good.
    pub healthy: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            goal: Duration::from_secs(120),
            patience: Duration::from_secs(30),
            agents: Duration::from_secs(90),
            at_once: 8,
            unfinished: 256,
            healthy: Duration::from_secs(HEALTHY_S),
        }
    }
}

/// `config.toml`, as far as it is read here; other daemons read other tables.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    management: Management,
    #[serde(default)]
    update: Update,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Management {
    listen: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    healthy_s: Option<u64>,
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
        let (listen, healthy) = read(&etc.join("config.toml"))?;
        Ok(Self {
            listen,
            lib: folder("AIOS_LIB_DIR", "/usr/lib/aios"),
            run: aios_proto::socket::run_dir(),
            state: folder("AIOS_STATE_DIR", "/var/lib/aios").join("orchestrator"),
            limits: Limits {
                healthy,
                ..Limits::default()
            },
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

fn read(path: &Path) -> anyhow::Result<(SocketAddr, Duration)> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let file: File =
        toml::from_str(&text).with_context(|| format!("{} is not right", path.display()))?;
    let healthy = file.update.healthy_s.unwrap_or(HEALTHY_S);
    anyhow::ensure!(
        HEALTHY_RANGE.contains(&healthy),
        "{}: [update] healthy_s is {healthy}; it must be 5 to 600",
        path.display()
    );
    let listen = match file.management.listen {
        Some(listen) => listen,
        None => LISTEN.parse()?,
    };
    Ok((listen, Duration::from_secs(healthy)))
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
            let found = read(&path).ok();
            let found = found.map(|(listen, healthy)| format!("{listen} {}", healthy.as_secs()));
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("", Some("0.0.0.0:9090 60"));
        check("[approval]\nhigh = \"ask\"\n", Some("0.0.0.0:9090 60"));
        check(
            "[management]\nlisten = \"127.0.0.1:1\"\n",
            Some("127.0.0.1:1 60"),
        );
        check("[update]\nhealthy_s = 5\n", Some("0.0.0.0:9090 5"));
        check("[update]\nhealthy_s = 4\n", None);
        check("[update]\nhealthy = 60\n", None);
        check("[management]\nlisten = \"nowhere\"\n", None);
        check("[management]\nlissten = \"127.0.0.1:1\"\n", None);
    }
}
