//! `text.patch`: applies a unified diff to a file.

use super::unified;
use crate::fs::put::{self, Put};
use crate::fs::rewrite::{self, Rewriting};
use aios_tool::argument::{Content, WritePath};
use aios_tool::file::WRITING;
use aios_tool::prelude::*;

/// The tool `text.patch`.
pub struct Act;

arguments! {
    /// Arguments of `text.patch`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: WritePath,
        /// The difference in the unified format, of one file. The names in it do not count. Every
        /// hunk must fit exactly where it says.
        pub patch: Content,
    }
}

/// What was changed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// So many hunks were applied.
    pub hunks: u64,
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
            "text.patch",
            "Applies a unified diff to a file, exactly or not at all.",
        )
        .example(json!({
            "path": "/srv/site/app.conf",
            "patch": "@@ -1 +1 @@\n-port = 8080\n+port = 9090\n",
        }))
        .risk(Risk::Medium)
        .timeout_ms(30_000)
        .kernel(WRITING)
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        input.hunks().map(drop)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            path,
            hunks,
            size,
            prior_size,
            ..
        } = output;
        let dropped = put::dropped(output.privileges_dropped);
        format!(
            "{path} is patched ({hunks} hunks; {} before, {} now){dropped}",
            format::bytes(*prior_size),
            format::bytes(*size)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the file is changed as the patch says, and not otherwise",
            &["patch", "change"],
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
        output(input, rewrite::act(&input.path, input, context)?)
    }

    /// That the file holds exactly what was made of its content, the act checks: only it knows what
    /// the file held.
    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let stat = input.path.place()?.existing()?;
        if u64::try_from(stat.st_size) == Ok(output.size) {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "{} has {} bytes",
            input.path, stat.st_size
        )))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let put = rewrite::found_done(&input.path, input, interrupted.steps)?;
        put.map(|put| output(input, put)).transpose()
    }
}

fn output(input: &Input, put: Put) -> Result<Output, ToolError> {
    Ok(Output {
        path: input.path.to_string(),
        hunks: input.hunks()?.len() as u64,
        size: put.size,
        prior_size: put.prior_size.unwrap_or(0),
        privileges_dropped: put.privileges_dropped,
    })
}

impl Input {
    fn hunks(&self) -> Result<Vec<unified::Hunk>, ToolError> {
        unified::parse(self.patch.as_str().as_bytes())
            .map_err(|why| ToolError::Invalid(format!("patch: {why}")))
    }
}

impl Rewriting for Input {
    fn rewritten(&self, content: &[u8]) -> Result<Vec<u8>, ToolError> {
        unified::apply(content, &self.hunks()?)
            .map_err(|why| ToolError::Precondition(format!("{}: {why}", self.path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{self, call_change as call};

    #[test]
    fn a_file_is_patched_and_the_preview_is_the_patch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        let patch = "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n";
        let arguments = json!({"path": path, "patch": patch});
        let context = trial::context(&folder.path().join("state"));
        let input = trial::input::<Act>(arguments.clone(), &context);
        let preview = Act::preview(&input, &context).unwrap();
        assert!(preview.changes[0].diff.ends_with(patch), "{preview:?}");
        let done = call::<Act>(arguments.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nB\nc\n");
        assert!(
            done.summary.contains("1 hunks; 6 B before, 6 B now"),
            "{}",
            done.summary
        );
        let again = call::<Act>(arguments).unwrap_err().to_string();
        assert!(
            again.contains("hunk 1 (@@ -1,3 +1,3 @@) does not fit"),
            "{again}"
        );
        let none = call::<Act>(json!({"path": path, "patch": "x"})).unwrap_err();
        assert!(
            none.to_string().starts_with("patch: it has no hunk"),
            "{none}"
        );
    }
}
