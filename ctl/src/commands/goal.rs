//! `aiosctl goal`

use std::time::Duration;

use aios_contracts::v1::{
    GetGoalRequest, Goal, GoalState, ListGoalsRequest, SubmitGoalRequest, ToolCall,
};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::{Output, escape, format, table};
use crate::{json, trace};

/// How long `run` waits for a goal to end when nothing else was asked.
const GOAL_TIMEOUT: Duration = Duration::from_secs(600);

/// After how long to look again when the connection broke while a goal ran.
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// For how long a broken connection is tried again: a restart of the
/// orchestrator takes less, a machine that went down takes more.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Arguments of `goal`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// State a goal, watch it happen, print the answer
    Run {
        /// What you want, in your words; quotes are not needed
        #[arg(required = true, num_args = 1.., value_name = "TEXT")]
        text: Vec<String>,
        /// Only hand it in; print its id
        #[arg(long)]
        no_wait: bool,
    },
    /// List goals, the newest first
    List {
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
    },
    /// Show a goal with its tasks and what was done
    Show {
        /// Its id, or enough of its beginning
        id: String,
    },
    /// Cancel a goal
    Cancel {
        /// Its id, or enough of its beginning
        id: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Running,
    Waiting,
    Succeeded,
    Failed,
    Cancelled,
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let mut api = client.management();
    match arguments.command {
        Command::Run {
            text,
            no_wait: false,
        } => submit_and_watch(client, output, &text.join(" "), None).await,
        Command::Run {
            text,
            no_wait: true,
        } => {
            let goal = submit(client, &text.join(" "), None).await?;
            output.print(&json::goal(&goal), || escape::line(&goal.id))?;
            Ok(Exit::Succeeded)
        }
        Command::List { limit, state } => list(client, output, limit, state).await,
        Command::Show { id } => {
            let goal = client.call(api.get_goal(GetGoalRequest { id })).await?;
            output.print(&json::goal(&goal), || trace::whole(&goal))?;
            Ok(Exit::Succeeded)
        }
        Command::Cancel { id } => {
            let goal = client.call(api.cancel_goal(GetGoalRequest { id })).await?;
            output.print(&json::goal(&goal), || {
                format!("{} is {}", escape::line(&goal.id), json::goal_state(&goal))
            })?;
            Ok(Exit::Succeeded)
        }
    }
}

/// Hands in a goal and follows it to its end; the exit code says how it ended.
pub(super) async fn submit_and_watch(
    client: &Client,
    output: Output,
    text: &str,
    call: Option<ToolCall>,
) -> Result<Exit, Failure> {
    let goal = submit(client, text, call).await?;
    if !output.json {
        crate::output::line(&format!("goal {}", escape::line(&goal.id)))?;
    }
    let goal = watch(client, output, goal).await?;
    output.print(&json::goal(&goal), || trace::ending(&goal))?;
    Ok(match goal.state() {
        GoalState::Succeeded => Exit::Succeeded,
        _ => Exit::Failed,
    })
}

async fn submit(client: &Client, text: &str, call: Option<ToolCall>) -> Result<Goal, Failure> {
    let request = SubmitGoalRequest {
        text: text.to_owned(),
        call,
        request_id: uuid::Uuid::now_v7().to_string(),
    };
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

/// Follows a goal until it ends, printing what changes; looks again when the
/// connection breaks, since the appliance resumes its goals.
async fn watch(client: &Client, output: Output, mut goal: Goal) -> Result<Goal, Failure> {
    let limit = client.timeout(GOAL_TIMEOUT);
    let end = Instant::now() + limit;
    let mut shown = Goal::default();
    show_changes(output, &mut shown, &goal)?;
    let mut broken_since: Option<Instant> = None;
    while !json::is_finished(&goal) {
        let followed = follow(client, output, &mut shown, &goal.id, &mut broken_since);
        match timeout_at(end, followed).await {
            Err(_) => return Err(still_running(&goal, limit)),
            Ok(Ok(())) => {}
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
        if !shown.id.is_empty() {
            goal = shown.clone();
        }
    }
    Ok(goal)
}

/// One stream of changes, to its end.
async fn follow(
    client: &Client,
    output: Output,
    shown: &mut Goal,
    id: &str,
    broken_since: &mut Option<Instant>,
) -> Result<(), Failure> {
    let request = GetGoalRequest { id: id.to_owned() };
    let mut api = client.management();
    let failure = |status| client.failure(&status);
    let mut changes = api.watch_goal(request).await.map_err(failure)?.into_inner();
    while let Some(goal) = changes.message().await.map_err(failure)? {
        *broken_since = None;
        show_changes(output, shown, &goal)?;
        if json::is_finished(&goal) {
            return Ok(());
        }
    }
    // It ended early without an error: give the appliance time, then look again.
    sleep(RETRY_AFTER).await;
    Ok(())
}

fn show_changes(output: Output, shown: &mut Goal, now: &Goal) -> Result<(), Failure> {
    if !output.json {
        for line in trace::changes(shown, now) {
            crate::output::line(&line)?;
        }
    }
    shown.clone_from(now);
    Ok(())
}

fn still_running(goal: &Goal, waited: Duration) -> Failure {
    let what = format!("the goal {} has not ended within {waited:?}", goal.id);
    Failure::new(Exit::Timeout, what).hint(format!(
        "it goes on: see `aiosctl goal show {0}`, or stop it with `aiosctl goal cancel {0}`",
        goal.id
    ))
}

async fn list(
    client: &Client,
    output: Output,
    limit: u32,
    state: Option<State>,
) -> Result<Exit, Failure> {
    let state = state.map(|state| match state {
        State::Pending => GoalState::Pending,
        State::Running => GoalState::Running,
        State::Waiting => GoalState::Waiting,
        State::Succeeded => GoalState::Succeeded,
        State::Failed => GoalState::Failed,
        State::Cancelled => GoalState::Cancelled,
    });
    let request = ListGoalsRequest {
        limit,
        states: state.into_iter().map(i32::from).collect(),
    };
    let goals = client
        .call(client.management().list_goals(request))
        .await?
        .goals;
    let document = json!({ "goals": goals.iter().map(json::goal).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 5]> = goals
            .iter()
            .map(|goal| {
                [
                    goal.id.clone(),
                    format::time(goal.created_ms),
                    json::goal_state(goal),
                    format::duration(json::elapsed_ms(goal)),
                    goal.text.clone(),
                ]
            })
            .collect();
        table::table(["GOAL", "GIVEN", "STATE", "TOOK", "TEXT"], &rows)
    })?;
    Ok(Exit::Succeeded)
}
