//! Handing goals in and following them to their end, over broken connections: the appliance
//! resumes its goals, so a break is no reason to give up.

use std::time::Duration;

use aios_contracts::v1::{GetGoalRequest, Goal, SubmitGoalRequest, ToolCall};
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;

/// How long a goal is followed when nothing else was asked.
pub const GOAL_TIMEOUT: Duration = Duration::from_secs(600);

/// After how long to look again when the connection broke while a goal ran.
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// For how long a broken connection is tried again: a restart of the
/// orchestrator takes less, a machine that went down takes more.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Whether a goal is followed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// To its end.
    On,
    /// No: what was asked is known.
    Back,
}

/// A new goal: words, or a call.
pub fn wish(text: &str, call: Option<ToolCall>) -> SubmitGoalRequest {
    SubmitGoalRequest {
        text: text.to_owned(),
        call,
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}

/// Hands a goal in. The same request id again gives the same goal.
///
/// # Errors
/// As the appliance answers.
pub async fn submit(client: &Client, request: SubmitGoalRequest) -> Result<Goal, Failure> {
    let first = client
        .call(client.management().submit_goal(request.clone()))
        .await;
    match first {
        // The request id makes a second try the same goal.
        Err(failure) if failure.exit == Exit::Connect => {
            sleep(RETRY_AFTER).await;
            client.call(client.management().submit_goal(request)).await
        }
        first => first,
    }
}

/// Follows a goal until it ends or `seen`, which is told of each change, wants no more. Looks again
/// when the connection breaks.
///
/// # Errors
/// When it has not ended within `limit`, or the appliance cannot be reached any more. The goal goes
/// on all the same.
pub async fn watch(
    client: &Client,
    mut goal: Goal,
    limit: Duration,
    mut seen: impl FnMut(&Goal) -> Result<Go, Failure>,
) -> Result<Goal, Failure> {
    let end = Instant::now() + limit;
    let mut broken_since: Option<Instant> = None;
    let mut going = seen(&goal)?;
    while going == Go::On && !json::is_finished(&goal) {
        let followed = follow(client, &mut goal, &mut seen, &mut broken_since);
        match timeout_at(end, followed).await {
            Err(_) => return Err(still_running(&goal, limit)),
            Ok(Ok(now)) => going = now,
            Ok(Err(failure)) if failure.exit == Exit::Connect => {
                let since = *broken_since.get_or_insert_with(Instant::now);
                if since.elapsed() > RETRY_FOR {
                    return Err(failure.hint(format!(
                        "the goal goes on: see `aiosctl goal show {}`",
                        goal.id
                    )));
                }
                sleep(RETRY_AFTER).await;
            }
            Ok(Err(failure)) => return Err(failure),
        }
    }
    Ok(goal)
}

/// One stream of changes, to its end.
async fn follow(
    client: &Client,
    goal: &mut Goal,
    seen: &mut impl FnMut(&Goal) -> Result<Go, Failure>,
    broken_since: &mut Option<Instant>,
) -> Result<Go, Failure> {
    let request = GetGoalRequest {
        id: goal.id.clone(),
    };
    let mut api = client.management();
    let failure = |status| client.failure(&status);
    let mut changes = api.watch_goal(request).await.map_err(failure)?.into_inner();
    while let Some(now) = changes.message().await.map_err(failure)? {
        *broken_since = None;
        *goal = now;
        if seen(goal)? == Go::Back || json::is_finished(goal) {
            return Ok(Go::Back);
        }
    }
    // It ended early without an error: give the appliance time, then look again.
    sleep(RETRY_AFTER).await;
    Ok(Go::On)
}

fn still_running(goal: &Goal, waited: Duration) -> Failure {
    let what = format!("the goal {} has not ended within {waited:?}", goal.id);
    Failure::new(Exit::Timeout, what).hint(format!(
        "it goes on: see `aiosctl goal show {0}`, or stop it with `aiosctl goal cancel {0}`",
        goal.id
    ))
}
