//! One key of a configuration as text: found, given another value, taken out. The rest of the text,
//! comments too, stays as it is. What was made is compared with what was meant before it is used.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// A value as somebody writes it: TOML, or a text without quotes.
pub fn value(text: &str) -> Value {
    let document = format!("x = {text}");
    let alone = document
        .parse::<Table>()
        .ok()
        .filter(|table| table.len() == 1);
    match alone.and_then(|mut table| table.remove("x")) {
        Some(value) if !text.contains('\n') => value,
        _ => Value::String(text.to_owned()),
    }
}

/// The value of a key.
pub fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut words = key.split('.');
    let first = table.get(words.next()?)?;
    words.try_fold(first, |value, word| value.as_table()?.get(word))
}

/// The configuration with another value of a key; `None`: the key is left out.
///
/// # Errors
/// Why it cannot be made, for people.
pub fn with(text: &str, key: &str, value: Option<&Value>) -> Result<String, String> {
    let before = parse(text)?;
    if find(&before, key) == value {
        return Ok(text.to_owned());
    }
    let made = match (place(text, key)?, value) {
        (Some(place), Some(value)) => replaced(text, place, &value.to_string()),
        (Some(place), None) => without_line(text, place),
        (None, Some(value)) => added(text, key, &value.to_string())?,
        (None, None) => text.to_owned(),
    };
    let wanted = meant(before, key, value);
    match parse(&made).map(pruned) {
        Ok(says) if says == wanted => Ok(made),
        _ => Err(format!(
            "{key} is written in a way that cannot be changed alone; apply a whole configuration"
        )),
    }
}

fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>()
        .map_err(|error| format!("the present configuration is not TOML: {}", error.message()))
}

/// What the configuration is to say.
fn meant(mut table: Table, key: &str, value: Option<&Value>) -> Table {
    let mut words: Vec<&str> = key.split('.').collect();
    let last = words.pop().unwrap_or_default();
    let mut inner = Some(&mut table);
    for word in words {
        inner = inner.and_then(|table| {
            let entry = table
                .entry(word)
                .or_insert_with(|| Value::Table(Table::new()));
            entry.as_table_mut()
        });
    }
    if let Some(inner) = inner {
        match value {
            Some(value) => drop(inner.insert(last.to_owned(), value.clone())),
            None => drop(inner.remove(last)),
        }
    }
    pruned(table)
}

/// Without tables that say nothing.
fn pruned(table: Table) -> Table {
    let says = |(key, value): (String, Value)| match value {
        Value::Table(inner) => {
            let inner = pruned(inner);
            (!inner.is_empty()).then_some((key, Value::Table(inner)))
        }
        other => Some((key, other)),
    };
    table.into_iter().filter_map(says).collect()
}

/// Where the value of a key is in the text.
fn place(text: &str, key: &str) -> Result<Option<Range<usize>>, String> {
    let document = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
    let mut words = key.split('.');
    let mut value = words.next().and_then(|word| document.get_ref().get(word));
    for word in words {
        value = match value.map(|value| value.get_ref()) {
            Some(DeValue::Table(table)) => table.get(word),
            _ => None,
        };
    }
    Ok(value.map(|value| value.span()))
}

fn replaced(text: &str, place: Range<usize>, value: &str) -> String {
    let (before, after) = (text.get(..place.start), text.get(place.end..));
    format!(
        "{}{value}{}",
        before.unwrap_or_default(),
        after.unwrap_or_default()
    )
}

/// The text without the lines of a value, and without the head of a table that has nothing left.
fn without_line(text: &str, place: Range<usize>) -> String {
    let begin = text.get(..place.start).unwrap_or_default();
    let begin = begin
        .rfind('\n')
        .map_or("", |end| begin.get(..=end).unwrap_or_default());
    let rest = text.get(place.end..).unwrap_or_default();
    let rest = rest
        .find('\n')
        .map_or("", |end| rest.get(end + 1..).unwrap_or_default());
    let (above, head) = begin
        .trim_end_matches('\n')
        .rsplit_once('\n')
        .map_or(("", begin), |(above, head)| (above, head));
    let is_alone = rest.trim().is_empty() || rest.trim_start().starts_with('[');
    match is_alone && head.trim().starts_with('[') && begin.ends_with('\n') {
        true if above.is_empty() => rest.to_owned(),
        true => format!("{}\n{rest}", above.trim_end_matches('\n')),
        false => format!("{begin}{rest}"),
    }
}

/// The text with a key more: below the head of its table, or in a new table at the end.
fn added(text: &str, key: &str, value: &str) -> Result<String, String> {
    let (table, name) = key
        .rsplit_once('.')
        .ok_or_else(|| format!("{key} is a whole table"))?;
    let head = format!("[{table}]");
    let is_head = |line: &&str| line.split('#').next().unwrap_or_default().trim() == head;
    let line = format!("{name} = {value}\n");
    if let Some(found) = text.split_inclusive('\n').find(is_head) {
        // Both are of the same text: the head's place is its offset.
        let end = text.find(found).unwrap_or_default() + found.len();
        let (before, after) = text.split_at(end);
        let gap = if before.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{before}{gap}{line}{after}"));
    }
    let gap = match text {
        "" => "",
        ended if ended.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    Ok(format!("{text}{gap}{head}\n{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\n[ssh]   # recovery\nport = 22 # as ever\n\n[network]\ndns = [\n  \"192.0.2.1\",\n]\n";

    #[test]
    fn one_key_changes_and_everything_else_stays() {
        let check = |key: &str, value: Option<&str>, expected: &str| {
            let value = value.map(super::value);
            let made = with(TEXT, key, value.as_ref()).unwrap();
            assert_eq!(made, expected, "{key}");
        };
        check(
            "ssh.port",
            Some("2222"),
            &TEXT.replace("port = 22 ", "port = 2222 "),
        );
        check("ssh.port", Some("22"), TEXT);
        check("time.nts", None, TEXT);
        check(
            "network.dns",
            Some("[\"192.0.2.9\"]"),
            &TEXT.replace("[\n  \"192.0.2.1\",\n]", "[\"192.0.2.9\"]"),
        );
        check(
            "network.dns",
            None,
            "# mine\n[ssh]   # recovery\nport = 22 # as ever\n",
        );
        check(
            "ssh.authorized_keys",
            Some("[]"),
            &TEXT.replace("recovery\n", "recovery\nauthorized_keys = []\n"),
        );
        check(
            "node.name",
            Some("web-1"),
            &format!("{TEXT}\n[node]\nname = \"web-1\"\n"),
        );
        check(
            "models.operational.name",
            Some("x"),
            &format!("{TEXT}\n[models.operational]\nname = \"x\"\n"),
        );
    }

    #[test]
    fn what_is_set_and_taken_out_again_leaves_the_text() {
        for text in ["", "[ssh]\nport = 1\n", TEXT] {
            for key in ["node.name", "time.nts"] {
                let set = with(text, key, Some(&value("x"))).unwrap();
                assert_eq!(with(&set, key, None).unwrap(), text, "{key} in {text:?}");
            }
        }
    }

    #[test]
    fn a_value_is_toml_or_a_text_and_never_more() {
        assert_eq!(value("8080"), Value::Integer(8080));
        assert_eq!(value("web-1"), Value::String("web-1".into()));
        assert_eq!(value("\"8080\""), Value::String("8080".into()));
        for hostile in ["1\n[ssh]\nport = 2", "1\ny = 2", "\"", "x]\n[a"] {
            assert_eq!(value(hostile), Value::String(hostile.into()), "{hostile:?}");
            let made = with(TEXT, "node.name", Some(&value(hostile))).unwrap();
            let table: Table = made.parse().unwrap();
            assert_eq!(find(&table, "node.name").unwrap().as_str(), Some(hostile));
            assert_eq!(table.len(), 3);
        }
    }

    #[test]
    fn what_cannot_be_changed_alone_is_refused() {
        let check = |text: &str, key: &str| {
            with(text, key, Some(&Value::Integer(1))).unwrap_err();
        };
        check("ssh = { port = 22 }\n", "ssh.idle");
        check("x = '''\n[ssh]\n'''\n[[ssh]]\n", "ssh.port");
        check("[ssh\n", "ssh.port");
        check("", "ssh");
    }
}
