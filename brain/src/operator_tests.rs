use std::path::PathBuf;

use super::*;

fn operator() -> Operator {
    Operator::load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("weights")).unwrap()
}

/// An act without arguments, whose entry is `words ok`.
fn done(words: &str) -> Done {
    Done {
        act: words.into(),
        succeeded: true,
        ..Done::default()
    }
}

fn said(encoded: &Encoded, start: usize, end: usize) -> Option<Argument> {
    let slot = "path".to_owned();
    argument(
        encoded,
        &SlotSpan {
            slot,
            token_start: start,
            token_end: end,
            confidence: 0.5,
        },
    )
}

#[test]
fn a_sequence_is_the_goal_and_then_each_entry() {
    let operator = operator();
    let (cls, sep) = (operator.tokenizer.cls, operator.tokenizer.sep);
    let encoded = operator
        .encode("hello", &[done("one"), done("two")])
        .unwrap();
    assert_eq!(encoded.ids.len(), 9);
    assert_eq!(
        [
            encoded.ids[0],
            encoded.ids[2],
            encoded.ids[5],
            encoded.ids[8]
        ],
        [cls, sep, sep, sep]
    );
    let sources: Vec<Option<Source>> = encoded
        .tokens
        .iter()
        .map(|token| token.map(|t| t.source))
        .collect();
    let (goal, first, second) = (
        Some(Source::Goal),
        Some(Source::History(0)),
        Some(Source::History(1)),
    );
    assert_eq!(
        sources,
        [None, goal, None, first, first, None, second, second, None]
    );
}

#[test]
fn a_goal_that_does_not_fit_is_an_error_and_history_gives_way() {
    let operator = operator();
    assert!(matches!(
        operator.encode(&"x ".repeat(255), &[]),
        Err(BrainError::GoalTooLong {
            tokens: 255,
            limit: 254
        })
    ));
    let history = ["old ".repeat(100), "new ".repeat(100), "newest".into()];
    let history = history.map(|words: String| done(words.trim()));
    let encoded = operator.encode(&"x ".repeat(100), &history).unwrap();
    assert!(encoded.ids.len() <= MAX_TOKENS);
    let sources: Vec<Source> = encoded.tokens.iter().flatten().map(|t| t.source).collect();
    assert!(!sources.contains(&Source::History(0)));
    assert!(sources.contains(&Source::History(1)) && sources.contains(&Source::History(2)));
    let full = operator.encode(&"x ".repeat(254), &history).unwrap();
    assert_eq!(full.ids.len(), MAX_TOKENS);
    assert!(
        full.tokens
            .iter()
            .flatten()
            .all(|t| t.source == Source::Goal)
    );
}

#[test]
fn an_argument_is_exactly_what_was_said() {
    let operator = operator();
    let encoded = operator
        .encode("Put it in “/srv/Grüße”, ok", &[done("fs.list")])
        .unwrap();
    let quoted: Vec<usize> = (0..encoded.tokens.len())
        .filter(|i| encoded.tokens[*i].is_some_and(|t| t.source == Source::Goal && t.start >= 10))
        .collect();
    let end = quoted
        .iter()
        .position(|i| encoded.tokens[*i].unwrap().start > 25)
        .unwrap();
    let found = said(&encoded, quoted[0], quoted[end]).unwrap();
    assert_eq!(
        (found.text.as_str(), found.source),
        ("/srv/Grüße", Source::Goal)
    );
}

#[test]
fn spans_over_two_texts_or_outside_are_dropped() {
    let operator = operator();
    let encoded = operator.encode("one", &[done("two")]).unwrap();
    for (start, end) in [(0, 1), (1, 4), (0, 2), (1, 99), (3, 3), (0, 0)] {
        assert_eq!(said(&encoded, start, end), None, "{start}..{end}");
    }
    assert!(said(&encoded, 3, 4).is_some_and(|a| a.source == Source::History(0)));
}

#[test]
fn edges_are_cleaned_and_insides_kept() {
    for (text, expected) in [
        ("\"hello\"", "hello"),
        ("'it", "it"),
        ("hello\",", "hello"),
        ("print(\"hi\")", "print(\"hi\")"),
        ("\"a\" and \"b\"", "\"a\" and \"b\""),
        ("don't panic", "don't panic"),
        (".bashrc", ".bashrc"),
        ("“x”", "x"),
        ("'\"x\"'", "x"),
        (" , ", ""),
        ("\"", ""),
        ("\"\"", ""),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn history_entries_are_short_and_in_the_trained_form() {
    let operator = operator();
    let entry = |goal: &str, act: &str, value: &str, succeeded: bool| {
        let done = Done {
            act: act.into(),
            arguments: [("path".to_owned(), value.to_owned())].into(),
            succeeded,
        };
        operator.encode(goal, &[done]).unwrap().history.remove(0)
    };
    let goal = "make '/srv/My Site' there";
    assert_eq!(
        entry(goal, "fs.mkdir", "/srv/My Site", true),
        "fs.mkdir path1 ok"
    );
    assert_eq!(
        entry(goal, "fs.mkdir", "/srv/b", true),
        "fs.mkdir /srv/b ok"
    );
    assert_eq!(
        entry(goal, "service.list", "/srv/b", false),
        "service.list failed"
    );
    let long = entry(goal, "fs.mkdir", &"é".repeat(5000), true);
    assert!(long.chars().count() < 70);
}

#[test]
fn a_placeholder_is_its_whole_mention() {
    let operator = operator();
    let goal = "restart \"my, own\" memory now";
    let encoded = operator.encode(goal, &[]).unwrap();
    // `restart`, `text`, `1`, `memory`, `now`
    let found = |start, end| said(&encoded, start, end).map(|argument| argument.text);
    assert_eq!(found(2, 4).as_deref(), Some("my, own"));
    assert_eq!(found(2, 3).as_deref(), Some("my, own"));
    assert_eq!(found(2, 5).as_deref(), Some("\"my, own\" memory"));
    assert_eq!(found(4, 5).as_deref(), Some("memory"));
}
