//! Values as operators read them.

use time::OffsetDateTime;
use time::macros::format_description;

/// Bytes with a decimal unit and two significant figures or more: `512 B`, `2.1 GB`, `41 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match value < 9.95 {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    }
}

/// Text of foreign origin on one line, without control characters.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// So many bytes of JSON the texts of one answer may take: an answer is one message of at most
/// 4 MiB, and its summary and the message around it need room too.
pub const ANSWER_MAX: usize = 1_500_000;

/// How many bytes a character takes in JSON: a control character takes six.
fn json_size_of(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..' ' => 6,
        other => other.len_utf8(),
    }
}

/// How many bytes a text takes in JSON, without its quotes.
pub fn json_size(text: &str) -> usize {
    text.chars().map(json_size_of).sum()
}

/// The beginning of a text, at most so many bytes as JSON has it.
pub fn cut(text: &str, most: usize) -> String {
    text.chars().take_while(fit(most)).collect()
}

/// The end of a text, at most so many bytes as JSON has it.
pub fn cut_front(text: &str, most: usize) -> String {
    let kept: usize = text
        .chars()
        .rev()
        .take_while(fit(most))
        .map(char::len_utf8)
        .sum();
    text[text.len() - kept..].to_owned()
}

/// Says of one character after the other whether it still fits.
fn fit(most: usize) -> impl FnMut(&char) -> bool {
    let mut left = most;
    move |character| {
        let rest = left.checked_sub(json_size_of(*character));
        left = rest.unwrap_or(0);
        rest.is_some()
    }
}

/// Unix milliseconds as `2026-01-31 08:15:00 UTC`.
pub fn time(milliseconds: i64) -> String {
    let shape = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .ok()
        .and_then(|time| time.format(shape).ok())
        .unwrap_or_else(|| format!("{milliseconds} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        let check = |count, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.0 kB");
        check(9_949, "9.9 kB");
        check(9_960, "10 kB");
        check(999_600, "1.0 MB");
        check(2_100_000_000, "2.1 GB");
        check(u64::MAX, "18 EB");
    }

    #[test]
    fn a_text_is_cut_by_its_size_in_json() {
        let check = |text: &str, most, expected: &str, end: &str| {
            assert_eq!(cut(text, most), expected, "{text:?} {most}");
            assert_eq!(cut_front(text, most), end, "{text:?} {most}");
        };
        check("plain", 5, "plain", "plain");
        check("plain", 4, "plai", "lain");
        check("\u{1}\u{1}", 11, "\u{1}", "\u{1}");
        check("\"\\\n", 5, "\"\\", "\\\n");
        check("äöü", 5, "äö", "öü");
        check("aäb", 2, "a", "b");
        for text in ["\0\u{1f}\u{7f} \u{8}\u{c}", "\"\\\n\r\t/", "aä€😀"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(json_size(text), json.len() - 2);
            assert_eq!(cut(text, json.len() - 2), text);
            assert_ne!(cut(text, json.len() - 3), text);
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
    }
}
