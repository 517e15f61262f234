//! A double of a node's registry that really does what its tools say, in memory: files that can be
//! read and written, a package that a person is asked for, a look that takes long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aios_contracts::v1::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Changes;

/// The approval that `pkg.install` waits for.
pub const APPROVAL: &str = "0190-approval";

/// What is in the double.
#[derive(Default)]
pub struct State {
    /// Its files: path and content.
    pub files: BTreeMap<String, String>,
    /// The calls that were really made.
    pub made: Vec<ToolCall>,
    /// Tools beside the usual ones.
    pub more: Vec<Tool>,
    goals: BTreeMap<String, watch::Sender<Goal>>,
}

/// The double; clones are the same one.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<State>>);

/// A tool as the node declares it.
pub fn tool(name: &str, mutating: bool, properties: Value, output: Value) -> Tool {
    let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = |properties: &Value, required: Vec<&String>| {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": properties, "required": required, "additionalProperties": false,
        })
        .to_string()
    };
    let outputs = output.as_object().unwrap().keys().collect();
    Tool {
        name: name.into(),
        description: format!("The double's {name}."),
        input_schema_json: schema(&properties, names),
        output_schema_json: schema(&output, outputs),
        mutating,
        reversible: mutating,
        risk: Risk::Medium.into(),
        least_role: Role::Operator.into(),
        post_condition: "it is so".into(),
        ..Tool::default()
    }
}

impl Registry {
    /// What is in it.
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn tools(&self) -> Vec<Tool> {
        let text = json!({"type": "string"});
        let count = json!({"type": "integer", "minimum": 0});
        let mut tools = vec![
            tool(
                "fs.read",
                false,
                json!({"path": text}),
                json!({"content": text}),
            ),
            tool(
                "fs.write",
                true,
                json!({"path": text, "content": text}),
                json!({"size": count}),
            ),
            tool(
                "pkg.install",
                true,
                json!({"package": text}),
                json!({"files": count}),
            ),
            tool(
                "test.long",
                false,
                json!({}),
                json!({"done": {"type": "boolean"}}),
            ),
            tool(
                "test.large",
                false,
                json!({"size": count}),
                json!({"content": text}),
            ),
        ];
        let kill = tool("process.kill", true, json!({"pid": count}), json!({}));
        tools.push(Tool {
            least_role: Role::Admin.into(),
            ..kill
        });
        for number in 0..110 {
            let name = format!("filler.look_{number:03}");
            tools.push(tool(&name, false, json!({}), json!({})));
        }
        tools.extend(self.state().more.clone());
        tools
    }

    pub fn preview(&self, request: PreviewRequest) -> Result<PreviewResponse, Status> {
        let arguments: Value = serde_json::from_str(&request.arguments_json).unwrap();
        let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        let (object, before, after) = match request.tool.as_str() {
            "fs.write" if !arguments["path"].is_string() => {
                return Err(Status::invalid_argument("fs.write: path: a text is wanted"));
            }
            "fs.write" => {
                let files = &self.state().files;
                let before = files.get(&text("path")).cloned();
                (
                    text("path"),
                    before.unwrap_or("absent".into()),
                    text("content"),
                )
            }
            "pkg.install" => (
                format!("package {}", text("package")),
                "absent".into(),
                "1.0".into(),
            ),
            other => return Err(Status::not_found(format!("no agent takes {other:?}"))),
        };
        let digest = Sha256::digest(format!("{object}\0{before}\0{after}"));
        let changes = vec![Foreseen {
            object: object.clone(),
            before: before.clone(),
            after: after.clone(),
            diff: String::new(),
        }];
        Ok(PreviewResponse {
            preview: Some(Preview {
                changes,
                summary: format!("{object}: {before} → {after}"),
                digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                ..Preview::default()
            }),
            decision: "runs by itself".into(),
        })
    }

    /// The same request id gives the same goal.
    pub fn submit(&self, request: SubmitGoalRequest) -> Goal {
        let id = format!("goal-{}", request.request_id);
        if let Some(known) = self.state().goals.get(&id) {
            return known.borrow().clone();
        }
        let call = request.call.unwrap();
        let goal = Goal {
            id: id.clone(),
            state: GoalState::Running.into(),
            tasks: vec![Task {
                act: call.tool.clone(),
                arguments_json: call.arguments_json.clone(),
                state: TaskState::Running.into(),
                ..Task::default()
            }],
            call: Some(call.clone()),
            ..Goal::default()
        };
        let sender = watch::Sender::new(goal.clone());
        self.state().goals.insert(id.clone(), sender);
        let registry = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            match call.tool.as_str() {
                "test.long" => {}
                "pkg.install" => registry.change(&id, |goal| {
                    goal.state = GoalState::Waiting.into();
                    goal.tasks[0].state = TaskState::Waiting.into();
                    goal.tasks[0].waits_for = APPROVAL.into();
                }),
                _ => registry.make(&id),
            }
        });
        goal
    }

    /// What a person's word does, or time: the call of the goal is made.
    pub fn make(&self, id: &str) {
        let call = self.state().goals[id].borrow().call.clone().unwrap();
        let arguments: Value = serde_json::from_str(&call.arguments_json).unwrap();
        let path = arguments["path"].as_str().unwrap_or_default().to_owned();
        self.state().made.push(call.clone());
        let outcome = match call.tool.as_str() {
            "fs.read" => match self.state().files.get(&path) {
                Some(content) => Ok((json!({"content": content}), format!("{path} is read"))),
                None => Err(format!("{path}: no such file\u{1b}[2J")),
            },
            "fs.write" => {
                let content = arguments["content"].as_str().unwrap_or_default().to_owned();
                let size = content.len();
                self.state().files.insert(path.clone(), content);
                Ok((json!({"size": size}), format!("{path} is written")))
            }
            "pkg.install" => Ok((json!({"files": 3}), "the package is installed".to_owned())),
            "test.long" => Ok((json!({"done": true}), "it took long".to_owned())),
            "test.large" => {
                let size = arguments["size"].as_u64().unwrap_or(0);
                let content = "\u{1b}".repeat(usize::try_from(size).unwrap());
                Ok((
                    json!({"content": content}),
                    "\u{1b}]0;title\u{7}".to_owned(),
                ))
            }
            _ => Ok((json!({}), String::new())),
        };
        self.change(id, |goal| match outcome {
            Ok((output, summary)) => {
                goal.state = GoalState::Succeeded.into();
                goal.answer.clone_from(&summary);
                goal.tasks[0].state = TaskState::Succeeded.into();
                goal.tasks[0].waits_for.clear();
                goal.tasks[0].executions.push(Execution {
                    id: format!("execution-of-{}", goal.id),
                    tool: call.tool.clone(),
                    output_json: output.to_string(),
                    summary,
                    reversible: call.tool == "fs.write",
                    ..Execution::default()
                });
            }
            Err(reason) => {
                goal.state = GoalState::Failed.into();
                goal.reason = reason;
            }
        });
    }

    /// The goals that did not end yet.
    pub fn unfinished(&self) -> Vec<String> {
        let state = self.state();
        let unfinished = state.goals.iter().filter(|(_, goal)| {
            let state = goal.borrow().state();
            matches!(state, GoalState::Running | GoalState::Waiting)
        });
        unfinished.map(|(id, _)| id.clone()).collect()
    }

    pub fn cancel(&self, id: &str) -> Result<Goal, Status> {
        self.change(id, |goal| goal.state = GoalState::Cancelled.into());
        Ok(self.state().goals[id].borrow().clone())
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Goal)) {
        let sender = self.state().goals[id].clone();
        sender.send_modify(change);
    }

    pub fn watch(&self, id: &str) -> Result<Changes<Goal>, Status> {
        let known = self.state().goals.get(id).map(watch::Sender::subscribe);
        let mut goal = known.ok_or_else(|| Status::not_found("no such goal"))?;
        let (sender, stream) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let now = goal.borrow_and_update().clone();
                let is_finished = aiosctl::json::is_finished(&now);
                if sender.send(Ok(now)).await.is_err() || is_finished {
                    return;
                }
                if goal.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::pin(ReceiverStream::new(stream)))
    }
}
