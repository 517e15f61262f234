//! Values into words: quotes and escapes, specifiers (`%i`), variables (`$NAME`);
//! systemd.service(5) and systemd.unit(5).

/// Splits at blanks; quotes keep together, backslashes escape as in C.
///
/// # Errors
/// A quote that is not closed, or an escape that is none.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().push(escaped(&mut rest)?),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed: {text}"));
    }
    words.extend(word);
    Ok(words)
}

fn escaped(rest: &mut std::str::Chars<'_>) -> Result<char, String> {
    match rest.next() {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some('s') => Ok(' '),
        Some(c @ ('\\' | '"' | '\'')) => Ok(c),
        Some('x') => hexadecimal(rest).ok_or_else(|| "\\x needs two digits".to_owned()),
        Some(c) => Err(format!("\\{c} is no escape that is known here")),
        None => Err("a backslash at the end".to_owned()),
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
                Some(c) => return Err(format!("%{c} is not known here: {text}")),
                None => return Err(format!("a % at the end: {text}")),
            };
            result.push_str(fixed);
        }
        Ok(result)
    }
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
/// `${NAME}` anywhere its text, `$$` a dollar. What is not set is empty.
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
        return value(name).split_whitespace().map(str::to_owned).collect();
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
        let check =
            |text: &str, expected: &[&str]| assert_eq!(split(text).unwrap(), expected, "{text}");
        check(
            "/usr/sbin/nginx -g 'daemon on; master_process on;'",
            &["/usr/sbin/nginx", "-g", "daemon on; master_process on;"],
        );
        check("  a \"b c\"d '' \\x41\\s ", &["a", "b cd", "", "A "]);
        check("", &[]);
        assert!(split("'a").is_err());
        assert!(split("a\\q").is_err());
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
        ];
        let check = |word: &str, expected: &[&str]| {
            assert_eq!(with_variables(word, &variables), expected, "{word}");
        };
        check("$OPTS", &["-a", "-b"]);
        check("${OPTS}", &["-a  -b"]);
        check("x${ONE}y$$", &["x1y$"]);
        check("$NONE", &[]);
        check("${NONE}", &[""]);
        check("plain", &["plain"]);
    }
}
