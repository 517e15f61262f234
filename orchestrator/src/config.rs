//! The configuration: `[management]` and `[update]`, and where things are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aios_config::{Management, Update, reader};
use aios_daemon::Places;

use crate::boot::Orchestrator;

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
    /// Between two looks at the size of the ledger: what is written in this time before an attacker
    /// comes can be taken away unnoticed. A look costs one request.
    pub ledger: Duration,
    /// Between two looks at what is due: a run is late by so much at most.
    pub schedules: Duration,
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
            ledger: Duration::from_secs(10),
            schedules: Duration::from_secs(5),
            healthy: Duration::from_secs(Update::default().healthy_s.into()),
        }
    }
}

impl Config {
    /// The configuration that holds in these places.
    pub fn load(places: Places) -> Self {
        let config = places.config::<reader::Orchestrator>();
        let healthy = config.table::<Update>().healthy_s;
        Self {
            listen: config.table::<Management>().listen,
            limits: Limits {
                healthy: Duration::from_secs(healthy.into()),
                ..Limits::default()
            },
            lib: places.lib,
            run: places.run,
            state: places.state.join("orchestrator"),
            etc: places.etc,
        }
    }

    /// The orchestrator, not yet listening.
    ///
    /// # Errors
    /// When a manifest is wrong.
    pub fn build(self) -> anyhow::Result<Orchestrator> {
        Orchestrator::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_wrong_leaves_the_port_and_the_patience_as_they_were() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        std::fs::create_dir(&places.etc).unwrap();
        let file = places.etc.join(aios_daemon::configuration::FILE);
        let check = |text: &str, expected: &str| {
            std::fs::write(&file, text).unwrap();
            aios_daemon::configuration::remember(&places.etc).unwrap();
            let config = Config::load(places.clone());
            let found = format!("{} {}", config.listen, config.limits.healthy.as_secs());
            assert_eq!(found, expected, "{text}");
        };
        check("", "0.0.0.0:9090 60");
        check("[approval]\nauto_up_to = \"low\"\n", "0.0.0.0:9090 60");
        check("[management]\nlisten = \"127.0.0.1:1\"\n", "127.0.0.1:1 60");
        check("[management]\nlisten = \"nowhere\"\n", "127.0.0.1:1 60");
        check(
            "[management]\nlissten = \"127.0.0.1:2\"\n",
            "127.0.0.1:1 60",
        );
        check("[update]\nhealthy_s = 5\n", "0.0.0.0:9090 5");
        check("[update]\nhealthy_s = 4\n", "0.0.0.0:9090 5");
        check("[update]\nhealthy = 60\n", "0.0.0.0:9090 5");
        check("not TOML at all", "0.0.0.0:9090 5");
    }
}
