use super::*;
use aios_brain::Source;
use serde_json::json;

fn parameter(name: &str, kind: Kind, required: bool) -> Parameter {
    Parameter {
        name: name.into(),
        kind,
        required,
        description: String::new(),
    }
}

fn said(name: &str, text: &str, confidence: f32) -> Argument {
    Argument {
        name: name.into(),
        text: text.into(),
        source: Source::Goal,
        confidence,
    }
}

fn services() -> Vec<String> {
    ["memory", "tools", "network"].map(str::to_owned).to_vec()
}

const ANY_INTEGER: Kind = Kind::Integer {
    least: None,
    most: None,
};

#[test]
fn what_was_said_becomes_a_value_of_the_type_asked_for() {
    let sort = Kind::Choice(vec!["cpu".into(), "memory".into()]);
    let port = Kind::Integer {
        least: Some(1),
        most: Some(65535),
    };
    let list = Kind::List(Box::new(Kind::Text));
    let check = |name: &str, kind: &Kind, text: &str, expected: Option<Value>| {
        let parameters = [parameter(name, kind.clone(), true)];
        let bound = bind("x", &parameters, &[said(name, text, 0.9)], &services());
        assert_eq!(
            bound.ok().map(|b| b[name].clone()),
            expected,
            "{name} {text:?}"
        );
    };
    check(
        "path",
        &Kind::Path,
        "/srv/hello.txt.",
        Some(json!("/srv/hello.txt")),
    );
    check("path", &Kind::Path, "hello.txt", None);
    check("content", &Kind::Text, "\"hello.\"", Some(json!("hello.")));
    check(
        "host",
        &Kind::Text,
        "example.org?",
        Some(json!("example.org")),
    );
    check("host", &Kind::Text, "?", None);
    check("port", &port, "port 9090", Some(json!(9090)));
    check("port", &port, "70000", None);
    check("port", &port, "ssh", Some(json!(22)));
    check("lines", &ANY_INTEGER, "twenty", Some(json!(20)));
    check("pid", &ANY_INTEGER, "pid 42", Some(json!(42)));
    check("pid", &ANY_INTEGER, "nginx", None);
    check("min_size", &ANY_INTEGER, "2 MB", Some(json!(2 << 20)));
    check("sort_by", &sort, "RAM", Some(json!("memory")));
    check("sort_by", &sort, "beauty", None);
    check("names", &list, "a, b", Some(json!(["a", "b"])));
    check(
        "service",
        &Kind::Text,
        "the memory service",
        Some(json!("memory")),
    );
    check("service", &Kind::Text, "postgres", None);
    check("target", &Kind::Text, "/srv/a/", Some(json!("/srv/a")));
    check("target", &Kind::Text, "b", Some(json!("b")));
}

#[test]
fn a_missing_or_wrong_argument_is_named_with_an_example() {
    let write = [
        parameter("path", Kind::Path, true),
        parameter("content", Kind::Text, true),
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
    let restart = [parameter("service", Kind::Text, true)];
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
    let logs = [parameter("lines", ANY_INTEGER, false)];
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
