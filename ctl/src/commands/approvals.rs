//! `aiosctl approvals`: what waits for a person.

use std::time::Duration;

use aios_contracts::v1::{
    Approval, ApprovalState, Approvals, DecideApprovalRequest, ForgetRuleRequest,
    ListApprovalsRequest,
};
use clap::Subcommand;
use serde_json::json;

use super::preview;
use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, format, table};

/// How long a decision may take to be written down.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `approvals`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits, and the rules that were made (the default)
    List,
    /// Show all that a call would do
    Show {
        /// Its id, or enough of its beginning
        id: String,
    },
    /// Let the call be made, as it is shown by `show`
    Allow {
        /// Its id, or enough of its beginning
        id: String,
        /// Also every later call of the tool that changes the same thing
        #[arg(long)]
        always: bool,
        /// Why, for the audit
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Refuse the call; its goal fails with the reason
    Deny {
        /// Its id, or enough of its beginning
        id: String,
        /// Why, for the goal and the audit
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Print what waits, now and whenever that changes
    Watch,
    /// Take back a rule that `allow --always` made
    Forget {
        /// The rule, as `list` shows it
        #[arg(required = true, num_args = 1.., value_name = "RULE")]
        rule: Vec<String>,
    },
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    match arguments.command.unwrap_or(Command::List) {
        Command::List => {
            let all = listed(client, "").await?;
            output.print(&document(&all), || list(&all))?;
        }
        Command::Show { id } => {
            let one = one(client, &id).await?;
            output.print(&json::approval(&one), || whole(&one))?;
        }
        Command::Allow { id, always, reason } => {
            let shown = one(client, &id).await?;
            let request = DecideApprovalRequest {
                id: shown.id.clone(),
                digest: shown
                    .preview
                    .map(|preview| preview.digest)
                    .unwrap_or_default(),
                allow: true,
                always,
                reason,
                ..DecideApprovalRequest::default()
            };
            decide(client, output, request).await?;
        }
        Command::Deny { id, reason } => {
            let request = DecideApprovalRequest {
                id,
                reason,
                ..DecideApprovalRequest::default()
            };
            decide(client, output, request).await?;
        }
        Command::Watch => watch(client, output).await?,
        Command::Forget { rule } => {
            let request = ForgetRuleRequest {
                rule: rule.join(" "),
                ..ForgetRuleRequest::default()
            };
            let left = client
                .call(client.management().forget_rule(request))
                .await?;
            output.print(&document(&left), || list(&left))?;
        }
    }
    Ok(Exit::Succeeded)
}

async fn listed(client: &Client, id: &str) -> Result<Approvals, Failure> {
    let request = ListApprovalsRequest { id: id.to_owned() };
    client
        .call(client.management().list_approvals(request))
        .await
}

async fn one(client: &Client, id: &str) -> Result<Approval, Failure> {
    let found = listed(client, id).await?.approvals.pop();
    found.ok_or_else(|| Failure::failed(format!("no call {id:?} waits")))
}

async fn decide(
    client: &Client,
    output: Output,
    request: DecideApprovalRequest,
) -> Result<(), Failure> {
    let mut api = client.management();
    let decided = client
        .call_within(PATIENCE, api.decide_approval(request))
        .await?;
    output.print(&json::approval(&decided), || {
        format!(
            "{} of {} is {}\n",
            escape::line(&decided.tool),
            escape::line(&decided.agent),
            json::approval_state(&decided)
        )
    })
}

async fn watch(client: &Client, output: Output) -> Result<(), Failure> {
    let failure = |status| client.failure(&status);
    let mut api = client.management();
    let request = ListApprovalsRequest::default();
    let mut changes = api
        .watch_approvals(request)
        .await
        .map_err(failure)?
        .into_inner();
    while let Some(all) = changes.message().await.map_err(failure)? {
        output.print(&document(&all), || list(&all))?;
    }
    Ok(())
}

fn document(all: &Approvals) -> serde_json::Value {
    let approvals: Vec<_> = all.approvals.iter().map(json::approval).collect();
    json!({ "approvals": approvals, "rules": all.rules })
}

fn list(all: &Approvals) -> String {
    let row = |one: &Approval| {
        let foreseen = one.preview.as_ref();
        [
            one.id.chars().take(8).collect(),
            json::approval_state(one),
            one.tool.clone(),
            foreseen.map(|one| one.summary.clone()).unwrap_or_default(),
            one.goal.clone(),
            format::time(one.expires_ms),
        ]
    };
    let rows: Vec<[String; 6]> = all.approvals.iter().map(row).collect();
    let mut text = match rows.is_empty() {
        true => "nothing waits for a person\n".to_owned(),
        false => table::table(["ID", "STATE", "TOOL", "WOULD DO", "GOAL", "UNTIL"], &rows),
    };
    for rule in &all.rules {
        text += &format!("always: {}\n", escape::line(rule));
    }
    text
}

/// All that is known of a call, for people.
fn whole(one: &Approval) -> String {
    let mut text = table::fields(&[
        ("call", one.id.clone()),
        ("state", json::approval_state(one)),
        ("tool", one.tool.clone()),
        ("by", one.agent.clone()),
        ("for", one.on_behalf_of.clone()),
        ("goal", one.goal.clone()),
        ("asked", format::time(one.asked_ms)),
        ("until", format::time(one.expires_ms)),
        ("why", one.why.clone()),
        ("arguments", one.arguments_json.clone()),
    ]);
    if one.state() != ApprovalState::Waiting && !one.decided_by.is_empty() {
        text += &table::fields(&[
            ("decided by", one.decided_by.clone()),
            ("reason", one.reason.clone()),
        ]);
    }
    if let Some(foreseen) = &one.preview {
        text += "\n";
        text += &preview::text(foreseen);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::{Foreseen, Preview};

    fn asked() -> Approval {
        Approval {
            id: "0190b6a0-0000".into(),
            tool: "fs.write".into(),
            agent: "agent:storage".into(),
            goal: "write\x1b[2J".into(),
            state: ApprovalState::Waiting.into(),
            preview: Some(Preview {
                summary: "/srv/x: absent → file".into(),
                changes: vec![Foreseen {
                    object: "/srv/x".into(),
                    before: "absent".into(),
                    after: "file".into(),
                    diff: "--- /srv/x\n+++ /srv/x\n@@ -0,0 +1 @@\n+a\x1b[2J\n".into(),
                }],
                ..Preview::default()
            }),
            ..Approval::default()
        }
    }

    #[test]
    fn what_waits_is_told_with_what_it_would_do_and_no_text_of_others_acts() {
        let all = Approvals {
            approvals: vec![asked()],
            rules: vec!["pkg.install pkg:install:nginx".into()],
        };
        for told in [list(&all), whole(&asked())] {
            assert!(
                told.contains("/srv/x") && told.contains("waiting"),
                "{told}"
            );
            assert!(!told.contains('\x1b'), "{told:?}");
        }
        assert!(list(&all).contains("always: pkg.install pkg:install:nginx"));
        assert!(whole(&asked()).contains("\n    +a"));
        assert!(list(&Approvals::default()).contains("nothing waits"));
    }
}
