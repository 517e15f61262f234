use super::*;
use crate::registry::parameters;
use aios_goals::Task;
use aios_tool::argument::KEY;
use serde_json::json;

fn parameters() -> Vec<Parameter> {
    let path = || json!({"type": "string", KEY: "path", "x-aios-access": "change"});
    let schema = json!({
        "required": ["path", "service"],
        "properties": {
            "path": path(),
            "source": path(),
            "destination": path(),
            "service": {"type": "string", KEY: "service"},
            "lines": {"type": ["integer", "null"], KEY: "count"},
            "pattern": {"type": "string"},
        },
    });
    parameters::of_schema(&schema)
}

/// The arguments `name=words` of the goal, as they are meant; those that nobody said are left out.
fn meant(goal: &Goal, said: &[(&str, &str)]) -> Vec<String> {
    meant_by(goal, &[Family::Make], said)
}

/// The same, for an act of these families.
fn meant_by(goal: &Goal, families: &[Family], said: &[(&str, &str)]) -> Vec<String> {
    let argument = |(name, words): &(&str, &str)| {
        let start = goal.text.find(words).expect("it is said");
        let bytes = start..start + words.len();
        let reading = aios_reader::read(&goal.text);
        let mention = reading.mentions.iter().find(|one| one.span == bytes);
        Argument {
            name: (*name).into(),
            text: mention.map_or_else(|| (*words).to_owned(), |mention| mention.value.clone()),
            source: Source::Goal,
            bytes,
            is_exact: false,
            confidence: 0.9,
        }
    };
    let said = said.iter().map(argument).collect();
    let all = cohere(goal, families, &parameters(), said);
    all.iter()
        .map(|one| format!("{}={}", one.name, one.text))
        .collect()
}

fn check(text: &str, said: &[(&str, &str)], expected: &[&str]) {
    let goal = Goal {
        text: text.into(),
        ..Goal::default()
    };
    assert_eq!(meant(&goal, said), expected, "{text}");
}

#[test]
fn a_name_and_its_folder_are_one_path() {
    check(
        "read notes.txt in /srv/a",
        &[("path", "notes.txt")],
        &["path=/srv/a/notes.txt"],
    );
    check(
        "read notes.txt in the folder /srv/a/",
        &[("path", "/srv/a/")],
        &["path=/srv/a/notes.txt"],
    );
    check(
        "read notes.txt in /srv/a",
        &[("path", "notes.txt in /srv/a")],
        &["path=/srv/a/notes.txt"],
    );
    check(
        "in /srv/a make a folder called photos",
        &[("path", "photos")],
        &["path=/srv/a/photos"],
    );
    check(
        "copy \"a.txt\" from /srv/a to /srv/b",
        &[("source", "\"a.txt\""), ("destination", "/srv/b")],
        &["source=/srv/a/a.txt", "destination=/srv/b"],
    );
    check(
        "rename /srv/a/old.txt to new.txt",
        &[("source", "/srv/a/old.txt"), ("destination", "new.txt")],
        &["source=/srv/a/old.txt", "destination=/srv/a/new.txt"],
    );
    check(
        "make me a folder. It should be called photos and it should be inside /srv/a",
        &[("path", "photos")],
        &["path=/srv/a/photos"],
    );
    // No name of a file, no order that says where, no folder that holds it.
    check(
        "move /srv/a/report.txt to the trash",
        &[
            ("source", "/srv/a/report.txt"),
            ("destination", "the trash"),
        ],
        &["source=/srv/a/report.txt", "destination=the trash"],
    );
    check(
        "delete report.txt, there is a copy in /srv/backup",
        &[("path", "report.txt")],
        &["path=report.txt"],
    );
    check(
        "delete old.txt and /srv/b",
        &[("path", "old.txt and /srv/b")],
        &["path=old.txt and /srv/b"],
    );
    // A pattern is no file's name; nothing says which folder.
    check(
        "find all.log in /srv/a",
        &[("pattern", "all.log"), ("path", "/srv/a")],
        &["pattern=all.log", "path=/srv/a"],
    );
    check(
        "read notes.txt",
        &[("path", "notes.txt")],
        &["path=notes.txt"],
    );
    check(
        "put notes.txt beside /srv/a",
        &[("path", "/srv/a")],
        &["path=/srv/a"],
    );
}

#[test]
fn lines_are_counted_from_the_end_where_the_words_say_so() {
    let lines = |text: &str, said: &[(&str, &str)], expected: Option<&str>| {
        let mut all = vec![("path", "/srv/a")];
        all.extend(said);
        let wanted = expected.map(|lines| format!("lines={lines}"));
        let mut both = vec!["path=/srv/a"];
        both.extend(wanted.as_deref());
        check(text, &all, &both);
    };
    let two: &[(&str, &str)] = &[("lines", "two")];
    lines("the last two lines of /srv/a", two, Some("-2"));
    lines("the first two lines of /srv/a", two, Some("two"));
    lines("two lines from the end of /srv/a", two, Some("-2"));
    lines("at last, two lines of /srv/a", two, Some("two"));
    lines("the last line of /srv/a", &[], Some("-1"));
    lines("only the very first line of /srv/a", &[], Some("1"));
    lines("the last few lines of /srv/a", &[], Some("-10"));
    lines("every line of /srv/a", &[], None);
    lines("show '/srv/last line.txt' and /srv/a", &[], None);
}

#[test]
fn a_pronoun_is_what_was_done_before() {
    let goal = |text: &str, act: &str, arguments: Value| Goal {
        text: text.into(),
        tasks: vec![Task {
            act: act.into(),
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            ..Task::default()
        }],
        ..Goal::default()
    };
    let made = goal(
        "make /srv/a and list it",
        "fs.mkdir",
        json!({"path": "/srv/a"}),
    );
    assert_eq!(meant(&made, &[]), ["path=/srv/a"]);
    let moved = goal(
        "move /srv/a to /srv/b and list it",
        "fs.move",
        json!({"source": "/srv/a", "destination": "/srv/b"}),
    );
    assert_eq!(meant(&moved, &[]), ["path=/srv/b"]);
    let service = goal(
        "stop memory, then start it",
        "service.stop",
        json!({"service": "memory"}),
    );
    assert_eq!(meant(&service, &[]), ["service=memory"]);
    // What would be lost is not guessed among two.
    let copied = goal(
        "copy /srv/a to /srv/b and delete it",
        "fs.copy",
        json!({"source": "/srv/a", "destination": "/srv/b"}),
    );
    assert!(meant_by(&copied, &[Family::Delete], &[]).is_empty());
    // Nothing points back.
    let apart = goal(
        "make /srv/a, list /srv",
        "fs.mkdir",
        json!({"path": "/srv/a"}),
    );
    assert!(meant(&apart, &[]).is_empty());
}

#[test]
fn a_second_act_has_what_its_own_clause_names() {
    let goal = Goal {
        text: "delete /srv/a and /srv/b; then make the folder /srv/c".into(),
        tasks: vec![Task {
            act: "fs.delete".into(),
            arguments: json!({"path": "/srv/a"})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            ..Task::default()
        }],
        ..Goal::default()
    };
    assert_eq!(meant(&goal, &[("path", "/srv/a")]), ["path=/srv/c"]);
    // What no earlier act had, stays as it was said.
    assert_eq!(meant(&goal, &[("path", "/srv/b")]), ["path=/srv/b"]);
    let archived = Goal {
        text: "archive /srv/data/a to /srv/x.tgz, then delete it to free space in /srv/data".into(),
        tasks: vec![Task {
            act: "fs.archive".into(),
            arguments: json!({"source": "/srv/data/a", "destination": "/srv/x.tgz"})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            ..Task::default()
        }],
        ..Goal::default()
    };
    assert_eq!(
        meant_by(&archived, &[Family::Delete], &[("path", "/srv/data/a")]),
        ["path=/srv/data/a"]
    );
}
