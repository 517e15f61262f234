//! What can be done here: the tools that `aios-tools` has, and the skills made of them.

pub mod parameters;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aios_brain::skills::Skill;
use aios_contracts::v1::ListToolsRequest;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_goals::{Arguments, ToolCall};
use serde_json::Value;
use tonic::Status;
use tonic::transport::Channel;

use parameters::Parameter;

use crate::plan::live::nearest;
use crate::standing::Standing;

/// How old the list of tools may be: `aios-tools` may have been restarted with others.
const FRESH: Duration = Duration::from_secs(60);

/// A tool, as the planner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// `fs.write`.
    pub name: String,
    /// In what its arguments consist.
    pub parameters: Vec<Parameter>,
    /// Does it change anything?
    pub changes: bool,
    /// What its caller must hold: `namespace:action:{argument}`.
    pub capabilities: Vec<String>,
}

/// All tools and skills at one time.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    tools: BTreeMap<String, Tool>,
    skills: BTreeMap<String, Skill>,
}

/// An act that can be done: its calls were held against their tools' schemas. Only
/// [`Catalog::act`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    name: String,
    arguments: Arguments,
    calls: Vec<ToolCall>,
}

impl Act {
    /// The tool or skill.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// The tool calls that it consists of, in order.
    pub fn calls(&self) -> &[ToolCall] {
        &self.calls
    }
}

/// Why an act cannot be done as proposed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Neither a tool nor a skill.
    #[error("this appliance has no tool {act} yet; the nearest are {nearest}")]
    Unknown {
        /// What was asked for.
        act: String,
        /// Names like it.
        nearest: String,
    },
    /// The arguments do not fit the schema.
    #[error("{act}: {fault}")]
    Arguments {
        /// The tool or skill.
        act: String,
        /// Where and how.
        fault: String,
    },
}

impl Catalog {
    /// A catalog of these tools and skills.
    pub fn new(tools: impl IntoIterator<Item = Tool>, skills: &[Skill]) -> Self {
        let named = |tool: Tool| (tool.name.clone(), tool);
        Self {
            tools: tools.into_iter().map(named).collect(),
            skills: skills
                .iter()
                .map(|skill| (skill.name.clone(), skill.clone()))
                .collect(),
        }
    }

    /// What the act must be told; for a skill its parameters, all required.
    ///
    /// # Errors
    /// When there is no such act.
    pub fn parameters(&self, act: &str) -> Result<Vec<Parameter>, Fault> {
        match (self.tools.get(act), self.skills.get(act)) {
            (Some(tool), _) => Ok(tool.parameters.clone()),
            (None, Some(skill)) => Ok(parameters::of_skill(skill)),
            (None, None) => Err(self.unknown(act)),
        }
    }

    /// The act with the tool calls that it consists of, each checked against its tool's schema.
    ///
    /// # Errors
    /// When there is no such act, or a call's arguments do not fit.
    pub fn act(&self, name: &str, arguments: Arguments) -> Result<Act, Fault> {
        parameters::check(&self.parameters(name)?, &arguments)
            .map_err(|fault| wrong(name, fault))?;
        let calls = match self.skills.get(name) {
            Some(skill) if !self.tools.contains_key(name) => self.expand(skill, &arguments)?,
            _ => vec![ToolCall {
                tool: name.to_owned(),
                arguments: arguments.clone(),
            }],
        };
        Ok(Act {
            name: name.to_owned(),
            arguments,
            calls,
        })
    }

    /// Does the act change anything? One that is not known might.
    pub fn changes(&self, act: &str) -> bool {
        match (self.tools.get(act), self.skills.get(act)) {
            (Some(tool), _) => tool.changes,
            (None, Some(skill)) => skill.steps.iter().any(|step| self.changes(&step.tool)),
            (None, None) => true,
        }
    }

    /// What the call changes: the values of the arguments that its capabilities name, but for
    /// those that are only read.
    pub fn changed(&self, call: &ToolCall) -> Vec<String> {
        let Some(tool) = self.tools.get(&call.tool) else {
            return Vec::new();
        };
        let names = tool.capabilities.iter().filter_map(|capability| {
            let (what, argument) = capability.split_once(":{")?;
            (!what.ends_with(":read")).then(|| argument.trim_end_matches('}'))
        });
        names
            .filter_map(|name| match call.arguments.get(name)? {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                value => Some(value.to_string()),
            })
            .collect()
    }

    fn unknown(&self, act: &str) -> Fault {
        let known: Vec<String> = self
            .tools
            .keys()
            .chain(self.skills.keys())
            .cloned()
            .collect();
        Fault::Unknown {
            act: act.to_owned(),
            nearest: nearest(act, &known).join(", "),
        }
    }

    fn expand(&self, skill: &Skill, arguments: &Arguments) -> Result<Vec<ToolCall>, Fault> {
        let values = arguments.iter().map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        let calls = skill
            .expand(&values.collect())
            .map_err(|error| wrong(&skill.name, error.to_string()))?;
        let mut checked = Vec::with_capacity(calls.len());
        for call in calls {
            let tool = self
                .tools
                .get(&call.tool)
                .ok_or_else(|| self.unknown(&call.tool))?;
            let arguments = call.arguments.as_object().cloned().unwrap_or_default();
            parameters::check(&tool.parameters, &arguments)
                .map_err(|fault| wrong(&call.tool, fault))?;
            checked.push(ToolCall {
                tool: call.tool,
                arguments,
            });
        }
        Ok(checked)
    }
}

fn wrong(act: &str, fault: String) -> Fault {
    Fault::Arguments {
        act: act.to_owned(),
        fault,
    }
}

/// The catalog, read from `aios-tools` when needed.
#[derive(Debug)]
pub struct Registry {
    tools: ToolsClient<Channel>,
    standing: Standing,
    skills: Vec<Skill>,
    patience: Duration,
    cached: Mutex<Option<(Instant, Arc<Catalog>)>>,
}

impl Registry {
    /// A registry over `aios-tools` and these skills.
    pub fn new(
        tools: ToolsClient<Channel>,
        standing: Standing,
        skills: Vec<Skill>,
        patience: Duration,
    ) -> Self {
        Self {
            tools,
            standing,
            skills,
            patience,
            cached: Mutex::new(None),
        }
    }

    /// The catalog, at most a minute old.
    ///
    /// # Errors
    /// When `aios-tools` is away for longer than the patience.
    pub async fn catalog(&self) -> Result<Arc<Catalog>, Status> {
        if let Some(catalog) = self.fresh() {
            return Ok(catalog);
        }
        let list = self.standing.persistently("tools", self.patience, || {
            let mut tools = self.tools.clone();
            async move { tools.list_tools(ListToolsRequest {}).await }
        });
        let tools = list.await?.into_inner().tools;
        let tools = tools.into_iter().map(|tool| Tool {
            parameters: parameters::of_schema(&tool.input_schema_json),
            name: tool.name,
            changes: tool.mutating,
            capabilities: tool.capabilities,
        });
        let catalog = Arc::new(Catalog::new(tools, &self.skills));
        *self.cache() = Some((Instant::now(), catalog.clone()));
        Ok(catalog)
    }

    fn fresh(&self) -> Option<Arc<Catalog>> {
        let cached = self.cache();
        let (read, catalog) = cached.as_ref()?;
        (read.elapsed() < FRESH).then(|| catalog.clone())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Catalog>)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn catalog() -> Catalog {
        let schema = |properties: Value, required: Value| {
            json!({"type": "object", "properties": properties, "required": required,
                   "additionalProperties": false})
            .to_string()
        };
        let tool = |name: &str, schema: String| Tool {
            name: name.into(),
            parameters: parameters::of_schema(&schema),
            changes: true,
            capabilities: vec!["fs:write:{path}".into()],
        };
        let path = json!({"path": {"type": "string"}});
        let write = json!({"path": {"type": "string"}, "content": {"type": "string"}});
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../brain/skills");
        Catalog::new(
            [
                tool("fs.mkdir", schema(path, json!(["path"]))),
                tool("fs.write", schema(write, json!(["path", "content"]))),
            ],
            &Skill::load_dir(&folder).unwrap(),
        )
    }

    #[test]
    fn an_act_becomes_checked_calls_or_a_fault() {
        let check = |act: &str, arguments: Value, expected: &str| {
            let found = match catalog().act(act, arguments.as_object().cloned().unwrap()) {
                Ok(act) => act
                    .calls()
                    .iter()
                    .map(|call| call.tool.clone())
                    .collect::<Vec<_>>()
                    .join(" "),
                Err(fault) => fault.to_string(),
            };
            assert_eq!(found, expected);
        };
        check("fs.mkdir", json!({"path": "/srv"}), "fs.mkdir");
        check(
            "fs.mkdir",
            json!({"path": 5}),
            "fs.mkdir: path must be an absolute path, not 5",
        );
        check("fs.mkdir", json!({}), "fs.mkdir: path is missing");
        check(
            "fs.mkdir",
            json!({"path": "/srv", "force": true}),
            "fs.mkdir: force is not known; known are path",
        );
        check(
            "pkg.install",
            json!({}),
            "this appliance has no tool pkg.install yet; the nearest are fs.write, fs.mkdir, skill.web_page",
        );
        let page = json!({"directory": "/srv/www", "content": "welcome"});
        check("skill.web_page", page, "fs.mkdir fs.write");
        check(
            "skill.web_page",
            json!({"directory": "/srv/www"}),
            "skill.web_page: content is missing",
        );
    }
}
