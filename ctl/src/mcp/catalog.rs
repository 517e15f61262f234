//! Which tools of the node are offered, and what has changed about them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_contracts::v1::{ListToolsRequest, Role as WireRole, Tool};
use aios_role::Role;
use aiosctl::client::Client;
use aiosctl::commands::mcp::Arguments;
use aiosctl::error::Failure;
use glob::Pattern;
use rmcp::model::Tool as Shown;
use tokio::sync::{Mutex, watch};

use super::schema;

/// The most tools that are offered.
const TOOLS_MAX: usize = 2000;

/// A tool that is offered.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// The registry's name.
    pub name: String,
    /// It changes something.
    pub changes: bool,
    /// As the client sees it.
    pub shown: Shown,
}

/// All that are offered, by the names that clients use.
pub type Tools = BTreeMap<String, Offered>;

/// Which tools may be offered.
#[derive(Clone, Debug)]
pub struct Rules {
    only: Vec<Pattern>,
    read_only: bool,
    role: Role,
}

impl Rules {
    /// As the command line and the operator's role say.
    ///
    /// # Errors
    /// When a pattern is none.
    pub fn new(arguments: &Arguments, role: Role) -> Result<Self, Failure> {
        let pattern = |text: &String| {
            Pattern::new(text).map_err(|error| {
                Failure::usage(format!("--only {text}: {error}"))
                    .hint("a pattern is a name with * for any characters, as fs.*")
            })
        };
        Ok(Self {
            only: arguments
                .only
                .iter()
                .map(pattern)
                .collect::<Result<_, _>>()?,
            read_only: arguments.read_only,
            role,
        })
    }

    /// The role that they hold for.
    pub fn role(&self) -> Role {
        self.role
    }

    fn allow(&self, tool: &Tool) -> bool {
        let least = match tool.least_role() {
            WireRole::Admin => Role::Admin,
            // Each call is a goal, and those are for operators.
            WireRole::Operator | WireRole::Viewer | WireRole::Unspecified => Role::Operator,
        };
        let named = self.only.is_empty() || self.only.iter().any(|one| one.matches(&tool.name));
        self.role >= least && named && !(self.read_only && tool.mutating)
    }

    /// Those that are offered, and why others that the rules allow are not.
    pub fn offered(&self, tools: &[Tool]) -> (Tools, Vec<String>) {
        let mut offered = Tools::new();
        let mut left_out = Vec::new();
        for tool in tools.iter().filter(|tool| self.allow(tool)) {
            let shown = match schema::shown(tool) {
                Ok(_) if offered.len() >= TOOLS_MAX => Err("there are too many"),
                shown => shown,
            };
            match shown {
                Ok(shown) => {
                    let one = Offered {
                        name: tool.name.clone(),
                        changes: tool.mutating,
                        shown,
                    };
                    offered.insert(one.shown.name.to_string(), one);
                }
                Err(why) => left_out.push(format!("{} is not offered: {why}", tool.name)),
            }
        }
        (offered, left_out)
    }
}

/// The tools as they were seen last.
pub struct Catalog {
    client: Client,
    rules: Rules,
    seen: Mutex<(Instant, Arc<Tools>)>,
    changes: watch::Sender<u64>,
}

impl Catalog {
    /// Asks the node for its tools.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn new(client: Client, rules: Rules) -> Result<Self, Failure> {
        let tools = fetch(&client).await?;
        let (tools, left_out) = rules.offered(&tools);
        for line in left_out {
            eprintln!("aiosctl mcp: {}", aiosctl::output::escape::line(&line));
        }
        Ok(Self {
            client,
            rules,
            seen: Mutex::new((Instant::now(), Arc::new(tools))),
            changes: watch::Sender::new(0),
        })
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The tools, asked for again when what is known is older.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn tools(&self, oldest: Duration) -> Result<Arc<Tools>, Failure> {
        let mut seen = self.seen.lock().await;
        if seen.0.elapsed() >= oldest {
            let (tools, _) = self.rules.offered(&fetch(&self.client).await?);
            let changed = *seen.1 != tools;
            *seen = (Instant::now(), Arc::new(tools));
            if changed {
                self.changes.send_modify(|count| *count += 1);
            }
        }
        Ok(seen.1.clone())
    }

    /// Tells of each change of the list.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

async fn fetch(client: &Client) -> Result<Vec<Tool>, Failure> {
    let mut api = client.management();
    let answer = client.call(api.list_tools(ListToolsRequest {})).await?;
    Ok(answer.tools)
}

/// One page of a list in order of names: those after `after`, and where the next page begins.
pub fn page<'t>(
    tools: &'t Tools,
    after: Option<&str>,
    size: usize,
) -> (Vec<&'t Offered>, Option<String>) {
    let start = match after {
        Some(after) => std::ops::Bound::Excluded(after.to_owned()),
        None => std::ops::Bound::Unbounded,
    };
    let mut rest = tools.range((start, std::ops::Bound::Unbounded));
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next = rest
        .next()
        .and(page.last())
        .map(|(name, _)| (*name).clone());
    (page.into_iter().map(|(_, tool)| tool).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, mutating: bool, least: WireRole) -> Tool {
        Tool {
            name: name.into(),
            mutating,
            input_schema_json: r#"{"type":"object"}"#.into(),
            least_role: least.into(),
            ..Tool::default()
        }
    }

    #[test]
    fn a_client_sees_what_the_role_the_patterns_and_read_only_leave() {
        let tools = [
            tool("fs.read", false, WireRole::Operator),
            tool("fs.write", true, WireRole::Operator),
            tool("process.list", false, WireRole::Unspecified),
            tool("process.kill", true, WireRole::Admin),
            tool("bad-name", false, WireRole::Operator),
        ];
        let check = |role, read_only, only: &[&str], expected: &[&str]| {
            let arguments = Arguments {
                read_only,
                only: only.iter().map(|one| (*one).to_owned()).collect(),
            };
            let (offered, _) = Rules::new(&arguments, role).unwrap().offered(&tools);
            assert_eq!(
                offered.keys().collect::<Vec<_>>(),
                expected,
                "{role} {only:?}"
            );
        };
        let all = ["fs-read", "fs-write", "process-kill", "process-list"];
        check(Role::Admin, false, &[], &all);
        check(
            Role::Operator,
            false,
            &[],
            &["fs-read", "fs-write", "process-list"],
        );
        check(Role::Viewer, false, &[], &[]);
        check(Role::Admin, true, &[], &["fs-read", "process-list"]);
        check(Role::Admin, false, &["fs.*"], &["fs-read", "fs-write"]);
        check(
            Role::Admin,
            true,
            &["fs.*", "*.list"],
            &["fs-read", "process-list"],
        );
        check(Role::Admin, false, &["FS.*"], &[]);
    }

    #[test]
    fn what_is_left_out_is_named_and_a_wrong_pattern_is_refused() {
        let rules = Rules::new(&Arguments::default(), Role::Admin).unwrap();
        let (_, left_out) = rules.offered(&[tool("bad-name", false, WireRole::Operator)]);
        assert_eq!(
            left_out,
            ["bad-name is not offered: its name fits no client"]
        );
        let wrong = Arguments {
            only: vec!["fs.[".into()],
            ..Arguments::default()
        };
        assert!(Rules::new(&wrong, Role::Admin).is_err());
    }

    #[test]
    fn pages_hold_each_tool_once_whatever_comes_and_goes_between_them() {
        let rules = Rules::new(&Arguments::default(), Role::Admin).unwrap();
        let all: Vec<Tool> = ["a", "b", "c", "d", "e"]
            .map(|name| tool(name, false, WireRole::Operator))
            .into();
        let (tools, _) = rules.offered(&all);
        let check = |tools: &Tools, after: Option<&str>, names: &[&str], next: Option<&str>| {
            let (page, found) = page(tools, after, 2);
            let found_names: Vec<_> = page.iter().map(|one| one.name.as_str()).collect();
            assert_eq!((found_names.as_slice(), found.as_deref()), (names, next));
        };
        check(&tools, None, &["a", "b"], Some("b"));
        check(&tools, Some("b"), &["c", "d"], Some("d"));
        check(&tools, Some("d"), &["e"], None);
        check(&tools, Some("e"), &[], None);
        let (fewer, _) = rules.offered(&all[2..]);
        check(&fewer, Some("b"), &["c", "d"], Some("d"));
        check(&Tools::new(), None, &[], None);
    }
}
