//! Which agent this is, and what its manifest says.

use std::path::PathBuf;

use aios_daemon::manifest::{self, AgentManifest};
use aios_daemon::{Callers, Places, socket};
use anyhow::{Context, anyhow};

use crate::service::Agent;
use crate::work::Worker;

/// What an agent needs to know to start.
#[derive(Debug)]
pub struct Config {
    manifest: AgentManifest,
    socket: PathBuf,
    tools_socket: PathBuf,
}

impl Config {
    /// Reads the manifest of the agent `name` from `$AIOS_ETC_DIR/agents` (`/etc/aios/agents`).
    ///
    /// # Errors
    /// No name, a name that no manifest has, or a manifest that cannot be read.
    pub fn load(name: Option<String>) -> anyhow::Result<Self> {
        let name = name.context("usage: aios-agent NAME")?;
        let folder = Places::of_this_process().etc.join("agents");
        let manifest = manifest::read_all(&folder)?
            .into_iter()
            .find(|manifest| manifest.name == name)
            .ok_or_else(|| anyhow!("no agent {name:?} in {}", folder.display()))?;
        Ok(Self {
            socket: socket::of_agent(&manifest.name),
            tools_socket: socket::of("tools"),
            manifest,
        })
    }

    /// The agent, not yet listening.
    ///
    /// # Errors
    /// When the path of the tools' socket is no URI.
    pub fn build(self) -> anyhow::Result<Agent> {
        let worker = Worker::new(socket::channel(&self.tools_socket)?);
        Ok(Agent::new(
            self.manifest,
            self.socket,
            worker,
            Callers::by_kernel(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use aios_daemon::identity::Principal;

    use crate::service::ACCESS;

    #[test]
    fn only_the_orchestrator_and_root_give_tasks() {
        let check = |caller, expected| assert_eq!(ACCESS.may(&caller, ()), expected, "{caller}");
        check(Principal::Root, true);
        check(Principal::Daemon("orchestrator".into()), true);
        check(Principal::Daemon("tools".into()), false);
        check(Principal::Agent("storage".into()), false);
        check(Principal::Other(1000), false);
    }
}
