//! `text.diff`: how two text files differ.

use super::whole;
use aios_tool::argument::ReadPath;
use aios_tool::file::READING;
use aios_tool::prelude::*;
use aios_tool::preview;

/// The tool `text.diff`.
pub struct Diff;

arguments! {
    /// Arguments of `text.diff`.
    pub struct Input {
        /// Absolute path of the first file.
        pub path: ReadPath,
        /// Absolute path of the second file.
        pub other: ReadPath,
    }
}

/// The difference.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Is there none?
    pub equal: bool,
    /// Lines that only the second file has.
    pub added: u32,
    /// Lines that only the first file has.
    pub removed: u32,
    /// In the unified format, at most as much as an answer holds.
    pub diff: String,
    /// Is `diff` not the whole?
    #[serde(default)]
    pub truncated: bool,
}

impl Tool for Diff {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("text.diff", "Shows how two text files differ.")
            .example(json!({"path": "/etc/hosts", "other": "/srv/hosts.old"}))
            .kernel(READING)
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let Input { path, other } = input;
        match output.equal {
            true => format!("{path} and {other} are equal"),
            false => format!(
                "{other} has {} lines that {path} has not, and lacks {} of its lines",
                output.added, output.removed
            ),
        }
    }
}

impl Look for Diff {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let (old, new) = (whole(&input.path)?, whole(&input.other)?);
        let names = [input.path.as_str(), input.other.as_str()];
        let difference = preview::unified(&old, &new, names);
        let shown = format::cut(&difference.text, format::ANSWER_MAX);
        Ok(Output {
            equal: old == new,
            added: difference.added,
            removed: difference.removed,
            truncated: shown.len() < difference.text.len(),
            diff: shown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_difference_is_counted_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (old, new) = (file("old", b"a\nb\nc\n"), file("new", b"a\nx\ny\nc\n"));
        let done = call::<Diff>(json!({"path": old, "other": new})).unwrap();
        assert_eq!(done.output["added"], 2);
        assert_eq!(done.output["removed"], 1);
        assert!(
            done.output["diff"]
                .as_str()
                .unwrap()
                .ends_with(" a\n-b\n+x\n+y\n c\n")
        );
        let same = call::<Diff>(json!({"path": old, "other": old})).unwrap();
        assert!(same.summary.ends_with("are equal"), "{}", same.summary);
        let binary = file("binary", b"\x00\xff");
        let error = call::<Diff>(json!({"path": old, "other": binary})).unwrap_err();
        assert!(error.to_string().ends_with("it is not text"), "{error}");
    }
}
