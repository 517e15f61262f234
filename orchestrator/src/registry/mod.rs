//! What can be done here: the tools that `aios-tools` has, and the skills made of them.

pub mod parameters;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aios_brain::skills::Skill;
use aios_contracts::v1::ListToolsRequest;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_goals::{Arguments, ToolCall};
use aios_reader::Family;
use aios_tool::argument::{Kind, VERBS};
use aios_tool::schema;
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
    /// The schema of its arguments.
    pub schema: Value,
    /// In what its arguments consist.
    pub parameters: Vec<Parameter>,
    /// Does it change anything?
    pub changes: bool,
    /// What kinds of change it may be called.
    pub families: Vec<Family>,
    /// What people call the change, as verbs in their base form.
    pub verbs: Vec<String>,
}

/// Among the verbs of a change that forbids something for later.
const BAN: &str = "forbid";

impl Tool {
    /// A tool with this schema of its arguments, which says what they stand for and what people call
    /// the change that the tool makes.
    pub fn new(name: &str, schema: Value, changes: bool) -> Self {
        let verbs = schema[VERBS].as_array().into_iter().flatten();
        let verbs: Vec<&str> = verbs.filter_map(Value::as_str).collect();
        let mut families: Vec<Family> = verbs.iter().copied().filter_map(Family::named).collect();
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        if families.is_empty() {
            families.push(Family::Other);
        }
        Self {
            name: name.to_owned(),
            parameters: parameters::of_schema(&schema),
            schema,
            changes,
            families,
            verbs,
        }
    }
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
            (None, Some(skill)) => Ok(parameters::of_schema(&parameters::schema_of_skill(skill))),
            (None, None) => Err(self.unknown(act)),
        }
    }

    /// The act with the tool calls that it consists of, each checked against its tool's schema.
    ///
    /// # Errors
    /// When there is no such act, or a call's arguments do not fit.
    pub fn act(&self, name: &str, arguments: Arguments) -> Result<Act, Fault> {
        let calls = match (self.tools.get(name), self.skills.get(name)) {
            (Some(tool), _) => {
                check(name, &tool.schema, &arguments)?;
                vec![ToolCall {
                    tool: name.to_owned(),
                    arguments: arguments.clone(),
                }]
            }
            (None, Some(skill)) => {
                check(name, &parameters::schema_of_skill(skill), &arguments)?;
                self.expand(skill, &arguments)?
            }
            (None, None) => return Err(self.unknown(name)),
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

    /// What kinds of change the act may be called.
    pub fn families(&self, act: &str) -> &[Family] {
        match self.tools.get(act) {
            Some(tool) => &tool.families,
            None => &[Family::Other],
        }
    }

    /// What people call the act, as verbs in their base form.
    pub fn verbs(&self, act: &str) -> &[String] {
        self.tools.get(act).map_or(&[], |tool| &tool.verbs)
    }

    /// Does the act forbid something for later?
    pub fn is_ban(&self, act: &str) -> bool {
        self.verbs(act).iter().any(|verb| verb == BAN)
    }

    /// What the call changes: the values of the arguments that name something which is changed.
    pub fn changed(&self, call: &ToolCall) -> Vec<String> {
        let Some(tool) = self.tools.get(&call.tool) else {
            return Vec::new();
        };
        let changed = tool.parameters.iter().filter(|parameter| parameter.changes);
        changed
            .filter_map(|parameter| match call.arguments.get(&parameter.name)? {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                value => Some(value.to_string()),
            })
            .collect()
    }

    /// The names of the act's arguments that stand for this.
    pub fn named(&self, act: &str, kind: Kind) -> Vec<String> {
        let parameters = self.parameters(act).unwrap_or_default();
        let of_kind = parameters.into_iter().filter(|one| one.kind == kind);
        of_kind.map(|parameter| parameter.name).collect()
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
            check(&call.tool, &tool.schema, &arguments)?;
            checked.push(ToolCall {
                tool: call.tool,
                arguments,
            });
        }
        Ok(checked)
    }
}

/// Checks arguments as `aios-tools` will, whose check is the one that counts.
fn check(act: &str, schema: &Value, arguments: &Arguments) -> Result<(), Fault> {
    schema::check_fields(schema, arguments).map_err(|fault| wrong(act, fault))
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
        let tools = tools.into_iter().map(|tool| {
            let schema = serde_json::from_str(&tool.input_schema_json).unwrap_or_default();
            Tool::new(&tool.name, schema, tool.mutating)
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
        };
        let tool = |name: &str, schema: Value| Tool::new(name, schema, true);
        let a_path = json!({"type": "string", "x-aios-kind": "path", "x-aios-access": "change"});
        let path = json!({"path": a_path});
        let write =
            json!({"path": a_path, "content": {"type": "string", "x-aios-kind": "content"}});
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
            "fs.mkdir: path: must be an absolute path, not 5",
        );
        check("fs.mkdir", json!({}), "fs.mkdir: path: is missing");
        check(
            "fs.mkdir",
            json!({"path": "/srv", "force": true}),
            "fs.mkdir: force: is not known; known are path",
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
            "skill.web_page: content: is missing",
        );
    }
}
