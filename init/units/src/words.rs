//! Values into words: quotes and escapes, specifiers (`%i`), variables (`$NAME`);
//! systemd.service(5), systemd.syntax(7) and systemd.unit(5).

/// What a backslash does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// It escapes as in C. Before anything else it stays, which is said.
    C,
    /// It takes its meaning from whatever follows. What is not closed ends with
    /// the text.
    Plain,
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Splits at blanks; quotes keep together. What was strange goes to `odd`.
///
/// # Errors
/// A quote that is not closed, or bytes by escapes that are no text.
pub fn split(text: &str, escapes: Escapes, odd: &mut Vec<String>) -> Result<Vec<String>, String> {
    let mut rest = text;
    let mut words = Vec::new();
    while let Some(word) = next(&mut rest, escapes, odd)? {
        words.push(word);
    }
    Ok(words)
}

/// Takes the next word from the beginning of a text, as [`split`] does; none at its end.
///
/// # Errors
/// As [`split`].
pub fn next(
    rest: &mut &str,
    escapes: Escapes,
    odd: &mut Vec<String>,
) -> Result<Option<String>, String> {
    let text = rest.trim_start_matches(BLANKS);
    if text.is_empty() {
        *rest = "";
        return Ok(None);
    }
    let mut word = Vec::new(); // bytes: an escape may stand for a part of a character
    let mut quote = None;
    let mut left = text.chars();
    while let Some(c) = left.next() {
        match (c, quote) {
            ('\\', _) => left = take_escape(left.as_str(), escapes, &mut word, odd).chars(),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if BLANKS.contains(&c) => break,
            (c, _) => push(&mut word, c),
        }
    }
    *rest = left.as_str();
    if quote.is_some() && escapes == Escapes::C {
        return Err(format!("a quote is not closed: {text}"));
    }
    let word = String::from_utf8(word).map_err(|_| format!("no UTF-8 by its escapes: {text}"))?;
    Ok(Some(word))
}

fn push(word: &mut Vec<u8>, c: char) {
    word.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Takes what follows a backslash; the rest.
fn take_escape<'a>(
    rest: &'a str,
    escapes: Escapes,
    word: &mut Vec<u8>,
    odd: &mut Vec<String>,
) -> &'a str {
    if escapes == Escapes::C
        && let Some((bytes, length)) = escaped(rest)
    {
        word.extend(bytes);
        return rest.get(length..).unwrap_or_default();
    }
    let mut after = rest.chars();
    let taken = after.next();
    if escapes == Escapes::C {
        word.push(b'\\');
        let shown = taken.map(String::from).unwrap_or_default();
        odd.push(format!("\\{shown} is no escape and is kept as it is"));
    }
    if let Some(taken) = taken {
        push(word, taken);
    }
    after.as_str()
}

/// The bytes that an escape of C stands for, and how long it is without its backslash.
fn escaped(rest: &str) -> Option<(Vec<u8>, usize)> {
    let number = |from: usize, digits: usize, radix| {
        let digits = rest.get(from..from + digits)?;
        let all = digits.chars().all(|c| c.is_digit(radix));
        let number = all.then(|| u32::from_str_radix(digits, radix).ok())?;
        number.filter(|number| *number > 0) // a program's argument cannot hold NUL
    };
    let byte = |number: u32, length| Some((vec![u8::try_from(number).ok()?], length));
    let character = |number: u32, length| {
        let c = char::from_u32(number)?;
        Some((c.to_string().into_bytes(), length))
    };
    match rest.bytes().next()? {
        b'a' => Some((vec![7], 1)),
        b'b' => Some((vec![8], 1)),
        b't' => Some((vec![b'\t'], 1)),
        b'n' => Some((vec![b'\n'], 1)),
        b'v' => Some((vec![11], 1)),
        b'f' => Some((vec![12], 1)),
        b'r' => Some((vec![b'\r'], 1)),
        b's' => Some((vec![b' '], 1)),
        c @ (b'\\' | b'"' | b'\'') => Some((vec![c], 1)),
        b'x' => byte(number(1, 2, 16)?, 3),
        b'0'..=b'7' => byte(number(0, 3, 8)?, 3),
        b'u' => character(number(1, 4, 16)?, 5),
        b'U' => character(number(1, 8, 16)?, 9),
        _ => None,
    }
}

fn hexadecimal(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = rest.as_str().get(..2)?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    rest.nth(1);
    byte.is_ascii().then_some(char::from(byte))
}

/// A unit's name in its parts: `postgresql@15-main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Without `.service`.
    pub full: String,
    /// Before the `@`.
    pub prefix: String,
    /// After the `@`; none if there is no `@`.
    pub instance: Option<String>,
}

impl Name {
    /// # Errors
    /// When it cannot be a service's name. It becomes a part of file names.
    pub fn new(name: &str) -> Result<Self, String> {
        let full = name.strip_suffix(".service").unwrap_or(name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
        let plain = (1..=64).contains(&full.len()) && full.chars().all(allowed);
        if !plain || full.starts_with(['.', '-', '@']) || full.ends_with('@') {
            return Err(format!("{name:?} is no name of a service"));
        }
        let (prefix, instance) = match full.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance.to_owned())),
            None => (full, None),
        };
        Ok(Self {
            full: full.to_owned(),
            prefix: prefix.to_owned(),
            instance,
        })
    }

    /// Puts in what `%` stands for.
    ///
    /// # Errors
    /// A specifier that is not known here.
    pub fn specify(&self, text: &str) -> Result<String, String> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                result.push(c);
                continue;
            }
            let specifier = rest.next();
            let fixed = match specifier {
                Some('%') => "%",
                Some('i') => self.instance.as_deref().unwrap_or_default(),
                Some('n') => {
                    result.push_str(&self.full);
                    ".service"
                }
                Some('N') => &self.full,
                Some('p') => &self.prefix,
                Some('t') => "/run",
                Some('S') => "/var/lib",
                Some('C') => "/var/cache",
                Some('L') => "/var/log",
                Some('E') => "/etc",
                Some('T') => "/tmp",
                Some('V') => "/var/tmp",
                Some('u' | 'g') => "root",
                Some('U' | 'G') => "0",
                Some('h') => "/root",
                Some('I') => {
                    result.push_str(&unescape(self.instance.as_deref().unwrap_or_default()));
                    ""
                }
                Some('P') => {
                    result.push_str(&unescape(&self.prefix));
                    ""
                }
                Some('f') => {
                    let named = self.instance.as_deref().unwrap_or(&self.prefix);
                    result.push('/');
                    result.push_str(unescape(named).trim_start_matches('/'));
                    ""
                }
                Some('j') => self.prefix.rsplit('-').next().unwrap_or_default(),
                Some(c @ ('H' | 'l' | 'm' | 'b' | 'v')) => {
                    result.push_str(&of_the_host(c)?);
                    ""
                }
                Some(c) => return Err(format!("%{c} is not known here: {text}")),
                None => return Err(format!("a % at the end: {text}")),
            };
            result.push_str(fixed);
        }
        Ok(result)
    }
}

/// What the specifiers stand for that the running system fills in.
fn of_the_host(specifier: char) -> Result<String, String> {
    let path = match specifier {
        'm' => "/etc/machine-id",
        'b' => "/proc/sys/kernel/random/boot_id",
        'v' => "/proc/sys/kernel/osrelease",
        _ => "/proc/sys/kernel/hostname",
    };
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let text = text.trim();
    Ok(match specifier {
        'b' => text.replace('-', ""),
        'l' => text.split('.').next().unwrap_or_default().to_owned(),
        _ => text.to_owned(),
    })
}

/// systemd-escape(1) backwards: `-` was `/`, `\x2d` was `-`.
fn unescape(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '-' => result.push('/'),
            '\\' if rest.as_str().starts_with('x') => {
                rest.next();
                result.extend(hexadecimal(&mut rest));
            }
            c => result.push(c),
        }
    }
    result
}

/// Puts variables into a word: `$NAME` alone becomes as many words as it holds,
/// in which quotes keep together; `${NAME}` anywhere its text, `$$` a dollar. What is not set is empty.
pub fn with_variables(word: &str, variables: &[(String, String)]) -> Vec<String> {
    let value = |name: &str| {
        let found = variables.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let is_name = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(allowed)
    };
    if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
        // Err: only of escapes, of which there are none.
        return split(value(name), Escapes::Plain, &mut Vec::new()).unwrap_or_default();
    }
    let mut result = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let braced = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .filter(|(name, _)| is_name(name));
        rest = match braced {
            Some((name, behind)) => {
                result.push_str(value(name));
                behind
            }
            None => {
                result.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    vec![result + rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        let check = |text: &str, expected: &[&str], strange: usize| {
            let mut odd = Vec::new();
            assert_eq!(
                split(text, Escapes::C, &mut odd).unwrap(),
                expected,
                "{text}"
            );
            assert_eq!(odd.len(), strange, "{text}: {odd:?}");
        };
        check(
            "/usr/sbin/nginx -g 'daemon on; master_process on;'",
            &["/usr/sbin/nginx", "-g", "daemon on; master_process on;"],
            0,
        );
        check("  a \"b c\"d '' \\x41\\s ", &["a", "b cd", "", "A "], 0);
        check("", &[], 0);
        // As in C; one character may take several.
        check(
            r"\a\b\t\n\v\f\r\101\x42",
            &["\u{7}\u{8}\t\n\u{b}\u{c}\rAB"],
            0,
        );
        check(
            r"\xc3\xa9\303\251\u00e9\U0001F600",
            &["\u{e9}\u{e9}\u{e9}\u{1f600}"],
            0,
        );
        // What is no escape stays.
        check(r"'^\d+\.conf$'", &[r"^\d+\.conf$"], 2);
        check(
            r"a\q \x4 \x00 \400 \ud800",
            &[r"a\q", r"\x4", r"\x00", r"\400", r"\ud800"],
            5,
        );
        check(r"a\", &[r"a\"], 1);
        check("a\u{a0}b", &["a\u{a0}b"], 0);
        for bad in ["'a", r"\xff"] {
            assert!(split(bad, Escapes::C, &mut Vec::new()).is_err(), "{bad}");
        }
    }

    #[test]
    fn specifiers_of_an_instance() {
        let name = Name::new("postgresql@15-main.service").unwrap();
        let check = |text: &str, expected: &str| assert_eq!(name.specify(text).unwrap(), expected);
        check("/etc/postgresql/%I/x", "/etc/postgresql/15/main/x");
        check(
            "%t/%p/%i.pid %n 5%%",
            "/run/postgresql/15-main.pid postgresql@15-main.service 5%",
        );
        assert!(name.specify("%!").is_err());
        check("%f %j", "/15/main postgresql");
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        check("%H", host.trim());
        assert_eq!(name.specify("%b").unwrap().len(), 32);
        assert_eq!(unescape(r"a\x2db-c"), "a-b/c");
    }

    #[test]
    fn names_that_become_paths_are_plain() {
        for bad in [
            "",
            "..",
            "../x",
            "a/b",
            "@x",
            "x@",
            "-x",
            "x y",
            "x:y",
            &"x".repeat(80),
        ] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("nginx.service").unwrap().full, "nginx");
    }

    #[test]
    fn variables_as_the_manual_has_them() {
        let variables = [
            ("OPTS".to_owned(), "-a  -b".to_owned()),
            ("ONE".to_owned(), "1".to_owned()),
            (
                "QUOTED".to_owned(),
                r#"-t 'hello  world' "" \"x -n"#.to_owned(),
            ),
            ("OPEN".to_owned(), "a 'b c".to_owned()),
        ];
        let check = |word: &str, expected: &[&str]| {
            assert_eq!(with_variables(word, &variables), expected, "{word}");
        };
        check("$OPTS", &["-a", "-b"]);
        check("${OPTS}", &["-a  -b"]);
        check("x${ONE}y$$", &["x1y$"]);
        check("$NONE", &[]);
        check("$QUOTED", &["-t", "hello  world", "", "\"x", "-n"]);
        check("$OPEN", &["a", "b c"]);
        check("${NONE}", &[""]);
        check("plain", &["plain"]);
    }
}
