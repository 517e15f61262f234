use super::judge::operational;
use super::*;
use crate::registry::Tool;
use aios_brain::{Act as Proposed, Argument, Proposal, Source, Thresholds};
use aios_goals::Call;
use serde_json::{Value, json};

fn catalog() -> Catalog {
    let tool = |name: &str, properties: Value, required: &[&str]| {
        let schema = json!({"type": "object", "properties": properties, "required": required});
        Tool::new(name, schema, name != "monitor.disk")
    };
    let text = |kind: &str| json!({"type": "string", "x-aios-kind": kind});
    Catalog::new(
        [
            tool(
                "service.restart",
                json!({"service": text("service")}),
                &["service"],
            ),
            tool(
                "fs.write",
                json!({"path": text("path"), "content": text("content")}),
                &["path", "content"],
            ),
            tool("monitor.disk", json!({}), &[]),
        ],
        &[],
    )
}

fn proposal(act: Proposed, arguments: &[(&str, &str)]) -> Proposal {
    Proposal {
        act,
        confidence: 0.9,
        thresholds: Thresholds {
            look: 0.5,
            change: 0.8,
            done: 0.4,
        },
        alternatives: vec![("fs.write".into(), 0.31), ("none".into(), 0.2)],
        arguments: arguments
            .iter()
            .map(|(name, text)| Argument {
                name: (*name).into(),
                text: (*text).into(),
                source: Source::Goal,
                bytes: 0..0,
                is_exact: false,
                confidence: 0.9,
            })
            .collect(),
    }
}

fn call(act: &str, arguments: &[(&str, &str)]) -> Proposal {
    proposal(Proposed::Call(act.into()), arguments)
}

fn after(act: &str, arguments: Value) -> Goal {
    Goal {
        tasks: vec![Task {
            act: act.into(),
            arguments: arguments.as_object().cloned().unwrap(),
            state: TaskState::Succeeded,
            ..Task::default()
        }],
        ..Goal::default()
    }
}

fn shown(plan: &Plan) -> String {
    match &plan.next {
        Next::Act(act) => format!("{} {}", act.name(), Value::from(act.arguments().clone())),
        Next::Done { .. } => "done".into(),
        Next::Refuse(reason) => format!("no: {reason}"),
    }
}

#[test]
fn a_proposal_becomes_a_checked_act_or_a_reason() {
    let services = ["memory".to_owned()];
    let check = |goal: &Goal, proposal: Proposal, expected: &str| {
        let plan = operational(goal, proposal, &catalog(), &services);
        assert!(
            shown(&plan).starts_with(expected),
            "{} / {expected}",
            shown(&plan)
        );
        assert_eq!(plan.level, Some(Level::Operational));
    };
    let new = Goal::default();
    check(
        &new,
        call("service.restart", &[("service", "the memory service")]),
        r#"service.restart {"service":"memory"}"#,
    );
    check(
        &new,
        call("fs.write", &[("path", "/srv/a")]),
        "no: fs.write needs content",
    );
    check(
        &new,
        call("service.restart", &[("service", "postgres")]),
        "no: there is no service \"postgres\" here; the nearest are memory",
    );
    let unsure = |act: &str, confidence: f32| Proposal {
        confidence,
        ..call(act, &[("service", "memory")])
    };
    check(
        &new,
        unsure("service.restart", 0.7),
        "no: I am not sure what is wanted; the nearest acts: service.restart (70 %), fs.write",
    );
    check(&new, unsure("monitor.disk", 0.7), "monitor.disk {}");
    check(&new, unsure("monitor.disk", 0.4), "no: I am not sure");
    check(
        &new,
        call("pkg.install", &[]),
        "no: this appliance has no tool pkg.install yet",
    );
    check(
        &new,
        proposal(Proposed::None, &[]),
        "no: this is beyond what I can do; the nearest acts: fs.write (31 %)",
    );
    check(
        &new,
        proposal(Proposed::Ask, &[]),
        "no: I am not sure what is wanted; the nearest acts: fs.write",
    );
    check(
        &new,
        proposal(Proposed::Done, &[]),
        "no: this is beyond what I can do",
    );
}

#[test]
fn after_a_success_done_and_repetition_end_the_goal_but_doubt_fails_it() {
    let goal = after("monitor.disk", json!({}));
    let check = |proposal: Proposal, expected: &str| {
        assert_eq!(
            shown(&operational(
                &goal,
                proposal,
                &catalog(),
                &["memory".into()]
            )),
            expected
        );
    };
    check(proposal(Proposed::Done, &[]), "done");
    let doubt = "no: the tasks above are done, but I am not sure that they are all you asked for; \
                 the nearest acts: fs.write (31 %)";
    check(proposal(Proposed::Ask, &[]), doubt);
    check(proposal(Proposed::None, &[]), doubt);
    check(call("monitor.disk", &[]), "done");
    check(
        call("service.restart", &[("service", "memory")]),
        r#"service.restart {"service":"memory"}"#,
    );
}

#[test]
fn the_operators_own_call_is_checked_like_any_other_and_made_once() {
    let check = |tool: &str, arguments: &str, expected: &str| {
        let goal = Goal {
            call: Some(Call {
                tool: tool.into(),
                arguments_json: arguments.into(),
            }),
            ..Goal::default()
        };
        let found = shown(&direct(&goal, &catalog()));
        assert!(found.starts_with(expected), "{found}");
    };
    check("monitor.disk", "", "monitor.disk {}");
    check("monitor.disk", "{}", "monitor.disk {}");
    check("monitor.disk", "[]", "no: the arguments are no JSON object");
    check(
        "fs.write",
        r#"{"path": "/a", "content": 5}"#,
        "no: fs.write: content: must be a string, not a number",
    );
    check(
        "fs.format",
        "{}",
        "no: this appliance has no tool fs.format yet; the nearest are fs.write",
    );
    let made = Goal {
        call: Some(Call::default()),
        ..after("monitor.disk", json!({}))
    };
    assert_eq!(direct(&made, &catalog()).next, done());
}
