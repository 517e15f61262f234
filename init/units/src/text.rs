//! The syntax of unit files (systemd.syntax(7)): sections of `key = value`; and
//! of environment files (systemd.exec(5), `EnvironmentFile=`).

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// `Unit`, `Service`, `Install`.
    pub section: String,
    /// As it is written.
    pub key: String,
    /// Without the blanks around it; empty takes back what was said before.
    pub value: String,
}

/// The longest unit file that is read, in bytes.
pub const FILE_MAX: usize = 256 * 1024;

/// All assignments in their order. Lines that are none go to `odd` and cost only themselves.
///
/// # Errors
/// A section's name that is not closed: what follows it could mean anything.
pub fn parse(bytes: &[u8], odd: &mut Vec<String>) -> Result<Vec<Assignment>, String> {
    // Some editors put a byte order mark before the first line.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut parser = Parser {
        found: Vec::new(),
        section: None,
    };
    let mut open: Vec<u8> = Vec::new();
    let mut number = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        number += 1;
        let line = line.trim_ascii();
        if line.starts_with(b"#") || line.starts_with(b";") {
            continue; // also between the lines of a value, and in whatever encoding
        }
        match line.strip_suffix(b"\\") {
            Some(begun) => {
                open.extend(begun);
                open.push(b' ');
            }
            None => {
                open.extend(line);
                parser.take(&std::mem::take(&mut open), number, odd)?;
            }
        }
    }
    parser.take(&open, number, odd)?; // the last line was to be continued
    Ok(parser.found)
}

struct Parser {
    found: Vec<Assignment>,
    /// None before the first one.
    section: Option<String>,
}

impl Parser {
    /// Takes a whole line, which ends at the line of this number.
    fn take(&mut self, line: &[u8], number: usize, odd: &mut Vec<String>) -> Result<(), String> {
        let Ok(line) = std::str::from_utf8(line) else {
            odd.push(format!("line {number} is passed over: it is not UTF-8"));
            return Ok(());
        };
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']');
            let name = name.ok_or_else(|| format!("line {number}: a [section] is not closed"))?;
            self.section = Some(name.to_owned());
            return Ok(());
        }
        match (line.split_once('='), &self.section) {
            (Some((key, value)), Some(section)) => self.found.push(Assignment {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            (Some(_), None) => odd.push(format!(
                "line {number} is passed over: it is in no [section]"
            )),
            (None, _) => odd.push(format!(
                "line {number} is passed over: neither [section] nor key=value"
            )),
        }
        Ok(())
    }
}

/// The assignments of an environment file: `NAME=value`. Quotes and backslashes mean in the
/// value what they mean in a shell, but only quotes that the value begins with do.
pub fn environment_file(text: &str) -> Vec<(String, String)> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return found;
        }
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..line_end).unwrap_or_default();
        let name = line.split_once('=').map(|(name, _)| name);
        match name.filter(|_| !line.starts_with(['#', ';'])) {
            Some(name) => {
                let value;
                (value, rest) = value_at(rest.get(name.len() + 1..).unwrap_or_default());
                let name = name.trim();
                if is_variable(name) && !value.contains('\0') {
                    found.push((name.to_owned(), value));
                }
            }
            None => rest = rest.get(line_end..).unwrap_or_default(),
        }
    }
}

fn is_variable(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(allowed) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Blanks that are left out around a value.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// The value that a text begins with, and what follows it. A quoted one may have several lines.
fn value_at(text: &str) -> (String, &str) {
    let mut value = String::new();
    // What stands in quotes or behind a backslash is not trimmed.
    let mut kept = 0;
    let mut quote = None;
    // At the beginning, and behind a closed quote, the next quote opens.
    let mut may_open = true;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\n', None) => break,
            ('\'', Some('\'')) | ('"', Some('"')) => {
                quote = None;
                kept = value.len();
            }
            ('\'' | '"', None) if may_open => quote = Some(c),
            (c, None) if may_open && BLANKS.contains(&c) => {}
            ('\\', None | Some('"')) => {
                may_open &= quote.is_some();
                let escaped = rest.next();
                let is_special = |c: char| matches!(c, '"' | '\\' | '`' | '$');
                match escaped {
                    Some('\n') | None => {}
                    Some(c) if quote.is_none() || is_special(c) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                }
                kept = value.len();
            }
            (c, _) => {
                may_open &= quote.is_some();
                value.push(c);
            }
        }
    }
    if quote.is_none() {
        let tail = value.split_off(kept);
        value.push_str(tail.trim_end_matches(BLANKS));
    }
    (value, rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> (Vec<(String, String, String)>, Vec<String>) {
        let mut odd = Vec::new();
        let found = parse(text, &mut odd).unwrap();
        let all = found
            .into_iter()
            .map(|line| (line.section, line.key, line.value));
        (all.collect(), odd)
    }

    #[test]
    fn sections_comments_and_long_lines() {
        let check = |text: &[u8], expected: &[(&str, &str, &str)], said: &[&str]| {
            let (found, odd) = parsed(text);
            let owned = |(a, b, c): &(&str, &str, &str)| {
                ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())
            };
            let expected: Vec<_> = expected.iter().map(owned).collect();
            let shown = String::from_utf8_lossy(text);
            assert_eq!(found, expected, "{shown}");
            assert_eq!(odd.len(), said.len(), "{shown}: {odd:?}");
            for (odd, said) in odd.iter().zip(said) {
                assert!(odd.contains(said), "{shown}: {odd}");
            }
        };
        check(
            b"# c\n[Unit]\nDescription = a b\n\n[Service]\nExecStart=/bin/x \\\n# c\n  y\nExecStart=\n",
            &[
                ("Unit", "Description", "a b"),
                ("Service", "ExecStart", "/bin/x  y"),
                ("Service", "ExecStart", ""),
            ],
            &[],
        );
        let one = [("S", "A", "1")];
        check(b"\xef\xbb\xbf[S]\r\nA=1\r\n", &one, &[]);
        check(b"# caf\xe9\n;\xff\xfe\n[S]\nA=1 \\", &one, &[]);
        check(
            b"[S]\nA=1\nnonsense\n",
            &one,
            &["line 3 is passed over: neither"],
        );
        check(
            b"B=2\n[S]\nA=1\n",
            &one,
            &["line 1 is passed over: it is in no"],
        );
        check(
            b"[S]\nB=caf\xe9\nA=1\n",
            &one,
            &["line 2 is passed over: it is not UTF-8"],
        );
        assert!(parse(b"[A\nB=1", &mut Vec::new()).is_err());
    }

    #[test]
    fn environment_files_are_read_as_a_shell_reads_values() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let expected: Vec<_> = expected.iter().map(pair).collect();
            assert_eq!(environment_file(text), expected, "{text}");
        };
        check(
            "# c\nA=1\nB=\"x y\"\n;d\nC='q'\nD=\nnonsense\n",
            &[("A", "1"), ("B", "x y"), ("C", "q"), ("D", "")],
        );
        check(
            "OPTS=\"-g \\\"daemon off;\\\" -c /etc/x.conf\"\nAFTER=1 \\\n2\nQ=\"a\\\nb\"\nE=end",
            &[
                ("OPTS", "-g \"daemon off;\" -c /etc/x.conf"),
                ("AFTER", "1 2"),
                ("Q", "ab"),
                ("E", "end"),
            ],
        );
        // Within double quotes only some characters are escaped; within single ones, none.
        check(r#"A="\n\$\`\\\"" "#, &[("A", r#"\n$`\""#)]);
        check(r"A='\n\'", &[("A", r"\n\")]);
        check(r"A=\n\\x\ ", &[("A", r"n\x ")]);
        // Several lines, blanks and comments in quotes.
        check("A='b\n# c\n d ' \nE=1", &[("A", "b\n# c\n d "), ("E", "1")]);
        // Quotes that a value does not begin with are its own, blanks within it, too.
        check(
            "A=say  \"x\" 'y'  \r\nB =  2 # 3\n",
            &[("A", "say  \"x\" 'y'"), ("B", "2 # 3")],
        );
        check("A=\n\n=x\n#B=1\n  C=1\n", &[("A", ""), ("C", "1")]);
        check("\u{feff}A=1", &[("A", "1")]);
        check("A='x' \"y\" z'\n1=x\nb c=x", &[("A", "xyz'")]);
        check("A=\"open\nB=2", &[("A", "open\nB=2")]);
    }
}
