//! `fs.read`: the content of a text file.

use std::io::{Read, Seek, SeekFrom};

use rustix::fs::FileType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::READING;
use super::path::{self, Last};
use super::place::Place;
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::Spec;
use crate::tool::Tool;

/// At most so much of a file is read, in bytes.
const READ_MAX: u64 = 1024 * 1024;
/// The summary shows a text up to this size whole, in bytes.
const SHOWN_MAX: usize = 2000;

/// See the module.
pub struct Act;

/// Arguments of `fs.read`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the file.
    pub path: String,
    /// So many lines: the first ones, or with a minus the last ones. Absent: all.
    #[schemars(range(min = -100_000, max = 100_000))]
    pub lines: Option<i64>,
}

/// What was read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// The text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub content: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// The content is not the whole file.
    pub truncated: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        kernel: READING,
        ..Spec::reading(
            "fs.read",
            "Reads a text file, or its first or last lines.",
            &["fs:read:{path}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.path = path::resolve(&input.path, Last::Follow)?;
        path::readable(&input.path, context)
    }

    fn act(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let place = Place::open(&input.path)?;
        let kind = FileType::from_raw_mode(place.existing()?.st_mode);
        if kind != FileType::RegularFile {
            let kind = super::kind_name(kind);
            return Err(ToolError::Precondition(format!(
                "{} is a {kind}",
                input.path
            )));
        }
        let fault = |error| ToolError::io(&input.path, error);
        let mut file = place.open_content()?;
        let size = file.metadata().map_err(fault)?.len();
        let from_end = input.lines.is_some_and(|lines| lines < 0);
        let skipped = if from_end {
            size.saturating_sub(READ_MAX)
        } else {
            0
        };
        file.seek(SeekFrom::Start(skipped)).map_err(fault)?;
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes).map_err(fault)?;
        let read = bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        let content = match input.lines {
            Some(lines) => some_lines(&text, lines).to_owned(),
            None => text.into_owned(),
        };
        Ok(Output {
            path: input.path.clone(),
            truncated: (content.len() as u64) < read || read < size,
            content,
            size: size.max(read), // files of the kernel say 0
        })
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { path, content, .. } = output;
        let size = format::bytes(output.size);
        match content.len() {
            0 => format!("{path} is empty"),
            shown if shown <= SHOWN_MAX => format!("{path} ({size}):\n{}", content.trim_end()),
            shown => format!(
                "{path} ({size}); read {} in {} lines",
                format::bytes(shown as u64),
                content.lines().count()
            ),
        }
    }
}

/// The first so many lines, or with a minus the last.
fn some_lines(text: &str, lines: i64) -> &str {
    let count = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
    if lines >= 0 {
        let end = text.split_inclusive('\n').take(count).map(str::len).sum();
        &text[..end]
    } else {
        let kept: usize = text
            .split_inclusive('\n')
            .rev()
            .take(count)
            .map(str::len)
            .sum();
        &text[text.len() - kept..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_lines() {
        let check = |text, lines, expected| assert_eq!(some_lines(text, lines), expected);
        check("a\nb\nc\n", 2, "a\nb\n");
        check("a\nb\nc\n", -2, "b\nc\n");
        check("a\nb\nc", -1, "c");
        check("a\nb", 0, "");
        check("a\nb", 9, "a\nb");
        check("", -3, "");
    }
}
