//! The syntax of unit files (systemd.syntax(7)): sections of `key = value`.

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

/// All assignments in their order.
///
/// # Errors
/// The first line that is none.
pub fn parse(text: &str) -> Result<Vec<Assignment>, String> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut open = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue; // also between the lines of a value
        }
        if let Some(begun) = line.strip_suffix('\\') {
            open.push_str(begun);
            open.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut open) + line;
        if whole.is_empty() {
            continue;
        }
        if let Some(name) = whole
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            found.push(Assignment {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            });
        } else {
            return Err(format!(
                "line {}: neither [section] nor key=value",
                number + 1
            ));
        }
    }
    Ok(found)
}

/// The assignments of an environment file: `NAME=value`, the value perhaps quoted.
pub fn environment_file(text: &str) -> Vec<(String, String)> {
    let parse = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let quoted = |quote: char| {
            let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
            Some(inner.to_owned())
        };
        let value = quoted('"').or_else(|| quoted('\''));
        let value = value.unwrap_or_else(|| {
            line.split_once('=')
                .map_or("", |(_, v)| v.trim())
                .to_owned()
        });
        Some((name.trim().to_owned(), value))
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
        .filter_map(parse)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_comments_and_long_lines() {
        let text = "# c\n[Unit]\nDescription = a b\n\n[Service]\nExecStart=/bin/x \\\n# c\n  y\nExecStart=\n";
        let found = parse(text).unwrap();
        let all: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|line| {
                (
                    line.section.as_str(),
                    line.key.as_str(),
                    line.value.as_str(),
                )
            })
            .collect();
        assert_eq!(
            all,
            [
                ("Unit", "Description", "a b"),
                ("Service", "ExecStart", "/bin/x  y"),
                ("Service", "ExecStart", ""),
            ]
        );
        assert_eq!(
            parse("[A]\nnonsense").unwrap_err(),
            "line 2: neither [section] nor key=value"
        );
    }

    #[test]
    fn environment_files() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            environment_file("# c\nA=1\nB=\"x y\"\n;d\nC='q'\nD=\nnonsense\n"),
            [
                pair("A", "1"),
                pair("B", "x y"),
                pair("C", "q"),
                pair("D", "")
            ]
        );
    }
}
