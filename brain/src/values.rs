//! From words to values: pure functions over what a person said. `None` means "not such a value".

use std::time::Duration;

mod numbers;

pub use numbers::number;

/// A TCP or UDP port: `8080`, `port 22`, `:443`, `eighty`, `ssh`.
pub fn port(text: &str) -> Option<u16> {
    let text = plain(text).to_lowercase();
    let text = text.strip_prefix("port").unwrap_or(&text);
    let text = text.trim_start_matches([' ', ':', '#', '=']);
    let text = text
        .strip_suffix("/tcp")
        .or(text.strip_suffix("/udp"))
        .unwrap_or(text);
    if let Some((_, port)) = PORTS.iter().find(|(name, _)| *name == text) {
        return Some(*port);
    }
    number(text)
        .and_then(|n| u16::try_from(n).ok())
        .filter(|port| *port > 0)
}

/// Well-known names that people use for ports (IANA service names and habits).
const PORTS: [(&str, u16); 24] = [
    ("ftp", 21),
    ("ssh", 22),
    ("sftp", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("mail", 25),
    ("dns", 53),
    ("domain", 53),
    ("http", 80),
    ("web", 80),
    ("pop3", 110),
    ("ntp", 123),
    ("imap", 143),
    ("ldap", 389),
    ("https", 443),
    ("smb", 445),
    ("ldaps", 636),
    ("imaps", 993),
    ("mysql", 3306),
    ("rdp", 3389),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("vnc", 5900),
    ("redis", 6379),
];

/// A length of time: `10 minutes`, `2h`, `half an hour`, `a day`, `90s`.
pub fn duration(text: &str) -> Option<Duration> {
    let text = plain(text).to_lowercase();
    let text = text
        .strip_prefix("last ")
        .or(text.strip_prefix("past "))
        .unwrap_or(&text);
    if let Some(unit) = text.strip_prefix("half ") {
        let unit = unit.trim_start_matches("an ").trim_start_matches("a ");
        return Some(Duration::from_secs(seconds(unit)? / 2));
    }
    let (amount, unit) = amount_and_unit(text);
    let amount = if amount.is_empty() {
        1
    } else {
        number(amount)?
    };
    amount.checked_mul(seconds(unit)?).map(Duration::from_secs)
}

fn seconds(unit: &str) -> Option<u64> {
    Some(match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        "month" | "months" => 2_592_000,
        _ => return None,
    })
}

/// A size in bytes: `500MB`, `2 GB`, `10k`, `one gigabyte`, `1.5 GiB`. Units are powers of 1024.
pub fn size(text: &str) -> Option<u64> {
    let text = plain(text).to_lowercase();
    let (amount, unit) = amount_and_unit(&text);
    let shift = match unit.trim() {
        "" | "b" | "byte" | "bytes" => 0,
        "k" | "kb" | "kib" | "kilobyte" | "kilobytes" => 10,
        "m" | "mb" | "mib" | "meg" | "megs" | "megabyte" | "megabytes" => 20,
        "g" | "gb" | "gib" | "gig" | "gigs" | "gigabyte" | "gigabytes" => 30,
        "t" | "tb" | "tib" | "terabyte" | "terabytes" => 40,
        _ => return None,
    };
    match amount.parse::<f64>() {
        Ok(value) if value.is_finite() && (0.0..1e9).contains(&value) => {
            Some((value * (1_u64 << shift) as f64) as u64)
        }
        _ => number(amount)?.checked_mul(1 << shift),
    }
}

/// `10 minutes`, `10minutes` or `ten minutes` in two.
fn amount_and_unit(text: &str) -> (&str, &str) {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    if digits > 0 {
        return (text[..digits].trim(), text[digits..].trim());
    }
    text.rsplit_once(' ')
        .map_or(("", text), |(amount, unit)| (amount.trim(), unit.trim()))
}

/// One of the allowed words, by itself, by a synonym or in another number:
/// `mem`, `RAM` and `memory usage` are `memory`; `errors` is `error`.
pub fn choice(text: &str, allowed: &[&str]) -> Option<String> {
    let text = plain(text).to_lowercase();
    let known = |word: &str| {
        allowed
            .iter()
            .find(|a| **a == word)
            .map(|a| (*a).to_owned())
    };
    let singular = text.strip_suffix('s').unwrap_or(&text);
    let synonym = |word: &str| {
        SYNONYMS
            .iter()
            .filter(|(_, words)| words.contains(&word))
            .find_map(|(to, _)| known(to))
    };
    known(&text)
        .or_else(|| known(singular))
        .or_else(|| synonym(&text))
        .or_else(|| synonym(singular))
        .or_else(|| {
            text.split([' ', '-', '_'])
                .find_map(|w| known(w).or_else(|| synonym(w)))
        })
}

/// What people say, beside what the registry calls it.
const SYNONYMS: [(&str, &[&str]); 12] = [
    (
        "memory",
        &["mem", "ram", "rss", "memory usage", "resident", "vsz"],
    ),
    (
        "cpu",
        &["processor", "load", "processor time", "%cpu", "compute"],
    ),
    (
        "name",
        &["command", "program", "alphabet", "alphabetically"],
    ),
    ("pid", &["id", "number", "process id"]),
    (
        "start",
        &["age", "oldest", "newest", "start time", "started"],
    ),
    (
        "error",
        &["err", "failure", "problem", "crash", "fatal", "critical"],
    ),
    ("warning", &["warn", "alert"]),
    ("info", &["information", "everything", "all", "notice"]),
    ("get", &["fetch"]),
    ("term", &["sigterm", "terminate", "15"]),
    ("kill", &["sigkill", "9", "-9"]),
    ("hup", &["sighup", "hangup", "reload", "1"]),
];

/// A path without what surrounds it in a sentence: quotes, a comma, a full stop, a slash at its end.
///
/// Only absolute paths are paths here: an appliance has no current folder.
pub fn path(text: &str) -> Option<String> {
    let text = text_value(text);
    let text = text.trim_end_matches([',', ';', ':', '!', '?']);
    let ends_sentence = text.ends_with('.') && !text.ends_with("/.") && !text.ends_with("/..");
    let text = if ends_sentence {
        text.trim_end_matches('.')
    } else {
        text
    };
    let shorter = text.trim_end_matches('/');
    let text = if shorter.is_empty() && text.starts_with('/') {
        "/"
    } else {
        shorter
    };
    let legal = text.starts_with('/') && !text.contains('\0') && text.len() <= 4096;
    legal.then(|| text.to_owned())
}

/// Text as meant: without one pair of quotes around the whole.
pub fn text_value(text: &str) -> &str {
    let text = text.trim();
    for (open, close) in [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')] {
        let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains([open, close])) {
            return inner;
        }
    }
    text
}

/// A file mode in octal digits: `755`, `0644`, `0o600`.
pub fn mode(text: &str) -> Option<u32> {
    let text = plain(text);
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let legal = (3..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(legal.then_some(digits)?, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
}

/// Without quotes and sentence punctuation.
fn plain(text: &str) -> &str {
    text_value(text)
        .trim()
        .trim_end_matches(['.', ',', ';', ':', '!', '?'])
        .trim()
}

#[cfg(test)]
mod tests;
