//! Quoted texts: every kind of quotes, quotes within quotes, apostrophes within words, blocks.

use crate::mention::{Mention, MentionKind};

/// Quotes whose two ends look different.
const PAIRS: [(char, char); 6] = [
    ('“', '”'),
    ('„', '“'),
    ('«', '»'),
    ('‹', '›'),
    ('「', '」'),
    ('‘', '’'),
];

/// Quotes whose two ends look the same.
const SAME: [char; 3] = ['"', '\'', '`'];

/// The fence of a block of code.
const FENCE: &str = "```";

/// All quoted texts, in the order of the text.
pub(crate) fn find(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut before = None;
    while let Some(c) = text[at..].chars().next() {
        match quote_at(text, at, c, before) {
            Some((value, end)) => {
                found.push(mention(text, at, value, end));
                before = text[at..end].chars().next_back();
                at = end;
            }
            None => {
                before = Some(c);
                at += c.len_utf8();
            }
        }
    }
    found
}

/// The value's bytes and the end of the quote that opens at `at`, if one does.
fn quote_at(
    text: &str,
    at: usize,
    c: char,
    before: Option<char>,
) -> Option<(std::ops::Range<usize>, usize)> {
    if text[at..].starts_with(FENCE) {
        return fenced(text, at);
    }
    if !may_open(before) {
        return None;
    }
    if matches!(c, '{' | '[') {
        let end = block_end(text, at)?;
        return Some((at..end, end));
    }
    let start = at + c.len_utf8();
    if text[start..]
        .chars()
        .next()
        .is_none_or(|next| next.is_whitespace() && c == '\'')
    {
        return None;
    }
    let end = if SAME.contains(&c) {
        same_end(text, start, c)?
    } else {
        let close = PAIRS.iter().find(|(open, _)| *open == c)?.1;
        pair_end(text, start, c, close)?
    };
    let close = text[end..].chars().next()?;
    Some((start..end, end + close.len_utf8()))
}

fn mention(text: &str, at: usize, value: std::ops::Range<usize>, end: usize) -> Mention {
    let value = text[value].to_owned();
    let path = value.starts_with('/') && !value.starts_with("//") && !value.contains('\n');
    let kind = match path {
        true => MentionKind::Path,
        false => MentionKind::Quoted,
    };
    Mention {
        kind,
        span: at..end,
        value,
    }
}

/// A quote opens at the start, after white space or after a bracket.
fn may_open(before: Option<char>) -> bool {
    before.is_none_or(|c| c.is_whitespace() || "([{=:,;—–-<>/".contains(c))
}

/// A quote closes before the end, white space or punctuation.
fn may_close(after: Option<char>) -> bool {
    after.is_none_or(|c| c.is_whitespace() || ".,;:!?)]}…—–-/<>".contains(c))
}

/// Where quotes of one look end. Inner ones of the same look are passed over in pairs: one that
/// follows white space and precedes a letter opens, one that may close closes.
fn same_end(text: &str, start: usize, quote: char) -> Option<usize> {
    let mut depth = 1;
    let mut before = None;
    let mut last = None;
    for (offset, c) in text[start..].char_indices() {
        let at = start + offset;
        if c == quote {
            let after = text[at + c.len_utf8()..].chars().next();
            let opens = before.is_some_and(char::is_whitespace)
                && after.is_some_and(|next| !next.is_whitespace() && next != quote);
            if opens && !may_close(after) {
                depth += 1;
            } else if may_close(after) {
                depth -= 1;
                last = Some(at);
                if depth == 0 {
                    return last;
                }
            }
        }
        before = Some(c);
    }
    // An inner quote that never closes belongs to the text.
    last
}

fn pair_end(text: &str, start: usize, open: char, close: char) -> Option<usize> {
    let mut depth = 1;
    for (offset, c) in text[start..].char_indices() {
        let at = start + offset;
        if c == open {
            depth += 1;
        } else if c == close {
            let after = text[at + c.len_utf8()..].chars().next();
            // ’ is an apostrophe, too: in the middle of a word it closes nothing.
            if close == '’' && !may_close(after) {
                continue;
            }
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn fenced(text: &str, at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let body = at + FENCE.len();
    let end = body + text[body..].find(FENCE)?;
    // The first line names the language, if anything.
    let start = match text[body..end].find('\n') {
        Some(line)
            if text[body..body + line]
                .trim()
                .chars()
                .all(char::is_alphanumeric) =>
        {
            body + line + 1
        }
        _ => body,
    };
    Some((start..end, end + FENCE.len()))
}

/// Where a block between braces or brackets ends: only one that holds quotes or pairs, and is
/// closed before white space or punctuation.
fn block_end(text: &str, at: usize) -> Option<usize> {
    let mut stack = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for (offset, c) in text[at..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => stack.push('}'),
            '[' => stack.push(']'),
            '}' | ']' => {
                if stack.pop() != Some(c) {
                    return None;
                }
                if stack.is_empty() {
                    let end = at + offset + c.len_utf8();
                    let block = &text[at..end];
                    let data = block.contains(['"', ':', ',']);
                    return (data && may_close(text[end..].chars().next())).then_some(end);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        find(text)
            .into_iter()
            .map(|mention| mention.value)
            .collect()
    }

    #[test]
    fn what_stands_in_quotes_is_taken_byte_for_byte() {
        let check = |text: &str, expected: &[&str]| assert_eq!(values(text), expected, "{text}");
        check(r#"write "a b" to /x"#, &["a b"]);
        check("write 'a b' to /x", &["a b"]);
        check("write “a b” to /x", &["a b"]);
        check("write ‘it’s a b’ to /x", &["it’s a b"]);
        check("write „a b“ to /x", &["a b"]);
        check("write «a b» to /x", &["a b"]);
        check("write `a b` to /x", &["a b"]);
        check(r#"write "a 'b' c" to /x"#, &["a 'b' c"]);
        check(
            r#"write "he said "no" twice" to /x"#,
            &[r#"he said "no" twice"#],
        );
        check(r#"write 'don't' to /x"#, &["don't"]);
        check(r#"write "  two  blanks " to /x"#, &["  two  blanks "]);
        check(r#"write "" to /x"#, &[""]);
        check(r#"write "a" and "b" to /x"#, &["a", "b"]);
        check("write \"a\nb\" to /x", &["a\nb"]);
        check("don't stop Anna's service", &[]);
        check("the '90s were 'fine'", &["90s were 'fine"]);
    }

    #[test]
    fn blocks_are_texts_too() {
        let check = |text: &str, expected: &[&str]| assert_eq!(values(text), expected, "{text}");
        check(r#"write {"a": "b"} to /x"#, &[r#"{"a": "b"}"#]);
        check(r#"write [1, {"a": "}"}] to /x"#, &[r#"[1, {"a": "}"}]"#]);
        check("write {a} to /x", &[]);
        check("write {\"a\": to /x", &["a"]);
        check("save ```sh\necho hi\n``` as /x", &["echo hi\n"]);
    }
}
