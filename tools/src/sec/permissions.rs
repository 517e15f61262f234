//! `sec.permissions`: which agent may do what.

use aios_tool::argument::{AgentName, Text};
use aios_tool::demand::Need;
use aios_tool::prelude::*;

use crate::capability::Capability;
use crate::grants::Grants;

/// So many agents are repeated in the summary.
const SHOWN: usize = 20;

arguments! {
    /// Arguments of `sec.permissions`.
    pub struct Input {
        /// Only what this agent may do: `storage`.
        pub agent: Option<AgentName>,
        /// Only who may do this: `fs:write:/srv/hello.txt` (namespace, action, object).
        pub may: Option<Text>,
    }
}

/// The tool `sec.permissions`.
pub struct Permissions;

/// One agent.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name.
    pub agent: String,
    /// What it holds of what was asked for: `fs:write:/srv/*`.
    pub capabilities: Vec<String>,
}

/// Who may what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The agents that were asked for, by name.
    pub agents: Vec<Row>,
}

impl Tool for Permissions {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.permissions",
            "Shows which agent holds which capabilities, or who may do a certain thing. Root may do everything.",
        )
        .needing("sec", "read", "permissions")
        .example(json!({"may": "fs:write:/srv/hello.txt"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        asked(input).map(drop)
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let one = |row: &Row| format!("{}: {}", row.agent, row.capabilities.join(" "));
        let lines: Vec<String> = output.agents.iter().take(SHOWN).map(one).collect();
        match (&input.may, lines.is_empty()) {
            (Some(may), true) => format!("no agent may {}", format::printable(may.as_str())),
            (Some(may), false) => {
                let may = format::printable(may.as_str());
                format!("{} agents may {may}:\n{}", lines.len(), lines.join("\n"))
            }
            (None, true) => "no agent holds any capability".to_owned(),
            (None, false) => lines.join("\n"),
        }
    }
}

impl Look for Permissions {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let wanted = input.agent.as_ref().map(AgentName::as_str);
        let need = asked(input)?;
        let agents = rows(context.part::<Grants>()?, wanted, need.as_ref());
        match wanted {
            Some(name) if agents.is_empty() && need.is_none() => Err(ToolError::Precondition(
                format!("there is no agent {:?}", format::printable(name)),
            )),
            _ => Ok(Output { agents }),
        }
    }
}

/// The deed that was asked about.
fn asked(input: &Input) -> Result<Option<Need>, ToolError> {
    let Some(may) = &input.may else {
        return Ok(None);
    };
    match may.as_str().splitn(3, ':').collect::<Vec<_>>()[..] {
        [namespace, action, object] if !object.is_empty() => {
            Ok(Some(Need::of(namespace, action, object)))
        }
        _ => Err(ToolError::Invalid(
            "may: reads namespace:action:object, such as fs:write:/srv/hello.txt".into(),
        )),
    }
}

fn rows(grants: &Grants, wanted: Option<&str>, need: Option<&Need>) -> Vec<Row> {
    let mut rows: Vec<Row> = grants
        .iter()
        .filter(|(agent, _)| wanted.is_none_or(|wanted| wanted == *agent))
        .map(|(agent, held)| {
            let covers = |one: &&Capability| need.is_none_or(|need| one.covers(need));
            Row {
                agent: agent.to_owned(),
                capabilities: held
                    .iter()
                    .filter(covers)
                    .map(ToString::to_string)
                    .collect(),
            }
        })
        .filter(|row| need.is_none() || !row.capabilities.is_empty())
        .collect();
    rows.sort_by(|one, other| one.agent.cmp(&other.agent));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_daemon::manifest::AgentManifest;

    fn grants() -> Grants {
        let manifest = |name: &str, capabilities: &[&str]| AgentManifest {
            name: name.into(),
            description: String::new(),
            tools: Vec::new(),
            capabilities: capabilities.iter().map(|text| (*text).to_owned()).collect(),
            service: toml::Table::new(),
        };
        let manifests = [
            manifest("storage", &["fs:write:/srv/*", "fs:read:/*"]),
            manifest("monitor", &["monitor:read:*"]),
        ];
        Grants::from_manifests(&manifests).unwrap()
    }

    #[test]
    fn who_may_what_is_told_by_the_rule_that_decides() {
        let agents = |wanted, need: Option<&str>| -> Vec<String> {
            let need = need.map(|text| {
                let may = Some(Text::of(text));
                asked(&Input { agent: None, may }).unwrap().unwrap()
            });
            let rows = rows(&grants(), wanted, need.as_ref());
            rows.iter()
                .map(|row| format!("{} {}", row.agent, row.capabilities.join(",")))
                .collect()
        };
        assert_eq!(
            agents(None, None),
            [
                "monitor monitor:read:*",
                "storage fs:write:/srv/*,fs:read:/*"
            ]
        );
        assert_eq!(agents(Some("monitor"), None), ["monitor monitor:read:*"]);
        assert_eq!(
            agents(None, Some("fs:write:/srv/x")),
            ["storage fs:write:/srv/*"]
        );
        assert!(agents(None, Some("fs:write:/etc/x")).is_empty());
        assert!(agents(Some("none"), None).is_empty());
        for text in ["fs", "fs:write", "fs:write:"] {
            asked(&Input {
                agent: None,
                may: Some(Text::of(text)),
            })
            .unwrap_err();
        }
    }
}
