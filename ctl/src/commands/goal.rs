//! `aiosctl goal`

use aios_contracts::v1::{GetGoalRequest, Goal, GoalState, ListGoalsRequest, ToolCall};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::goals::{self, GOAL_TIMEOUT, Go};
use crate::output::{Output, escape, format, table};
use crate::{json, trace};

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
            let goal = goals::submit(client, goals::wish(&text.join(" "), None)).await?;
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
    let goal = goals::submit(client, goals::wish(text, call)).await?;
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

/// Follows a goal until it ends, printing what changes.
async fn watch(client: &Client, output: Output, goal: Goal) -> Result<Goal, Failure> {
    let mut shown = Goal::default();
    goals::watch(client, goal, client.timeout(GOAL_TIMEOUT), |now| {
        show_changes(output, &mut shown, now).map(|()| Go::On)
    })
    .await
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
