use super::*;
use crate::registry::parameters;
use aios_brain::Source;
use aios_tool::argument::KEY;
use serde_json::json;

/// A parameter of this kind, with a schema like that of a tool's argument.
fn parameter(name: &str, kind: Kind, required: bool) -> Parameter {
    let mut property = match kind {
        Kind::Port => json!({"type": "integer", "minimum": 1, "maximum": 65535}),
        Kind::Pid | Kind::Count | Kind::Bytes | Kind::Seconds => json!({"type": "integer"}),
        Kind::Choice => json!({"type": "string", "enum": ["cpu", "memory"]}),
        Kind::List => json!({"type": "array", "items": {"type": "string", KEY: "text"}}),
        Kind::Flag => json!({"type": "boolean"}),
        _ => json!({"type": "string"}),
    };
    property[KEY] = json!(kind);
    let required: &[&str] = if required { &[name] } else { &[] };
    let schema = json!({"properties": {name: property}, "required": required});
    parameters::of_schema(&schema).remove(0)
}

fn said(name: &str, text: &str, confidence: f32) -> Argument {
    Argument {
        name: name.into(),
        text: text.into(),
        source: Source::Goal,
        bytes: 0..0,
        is_exact: false,
        confidence,
    }
}

fn services() -> Vec<String> {
    ["memory", "tools", "network"].map(str::to_owned).to_vec()
}

#[test]
fn what_was_said_becomes_a_value_of_the_type_asked_for() {
    let check = |name: &str, kind: Kind, text: &str, expected: Option<Value>| {
        let parameters = [parameter(name, kind, true)];
        let bound = bind("x", &parameters, &[said(name, text, 0.9)], &services());
        assert_eq!(
            bound.ok().map(|b| b[name].clone()),
            expected,
            "{name} {text:?}"
        );
    };
    // The name says nothing: what the argument stands for does.
    for name in ["path", "file", "x"] {
        check(
            name,
            Kind::Path,
            "/srv/hello.txt.",
            Some(json!("/srv/hello.txt")),
        );
        check(name, Kind::Path, "hello.txt", None);
        check(name, Kind::Content, "\"hello.\"", Some(json!("hello.")));
        check(name, Kind::Host, "example.org?", Some(json!("example.org")));
        check(name, Kind::Host, "?", None);
        check(name, Kind::Port, "port 9090", Some(json!(9090)));
        check(name, Kind::Port, "70000", None);
        check(name, Kind::Port, "ssh", Some(json!(22)));
        check(name, Kind::Count, "twenty", Some(json!(20)));
        check(name, Kind::Pid, "pid 42", Some(json!(42)));
        check(name, Kind::Pid, "nginx", None);
        check(name, Kind::Bytes, "2 MB", Some(json!(2 << 20)));
        check(name, Kind::Seconds, "2 minutes", Some(json!(120)));
        check(name, Kind::Choice, "RAM", Some(json!("memory")));
        check(name, Kind::Choice, "beauty", None);
        check(name, Kind::List, "a, b", Some(json!(["a", "b"])));
        check(
            name,
            Kind::Service,
            "the memory service",
            Some(json!("memory")),
        );
        check(name, Kind::Service, "postgres", None);
        check(name, Kind::Count, "-20", Some(json!(-20)));
        check(name, Kind::Flag, "recursively", Some(json!(true)));
        check(name, Kind::Flag, "not below it", Some(json!(false)));
        check(
            name,
            Kind::Flag,
            "leave the files below it",
            Some(json!(false)),
        );
        check(name, Kind::Flag, "/srv", None);
        check(
            name,
            Kind::Package,
            "the Nginx package",
            Some(json!("nginx")),
        );
        check(name, Kind::Account, "Jana", Some(json!("jana")));
        check(name, Kind::Host, "host db1", Some(json!("db1")));
        check(name, Kind::Signal, "hangup", Some(json!("HUP")));
        check(
            name,
            Kind::Moment,
            "the last two hours",
            Some(json!("2 hours")),
        );
        check(name, Kind::Moment, "the past hour", Some(json!("1 hour")));
        check(name, Kind::Moment, "yesterday", Some(json!("yesterday")));
        check(name, Kind::Signal, "SIGUSR1", Some(json!("USR1")));
        check(name, Kind::Target, "/srv/a/", Some(json!("/srv/a")));
        check(name, Kind::Target, "b", Some(json!("b")));
        check(
            name,
            Kind::Agent,
            "the storage agent",
            Some(json!("storage")),
        );
    }
}

#[test]
fn a_mention_is_bound_as_it_was_written() {
    let parameters = [parameter("path", Kind::Path, true)];
    for (is_exact, expected) in [(true, "/srv/draft!"), (false, "/srv/draft")] {
        let said = Argument {
            is_exact,
            ..said("path", "/srv/draft!", 0.9)
        };
        let bound = bind("x", &parameters, &[said], &[]).unwrap();
        assert_eq!(bound["path"], expected);
    }
}

#[test]
fn a_missing_or_wrong_argument_is_named_with_an_example() {
    let write = [
        parameter("path", Kind::Path, true),
        parameter("content", Kind::Content, true),
    ];
    let fails = |arguments: &[Argument]| {
        let bound = bind("fs.write", &write, arguments, &services());
        bound.unwrap_err().to_string()
    };
    assert_eq!(
        fails(&[said("path", "/srv/a", 0.9)]),
        "fs.write needs content, which the goal does not say; for example: \"hello\""
    );
    assert_eq!(
        fails(&[said("path", "notes", 0.9)]),
        "fs.write: \"notes\" cannot be path, which is an absolute path; \
         for example: /srv/notes.txt"
    );
    let restart = [parameter("service", Kind::Service, true)];
    let bound = bind(
        "service.restart",
        &restart,
        &[said("service", "memry", 0.9)],
        &services(),
    );
    assert_eq!(
        bound.unwrap_err().to_string(),
        "there is no service \"memry\" here; the nearest are memory, network, tools"
    );
}

#[test]
fn an_optional_argument_is_dropped_only_when_it_is_noise() {
    let logs = [parameter("lines", Kind::Count, false)];
    let bound = |confidence| {
        bind(
            "service.logs",
            &logs,
            &[said("lines", "last", confidence)],
            &[],
        )
    };
    assert_eq!(bound(0.3), Ok(Map::new()));
    assert!(bound(0.9).is_err());
}

#[test]
fn an_argument_that_the_act_does_not_have_goes_nowhere() {
    let bound = bind(
        "fs.list",
        &[parameter("path", Kind::Path, true)],
        &[said("path", "/srv", 0.9), said("content", "x", 0.9)],
        &[],
    );
    assert_eq!(Value::Object(bound.unwrap()), json!({"path": "/srv"}));
}
