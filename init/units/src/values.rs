//! The values of a unit's directives.

use std::path::PathBuf;

use super::unit::{Asked, Command, KillMode, Kind, Restart, Statuses};
use super::words::{self, Escapes};
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
        "no" | "" => Ok(Restart::No),
        "always" => Ok(Restart::Always),
        "on-success" => Ok(Restart::OnSuccess),
        "on-failure" => Ok(Restart::OnFailure),
        "on-abnormal" => Ok(Restart::OnAbnormal),
        "on-abort" => Ok(Restart::OnAbort),
        "on-watchdog" => Ok(Restart::OnWatchdog),
        _ => Err("is not known here".to_owned()),
    }
}

/// `SuccessExitStatus=` and its like: numbers and names of signals, added to the list.
pub fn statuses(list: &mut Statuses, value: &str) -> Result<(), String> {
    if value.is_empty() {
        *list = Statuses::default();
    }
    let mut more = Statuses::default();
    for word in value.split_whitespace() {
        let signal = || {
            let full = format!("SIG{}", word.trim_start_matches("SIG"));
            full.parse::<nix::sys::signal::Signal>().ok()
        };
        match (word.parse::<u8>(), signal()) {
            (Ok(code), _) => more.codes.push(i32::from(code)),
            (Err(_), Some(signal)) => more.signals.push(signal as i32),
            (Err(_), None) => return Err(format!("{word} is no status and no signal")),
        }
    }
    list.codes.extend(more.codes);
    list.signals.extend(more.signals);
    Ok(())
}

/// What `Condition…=` and `Assert…=` ask, by what follows in the directive's name.
pub fn asked(what: &str) -> Option<Asked> {
    Some(match what {
        "PathExists" => Asked::Exists,
        "PathExistsGlob" => Asked::ExistsGlob,
        "PathIsDirectory" => Asked::IsFolder,
        "PathIsSymbolicLink" => Asked::IsLink,
        "DirectoryNotEmpty" => Asked::FolderNotEmpty,
        "FileNotEmpty" => Asked::FileNotEmpty,
        "FileIsExecutable" => Asked::Executable,
        _ => return None,
    })
}

/// `Exec…=`: the commands of a line, parted by `;`, or none any more. What was
/// strange about it goes to `odd`.
pub fn commands(list: &mut Vec<Command>, value: &str, odd: &mut Vec<String>) -> Result<(), String> {
    if value.is_empty() {
        list.clear();
        return Ok(());
    }
    let mut rest = value;
    while !rest.is_empty() {
        list.push(command(&mut rest, odd)?);
    }
    Ok(())
}

/// One command, up to a `;` or the end of the line.
fn command(rest: &mut &str, odd: &mut Vec<String>) -> Result<Command, String> {
    let mut command = Command::default();
    while let Some(prefix) = rest.chars().next().filter(|c| "-@+!:|".contains(*c)) {
        match prefix {
            '-' => command.may_fail = true,
            '@' => command.own_name = true,
            '+' | '!' => command.as_root = true,
            ':' => command.literal = true,
            _ => return Err("a shell (|) is not started here".to_owned()),
        }
        *rest = &rest[prefix.len_utf8()..];
    }
    loop {
        *rest = rest.trim_start();
        if let Some(after) = lone(rest, ";") {
            *rest = after;
            break;
        }
        if let Some(after) = lone(rest, r"\;") {
            command.words.push(";".to_owned());
            *rest = after;
        } else if let Some(word) = words::next(rest, Escapes::C, odd)? {
            command.words.push(word);
        } else {
            break;
        }
    }
    let program = command
        .words
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    // A name alone is looked for in the usual folders when it is started.
    let is_name = !program.is_empty() && !program.contains('/');
    if !(is_name || program.starts_with('/')) || (command.own_name && command.words.len() < 2) {
        return Err("begins with neither a name nor an absolute path".to_owned());
    }
    Ok(command)
}

/// What follows this word at the beginning of a line, if it stands there alone.
fn lone<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim_start())
}

/// `Environment=`
pub fn environment(
    list: &mut Vec<(String, String)>,
    value: &str,
    odd: &mut Vec<String>,
) -> Result<(), String> {
    if value.is_empty() {
        list.clear();
    }
    for word in words::split(value, Escapes::C, odd)? {
        match word.split_once('=') {
            Some((name, value)) => list.push((name.to_owned(), value.to_owned())),
            None => odd.push(format!("{word}, which is no NAME=value, is passed over")),
        }
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

    #[test]
    fn a_line_may_hold_several_commands_and_names_of_programs() {
        let check = |line: &str, expected: &[&[&str]]| {
            let mut list = Vec::new();
            commands(&mut list, line, &mut Vec::new()).unwrap();
            let words: Vec<_> = list.iter().map(|command| &command.words).collect();
            assert_eq!(words, expected, "{line}");
        };
        check(
            "echo one ; -/bin/echo two",
            &[&["echo", "one"], &["/bin/echo", "two"]],
        );
        check(r"/bin/echo a \; b", &[&["/bin/echo", "a", ";", "b"]]);
        check(
            r#"/bin/echo ";" 'a ; b' c;"#,
            &[&["/bin/echo", ";", "a ; b", "c;"]],
        );
        check("/bin/true ;", &[&["/bin/true"]]);
        check("@sh own -c true", &[&["sh", "own", "-c", "true"]]);
        for bad in [
            "; /bin/true",
            "bin/x",
            "./x",
            "-",
            "@sh",
            "/bin/a ; ; /bin/b",
            "'/bin/a",
        ] {
            assert!(
                commands(&mut Vec::new(), bad, &mut Vec::new()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn lists_of_statuses_take_numbers_and_signals() {
        let mut list = Statuses::default();
        statuses(&mut list, "1 SIGKILL 143").unwrap();
        statuses(&mut list, "TERM").unwrap();
        assert_eq!(
            (&list.codes[..], &list.signals[..]),
            (&[1, 143][..], &[9, 15][..])
        );
        assert!(statuses(&mut list, "soon").is_err());
        statuses(&mut list, "").unwrap();
        assert_eq!(list, Statuses::default());
    }
}
