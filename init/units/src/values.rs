//! The values of a unit's directives.

use std::path::PathBuf;

use super::unit::{Command, KillMode, Kind};
use super::words;
use aios_service::manifest::Restart;
use aios_service::supervise::Millis;

/// A path below a folder of the system.
pub fn below(base: &str, path: &str) -> PathBuf {
    // Older units still say /var/run, which is a link to /run.
    let path = path.strip_prefix("/var/run/").unwrap_or(path);
    PathBuf::from(base).join(path)
}

/// A truth value.
pub fn yes(value: &str) -> bool {
    matches!(value, "yes" | "true" | "on" | "1" | "y" | "t")
}

/// `Type=`
pub fn kind(value: &str) -> Result<Kind, String> {
    match value {
        "simple" | "exec" | "idle" => Ok(Kind::Exec),
        "notify" | "notify-reload" => Ok(Kind::Notify),
        "forking" => Ok(Kind::Forking),
        "oneshot" => Ok(Kind::Oneshot),
        "dbus" => Err("there is no D-Bus here".to_owned()),
        _ => Err("is not known here".to_owned()),
    }
}

/// `KillMode=`
pub fn kill_mode(value: &str) -> Result<KillMode, String> {
    match value {
        "control-group" | "" => Ok(KillMode::ControlGroup),
        "mixed" => Ok(KillMode::Mixed),
        "process" => Ok(KillMode::Process),
        "none" => Ok(KillMode::None),
        _ => Err("is not known here".to_owned()),
    }
}

/// `Restart=`
pub fn restart(value: &str) -> Result<Restart, String> {
    match value {
        "no" | "" => Ok(Restart::Never),
        "always" => Ok(Restart::Always),
        "on-failure" | "on-abnormal" | "on-abort" | "on-watchdog" => Ok(Restart::OnFailure),
        _ => Err("is not known here".to_owned()),
    }
}

/// `Exec…=`: one more command, or none any more.
pub fn command(list: &mut Vec<Command>, value: &str) -> Result<(), String> {
    if value.is_empty() {
        list.clear();
        return Ok(());
    }
    let mut command = Command::default();
    let mut rest = value;
    while let Some(prefix) = rest.chars().next().filter(|c| "-@+!:|".contains(*c)) {
        match prefix {
            '-' => command.may_fail = true,
            '@' => command.own_name = true,
            '+' | '!' => command.as_root = true,
            ':' => command.literal = true,
            _ => return Err("a shell (|) is not started here".to_owned()),
        }
        rest = &rest[prefix.len_utf8()..];
    }
    command.words = words::split(rest)?;
    if command.words.iter().any(|word| word == ";") {
        return Err("several commands in one line are not supported here".to_owned());
    }
    let program = command
        .words
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    if !program.starts_with('/') || (command.own_name && command.words.len() < 2) {
        return Err("begins with no absolute path".to_owned());
    }
    list.push(command);
    Ok(())
}

/// `Environment=`
pub fn environment(list: &mut Vec<(String, String)>, value: &str) -> Result<(), String> {
    if value.is_empty() {
        list.clear();
    }
    for word in words::split(value)? {
        let (name, value) = word.split_once('=').ok_or("no NAME=value")?;
        list.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// `AmbientCapabilities=`
pub fn ambient(list: &mut Vec<caps::Capability>, value: &str) -> Result<(), String> {
    if value.is_empty() {
        list.clear();
    }
    for name in value.split_whitespace() {
        list.push(
            name.parse()
                .map_err(|_| format!("{name} is no capability"))?,
        );
    }
    Ok(())
}

/// Permissions.
pub fn octal(value: &str) -> Result<u32, String> {
    u32::from_str_radix(value, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| "no octal permissions".to_owned())
}

/// `LimitNOFILE=`: the number, or the second of `soft:hard`.
pub fn files(value: &str) -> Option<u64> {
    value.rsplit(':').next()?.parse().ok()
}

/// A span that may have no end: `infinity`, and here also 0.
pub fn limit(value: &str) -> Result<Option<Millis>, String> {
    Ok(span(value)?.filter(|span| *span > 0))
}

/// A time span (systemd.time(7)), in milliseconds; none is `infinity`.
pub fn span(value: &str) -> Result<Option<Millis>, String> {
    if value == "infinity" {
        return Ok(None);
    }
    let wrong = || "no time span".to_owned();
    let mut total = 0.0;
    let mut rest = value.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let factor = match &rest[..letters] {
            "" | "s" | "sec" | "second" | "seconds" => 1_000.0,
            "ms" | "msec" => 1.0,
            "us" | "usec" => 0.001,
            "m" | "min" | "minute" | "minutes" => 60_000.0,
            "h" | "hr" | "hour" | "hours" => 3_600_000.0,
            "d" | "day" | "days" => 86_400_000.0,
            _ => return Err(wrong()),
        };
        rest = rest[letters..].trim_start();
        total += number * factor;
    }
    Ok(Some(total as Millis)) // `as` saturates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        let check = |text: &str, expected| assert_eq!(span(text), Ok(expected), "{text}");
        check("5", Some(5_000));
        check("1min 30s", Some(90_000));
        check("100ms", Some(100));
        check("0.5s", Some(500));
        check("infinity", None);
        assert!(span("5 apples").is_err());
    }
}
