//! Schedules: made and taken back, due and carried out, and void when they would do something else.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use aios_config::{Approval, Autonomy};
use aios_daemon::identity::Principal;
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tools::approval::book::Order;
use aios_tools::approval::{Asked, Decision};
use aios_tools::pipeline::{Answer, Run, Taken, now_ms};
use aios_tools::registry::Registry;
use aios_tools::schedule::file::Schedule;
use aios_tools::schedule::zone;
use common::{Machine, agent, call};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

fn machine() -> Machine {
    Machine::new(Registry::complete())
}

fn folder(machine: &Machine) -> PathBuf {
    machine.folder.path().join("state/schedules")
}

/// Names and contents of all schedules' files.
fn files(machine: &Machine) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder(machine))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn create(machine: &Machine, order: Value, when: &str) -> Result<Answer, ToolError> {
    machine.act("schedule.create", json!({"order": order, "when": when}))
}

fn write_order(path: &str) -> Value {
    json!({"tool": "fs.write", "arguments": {"path": path, "content": "tick"}})
}

fn id(answer: &Answer) -> String {
    answer.output["schedule"].as_str().unwrap().to_owned()
}

fn take(machine: &Machine) -> Taken {
    machine.pipeline.take_schedules(&[], false).unwrap()
}

fn run_now(machine: &Machine, id: &str) -> Result<Answer, ToolError> {
    machine.act("schedule.run_now", json!({"schedule": id}))
}

fn listed(machine: &Machine) -> Value {
    let answer = machine.act("schedule.list", json!({})).unwrap();
    answer.output["schedules"].clone()
}

/// Makes the schedule older by this time, as if it had been ordered then.
fn age(machine: &Machine, id: &str, by_ms: i64) {
    let path = folder(machine).join(format!("{id}.toml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut schedule = Schedule::parse(&format!("{id}.toml"), &text, &zone::of_node()).unwrap();
    schedule.created_ms -= by_ms;
    std::fs::write(path, schedule.sealed().text().unwrap()).unwrap();
}

/// Has the storage agent make the run's call, as the orchestrator would have it.
async fn carry_out(machine: &mut Machine, run: &Run) -> Result<String, tonic::Status> {
    let ordered = match &run.order {
        aios_tools::schedule::order::Order::Call(call) => call.clone(),
        goal => panic!("{goal:?}"),
    };
    let mut request = call(&format!("{}/0/0", run.goal_id), &ordered.tool, Value::Null);
    request.arguments_json = run.order.arguments_json();
    request.goal_id.clone_from(&run.goal_id);
    let mut storage = machine.storage();
    let answer = storage.call(request).await?;
    Ok(answer.into_inner().summary)
}

fn records(machine: &Machine, kind: &str) -> Vec<String> {
    let ledger = machine.pipeline.ledger();
    let entries = ledger.entries(0..ledger.len()).unwrap().into_iter();
    let of_kind = entries.filter(|entry| entry.kind == "record" && entry.tool == kind);
    of_kind.map(|entry| entry.reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_listed_and_deleted_and_each_is_taken_back() {
    let machine = machine();
    assert_eq!(listed(&machine), json!([]));
    let path = machine.path("tick");
    let made = create(&machine, write_order(&path), "daily  02:00").unwrap();
    let with = files(&machine);
    assert_eq!(with.len(), 1);
    assert!(
        made.reversible && made.summary.contains("daily 02:00"),
        "{}",
        made.summary
    );
    let goal = create(&machine, json!("check disk usage"), "in 10 minutes").unwrap();
    let all = listed(&machine);
    assert_eq!(all[0]["state"], "waits");
    assert_eq!(
        (&all[0]["by"], &all[0]["role"]),
        (&json!("root"), &json!("admin"))
    );
    assert_eq!(all[1]["order"], "check disk usage");
    let ahead = all[1]["next_ms"].as_i64().unwrap() - now_ms();
    assert!((590_000..=601_000).contains(&ahead), "{ahead}");

    machine.undo(&goal).unwrap();
    assert_eq!(files(&machine), with);
    let deleted = machine
        .act("schedule.delete", json!({"schedule": id(&made)}))
        .unwrap();
    assert_eq!(files(&machine), []);
    machine.undo(&deleted).unwrap();
    assert_eq!(files(&machine), with, "byte for byte");
    machine.undo(&made).unwrap();
    assert_eq!(files(&machine), []);
    let refused = machine
        .act("schedule.delete", json!({"schedule": id(&made)}))
        .unwrap_err();
    assert!(
        refused.to_string().contains("there is no schedule"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_refused_and_nothing_is_kept() {
    let machine = machine();
    let refused = |order: Value, when: &str, why: &str| {
        let said = create(&machine, order, when).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
        assert_eq!(files(&machine), []);
    };
    let path = machine.path("x");
    refused(json!("check"), "sometimes", "when:");
    refused(json!("check"), "every 10 seconds", "one minute");
    refused(json!(" \n"), "daily 02:00", "no text");
    refused(json!("a\u{1b}b"), "daily 02:00", "control");
    refused(
        json!({"tool": "fs.nothing"}),
        "daily 02:00",
        "there is no tool",
    );
    refused(
        json!({"tool": "fs.write", "arguments": {"path": path}}),
        "daily 02:00",
        "content",
    );
    refused(write_order("/etc/shadow"), "daily 02:00", "");
    let own = json!({"tool": "schedule.delete", "arguments": {"schedule": "01234567"}});
    refused(own, "daily 02:00", "no schedule makes schedules");
    let large =
        json!({"tool": "fs.write", "arguments": {"path": path, "content": "x".repeat(40_000)}});
    refused(large, "daily 02:00", "at most 32768");
    let granted = json!({"tool": "fs.write", "arguments": {}, "grant": {}});
    refused(granted, "daily 02:00", "grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_carried_out_once_and_told() {
    let mut machine = machine();
    let path = machine.path("tick");
    let made = create(&machine, write_order(&path), "every 15 minutes").unwrap();
    let id = id(&made);
    assert!(take(&machine).runs.is_empty(), "not yet");
    age(&machine, &id, HOUR_MS);
    let run = take(&machine).runs.pop().unwrap();
    assert_eq!((run.by.as_str(), run.role), ("root", Role::Admin));
    assert_eq!(listed(&machine)[0]["state"], "runs");
    let again = take(&machine).runs.pop().unwrap();
    assert_eq!(
        again.goal_id, run.goal_id,
        "the same run, until somebody watches it"
    );
    let watched = [run.goal_id.clone()];
    let taken = machine.pipeline.take_schedules(&watched, false).unwrap();
    assert!(taken.runs.is_empty() && taken.troubles.is_empty());
    assert!(
        run_now(&machine, &id)
            .unwrap_err()
            .to_string()
            .contains("runs: goal")
    );

    carry_out(&mut machine, &run).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tick");
    machine
        .pipeline
        .end_schedule(&run.goal_id, true, "it is\nwritten", "")
        .unwrap();
    machine
        .pipeline
        .end_schedule(&run.goal_id, true, "", "")
        .unwrap_err();
    let shown = listed(&machine)[0].clone();
    assert_eq!(shown["state"], "waits");
    assert_eq!(shown["last"]["succeeded"], true);
    assert_eq!(shown["last"]["goal_id"], run.goal_id);
    let remark = shown["remark"].as_str().unwrap();
    assert!(
        remark.contains("late") && remark.contains("3 more times"),
        "{remark}"
    );
    assert!(
        take(&machine).runs.is_empty(),
        "what was missed is made up for once"
    );
    let [begun] = records(&machine, "schedule.run").try_into().unwrap();
    assert!(
        begun.starts_with(&id) && begun.contains("fs.write"),
        "{begun}"
    );
    let [ended] = records(&machine, "schedule.ended").try_into().unwrap();
    assert!(ended.contains("succeeded: it is"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_elsewhere_makes_the_schedule_void() {
    let mut machine = machine();
    let (link, target, other) = (machine.path("link"), machine.path("a"), machine.path("b"));
    std::fs::write(&target, "").unwrap();
    std::fs::write(&other, "theirs").unwrap();
    symlink(&target, &link).unwrap();
    let first = id(&create(&machine, write_order(&link), "daily 02:00").unwrap());
    let second = id(&create(&machine, write_order(&link), "daily 02:00").unwrap());
    run_now(&machine, &second).unwrap();
    let begun = take(&machine).runs.pop().unwrap();
    assert_eq!(begun.schedule, second);

    std::fs::remove_file(&link).unwrap();
    symlink(&other, &link).unwrap();
    // It was looked at a moment before, and the call itself finds it out.
    let status = carry_out(&mut machine, &begun).await.unwrap_err();
    assert!(
        status.message().contains("is void: fs.write: path is now"),
        "{status}"
    );
    machine
        .pipeline
        .end_schedule(&begun.goal_id, false, status.message(), "")
        .unwrap();
    run_now(&machine, &first).unwrap();
    let taken = take(&machine);
    assert!(taken.runs.is_empty());
    assert_eq!(taken.troubles.len(), 2, "{:?}", taken.troubles);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
    for shown in listed(&machine).as_array().unwrap() {
        assert_eq!(shown["state"], "suspended");
        assert!(
            shown["reason"].as_str().unwrap().contains("path is now"),
            "{shown}"
        );
        assert_eq!(shown["next_ms"], Value::Null);
    }
    assert_eq!(records(&machine, "schedule.suspended").len(), 2);
    let refused = run_now(&machine, &first).unwrap_err().to_string();
    assert!(refused.contains("order it again"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_file_of_a_schedule_makes_it_void() {
    let machine = machine();
    let made = create(&machine, json!("check disk usage"), "daily 02:00").unwrap();
    let path = folder(&machine).join(format!("{}.toml", id(&made)));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("check disk", "erase disk")).unwrap();
    run_now(&machine, &id(&made)).unwrap();
    let taken = take(&machine);
    assert!(taken.runs.is_empty());
    assert!(
        taken.troubles[0].contains("its file was changed"),
        "{:?}",
        taken.troubles
    );
    std::fs::write(&path, "format = 1\0").unwrap();
    let taken = take(&machine);
    assert!(
        taken.troubles[0].contains("no TOML"),
        "{:?}",
        taken.troubles
    );
    let answer = machine.act("schedule.list", json!({})).unwrap();
    assert!(
        answer.summary.contains("cannot be read"),
        "{}",
        answer.summary
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_emergency_stop_holds_nothing_is_run_or_made_up_for() {
    let machine = machine();
    let made = create(&machine, json!("check disk usage"), "every 15 minutes").unwrap();
    age(&machine, &id(&made), HOUR_MS);
    let stopped = machine.pipeline.take_schedules(&[], true).unwrap();
    assert!(stopped.runs.is_empty());
    assert!(take(&machine).runs.is_empty(), "not at the resume");
    let shown = listed(&machine)[0].clone();
    assert!(
        shown["remark"].as_str().unwrap().contains("emergency stop"),
        "{shown}"
    );
    assert!(shown["next_ms"].as_i64().unwrap() > now_ms());
    assert_eq!(records(&machine, "schedule.skipped").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_what_is_known_of_it_outlive_a_restart() {
    let machine = machine();
    let made = create(&machine, json!("check disk usage"), "daily 02:00").unwrap();
    let once = create(&machine, json!("check memory"), "in 10 minutes").unwrap();
    age(&machine, &id(&once), HOUR_MS);
    let text = std::fs::read_to_string(folder(&machine).join(format!("{}.toml", id(&once))));
    assert!(text.unwrap().contains("check memory"));
    run_now(&machine, &id(&made)).unwrap();
    let run = take(&machine).runs.pop().unwrap();
    let machine = machine.restart(Registry::complete()).await;
    assert_eq!(take(&machine).runs.pop().unwrap().goal_id, run.goal_id);
    machine
        .pipeline
        .end_schedule(&run.goal_id, false, "no", "")
        .unwrap();
    let machine = machine.restart(Registry::complete()).await;
    let shown = listed(&machine);
    let of = |wanted: &Answer| {
        let all = shown.as_array().unwrap();
        all.iter()
            .find(|one| one["schedule"] == id(wanted))
            .unwrap()
            .clone()
    };
    assert_eq!(of(&made)["last"]["text"], "no");
    assert_eq!(of(&once)["state"], "waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_done_by_a_schedule_what_they_may_not_order() {
    let machine = machine();
    let order = json!({"tool": "user.add", "arguments": {"name": "ada"}});
    let ask = |role: Role, tool: &str, arguments: &Value| {
        let request = aios_tools::pipeline::Request {
            call_id: format!("{tool} {role} {arguments}"),
            tool: tool.into(),
            arguments_json: arguments.to_string(),
            on_behalf_of: format!("CN={role}"),
            role: Some(role),
            ..Default::default()
        };
        machine.pipeline.call(&agent("storage"), request)
    };
    let later = json!({"order": order, "when": "daily 02:00"});
    let refused = ask(Role::Operator, "schedule.create", &later).unwrap_err();
    assert!(refused.to_string().contains("for admins"), "{refused}");
    assert_eq!(files(&machine), []);
    let words = json!({"order": "check disk usage", "when": "daily 02:00"});
    let made = ask(Role::Admin, "schedule.create", &words).unwrap();
    for tool in ["schedule.run_now", "schedule.delete"] {
        let refused = ask(Role::Operator, tool, &json!({"schedule": id(&made)})).unwrap_err();
        assert!(matches!(refused, ToolError::Denied(_)), "{refused}");
        assert!(refused.to_string().contains("CN=admin"), "{refused}");
    }
    ask(
        Role::Admin,
        "schedule.delete",
        &json!({"schedule": id(&made)}),
    )
    .unwrap();
    assert_eq!(files(&machine), []);
}

fn manual() -> Machine {
    Machine::with(Registry::complete(), |config| {
        config.approval = Approval {
            autonomy: Autonomy::Manual,
            ..Approval::default()
        };
    })
}

fn allow(machine: &Machine, role: Role) -> Result<Asked, ToolError> {
    let asked = machine.pipeline.book().all().pop().unwrap();
    let order = Order {
        id: asked.id.clone(),
        digest: asked.digest(),
        always: false,
        decision: Decision {
            allowed: true,
            by: "CN=ann".into(),
            reason: String::new(),
            at_ms: now_ms(),
        },
        role,
    };
    let orchestrator = Principal::Daemon("orchestrator".into());
    let pipeline = Arc::clone(&machine.pipeline);
    pipeline.decide(&orchestrator, &order)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_allowed_when_it_was_ordered_runs_and_nothing_else() {
    let mut machine = manual();
    let path = machine.path("tick");
    let order = json!({"order": write_order(&path), "when": "daily 02:00"});
    let mut storage = machine.storage();
    let request = || call("1", "schedule.create", order.clone());
    storage.call(request()).await.unwrap_err();
    let asked = machine.pipeline.book().all().pop().unwrap();
    let shown = &asked.preview.changes[0].after;
    for part in ["daily 02:00", "fs.write", "risk", &path, "role admin"] {
        assert!(shown.contains(part), "{shown}");
    }
    allow(&machine, Role::Operator).unwrap();
    storage.call(request()).await.unwrap();
    let id = listed(&machine)[0]["schedule"].as_str().unwrap().to_owned();
    run_now(&machine, &id).unwrap();
    let run = take(&machine).runs.pop().unwrap();

    let other = call("2", "fs.write", json!({"path": path, "content": "tick"}));
    let status = storage.call(other).await.unwrap_err();
    assert!(status.message().contains("a person is asked"), "{status}");
    carry_out(&mut machine, &run).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tick");
    let mut more = call("3", "fs.write", json!({"path": path, "content": "tock"}));
    more.goal_id.clone_from(&run.goal_id);
    let status = storage.call(more).await.unwrap_err();
    assert!(status.message().contains("is void"), "{status}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tick");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_asks_about_is_asked_about_when_it_is_ordered() {
    let mut machine = Machine::with(Registry::complete(), |config| {
        config.approval = Approval {
            ask: vec!["fs.write".parse().unwrap()],
            never: vec!["fs.append".parse().unwrap()],
            ..Approval::default()
        };
    });
    let path = machine.path("x");
    let mut storage = machine.storage();
    let order = |order: Value| json!({"order": order, "when": "daily 02:00"});
    let asked = call("1", "schedule.create", order(write_order(&path)));
    let status = storage.call(asked).await.unwrap_err();
    assert!(status.message().contains("a person is asked"), "{status}");
    let why = &machine.pipeline.book().all().pop().unwrap().why;
    assert!(why.contains("fs.write"), "{why}");
    let never = json!({"tool": "fs.append", "arguments": {"path": path, "content": "x"}});
    std::fs::write(&path, "").unwrap();
    let status = storage
        .call(call("2", "schedule.create", order(never)))
        .await;
    assert!(
        status
            .unwrap_err()
            .message()
            .contains("no agent may do that")
    );
    let look = json!({"tool": "fs.stat", "arguments": {"path": path}});
    storage
        .call(call("3", "schedule.create", order(look)))
        .await
        .unwrap();
    assert_eq!(files(&machine).len(), 1);
}
