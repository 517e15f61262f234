//! Texts of others on their way to a client, and behind it to a model: control characters are
//! shown as escapes, and nothing is longer than it may be. Pure.

use aiosctl::output::escape;
use serde_json::{Map, Value};

/// The longest text block of an answer, in bytes.
pub const TEXT_MAX: usize = 64 * 1024;

/// The largest structured content of an answer, as JSON in bytes.
pub const STRUCTURED_MAX: usize = 512 * 1024;

/// The largest arguments of a call, as JSON in bytes. The node takes requests of up to 1 MiB.
pub const ARGUMENTS_MAX: usize = 1_000_000;

/// At most so many bytes of the text, whole characters; says how much is missing.
pub fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let missing = text.len() - text.floor_char_boundary(max);
        text.truncate(text.floor_char_boundary(max));
        text += &format!("… ({missing} bytes more)");
    }
    text
}

/// The value with each text and each key escaped; lines and tabs stay.
pub fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(escape::text(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(clean).collect()),
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| (escape::line(&key), clean(value));
            Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>())
        }
        plain => plain,
    }
}

/// How long the value is as JSON, in bytes.
pub fn length(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        let check = |text: &str, max, expected: &str| {
            assert_eq!(cut(text.to_owned(), max), expected);
        };
        check("four", 4, "four");
        check("fourth", 4, "four… (2 bytes more)");
        check("aéé", 2, "a… (4 bytes more)");
        check("é", 0, "… (2 bytes more)");
    }

    #[test]
    fn nothing_of_an_answer_drives_a_terminal_or_hides_text() {
        let hostile =
            json!({"a\u{1b}[2J": ["x\u{202e}y\n\tz", {"b": "\u{e0041}"}], "n": 1.5, "t": true});
        let expected = json!({
            "a\\u{1b}[2J": ["x\\u{202e}y\n\tz", {"b": "\\u{e0041}"}], "n": 1.5, "t": true,
        });
        assert_eq!(clean(hostile), expected);
        assert_eq!(length(&json!({"a": 1})), 7);
    }
}
