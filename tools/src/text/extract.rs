//! `text.extract`: lines of a text that match, or a range of them, or some of their fields.

use super::expression::Expression;
use super::lines;
use aios_tool::argument::{ReadPath, Text, Whole};
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The summary shows so many lines.
const SHOWN_MAX: usize = 20;
/// What a line takes in an answer beside its text, in bytes of JSON.
const ITEM_BYTES: usize = 48;
/// So many fields may be asked for.
const FIELDS_MAX: usize = 64;

/// The number of a line.
type Line = Whole<1, 1_000_000_000>;

/// The tool `text.extract`.
pub struct Act;

arguments! {
    /// Arguments of `text.extract`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: ReadPath,
        /// A regular expression: only lines in which it matches.
        pub pattern: Option<Expression>,
        /// The first line, from 1.
        pub first: Option<Line>,
        /// The last line.
        pub last: Option<Line>,
        /// Which fields of each line, by their numbers from 1 on, in this order: `1,3`.
        pub fields: Option<Text>,
        /// What is between fields; if absent, any run of spaces and tabs.
        pub separator: Option<Text>,
    }
}

/// A line, or the fields of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Its number, from 1.
    pub line: u64,
    /// Its text without its end; where fields were asked, these, with the separator between them.
    pub text: String,
}

/// What was extracted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The lines, in order.
    pub found: Vec<Found>,
    /// There is more than an answer holds.
    pub truncated: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "text.extract",
            "Extracts lines of a file: those that match, a range of them, or some of their fields.",
        )
        .example(json!({"path": "/etc/hosts", "pattern": "^192\\.", "fields": "1,2"}))
        .timeout_ms(60_000)
        .kernel(READING)
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let invalid = |why: &str| Err(ToolError::Invalid(why.to_owned()));
        match (input.first, input.last, &input.fields, &input.separator) {
            (Some(first), Some(last), ..) if first.get() > last.get() => {
                invalid("last: is before first")
            }
            (_, _, None, Some(_)) => invalid("separator: is for fields, and none are asked"),
            (_, _, Some(asked), _) => numbers(asked.as_str()).map(drop),
            _ => Ok(()),
        }
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let shown = output.found.iter().take(SHOWN_MAX);
        let shown: Vec<_> = shown
            .map(|one| format!("{}: {}", one.line, format::printable(&one.text)))
            .collect();
        let truncated = if output.truncated {
            " (there are more)"
        } else {
            ""
        };
        match output.found.len() {
            0 => format!("no line of {} is such", input.path),
            count if count > SHOWN_MAX => format!(
                "{count} lines of {}{truncated}; the first {SHOWN_MAX}:\n{}",
                input.path,
                shown.join("\n")
            ),
            count => format!(
                "{count} lines of {}{truncated}:\n{}",
                input.path,
                shown.join("\n")
            ),
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
        let asked = input
            .fields
            .as_ref()
            .map(|asked| numbers(asked.as_str()))
            .transpose()?;
        let separator = input.separator.as_ref().map(Text::as_str);
        let (first, last) = (
            input.first.map_or(1, |line| line.get().unsigned_abs()),
            input
                .last
                .map_or(u64::MAX, |line| line.get().unsigned_abs()),
        );
        let mut output = Output {
            found: Vec::new(),
            truncated: false,
        };
        let (mut number, mut room) = (0, format::ANSWER_MAX);
        lines(&input.path, context, |line| {
            number += 1;
            if number < first {
                return Ok(true);
            }
            if number > last {
                return Ok(false);
            }
            let text = without_end(line);
            if pattern
                .as_ref()
                .is_some_and(|pattern| !pattern.is_match(&text))
            {
                return Ok(true);
            }
            let text = match &asked {
                Some(asked) => fields(&text, asked, separator),
                None => text,
            };
            let Some(left) = room.checked_sub(format::json_size(&text) + ITEM_BYTES) else {
                output.truncated = true;
                return Ok(false);
            };
            room = left;
            output.found.push(Found { line: number, text });
            Ok(number < last)
        })?;
        Ok(output)
    }
}

fn without_end(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

/// The numbers of fields that are asked for.
///
/// # Errors
/// `Invalid`.
fn numbers(asked: &str) -> Result<Vec<usize>, ToolError> {
    let number = |text: &str| text.trim().parse().ok().filter(|number| *number >= 1);
    let numbers: Option<Vec<usize>> = asked.split(',').map(number).collect();
    numbers
        .filter(|numbers| numbers.len() <= FIELDS_MAX)
        .ok_or_else(|| {
            let why = format!("fields: must be at most {FIELDS_MAX} numbers from 1 on: 1,3");
            ToolError::Invalid(why)
        })
}

/// Fields of a line, with the separator between them; one that the line does not have is empty.
fn fields(line: &str, asked: &[usize], separator: Option<&str>) -> String {
    let all: Vec<&str> = match separator {
        Some(separator) => line.split(separator).collect(),
        None => line
            .split([' ', '\t'])
            .filter(|field| !field.is_empty())
            .collect(),
    };
    let field = |number: &usize| all.get(number - 1).copied().unwrap_or_default();
    let asked: Vec<_> = asked.iter().map(field).collect();
    asked.join(separator.unwrap_or(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::Value;

    #[test]
    fn fields_are_picked_in_order() {
        let check = |line, asked: &str, separator, expected| {
            let numbers = numbers(asked).unwrap();
            assert_eq!(fields(line, &numbers, separator), expected, "{line:?}");
        };
        check("a:b:c", "3,1", Some(":"), "c:a");
        check("a::c", "2", Some(":"), "");
        check(" a \t b ", "2,1", None, "b a");
        check("a", "1,9", None, "a ");
        for wrong in ["", "0", "1,", "a", "-1", "1-3"] {
            assert!(numbers(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lines_are_chosen_by_range_and_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        std::fs::write(&path, "one 1\r\ntwo 2\nthree 3\nfour 4").unwrap();
        let check = |more: Value, expected: &[&str]| {
            let mut arguments = json!({"path": path});
            arguments
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let done = call::<Act>(arguments).unwrap();
            let output: Output = serde_json::from_value(done.output).unwrap();
            let found = output
                .found
                .iter()
                .map(|one| format!("{} {}", one.line, one.text));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{more}");
        };
        check(json!({"first": 1, "last": 1}), &["1 one 1"]);
        check(json!({"first": 3}), &["3 three 3", "4 four 4"]);
        check(json!({"pattern": "^t"}), &["2 two 2", "3 three 3"]);
        check(json!({"pattern": "^t", "fields": "2", "last": 2}), &["2 2"]);
        check(json!({"pattern": "none"}), &[]);
        let wrong = |more: Value| call::<Act>(more).unwrap_err().to_string();
        let range = wrong(json!({"path": path, "first": 3, "last": 2}));
        assert!(range.contains("before first"), "{range}");
        let separator = wrong(json!({"path": path, "separator": ":"}));
        assert!(
            separator.contains("separator: is for fields"),
            "{separator}"
        );
    }

    #[test]
    fn an_answer_holds_as_much_as_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        std::fs::write(&path, "a line of some length\n".repeat(100_000)).unwrap();
        let done = call::<Act>(json!({"path": path})).unwrap();
        assert_eq!(done.output["truncated"], true);
        assert!(done.output.to_string().len() < 2_000_000);
    }
}
