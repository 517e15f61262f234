//! `fs.append`: adds to the end of a file, all at once.

use super::put::{self, New};
use aios_tool::argument::{Content, WritePath};
use aios_tool::file::WRITING;
use aios_tool::prelude::*;
use aios_tool::undo::Step;

/// The tool `fs.append`.
pub struct Act;

arguments! {
    /// Arguments of `fs.append`.
    pub struct Input {
        /// Absolute path of the file; it is made when it is missing, its folder must exist.
        pub path: WritePath,
        /// What is added. A line end is put before it when the file does not end with one.
        pub content: Content,
    }
}

/// What was added.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Bytes that were added.
    pub added: u64,
    /// Size of the file in bytes.
    pub size: u64,
    /// It was set-user-ID or set-group-ID, or had capabilities, and with its new content is not.
    #[serde(default)]
    pub privileges_dropped: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.append",
            "Adds a text to the end of a file; makes the file when it is missing.",
        )
        .example(json!({"path": "/srv/notes.txt", "content": "one more line\n"}))
        .risk(Risk::Medium)
        .timeout_ms(30_000)
        .kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!(
            "{} added to {}, which has {} now{}",
            format::bytes(output.added),
            output.path,
            format::bytes(output.size),
            put::dropped(output.privileges_dropped)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("the file ends with the content", &["append", "write"])
            .undone_by(Undo::Files)
            .not_idempotent()
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        put::foreseen(
            &input.path,
            context,
            New::Added(input.content.as_str().as_bytes()),
        )
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        put::may_be_written(&input.path)?;
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let put = put::put(
            &input.path,
            context,
            New::Added(input.content.as_str().as_bytes()),
        )?;
        Ok(Output {
            path: input.path.to_string(),
            added: put.size - put.prior_size.unwrap_or(0),
            size: put.size,
            privileges_dropped: put.privileges_dropped,
        })
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let place = input.path.place()?;
        let content = super::whole_content(&place)?;
        let as_said = content.len() as u64 == output.size;
        if as_said && content.ends_with(input.content.as_str().as_bytes()) {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "{} does not end with the content",
            input.path
        )))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let prior = match interrupted.steps {
            [Step::Restore(step)] => step.kept_content()?.unwrap_or_default(),
            _ => Vec::new(),
        };
        let whole = joined(&prior, input.content.as_str());
        let done = super::has_content(&input.path, &whole).is_ok();
        Ok(done.then(|| Output {
            path: input.path.to_string(),
            added: (whole.len() - prior.len()) as u64,
            size: whole.len() as u64,
            privileges_dropped: false,
        }))
    }
}

/// The text begins on a line of its own.
fn joined(prior: &[u8], content: &str) -> Vec<u8> {
    let mut whole = prior.to_vec();
    if prior.last().is_some_and(|last| *last != b'\n') {
        whole.push(b'\n');
    }
    whole.extend_from_slice(content.as_bytes());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_begins_on_its_own_line() {
        let check = |prior: &str, content, expected: &str| {
            assert_eq!(joined(prior.as_bytes(), content), expected.as_bytes());
        };
        check("", "x", "x");
        check("a\n", "x", "a\nx");
        check("a", "x\n", "a\nx\n");
    }
}
