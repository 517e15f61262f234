//! What a call does: a tool that looks is called; a tool that changes something is previewed first,
//! and called once its preview was confirmed.
//!
//! The node decides everything: who may, whether a person is asked, what is put on record.

use std::time::{Duration, Instant};

use aios_contracts::v1::{Execution, Goal, GoalState, PreviewRequest, PreviewResponse, ToolCall};
use aiosctl::client::Client;
use aiosctl::error::{Exit, Failure};
use aiosctl::goals::{self, GOAL_TIMEOUT, Go};
use aiosctl::trace;
use rmcp::model::CallToolResult;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::answer;
use super::bounds::{self, ARGUMENTS_MAX};
use super::catalog::Offered;
use super::schema::TOKEN;
use super::token::{Call, Confirmed, Tokens};

/// How long a preview may take: of a package, which is fetched and unpacked for it.
const PREVIEW: Duration = Duration::from_secs(600);

/// What is known of a call while it is under way.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// It is being ordered, or was.
    pub ordering: bool,
    /// The goal on the node, once it was ordered.
    pub goal: String,
    /// What happened last, one line.
    pub said: String,
}

/// A call as a client makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    call: Call,
    /// The token, when the change is confirmed.
    token: Option<String>,
    changes: bool,
}

impl Asked {
    /// A call of the tool with these arguments.
    ///
    /// # Errors
    /// What is wrong with the arguments. Whether they fit the tool's schema the node says.
    pub fn new(tool: &Offered, mut arguments: Map<String, Value>) -> Result<Self, Failure> {
        let token = match tool.changes {
            true => arguments.remove(TOKEN),
            false => None,
        };
        let token = match token {
            None | Some(Value::Null) => None,
            Some(Value::String(token)) if token.is_empty() => None,
            Some(Value::String(token)) => Some(token),
            Some(_) => {
                return Err(Failure::usage(format!("{TOKEN} is no text"))
                    .hint("leave it out for a preview, whose answer has the token"));
            }
        };
        // Keys of a serde_json map are in order: the same arguments have one spelling.
        let arguments_json = Value::Object(arguments).to_string();
        if arguments_json.len() > ARGUMENTS_MAX {
            let what = format!("the arguments have {} bytes", arguments_json.len());
            let hint = format!("at most {ARGUMENTS_MAX} are taken; do it in parts");
            return Err(Failure::usage(what).hint(hint));
        }
        let call = Call {
            tool: tool.name.clone(),
            arguments_json,
        };
        Ok(Self {
            call,
            token,
            changes: tool.changes,
        })
    }

    /// The registry's name of the tool.
    pub fn tool(&self) -> &str {
        &self.call.tool
    }
}

/// Carries calls out on one node.
pub struct Steps {
    client: Client,
    tokens: Tokens,
}

impl Steps {
    /// On the node that the client is connected to.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            tokens: Tokens::default(),
        }
    }

    /// Where calls are carried out.
    pub fn endpoint(&self) -> &str {
        self.client.endpoint()
    }

    /// Carries one out as far as this step goes, and answers the client.
    pub async fn take(&self, asked: Asked, news: watch::Sender<News>) -> CallToolResult {
        let answered = match (asked.changes, &asked.token) {
            (false, _) => self.look(&asked.call, &news).await,
            (true, None) => self.preview(&asked.call).await,
            (true, Some(token)) => self.confirmed(&asked.call, token, &news).await,
        };
        answered.unwrap_or_else(|failure| self.failed(&asked.call.tool, &failure))
    }

    /// The answer to what cannot be done.
    pub fn failed(&self, tool: &str, failure: &Failure) -> CallToolResult {
        answer::failed(tool, self.endpoint(), failure)
    }

    /// Ends the goal of a call that the client has given up. What was done stays done.
    pub async fn give_up(&self, goal: &str) {
        if goal.is_empty() {
            return;
        }
        let request = aios_contracts::v1::GetGoalRequest {
            id: goal.to_owned(),
        };
        let mut api = self.client.management();
        if let Err(failure) = self.client.call(api.cancel_goal(request)).await {
            eprintln!("{failure}");
        }
    }

    async fn look(
        &self,
        call: &Call,
        news: &watch::Sender<News>,
    ) -> Result<CallToolResult, Failure> {
        let goal = self
            .order(call, uuid::Uuid::now_v7().to_string(), news)
            .await?;
        if let Some(approval) = waits_for(&goal) {
            let what = "it waits for a person, and nothing was looked at yet";
            return Err(Failure::failed(what).hint(format!(
                "a person decides with `aiosctl approvals allow {approval}` or `deny {approval}`; then \
                 `aiosctl goal show {}` has the answer",
                goal.id
            )));
        }
        let execution = made(&goal)?;
        answer::looked(&goal, execution)
    }

    async fn preview(&self, call: &Call) -> Result<CallToolResult, Failure> {
        let found = self.foresee(call).await?;
        let token = self.tokens.make(call, digest(&found), Instant::now());
        Ok(answer::previewed(&found, &token))
    }

    async fn confirmed(
        &self,
        call: &Call,
        token: &str,
        news: &watch::Sender<News>,
    ) -> Result<CallToolResult, Failure> {
        let why = match self.tokens.check(token, call, Instant::now()) {
            Ok(Confirmed::Ordered) => return self.change(call, token, news).await,
            Ok(Confirmed::Fresh(shown)) => {
                let found = self.foresee(call).await?;
                if digest(&found) == shown {
                    return self.change(call, token, news).await;
                }
                let why = "what would change is no longer what was shown";
                return Ok(self.refuse(call, why, &found));
            }
            Err(wrong) => wrong.reason(),
        };
        let found = self.foresee(call).await?;
        Ok(self.refuse(call, why, &found))
    }

    fn refuse(&self, call: &Call, why: &str, found: &PreviewResponse) -> CallToolResult {
        let token = self.tokens.make(call, digest(found), Instant::now());
        answer::refused(why, found, &token)
    }

    /// Orders the change. The token makes it one goal, however often it is given.
    async fn change(
        &self,
        call: &Call,
        token: &str,
        news: &watch::Sender<News>,
    ) -> Result<CallToolResult, Failure> {
        let goal = self.order(call, format!("mcp-{token}"), news).await;
        let is_ordered = !news.borrow().goal.is_empty();
        if is_ordered {
            self.tokens.ordered(token, Instant::now());
        }
        let goal = goal?;
        if let Some(approval) = waits_for(&goal) {
            return Ok(answer::waiting(&call.tool, &goal, approval));
        }
        made(&goal).map(|execution| answer::done(&goal, execution))
    }

    async fn foresee(&self, call: &Call) -> Result<PreviewResponse, Failure> {
        let request = PreviewRequest {
            tool: call.tool.clone(),
            arguments_json: call.arguments_json.clone(),
            ..PreviewRequest::default()
        };
        let mut api = self.client.management();
        let found = self
            .client
            .call_within(PREVIEW, api.preview_call(request))
            .await?;
        if digest(&found).is_empty() {
            return Err(Failure::failed("the node showed no preview"));
        }
        Ok(found)
    }

    /// Has the node make the call, and follows it until it ends or a person is asked.
    async fn order(
        &self,
        call: &Call,
        request_id: String,
        news: &watch::Sender<News>,
    ) -> Result<Goal, Failure> {
        let wish = aios_contracts::v1::SubmitGoalRequest {
            text: String::new(),
            call: Some(ToolCall {
                tool: call.tool.clone(),
                arguments_json: call.arguments_json.clone(),
            }),
            request_id,
        };
        news.send_modify(|news| news.ordering = true);
        let goal = goals::submit(&self.client, wish).await?;
        news.send_modify(|news| news.goal.clone_from(&goal.id));
        let mut before = Goal::default();
        goals::watch(
            &self.client,
            goal,
            self.client.timeout(GOAL_TIMEOUT),
            |now| {
                if let Some(line) = trace::changes(&before, now).pop() {
                    news.send_modify(|news| news.said = bounds::cut(line.trim().to_owned(), 512));
                }
                before.clone_from(now);
                Ok(match waits_for(now) {
                    Some(_) => Go::Back,
                    None => Go::On,
                })
            },
        )
        .await
    }
}

fn digest(found: &PreviewResponse) -> &str {
    found.preview.as_ref().map_or("", |preview| &preview.digest)
}

/// The approval that the goal waits for.
fn waits_for(goal: &Goal) -> Option<&str> {
    if goal.state() != GoalState::Waiting {
        return None;
    }
    let mut waiting = goal.tasks.iter().map(|task| task.waits_for.as_str());
    waiting.find(|approval| !approval.is_empty())
}

/// The one call of a goal that succeeded, or why it did not.
fn made(goal: &Goal) -> Result<&Execution, Failure> {
    let hint = format!("`aiosctl goal show {}` has the whole trace", goal.id);
    let mut executions = goal.tasks.iter().flat_map(|task| &task.executions);
    match (goal.state(), executions.next_back()) {
        (GoalState::Succeeded, Some(execution)) => Ok(execution),
        (GoalState::Succeeded, None) => {
            Err(Failure::failed("the node made no call for it").hint(hint))
        }
        _ => {
            let mut errors = goal.tasks.iter().map(|task| task.error.as_str());
            let said = errors.find(|error| !error.is_empty());
            let said = match goal.reason.is_empty() {
                true => said.unwrap_or("it did not succeed"),
                false => &goal.reason,
            };
            Err(Failure::new(Exit::Failed, said).hint(hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::Task;
    use rmcp::model::Tool as Shown;
    use serde_json::json;

    fn offered(changes: bool) -> Offered {
        Offered {
            name: "fs.write".into(),
            changes,
            shown: Shown::default(),
        }
    }

    fn asked(changes: bool, arguments: Value) -> Result<Asked, Failure> {
        let Value::Object(arguments) = arguments else {
            panic!("no object");
        };
        Asked::new(&offered(changes), arguments)
    }

    #[test]
    fn the_token_is_not_an_argument_of_the_tool() {
        let with = asked(
            true,
            json!({"path": "/x", "confirm_token": "t", "content": ""}),
        )
        .unwrap();
        assert_eq!(with.token.as_deref(), Some("t"));
        assert_eq!(with.call.arguments_json, r#"{"content":"","path":"/x"}"#);
        for none in [
            json!({}),
            json!({"confirm_token": null}),
            json!({"confirm_token": ""}),
        ] {
            let without = asked(true, none).unwrap();
            assert_eq!(
                (without.token, without.call.arguments_json),
                (None, "{}".to_owned())
            );
        }
        // Of a tool that looks it is an argument like any other: the node says that it has none.
        let look = asked(false, json!({"confirm_token": "t"})).unwrap();
        assert_eq!(look.call.arguments_json, r#"{"confirm_token":"t"}"#);
    }

    #[test]
    fn wrong_and_endless_arguments_are_refused_here() {
        for wrong in [json!(1), json!([]), json!({"a": 1}), json!(true)] {
            let failure = asked(true, json!({"confirm_token": wrong})).unwrap_err();
            assert_eq!(failure.what, "confirm_token is no text");
        }
        let long = json!({"content": "x".repeat(ARGUMENTS_MAX)});
        let failure = asked(true, long).unwrap_err();
        assert!(failure.what.contains("bytes"), "{failure}");
    }

    #[test]
    fn how_a_goal_ended_is_told_with_its_reason() {
        let goal = |state: GoalState, reason: &str, error: &str, executions| Goal {
            id: "g".into(),
            state: state.into(),
            reason: reason.into(),
            tasks: vec![Task {
                error: error.into(),
                executions,
                ..Task::default()
            }],
            ..Goal::default()
        };
        let check = |goal: Goal, expected: &str| {
            let failure = made(&goal).unwrap_err();
            assert_eq!(failure.what, expected);
            assert!(failure.hint.contains("aiosctl goal show g"));
        };
        check(
            goal(GoalState::Failed, "no such file", "", vec![]),
            "no such file",
        );
        check(
            goal(GoalState::Failed, "", "no such file", vec![]),
            "no such file",
        );
        check(
            goal(GoalState::Cancelled, "", "", vec![]),
            "it did not succeed",
        );
        check(
            goal(GoalState::Succeeded, "", "", vec![]),
            "the node made no call for it",
        );
        let done = goal(GoalState::Succeeded, "", "", vec![Execution::default()]);
        assert!(made(&done).is_ok());
        let mut waits = goal(GoalState::Waiting, "", "", vec![]);
        assert_eq!(waits_for(&waits), None);
        waits.tasks[0].waits_for = "a1".into();
        assert_eq!(waits_for(&waits), Some("a1"));
        waits.state = GoalState::Running.into();
        assert_eq!(waits_for(&waits), None);
    }
}
