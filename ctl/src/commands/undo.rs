//! `aiosctl undo`

use aios_contracts::v1::{GetGoalRequest, Goal, UndoRequest};
use serde_json::json;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::{Output, escape};

/// Arguments of `undo`.
#[derive(Debug, clap::Args)]
#[group(skip)] // the derived group would hold the reason too
#[command(group(clap::ArgGroup::new("what").required(true).args(["execution", "goal"])))]
pub struct Arguments {
    /// The execution to undo; `goal run` and `goal show` name them
    execution: Option<String>,
    /// Undo all that a goal did and that can be undone, the last first
    #[arg(long, value_name = "GOAL")]
    goal: Option<String>,
    /// Why, for the audit
    #[arg(long, default_value = "asked for with aiosctl")]
    reason: String,
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let executions = match (arguments.execution, arguments.goal) {
        (Some(execution), _) => vec![execution],
        (None, Some(id)) => {
            let mut api = client.management();
            let goal = client.call(api.get_goal(GetGoalRequest { id })).await?;
            reversible(&goal)?
        }
        (None, None) => Vec::new(),
    };
    let mut undone = Vec::new();
    for execution_id in executions {
        let request = UndoRequest {
            execution_id: execution_id.clone(),
            reason: arguments.reason.clone(),
            ..UndoRequest::default() // the appliance takes the operator from the certificate
        };
        let mut api = client.management();
        let answer = client
            .call(api.undo(request))
            .await
            .map_err(|failure| Failure {
                what: format!("cannot undo {execution_id}: {}", failure.what),
                ..failure
            })?;
        if !output.json {
            let summary = escape::line(&answer.summary);
            crate::output::line(&format!(
                "undone {}: {summary}",
                escape::line(&execution_id)
            ))?;
        }
        undone.push(json!({
            "execution_id": execution_id,
            "undo_execution_id": answer.execution_id,
            "summary": answer.summary,
        }));
    }
    if output.json {
        output.print(&json!({ "undone": undone }), String::new)?;
    }
    Ok(Exit::Succeeded)
}

/// The executions of a goal that can be undone, the last first.
fn reversible(goal: &Goal) -> Result<Vec<String>, Failure> {
    let executions = goal.tasks.iter().flat_map(|task| &task.executions);
    let reversible = executions.filter(|execution| execution.reversible);
    let ids: Vec<String> = reversible
        .rev()
        .map(|execution| execution.id.clone())
        .collect();
    if ids.is_empty() {
        return Err(Failure::failed(format!(
            "the goal {} did nothing that can be undone",
            goal.id
        )));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::{Execution, Task};

    #[test]
    fn a_goal_is_undone_backwards_and_only_what_can_be() {
        let execution = |id: &str, reversible| Execution {
            id: id.into(),
            reversible,
            ..Default::default()
        };
        let task = |executions| Task {
            executions,
            ..Default::default()
        };
        let goal = Goal {
            tasks: vec![
                task(vec![execution("a", true), execution("b", false)]),
                task(vec![execution("c", true)]),
            ],
            ..Default::default()
        };
        assert_eq!(reversible(&goal).unwrap(), ["c", "a"]);
        assert!(reversible(&Goal::default()).is_err());
    }
}
