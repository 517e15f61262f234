use super::*;

#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    read: impl Fn(&str) -> Option<T>,
    cases: &[(&str, Option<T>)],
) {
    for (text, expected) in cases {
        assert_eq!(read(text), *expected, "{text:?}");
    }
}

#[test]
fn numbers_in_digits_and_words() {
    check(
        number,
        &[
            ("20", Some(20)),
            (" 1,000 ", Some(1000)),
            ("12,345,678", Some(12_345_678)),
            ("1,00", None),
            ("5k", Some(5000)),
            ("#3", Some(3)),
            ("ten", Some(10)),
            ("Twenty-five", Some(25)),
            ("a hundred", Some(100)),
            ("two hundred and fifty", Some(250)),
            ("two thousand and one", Some(2001)),
            ("a dozen", Some(12)),
            ("a couple of", Some(2)),
            ("three hundred thousand", Some(300_000)),
            ("", None),
            ("-", None),
            ("and", None),
            ("-5", None),
            ("1.5", None),
            ("twenty bananas", None),
            ("99999999999999999999999", None),
            ("18446744073709551615k", None),
        ],
    );
}

#[test]
fn ports_by_number_or_name() {
    check(
        port,
        &[
            ("8080", Some(8080)),
            ("port 22", Some(22)),
            (":443", Some(443)),
            ("9090?", Some(9090)),
            ("'5432'", Some(5432)),
            ("80/tcp", Some(80)),
            ("SSH", Some(22)),
            ("https", Some(443)),
            ("eighty", Some(80)),
            ("0", None),
            ("65536", None),
            ("the web one", None),
            ("", None),
        ],
    );
}

#[test]
fn durations() {
    let seconds = |n| Some(Duration::from_secs(n));
    check(
        duration,
        &[
            ("10 minutes", seconds(600)),
            ("2h", seconds(7200)),
            ("ten seconds", seconds(10)),
            ("half an hour", seconds(1800)),
            ("a day", seconds(86_400)),
            ("last week", seconds(604_800)),
            ("90s.", seconds(90)),
            ("hour", seconds(3600)),
            ("99999999999999999999 days", None),
            ("18446744073709551615 days", None),
            ("soon", None),
            ("", None),
        ],
    );
}

#[test]
fn sizes() {
    check(
        size,
        &[
            ("500MB", Some(500 << 20)),
            ("2 GB", Some(2 << 30)),
            ("10k", Some(10 << 10)),
            ("1.5 GiB", Some(3 << 29)),
            ("one gigabyte", Some(1 << 30)),
            ("4096", Some(4096)),
            ("big", None),
            ("1.2.3 MB", None),
            ("", None),
        ],
    );
}

#[test]
fn choices_by_synonym() {
    let sort = |text: &str| choice(text, &["cpu", "memory", "pid", "name"]);
    for (text, expected) in [
        ("mem", Some("memory")),
        ("RAM", Some("memory")),
        ("memory usage", Some("memory")),
        ("resident memory", Some("memory")),
        ("cpu time", Some("cpu")),
        ("command", Some("name")),
        ("colour", None),
        ("", None),
    ] {
        assert_eq!(sort(text).as_deref(), expected, "{text}");
    }
    let level = |text: &str| choice(text, &["error", "warning", "info"]);
    for (text, expected) in [
        ("errors", Some("error")),
        ("Warnings,", Some("warning")),
        ("warn", Some("warning")),
        ("failures", Some("error")),
        ("memory", None),
    ] {
        assert_eq!(level(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn paths_without_what_surrounds_them() {
    let cases = [
        ("/srv/www,", Some("/srv/www")),
        ("/srv/www.", Some("/srv/www")),
        ("/srv/www/", Some("/srv/www")),
        ("\"/srv/My Files\"", Some("/srv/My Files")),
        ("'/a b/c'", Some("/a b/c")),
        ("/", Some("/")),
        ("///", Some("/")),
        ("/srv/.hidden", Some("/srv/.hidden")),
        ("/srv/..", Some("/srv/..")),
        ("/srv/hello.txt?", Some("/srv/hello.txt")),
        ("srv/www", None),
        ("~/x", None),
        ("", None),
        ("/a\0b", None),
    ];
    for (text, expected) in cases {
        assert_eq!(path(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn text_loses_one_pair_of_quotes_and_nothing_else() {
    for (text, expected) in [
        ("\"hello\"", "hello"),
        ("hello!", "hello!"),
        ("\"a\" and \"b\"", "\"a\" and \"b\""),
        ("print(\"hi\")", "print(\"hi\")"),
        ("“welcome”", "welcome"),
        ("\"", "\""),
    ] {
        assert_eq!(text_value(text), expected);
    }
}

#[test]
fn modes_are_octal() {
    check(
        mode,
        &[
            ("755", Some(0o755)),
            ("0644", Some(0o644)),
            ("0o600.", Some(0o600)),
            ("888", None),
            ("7", None),
            ("99999", None),
            ("u+x", None),
        ],
    );
}
