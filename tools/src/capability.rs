//! Capabilities: `namespace:action:pattern`, and who holds which.

use std::collections::HashMap;
use std::str::FromStr;

use aios_daemon::identity::Principal;
use aios_daemon::manifest::AgentManifest;

use aios_tool::demand::Need;
use aios_tool::error::ToolError;

/// What a holder may do. In the pattern `*` stands for any run of characters, `/` too; the
/// namespace and the action are exact, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    namespace: String,
    action: String,
    pattern: String,
}

/// The text is not a capability.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a capability; one reads namespace:action:pattern")]
pub struct NotACapability(String);

impl FromStr for Capability {
    type Err = NotACapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str| {
            text == "*"
                || !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        match text.splitn(3, ':').collect::<Vec<_>>()[..] {
            [namespace, action, pattern]
                if word(namespace) && word(action) && !pattern.is_empty() =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    action: action.to_owned(),
                    pattern: pattern.to_owned(),
                })
            }
            _ => Err(NotACapability(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.namespace, self.action, self.pattern)
    }
}

impl Capability {
    /// Does it allow what is needed (`fs:write:/srv/hello.txt`, values resolved)?
    pub fn covers(&self, need: &Need) -> bool {
        let same = |held: &str, needed: &str| held == "*" || held == needed;
        same(&self.namespace, &need.namespace)
            && same(&self.action, &need.action)
            && matches(&self.pattern, &need.object)
    }
}

/// Does the whole value match? `*` is any run of characters; everything else is itself.
fn matches(pattern: &str, value: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty(); // no star
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Which agent holds which capabilities.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    agents: HashMap<String, Vec<Capability>>,
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
        Ok(Self { agents })
    }

    /// Each agent, with what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Capability])> {
        let agents = self.agents.iter();
        agents.map(|(agent, held)| (agent.as_str(), held.as_slice()))
    }

    /// Decides whether the caller may do all that is needed; the answer is the decision's text
    /// for the ledger.
    ///
    /// # Errors
    /// `Denied`, naming the first capability that is missing.
    pub fn decide(&self, caller: &Principal, needs: &[Need]) -> Result<String, ToolError> {
        let name = match caller {
            Principal::Root => return Ok("allowed: root".into()),
            Principal::Agent(name) => name,
            _ => return Err(ToolError::Denied(format!("{caller} may not call tools"))),
        };
        let held = self.agents.get(name).map_or(&[][..], Vec::as_slice);
        let mut by: Vec<String> = Vec::new();
        for need in needs {
            match held.iter().find(|capability| capability.covers(need)) {
                Some(capability) => by.push(capability.to_string()),
                None => {
                    return Err(ToolError::Denied(format!(
                        "{caller} does not hold the capability {need}"
                    )));
                }
            }
        }
        by.dedup();
        Ok(format!("allowed by {}", by.join(", ")))
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
    fn a_pattern_matches_the_whole_value() {
        let check = |pattern: &str, value: &str, expected| {
            assert_eq!(matches(pattern, value), expected, "{pattern} on {value}");
        };
        check("/srv/*", "/srv/hello.txt", true);
        check("/srv/*", "/srv/a/b/c", true);
        check("/srv/*", "/srv", false);
        check("/srv/*", "/srvx/y", false);
        check("/srv/*", "/etc/srv/x", false);
        check("/srv", "/srv", true);
        check("/srv", "/srv/x", false);
        check("*", "", true);
        check("*", "/anything", true);
        check("/a*b*c", "/aXbYc", true);
        check("/a*b*c", "/abc", true);
        check("/a*b*c", "/acb", false);
        check("/a*a", "/a", false);
        check("*.log", "/var/log/x.log", true);
        check("*.log", "/var/log/x.log.gz", false);
        check("a**b", "ab", true);
        check("?", "x", false);
        check("[a-z]", "b", false);
    }

    #[test]
    fn namespace_and_action_are_exact() {
        let check = |capability: &str, need: &str, expected| {
            let capability: Capability = capability.parse().unwrap();
            let need = &self::need(need);
            assert_eq!(capability.covers(need), expected, "{capability} on {need}");
        };
        check("fs:write:/srv/*", "fs:write:/srv/x", true);
        check("fs:write:/srv/*", "fs:read:/srv/x", false);
        check("fs:write:/srv/*", "fsx:write:/srv/x", false);
        check("fs:*:/srv/*", "fs:read:/srv/x", true);
        check("*:*:*", "service:stop:memory", true);
        check("net:connect:[::1]:80", "net:connect:[::1]:80", true);
        check("fs:write:*", "fs:write:", true);
    }

    #[test]
    fn what_is_no_capability_is_refused() {
        for text in [
            "",
            "fs",
            "fs:write",
            "fs:write:",
            ":write:x",
            "Fs:write:x",
            "f s:write:x",
        ] {
            assert!(text.parse::<Capability>().is_err(), "{text:?}");
        }
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
            let found = grants.decide(&caller, &needs).map_err(|e| e.to_string());
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
