//! Who holds which capabilities: what the agents' manifests grant, and what was lent.

mod loans;

use std::collections::HashMap;
use std::sync::Arc;

use aios_daemon::identity::Principal;
use aios_daemon::manifest::AgentManifest;
use aios_tool::demand::Need;
use aios_tool::error::ToolError;

use crate::capability::{Capability, NotACapability};

pub use loans::{Loan, Loans};

/// Which agent holds which capabilities.
#[derive(Debug, Default)]
pub struct Grants {
    agents: HashMap<String, Vec<Capability>>,
    loans: Arc<Loans>,
}

impl Grants {
    /// The grants that the agents' manifests make.
    ///
    /// # Errors
    /// The first text that is not a capability, with the agent's name.
    pub fn from_manifests(manifests: &[AgentManifest]) -> Result<Self, String> {
        let mut agents = HashMap::new();
        for manifest in manifests {
            let held = manifest.capabilities.iter().map(|text| text.parse());
            let held = held
                .collect::<Result<Vec<_>, NotACapability>>()
                .map_err(|error| format!("agent {}: {error}", manifest.name))?;
            agents.insert(manifest.name.clone(), held);
        }
        Ok(Self {
            agents,
            loans: Arc::default(),
        })
    }

    /// The same with what was lent.
    pub fn with(self, loans: Arc<Loans>) -> Self {
        Self { loans, ..self }
    }

    /// Each agent, with what its manifest grants.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Capability])> {
        let agents = self.agents.iter();
        agents.map(|(agent, held)| (agent.as_str(), held.as_slice()))
    }

    /// Counts a call by these loans, right before it is made.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be written down; then the call is not made.
    pub fn used(&self, loans: &[String]) -> Result<(), ToolError> {
        self.loans.used(loans)
    }

    /// Decides whether the caller may do all that is needed, for this goal: the decision's text for the
    /// ledger, and the loans that it takes ([`Self::used`]).
    ///
    /// # Errors
    /// `Denied`, naming the first capability that is missing.
    pub fn decide(
        &self,
        caller: &Principal,
        needs: &[Need],
        goal: &str,
    ) -> Result<(String, Vec<String>), ToolError> {
        let name = match caller {
            Principal::Root => return Ok(("allowed: root".into(), Vec::new())),
            Principal::Agent(name) => name,
            _ => return Err(ToolError::Denied(format!("{caller} may not call tools"))),
        };
        let held = self.agents.get(name).map_or(&[][..], Vec::as_slice);
        let (mut by, mut lent) = (Vec::new(), Vec::new());
        for need in needs {
            if let Some(capability) = held.iter().find(|capability| capability.covers(need)) {
                by.push(capability.to_string());
            } else if let Some(loan) = self.loans.covering(name, need, goal) {
                by.push(format!("{} lent by {}", loan.capability, loan.by));
                lent.push(loan.id);
            } else {
                return Err(ToolError::Denied(format!(
                    "{caller} does not hold the capability {need}"
                )));
            }
        }
        by.dedup();
        lent.sort();
        lent.dedup();
        Ok((format!("allowed by {}", by.join(", ")), lent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(text: &str) -> Need {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        Need::of(parts[0], parts[1], parts[2])
    }

    #[test]
    fn only_root_and_agents_with_the_capability_may() {
        let manifest: AgentManifest = toml::from_str(
            "name = \"storage\"\ndescription = \"\"\ntools = []\n\
             capabilities = [\"fs:read:*\", \"fs:write:/srv/*\"]\n[service]\n",
        )
        .unwrap();
        let grants = Grants::from_manifests(&[manifest]).unwrap();
        let check = |caller: Principal, needs: &[&str], expected: Result<&str, &str>| {
            let needs: Vec<_> = needs.iter().map(|text| need(text)).collect();
            let found = grants
                .decide(&caller, &needs, "")
                .map(|(by, _)| by)
                .map_err(|e| e.to_string());
            assert_eq!(
                found.as_deref().map_err(String::as_str),
                expected,
                "{caller} {needs:?}"
            );
        };
        let storage = || Principal::Agent("storage".into());
        check(Principal::Root, &["a:b:c"], Ok("allowed: root"));
        check(
            storage(),
            &["fs:read:/x", "fs:write:/srv/x"],
            Ok("allowed by fs:read:*, fs:write:/srv/*"),
        );
        check(
            storage(),
            &["fs:read:/x", "fs:write:/etc/x"],
            Err("agent:storage does not hold the capability fs:write:/etc/x"),
        );
        check(
            Principal::Agent("network".into()),
            &["fs:read:/x"],
            Err("agent:network does not hold the capability fs:read:/x"),
        );
        check(
            Principal::Daemon("orchestrator".into()),
            &[],
            Err("orchestrator may not call tools"),
        );
        check(
            Principal::Other(1000),
            &[],
            Err("uid:1000 may not call tools"),
        );
    }
}
