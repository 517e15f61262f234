//! What is written is what was said. Pure.

use aios_goals::Arguments;
use aios_reader::{MentionKind, Reading};
use aios_tool::argument::Kind;
use serde_json::Value;

use super::Seen;
use crate::registry::Act;

/// Words by which a goal asks for an empty file.
const EMPTY: [&str; 5] = ["empty", "blank", "touch", "truncate", "nothing"];

/// The arguments with the text that the goal means; `None` when they have it, or need none.
///
/// # Errors
/// Why it is not certain, and what to do.
pub(super) fn settled(
    seen: &Seen<'_>,
    reading: &Reading,
    act: &Act,
) -> Result<Option<Arguments>, String> {
    let written = written(seen);
    let mut settled = act.arguments().clone();
    for name in seen.catalog.named(act.name(), Kind::Content) {
        if let Some(said) = settled.get(&name).and_then(Value::as_str) {
            let text = meant(reading, &written, said)?;
            settled.insert(name, text.into());
        }
    }
    Ok((settled != *act.arguments()).then_some(settled))
}

/// The texts that earlier acts of this goal wrote.
fn written(seen: &Seen<'_>) -> Vec<String> {
    let texts = seen.goal.tasks.iter().flat_map(|task| {
        let names = seen.catalog.named(&task.act, Kind::Content).into_iter();
        names.filter_map(|name| Some(task.arguments.get(&name)?.as_str()?.to_owned()))
    });
    texts.collect()
}

/// A text of the goal that can be written.
struct Text<'a> {
    value: &'a str,
    /// Unquoted, and its end is not certain.
    uncertain: bool,
    quoted: bool,
}

fn meant(reading: &Reading, written: &[String], said: &str) -> Result<String, String> {
    let texts = texts(reading);
    let matching: Vec<&Text<'_>> = match texts
        .iter()
        .filter(|text| text.value == said)
        .collect::<Vec<_>>()
    {
        exact if !exact.is_empty() => exact,
        _ => texts
            .iter()
            .filter(|text| overlaps(text.value, said))
            .collect(),
    };
    let text = match (matching.as_slice(), texts.as_slice()) {
        ([one, ..], _) if matching.iter().all(|other| other.value == one.value) => *one,
        (_, [only]) if !written.iter().any(|text| text == only.value) => only,
        ([], [])
            if said.is_empty()
                && EMPTY
                    .iter()
                    .any(|word| reading.text.to_lowercase().contains(word)) =>
        {
            return Ok(String::new());
        }
        _ => {
            return Err(format!(
                "I am not sure what is to be written ({}); put exactly that text in quotes",
                cut(said)
            ));
        }
    };
    if text.uncertain {
        return Err(format!(
            "I am not sure where the text to be written ends ({}); put exactly that text in quotes",
            cut(text.value)
        ));
    }
    if !text.quoted && names_a_value(text.value) {
        return Err(format!(
            "{} names a value that I do not have; to write these very words, put them in quotes",
            cut(text.value)
        ));
    }
    Ok(text.value.to_owned())
}

fn texts(reading: &Reading) -> Vec<Text<'_>> {
    let text = |mention: &'_ aios_reader::Mention| match mention.kind {
        MentionKind::Quoted => Some((false, true)),
        MentionKind::Content { certain } => Some((!certain, false)),
        _ => None,
    };
    let found = reading.mentions.iter().filter_map(|mention| {
        let (uncertain, quoted) = text(mention)?;
        Some(Text {
            value: &mention.value,
            uncertain,
            quoted,
        })
    });
    found.collect()
}

/// Does one hold the other, apart from white space and quotes at the ends?
fn overlaps(text: &str, said: &str) -> bool {
    let bare = |text: &str| {
        text.trim_matches(|c: char| c.is_whitespace() || "\"'`“”‘’«».,:;".contains(c))
            .to_lowercase()
    };
    let (text, said) = (bare(text), bare(said));
    !text.is_empty() && !said.is_empty() && (text.contains(&said) || said.contains(&text))
}

/// What people call a value that somebody would have to look up first.
const VALUES: &str = " output result results content contents value size list number count sum total average \
    name names hostname ip address addresses uptime date time version kernel release status state usage \
    temperature log logs lines entries processes services load answer checksum hash owner permissions mode \
    day month year weather space memory cpu ";

/// Does the text name a value (`the output of uptime`) instead of being one?
fn names_a_value(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let Some(first) = words.first() else {
        return false;
    };
    if matches!(
        *first,
        "today's" | "yesterday's" | "tomorrow's" | "whatever" | "how" | "which" | "what"
    ) {
        return words.len() > 1;
    }
    let determiner = matches!(
        *first,
        "the"
            | "its"
            | "their"
            | "this"
            | "my"
            | "our"
            | "a"
            | "current"
            | "all"
            | "every"
            | "your"
    );
    let noun = words
        .iter()
        .take(4)
        .position(|word| VALUES.contains(&format!(" {word} ")));
    let Some(noun) = noun else {
        return false;
    };
    let next = words.get(noun + 1).copied().unwrap_or_default();
    let refers = matches!(
        next,
        "" | "of" | "in" | "on" | "from" | "for" | "under" | "at"
    );
    refers && (determiner || matches!(next, "of" | "from"))
}

fn cut(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?} …", &text[..at]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_reader::read;

    #[test]
    fn the_text_of_the_goal_is_written_whole_or_asked_for() {
        let check = |goal: &str, said: &str, expected: Result<&str, &str>| {
            let found = meant(&read(goal), &[], said);
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{goal}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{goal}: {found}"),
                _ => panic!("{goal}: {found:?}"),
            }
        };
        check("write hello to /srv/a", "hello", Ok("hello"));
        check(
            "write \"a: b, then c.\" to /srv/a",
            "a: b",
            Ok("a: b, then c."),
        );
        check(
            "write 'he said \"no\"' to /srv/a",
            "no",
            Ok("he said \"no\""),
        );
        check("put the cat sat in /srv/a", "cat", Ok("the cat sat"));
        check(
            "write the output of uptime to /srv/a",
            "uptime",
            Err("names a value"),
        );
        check(
            "write the contents of /srv/b to /srv/a",
            "/srv/b",
            Err("not sure what"),
        );
        check("write today's date to /srv/a", "date", Err("names a value"));
        check(
            "write \"today's date\" to /srv/a",
            "date",
            Ok("today's date"),
        );
        check("write the word uptime to /srv/a", "uptime", Ok("uptime"));
        check(
            "write the meeting is at noon to /srv/a",
            "meeting",
            Ok("the meeting is at noon"),
        );
        check(
            "create /srv/a saying wait and restart memory",
            "wait",
            Err("where the text"),
        );
        check("create an empty file /srv/a", "", Ok(""));
        check("fill /srv/a somehow", "somehow", Err("not sure what"));
        check("write \"x\" to /srv/a and \"y\" to /srv/b", "y", Ok("y"));
        check(
            "write \"x\" to /srv/a and \"y\" to /srv/b",
            "z",
            Err("not sure what"),
        );
    }
}
