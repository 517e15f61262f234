//! `text.count`: how many lines, words and bytes a text has, and how often something stands in it.

use super::expression::Expression;
use super::lines;
use aios_tool::argument::ReadPath;
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `text.count`.
pub struct Act;

arguments! {
    /// Arguments of `text.count`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: ReadPath,
        /// A regular expression (`error|fatal`, `^$`) whose matches are counted, line by line.
        pub pattern: Option<Expression>,
    }
}

/// The counts.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Lines; the last one counts without a line end too.
    pub lines: u64,
    /// Words: what is between spaces, tabs and line ends.
    pub words: u64,
    /// Bytes.
    pub bytes: u64,
    /// How often the pattern matches; absent without one.
    pub matches: Option<u64>,
    /// In how many lines it does.
    pub matching_lines: Option<u64>,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "text.count",
            "Counts lines, words and bytes of a file, and how often a pattern matches in it.",
        )
        .example(json!({"path": "/var/log/app.log", "pattern": "error|fatal"}))
        .timeout_ms(60_000)
        .kernel(READING)
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let Output { lines, words, .. } = output;
        let size = format::bytes(output.bytes);
        let counts = format!("{} has {lines} lines, {words} words, {size}", input.path);
        match (&input.pattern, output.matches, output.matching_lines) {
            (Some(pattern), Some(matches), Some(in_lines)) => format!(
                "{counts}; {:?} matches {matches} times in {in_lines} lines",
                pattern.as_str()
            ),
            _ => counts,
        }
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let pattern = input
            .pattern
            .as_ref()
            .map(Expression::compiled)
            .transpose()?;
        let mut output = Output::default();
        let (mut matches, mut matching_lines) = (0, 0);
        lines(&input.path, context, |line| {
            output.lines += 1;
            output.bytes += line.len() as u64;
            let words = line
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty());
            output.words += words.count() as u64;
            if let Some(pattern) = &pattern {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
                let found = pattern.find_iter(&text).count() as u64;
                matches += found;
                matching_lines += u64::from(found > 0);
            }
            Ok(true)
        })?;
        if pattern.is_some() {
            output.matches = Some(matches);
            output.matching_lines = Some(matching_lines);
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn lines_words_bytes_and_matches_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        let check = |content: &[u8], pattern: Option<&str>, expected: [u64; 5]| {
            std::fs::write(&path, content).unwrap();
            let done = call::<Act>(json!({"path": path, "pattern": pattern})).unwrap();
            let Output {
                lines,
                words,
                bytes,
                matches,
                matching_lines,
            } = serde_json::from_value(done.output).unwrap();
            let found = [
                lines,
                words,
                bytes,
                matches.unwrap_or(9),
                matching_lines.unwrap_or(9),
            ];
            assert_eq!(found, expected, "{}", done.summary);
        };
        check(b"", None, [0, 0, 0, 9, 9]);
        check(b"a b\n\nc", None, [3, 3, 6, 9, 9]);
        check(b"ab ab\nb\n", Some("b"), [2, 3, 8, 3, 2]);
        check(b"x\n\ny\n", Some("^$"), [3, 2, 5, 1, 1]);
        check(b"\xff\x00 z\n", Some("z"), [1, 2, 5, 1, 1]);
    }

    #[test]
    fn what_is_no_expression_or_would_be_too_large_is_refused() {
        let check = |pattern: &str| {
            let arguments = json!({"path": "/etc/hostname", "pattern": pattern});
            let error = call::<Act>(arguments).unwrap_err();
            assert!(
                error.to_string().starts_with("pattern: is no regular"),
                "{error}"
            );
        };
        check("(");
        check("(a{1000}){1000}");
    }

    #[test]
    fn a_line_without_end_is_refused_instead_of_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(4 << 30)
            .unwrap();
        let error = call::<Act>(json!({"path": path})).unwrap_err();
        assert!(
            error.to_string().contains("line 1 is longer than"),
            "{error}"
        );
    }
}
