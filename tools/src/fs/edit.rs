//! `fs.edit`: replaces one exact text in a file by another.

use super::put;
use super::rewrite::{self, Rewriting};
use aios_tool::argument::{Content, Flag, Text, WritePath};
use aios_tool::file::WRITING;
use aios_tool::prelude::*;

/// The tool `fs.edit`.
pub struct Act;

arguments! {
    /// Arguments of `fs.edit`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: WritePath,
        /// The text as it stands in the file, with its spaces and line ends. It must occur exactly
        /// once, unless `all` is asked.
        pub old: Text,
        /// The text that takes its place; it may be empty.
        pub new: Content,
        /// Replace it wherever it occurs?
        pub all: Option<Flag>,
    }
}

/// What was replaced.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Its size in bytes before.
    pub prior_size: u64,
    /// It was set-user-ID or set-group-ID, or had capabilities, and with its new content is not.
    pub privileges_dropped: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.edit",
            "Replaces an exact text in a file by another, where it occurs exactly once, or everywhere.",
        )
        .example(json!({"path": "/srv/site/app.conf", "old": "port = 8080", "new": "port = 9090"}))
        .risk(Risk::Medium)
        .timeout_ms(30_000)
        .kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            path,
            size,
            prior_size,
            ..
        } = output;
        let dropped = put::dropped(output.privileges_dropped);
        format!(
            "{path} is edited ({} before, {} now){dropped}",
            format::bytes(*prior_size),
            format::bytes(*size)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the file has the new text in place of the old one, and nothing else is changed",
            &["edit", "replace", "change"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        rewrite::preview(&input.path, input, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        rewrite::capture(&input.path, input, capture)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        rewrite::act(&input.path, input, context).map(|put| output(input, put))
    }

    /// That the file holds exactly what was made of its content, the act checks: only it knows what
    /// the file held.
    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let size = super::whole_content(&input.path.place()?)?.len() as u64;
        if size == output.size {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "{} has {size} bytes",
            input.path
        )))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let put = rewrite::found_done(&input.path, input, interrupted.steps)?;
        Ok(put.map(|put| output(input, put)))
    }
}

fn output(input: &Input, put: put::Put) -> Output {
    Output {
        path: input.path.to_string(),
        size: put.size,
        prior_size: put.prior_size.unwrap_or(0),
        privileges_dropped: put.privileges_dropped,
    }
}

impl Rewriting for Input {
    fn rewritten(&self, content: &[u8]) -> Result<Vec<u8>, ToolError> {
        let (old, new) = (self.old.as_str().as_bytes(), self.new.as_str().as_bytes());
        replaced(content, old, new, Flag::is_set(self.all))
            .map_err(|why| ToolError::Precondition(format!("{}: {why}", self.path)))
    }
}

/// The content with `new` for `old`.
///
/// # Errors
/// Why not: the text does not occur, or more often than once where all are not asked.
fn replaced(content: &[u8], old: &[u8], new: &[u8], all: bool) -> Result<Vec<u8>, String> {
    let places = occurrences(content, old);
    match places.len() {
        0 => return Err("the text does not occur in it".to_owned()),
        1 => {}
        _ if all => {}
        count => {
            return Err(format!(
                "the text occurs {count} times; give more of what is around it, or ask for all"
            ));
        }
    }
    let mut whole = Vec::with_capacity(content.len());
    let mut from = 0;
    for at in places {
        whole.extend_from_slice(&content[from..at]);
        whole.extend_from_slice(new);
        from = at + old.len();
    }
    whole.extend_from_slice(&content[from..]);
    Ok(whole)
}

/// Where a text begins, one after the other without overlap.
fn occurrences(content: &[u8], text: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&content[from..], text) {
        found.push(from + at);
        from += at + text.len();
    }
    found
}

/// Where a text begins first. By its first byte, so that a long file is gone through quickly.
fn find(content: &[u8], text: &[u8]) -> Option<usize> {
    let first = text.first()?;
    let mut from = 0;
    while let Some(at) = content[from..].iter().position(|byte| byte == first) {
        if content[from + at..].starts_with(text) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call_change as call;

    #[test]
    fn a_text_is_replaced_where_it_occurs_once_or_everywhere() {
        let check = |content: &str, old: &str, new: &str, all, expected: Result<&str, &str>| {
            let found = replaced(content.as_bytes(), old.as_bytes(), new.as_bytes(), all);
            let found = found.map(|whole| String::from_utf8(whole).unwrap());
            match expected {
                Ok(whole) => assert_eq!(found.as_deref(), Ok(whole), "{content}"),
                Err(part) => assert!(found.clone().unwrap_err().contains(part), "{found:?}"),
            }
        };
        check("a b c", "b", "x", false, Ok("a x c"));
        check("a b b", "b", "x", false, Err("occurs 2 times"));
        check("a b b", "b", "", true, Ok("a  "));
        check("a b c", "d", "x", true, Err("does not occur"));
        check("aaa", "aa", "b", false, Ok("ba"));
        check("", "a", "b", false, Err("does not occur"));
    }

    #[test]
    fn a_file_with_any_bytes_keeps_all_but_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        std::fs::write(&path, b"\xff\x00port = 1\r\n\xfe").unwrap();
        let arguments = json!({"path": path, "old": "port = 1", "new": "port = 22"});
        let done = call::<Act>(arguments.clone()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\xff\x00port = 22\r\n\xfe");
        assert!(
            done.summary.ends_with("is edited (13 B before, 14 B now)"),
            "{}",
            done.summary
        );
        let error = call::<Act>(json!({"path": path, "old": "absent", "new": ""})).unwrap_err();
        assert!(
            error.to_string().ends_with("the text does not occur in it"),
            "{error}"
        );
    }
}
