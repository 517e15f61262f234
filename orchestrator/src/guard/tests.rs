use super::*;
use crate::registry::Tool;
use aios_goals::{Execution, Level, Task, TaskState};
use serde_json::{Map, Value, json};

fn catalog() -> Catalog {
    let tool = |name: &str, verbs: &[&str], properties: &[(&str, &str, &str)]| {
        let property = |(name, kind, access): &(&str, &str, &str)| {
            let property = json!({"type": "string", "x-aios-kind": kind, "x-aios-access": access});
            ((*name).to_owned(), property)
        };
        let required: Vec<&str> = properties.iter().map(|(name, ..)| *name).collect();
        let schema = json!({"type": "object", "required": required, "x-aios-verbs": verbs,
            "properties": properties.iter().map(property).collect::<Map<_, _>>()});
        Tool::new(name, schema, !verbs.is_empty())
    };
    let path = ("path", "path", "change");
    Catalog::new(
        [
            tool("fs.delete", &["delete"], &[path]),
            tool(
                "fs.write",
                &["write", "append", "make"],
                &[path, ("content", "content", "")],
            ),
            tool(
                "fs.copy",
                &["copy"],
                &[
                    ("source", "path", "read"),
                    ("destination", "path", "change"),
                ],
            ),
            tool("fs.stat", &[], &[("path", "path", "read")]),
            tool("fs.read", &[], &[("path", "path", "read")]),
            tool(
                "service.stop",
                &["stop"],
                &[("service", "service", "change")],
            ),
            tool(
                "service.disable",
                &["disable", "forbid"],
                &[("service", "service", "change")],
            ),
            tool("service.status", &[], &[("service", "service", "read")]),
        ],
        &[],
    )
}

fn act(name: &str, arguments: Value) -> Next {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    Next::Act(catalog().act(name, arguments).unwrap())
}

fn done() -> Next {
    Next::Done {
        note: String::new(),
    }
}

/// A goal of these words for which these calls were made.
fn goal(text: &str, calls: &[(&str, Value)]) -> Goal {
    let task = |(index, (tool, arguments)): (usize, &(&str, Value))| Task {
        index,
        act: (*tool).into(),
        arguments: arguments.as_object().cloned().unwrap(),
        state: TaskState::Succeeded,
        summary: format!("{tool} was made"),
        executions: vec![Execution {
            id: format!("e{index}"),
            tool: (*tool).into(),
            arguments: arguments.as_object().cloned().unwrap(),
            reversible: true,
            ..Execution::default()
        }],
        ..Task::default()
    };
    Goal {
        text: text.into(),
        tasks: calls.iter().enumerate().map(task).collect(),
        ..Goal::default()
    }
}

fn plan(next: Next, confidence: f64, reason: &str) -> Plan {
    Plan {
        next,
        level: Some(Level::Operational),
        confidence,
        alternatives: Vec::new(),
        reason: reason.to_owned(),
        cost: std::time::Duration::ZERO,
    }
}

fn cleared(goal: &Goal, next: Next) -> String {
    cleared_by(goal, next, 0.9)
}

/// What becomes of a plan whose maker is so sure of it.
fn cleared_by(goal: &Goal, next: Next, confidence: f64) -> String {
    let services = ["memory", "network", "agent-storage"].map(str::to_owned);
    let plan = plan(next, confidence, "for a test");
    let seen = Seen {
        goal,
        catalog: &catalog(),
        services: &services,
    };
    match &clear(seen, plan).plan().next {
        Next::Act(act) => format!("{} {}", act.name(), Value::from(act.arguments().clone())),
        Next::Done { note } => format!("done {note}"),
        Next::Refuse(reason) => format!("no: {reason}"),
    }
}

#[test]
fn only_an_order_leads_to_a_change_and_a_question_to_a_look() {
    let delete = || act("fs.delete", json!({"path": "/srv/a"}));
    let check = |text: &str, next: Next, expected: &str| {
        let found = cleared(&goal(text, &[]), next);
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    let stat = r#"fs.stat {"path":"/srv/a"}"#;
    check("delete /srv/a", delete(), r#"fs.delete {"path":"/srv/a"}"#);
    check("could you delete /srv/a?", delete(), "fs.delete");
    check("is it safe to delete /srv/a?", delete(), stat);
    check("what would happen if I delete /srv/a", delete(), stat);
    check("did you delete /srv/a?", delete(), stat);
    check(
        "do not delete /srv/a",
        delete(),
        "done nothing was done, as you said",
    );
    check(
        "I deleted /srv/a yesterday",
        delete(),
        "no: nothing was done: this tells me something",
    );
    check(
        "hmm, /srv/a, delete maybe?",
        delete(),
        "no: nothing was done: I cannot tell",
    );
    check(
        "show /srv/a",
        act("fs.read", json!({"path": "/srv/a"})),
        "fs.read",
    );
    check(
        "should I stop the memory service?",
        act("service.stop", json!({"service": "memory"})),
        r#"service.status {"service":"memory"}"#,
    );
    check(
        "have you ever stopped anything?",
        act("service.stop", json!({"service": "memory"})),
        "no: nothing was done: you asked",
    );
}

#[test]
fn what_is_excluded_taken_back_or_only_asked_about_is_not_changed() {
    let delete = |path: &str| act("fs.delete", json!({ "path": path }));
    let check = |text: &str, next: Next, expected: &str| {
        let found = cleared(&goal(text, &[]), next);
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    check(
        "delete /srv/a but not /srv/b",
        delete("/srv/a"),
        "fs.delete",
    );
    check(
        "delete /srv/a but not /srv/b",
        delete("/srv/b"),
        r#"fs.delete {"path":"/srv/a"}"#,
    );
    check(
        "delete /srv/a and /srv/c but not /srv/b",
        delete("/srv/b"),
        "no: nothing was done: fs.delete was not done: you said",
    );
    check(
        "delete everything in /srv but keep /srv/b",
        delete("/srv"),
        "no: nothing was done: fs.delete was not done: you said",
    );
    check(
        "delete /srv/a. Is it safe to delete /srv/b?",
        delete("/srv/b"),
        r#"fs.delete {"path":"/srv/a"}"#,
    );
    check(
        "delete /srv/a and /srv/c. Is it safe to delete /srv/b?",
        delete("/srv/b"),
        "no: nothing was done: fs.delete was not done: \"Is it safe",
    );
    check(
        "is /srv/a there? then delete it",
        delete("/srv/a"),
        "fs.delete",
    );
    let copy = |to: &str| act("fs.copy", json!({"source": "/srv/k", "destination": to}));
    check(
        "copy /srv/k to /srv/l, no wait, to /srv/m",
        copy("/srv/l"),
        "no: nothing was done: fs.copy was not done: you took it back",
    );
    check(
        "copy /srv/k to /srv/l, no wait, to /srv/m",
        copy("/srv/m"),
        "fs.copy",
    );
    check(
        "copy /srv/k to /srv/l (scratch that: to /srv/m)",
        copy("/srv/l"),
        "no: nothing was done: fs.copy was not done: you took it back",
    );
    check(
        "copy /srv/k to /srv/m and leave /srv/k as it is",
        copy("/srv/m"),
        "fs.copy",
    );
}

#[test]
fn done_means_all_of_it() {
    let delete = |path: &str| ("fs.delete", json!({ "path": path }));
    let check = |text: &str, calls: &[(&str, Value)], expected: &str| {
        let found = cleared(&goal(text, calls), done());
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    check("delete /srv/a", &[delete("/srv/a")], "done ");
    check(
        "delete /srv/a and /srv/b",
        &[delete("/srv/a")],
        r#"fs.delete {"path":"/srv/b"}"#,
    );
    check(
        "delete /srv/a and /srv/b",
        &[delete("/srv/a"), delete("/srv/b")],
        "done ",
    );
    check(
        "delete /srv/a but leave /srv/b alone",
        &[delete("/srv/a")],
        "done ",
    );
    check(
        "delete /srv/a and copy /srv/b to /srv/c",
        &[delete("/srv/a")],
        "no: not all of it was done. not done: /srv/b, /srv/c",
    );
    check(
        "delete /srv/a, then show it",
        &[delete("/srv/a")],
        "no: not all of it was done. not done: \"show it\"",
    );
    check(
        "delete /srv/a and restart the network service",
        &[delete("/srv/a")],
        "no: not all of it was done. not done: \"restart the network service\", the service network",
    );
    let write = ("fs.write", json!({"path": "/srv/a", "content": "x"}));
    check(
        "write \"x\" to /srv/a",
        std::slice::from_ref(&write),
        "done ",
    );
    check(
        "write \"x\" to /srv/a and delete /srv/b",
        &[write],
        "no: not all of it was done. not done: /srv/b",
    );
    check(
        "is it safe to delete /srv/a?",
        &[("fs.stat", json!({"path": "/srv/a"}))],
        "done nothing was done: you asked",
    );
}

#[test]
fn a_plan_that_does_not_know_how_to_go_on_ends_well_only_when_nothing_is_left() {
    let delete = ("fs.delete", json!({"path": "/srv/a"}));
    let check = |text: &str, expected: &str| {
        let goal = goal(text, std::slice::from_ref(&delete));
        let found = cleared(&goal, Next::Refuse("I am not sure".into()));
        assert_eq!(found, expected, "{text}");
    };
    check("delete /srv/a; leave /srv/b alone", "done ");
    check("delete /srv/a and then fix the roof", "no: I am not sure");
    check("delete /srv/a and show me /srv/b", "no: I am not sure");
}

#[test]
fn an_act_that_is_ordered_in_a_row_is_done_for_each() {
    let check = |text: &str, calls: &[(&str, Value)], expected: &str| {
        let found = cleared(&goal(text, calls), Next::Refuse("I am not sure".into()));
        assert_eq!(found, expected, "{text}");
    };
    let wrote = |path: &str, content: &str| ("fs.write", json!({"path": path, "content": content}));
    let text = "write \"12\" to /srv/a and \"13\" to /srv/b";
    check(
        text,
        &[wrote("/srv/a", "12")],
        r#"fs.write {"content":"13","path":"/srv/b"}"#,
    );
    check(
        text,
        &[wrote("/srv/a", "12"), wrote("/srv/b", "13")],
        "done ",
    );
    let copied = |source: &str, destination: &str| {
        (
            "fs.copy",
            json!({"source": source, "destination": destination}),
        )
    };
    check(
        "copy /srv/a to /srv/b and /srv/c to /srv/d",
        &[copied("/srv/a", "/srv/b")],
        r#"fs.copy {"destination":"/srv/d","source":"/srv/c"}"#,
    );
    // One mention is too few, and another clause is another act.
    let few = "copy /srv/a to /srv/b and /srv/c too";
    check(few, &[copied("/srv/a", "/srv/b")], "no: I am not sure");
    for other in [
        "copy /srv/a to /srv/b. Move /srv/c to /srv/d",
        "copy /srv/a to /srv/b because /srv/c is newer than /srv/d",
        "copy /srv/a to /srv/b and into /srv/c the file /srv/d",
        "copy /srv/a to /srv/b and redirect /srv/c to /srv/d",
    ] {
        check(other, &[copied("/srv/a", "/srv/b")], "no: I am not sure");
    }
    let why = "write \"12\" to /srv/a as \"11\" in /srv/c is out of date";
    check(why, &[wrote("/srv/a", "12")], "no: I am not sure");
}

#[test]
fn a_goal_that_only_forbids_ends_with_nothing_done_whatever_was_planned() {
    let stat = || act("fs.stat", json!({"path": "/srv/a"}));
    for text in ["do not delete /srv/a", "never restart the memory service!"] {
        let delete = act("fs.delete", json!({"path": "/srv/a"}));
        for next in [stat(), done(), Next::Refuse("not known".into()), delete] {
            let found = cleared_by(&goal(text, &[]), next, 1.0);
            assert_eq!(found, format!("done {FORBIDDEN}"), "{text}");
        }
    }
    let asks = "don't delete anything: I only want to know how big /srv/a is";
    assert!(cleared(&goal(asks, &[]), stat()).starts_with("fs.stat"));
}

#[test]
fn what_the_reader_does_not_know_needs_a_second_witness_who_is_sure() {
    let delete = || act("fs.delete", json!({"path": "/srv/a"}));
    let check = |text: &str, confidence: f64, expected: &str| {
        let found = cleared_by(&goal(text, &[]), delete(), confidence);
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    check("defenestrate /srv/a", 0.97, "fs.delete");
    check("defenestrate /srv/a", 0.85, "no: nothing was done");
    check("the folder /srv/a, out of my sight", 0.97, "fs.delete");
    // What asks, forbids or doubts, the witness cannot change.
    check("is it safe to delete /srv/a?", 0.99, "fs.stat");
    check(
        "should I defenestrate /srv/a?",
        0.99,
        "no: nothing was done",
    );
    check("don't defenestrate /srv/a", 0.99, "done ");
    check("defenestrate /srv/a? no", 0.99, "no: nothing was done");
    check("I wonder why /srv/a is full", 0.99, "no: nothing was done");
}

#[test]
fn an_order_may_be_said_as_a_ban_where_the_act_is_one() {
    let disable = || act("service.disable", json!({"service": "network"}));
    let check = |text: &str, confidence: f64, expected: &str| {
        let found = cleared_by(&goal(text, &[]), disable(), confidence);
        assert!(found.starts_with(expected), "{text}: {found}");
    };
    check("don't let network start at boot", 0.97, "service.disable");
    check("don't let network start at boot", 0.85, "done ");
    for text in [
        "do not disable network",
        "do not turn off network at boot",
        "don't deactivate network at boot",
        "don't start network now, I'm busy",
        "don't let anybody disable network",
        "don't let it stop network",
    ] {
        check(text, 0.99, "done ");
    }
    check("don't", 0.99, "no: nothing was done");
}

#[test]
fn a_call_that_the_operator_named_is_an_order() {
    let goal = Goal {
        call: Some(Default::default()),
        ..goal("fs.delete {\"path\":\"/srv/a\"}", &[])
    };
    assert_eq!(
        cleared(&goal, act("fs.delete", json!({"path": "/srv/a"}))),
        r#"fs.delete {"path":"/srv/a"}"#
    );
    assert_eq!(cleared(&goal, done()), "done ");
}

#[test]
fn the_guard_says_that_it_changed_a_plan() {
    let goal = goal("do not delete /srv/a", &[]);
    let plan = Plan {
        level: Some(Level::Reactive),
        ..plan(act("fs.delete", json!({"path": "/srv/a"})), 1.0, "known")
    };
    let seen = Seen {
        goal: &goal,
        catalog: &catalog(),
        services: &[],
    };
    let cleared = clear(seen, plan);
    assert_eq!(cleared.plan().reason, "known; changed by the guard");
    assert_eq!(cleared.plan().level, Some(Level::Reactive));
}
