//! `aiosctl schedules`: what is to be done later.

use aios_contracts::v1::{ListSchedulesRequest, Schedule, Schedules, ToolCall};
use clap::Subcommand;
use serde_json::{Value, json};

use super::goal;
use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, format, table};

/// Arguments of `schedules`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the schedules, with the next time of each and how its last run ended (the default)
    List,
    /// Show all that is known of a schedule
    Show {
        /// Its id, or enough of its beginning
        id: String,
    },
    /// Have something done later: a goal in words, or one call of a tool
    Create {
        /// When: "daily 02:00", "every 15 minutes", "2026-12-01 03:00", a cron line
        when: String,
        /// The goal, in plain words
        #[arg(required = true, num_args = 1.., value_name = "TEXT")]
        goal: Vec<String>,
        /// TEXT is a tool's name and its arguments, a JSON object
        #[arg(long)]
        call: bool,
    },
    /// Delete a schedule; a run under way goes on
    Delete {
        /// Its id, or enough of its beginning
        id: String,
    },
    /// Have a schedule carried out now, beside its own times
    Run {
        /// Its id, or enough of its beginning
        id: String,
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
            let one = one(client, id).await?;
            output.print(&json::schedule(&one), || whole(&one))?;
        }
        Command::Create { when, goal, call } => {
            let order = order(&goal, call)?;
            let arguments = json!({"order": order, "when": when});
            return called(client, output, "schedule.create", &arguments).await;
        }
        Command::Delete { id } => {
            let one = one(client, id).await?;
            let arguments = json!({"schedule": one.id});
            return called(client, output, "schedule.delete", &arguments).await;
        }
        Command::Run { id } => {
            let one = one(client, id).await?;
            let arguments = json!({"schedule": one.id});
            return called(client, output, "schedule.run_now", &arguments).await;
        }
    }
    Ok(Exit::Succeeded)
}

/// Has the tool called by the ordinary way: as a goal of that one call.
async fn called(
    client: &Client,
    output: Output,
    tool: &str,
    arguments: &Value,
) -> Result<Exit, Failure> {
    let call = ToolCall {
        tool: tool.to_owned(),
        arguments_json: arguments.to_string(),
    };
    goal::submit_and_watch(client, output, "", Some(call)).await
}

async fn listed(client: &Client, id: &str) -> Result<Schedules, Failure> {
    let request = ListSchedulesRequest { id: id.to_owned() };
    let mut api = client.management();
    client.call(api.list_schedules(request)).await
}

/// The one schedule whose id begins so.
async fn one(client: &Client, id: String) -> Result<Schedule, Failure> {
    if id.is_empty() {
        return Err(Failure::usage("name a schedule"));
    }
    let found = listed(client, &id).await?.schedules.pop();
    found.ok_or_else(|| Failure::failed(format!("there is no schedule {id:?}")))
}

/// What is ordered: the words, or a tool's name and its arguments.
fn order(words: &[String], is_call: bool) -> Result<Value, Failure> {
    if !is_call {
        return Ok(words.join(" ").into());
    }
    let (tool, arguments) = match words {
        [tool] => (tool, "{}".to_owned()),
        [tool, rest @ ..] => (tool, rest.join(" ")),
        [] => return Err(Failure::usage("name a tool")),
    };
    match serde_json::from_str::<Value>(&arguments) {
        Ok(arguments @ Value::Object(_)) => Ok(json!({"tool": tool, "arguments": arguments})),
        _ => Err(Failure::usage("the arguments must be a JSON object")),
    }
}

fn document(all: &Schedules) -> Value {
    let schedules: Vec<_> = all.schedules.iter().map(json::schedule).collect();
    json!({ "schedules": schedules, "unreadable": all.unreadable })
}

/// What is done, in a line.
fn ordered(one: &Schedule) -> String {
    match &one.call {
        Some(call) => format!("{} {}", call.tool, call.arguments_json),
        None => one.goal.clone(),
    }
}

fn last(one: &Schedule) -> String {
    match &one.last {
        None => "-".to_owned(),
        Some(last) if last.succeeded => format!("succeeded {}", format::time(last.ended_ms)),
        Some(last) => format!("failed {}", format::time(last.ended_ms)),
    }
}

fn list(all: &Schedules) -> String {
    let row = |one: &Schedule| {
        [
            one.id.clone(),
            json::schedule_state(one),
            one.when.clone(),
            format::time(one.next_ms),
            last(one),
            ordered(one),
        ]
    };
    let rows: Vec<[String; 6]> = all.schedules.iter().map(row).collect();
    let mut text = match rows.is_empty() {
        true => "nothing is scheduled\n".to_owned(),
        false => table::table(["ID", "STATE", "WHEN", "NEXT", "LAST", "DOES"], &rows),
    };
    let suspended = all.schedules.iter().filter(|one| !one.reason.is_empty());
    for one in suspended {
        let why = escape::line(&one.reason);
        text += &format!("{} is suspended: {why}\n", escape::line(&one.id));
    }
    for why in &all.unreadable {
        text += &format!("cannot be read: {}\n", escape::line(why));
    }
    text
}

/// All that is known of a schedule, for people.
fn whole(one: &Schedule) -> String {
    let mut fields = vec![
        ("schedule", one.id.clone()),
        ("state", json::schedule_state(one)),
        ("does", ordered(one)),
        ("when", one.when.clone()),
        ("next", one.next.clone()),
        ("for", one.by.clone()),
        ("role", json::role(one.role())),
        ("ordered", format::time(one.created_ms)),
        ("digest", one.digest.clone()),
    ];
    let more = [
        ("suspended", &one.reason),
        ("goal", &one.goal_id),
        ("remark", &one.remark),
    ];
    let said = more.into_iter().filter(|(_, text)| !text.is_empty());
    fields.extend(said.map(|(name, text)| (name, text.clone())));
    if let Some(run) = &one.last {
        fields.push(("last run", last(one)));
        fields.push(("its goal", run.goal_id.clone()));
        fields.push(("it said", run.text.clone()));
    }
    table::fields(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::{ScheduleRun, ScheduleState};

    fn all() -> Schedules {
        let one = |id: &str, state: ScheduleState| Schedule {
            id: id.into(),
            state: state.into(),
            when: "daily 02:00".into(),
            goal: "check\u{1b}[2J disk".into(),
            ..Schedule::default()
        };
        let void = Schedule {
            reason: "fs.write: path is now \"/etc/a\u{1b}\"".into(),
            last: Some(ScheduleRun {
                succeeded: true,
                text: "ok".into(),
                ..ScheduleRun::default()
            }),
            ..one("0123abff", ScheduleState::Suspended)
        };
        Schedules {
            schedules: vec![one("0123abcd", ScheduleState::Waits), void],
            unreadable: vec!["a\u{1b}.toml: it is no TOML".into()],
        }
    }

    #[test]
    fn schedules_are_told_and_no_text_of_others_acts() {
        let text = list(&all());
        for part in [
            "0123abcd",
            "waits",
            "daily 02:00",
            "suspended: fs.write",
            "no TOML",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let one = whole(&all().schedules[1]);
        assert!(
            one.contains("succeeded") && one.contains("path is now"),
            "{one}"
        );
        assert!(!text.contains('\u{1b}') && !one.contains('\u{1b}'));
        assert_eq!(list(&Schedules::default()), "nothing is scheduled\n");
    }

    #[test]
    fn an_order_is_words_or_a_call() {
        let check = |words: &[&str], call, expected: Option<Value>| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            assert_eq!(order(&words, call).ok(), expected, "{words:?}");
        };
        check(&["check", "disk"], false, Some("check disk".into()));
        let bare = json!({"tool": "monitor.disk", "arguments": {}});
        check(&["monitor.disk"], true, Some(bare));
        let path = json!({"tool": "fs.stat", "arguments": {"path": "/srv"}});
        check(&["fs.stat", "{\"path\":", "\"/srv\"}"], true, Some(path));
        check(&["fs.stat", "[]"], true, None);
        check(&["fs.stat", "/srv"], true, None);
    }
}
