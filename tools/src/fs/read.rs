//! `fs.read`: the content of a text file.

use std::io::{Read, Seek, SeekFrom};

use rustix::fs::FileType;

use aios_tool::argument::{ReadPath, Whole};
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// At most so much of a file is read, in bytes.
const READ_MAX: u64 = 1024 * 1024;
/// The summary shows a text up to this size whole, in bytes.
const SHOWN_MAX: usize = 2000;

/// The tool `fs.read`.
pub struct Act;

arguments! {
    /// Arguments of `fs.read`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: ReadPath,
        /// So many lines: the first ones, or with a minus the last ones. Absent: all.
        pub lines: Option<Whole<-100_000, 100_000>>,
    }
}

/// What was read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// The text, at most as much as an answer holds; bytes that are not UTF-8 are replaced by U+FFFD.
    pub content: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// The content is not the whole file.
    pub truncated: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("fs.read", "Reads a text file, or its first or last lines.")
            .example(json!({"path": "/etc/hosts", "lines": 20}))
            .kernel(READING)
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

impl Look for Act {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        let kind = FileType::from_raw_mode(place.existing()?.st_mode);
        if kind != FileType::RegularFile {
            let kind = file::kind_name(kind);
            return Err(ToolError::Precondition(format!(
                "{} is a {kind}",
                input.path
            )));
        }
        let fault = |error| ToolError::io(&input.path, error);
        let mut file = place.open_content()?;
        let size = file.metadata().map_err(fault)?.len();
        let from_end = input.lines.is_some_and(|lines| lines.get() < 0);
        let skipped = if from_end {
            size.saturating_sub(READ_MAX)
        } else {
            0
        };
        file.seek(SeekFrom::Start(skipped)).map_err(fault)?;
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes).map_err(fault)?;
        let read = bytes.len() as u64;
        let asked = match input.lines {
            Some(lines) => some_lines(&bytes, lines.get()),
            None => &bytes,
        };
        let text = String::from_utf8_lossy(asked);
        let content = if from_end {
            format::cut_front(&text, format::ANSWER_MAX)
        } else {
            format::cut(&text, format::ANSWER_MAX)
        };
        let whole = asked.len() as u64 == read && read >= size && content.len() == text.len();
        Ok(Output {
            path: input.path.to_string(),
            content,
            size: size.max(read), // files of the kernel say 0
            truncated: !whole || (size == 0 && read == READ_MAX),
        })
    }
}

/// The first so many lines, or with a minus the last.
fn some_lines(text: &[u8], lines: i64) -> &[u8] {
    let count = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
    let all = text.split_inclusive(|byte| *byte == b'\n');
    if lines >= 0 {
        let end = all.take(count).map(<[u8]>::len).sum();
        &text[..end]
    } else {
        let kept: usize = all.rev().take(count).map(<[u8]>::len).sum();
        &text[text.len() - kept..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_lines() {
        let check = |text: &str, lines, expected: &str| {
            assert_eq!(some_lines(text.as_bytes(), lines), expected.as_bytes());
        };
        check("a\nb\nc\n", 2, "a\nb\n");
        check("a\nb\nc\n", -2, "b\nc\n");
        check("a\nb\nc", -1, "c");
        check("a\nb", 0, "");
        check("a\nb", 9, "a\nb");
        check("", -3, "");
    }
}
