//! `fs.copy`: copies a file, or a directory with everything in it.

use aios_tool::argument::{NewPath, ReadTree};
use aios_tool::file::path::is_not_too_deep;
use aios_tool::file::tree::{self, Keep, Survey};
use aios_tool::file::{WRITING, extent, fingerprint, must_be_free};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `fs.copy`.
pub struct Act;

arguments! {
    /// Arguments of `fs.copy`.
    pub struct Input {
        /// Absolute path of what is copied.
        pub source: ReadTree,
        /// Absolute path that it gets; a directory that exists gets it inside, under its own name.
        pub destination: NewPath,
    }
}

/// What was copied.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What was copied.
    pub source: String,
    /// Where the copy is.
    pub destination: String,
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.copy",
            "Copies a file, or a directory with all in it; never over something that exists.",
        )
        .example(json!({"source": "/etc/hosts", "destination": "/srv/hosts.old"}))
        .risk(Risk::Medium)
        .timeout_ms(300_000)
        .kernel(WRITING)
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        input.destination.enter(&input.source.to_path());
        Ok(())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let entries = match output.entries {
            1 => String::new(),
            entries => format!("{entries} entries, "),
        };
        let bytes = format::bytes(output.bytes);
        format!(
            "{} is copied to {} ({entries}{bytes})",
            output.source, output.destination
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the copy has as many entries and bytes as the source",
            &["copy"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        may_be_copied(input)?;
        let source = input.source.place()?;
        let after = format!("a copy of {}: {}", input.source, extent::of(&source)?);
        let copy = Foreseen::of(&input.destination, "absent", &after);
        Ok(copy.exactly(fingerprint::seen(&source)?).into())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        may_be_copied(input)?;
        capture.absent(&input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = input.source.place()?;
        let to = input.destination.place()?;
        let keep = Keep::Permissions(context.owner());
        let copied = tree::copy(&from, &to, keep, context.execution())?;
        Ok(Output {
            source: input.source.to_string(),
            destination: input.destination.to_string(),
            entries: copied.entries,
            bytes: copied.bytes,
        })
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let there = extent::of(&input.destination.place()?)?;
        if (there.entries, there.bytes) == (output.entries, output.bytes) {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "{} is not a whole copy",
            output.destination
        )))
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        // A copy appears under its name when it is whole; what is there may be somebody else's.
        let (Some(from), Some(to)) = (
            input.source.place_if_any()?,
            input.destination.place_if_any()?,
        ) else {
            return Ok(None);
        };
        if !tree::has_same_content(&from, &to)? {
            return Ok(None);
        }
        let there = extent::of(&to)?;
        Ok(Some(Output {
            source: input.source.to_string(),
            destination: input.destination.to_string(),
            entries: there.entries,
            bytes: there.bytes,
        }))
    }
}

/// May the source be copied to the destination?
fn may_be_copied(input: &Input) -> Result<(), ToolError> {
    input.destination.is_apart_from(&input.source.to_path())?;
    let survey = Survey::of(&input.source.place()?)?;
    is_not_too_deep(&input.destination.to_path(), survey.depth)?;
    must_be_free(&input.destination.place()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // helpers of tests
mod tests {
    use super::*;
    use crate::trial;
    use aios_tool::argument::Arguments;
    use serde_json::json;
    use std::time::SystemTime;

    #[test]
    fn after_a_crash_only_a_copy_of_the_source_counts_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
        let found = || {
            let context = trial::context(&root.join("state"));
            let arguments = json!({"source": path("x"), "destination": path("y")});
            // A copy into a folder that is there goes inside; here the copy itself is meant.
            let mut input: Input = serde_json::from_value(arguments).unwrap();
            input.resolve(&context).unwrap();
            input.guard(&context).unwrap();
            let interrupted = Interrupted {
                started: SystemTime::now(),
                execution: "e",
                steps: &[],
            };
            let found = Act::found_done(&input, &interrupted, &context);
            found.unwrap().map(|output| (output.entries, output.bytes))
        };
        std::fs::create_dir(path("x")).unwrap();
        std::fs::write(path("x/a"), "12345").unwrap();
        std::os::unix::fs::symlink("a", path("x/link")).unwrap();
        assert_eq!(found(), None);
        std::fs::create_dir(path("y")).unwrap();
        std::fs::write(path("y/a"), "54321").unwrap();
        std::os::unix::fs::symlink("a", path("y/link")).unwrap();
        assert_eq!(found(), None);
        std::fs::write(path("y/a"), "12345").unwrap();
        assert_eq!(found(), Some((3, 5)));
        std::fs::write(path("y/b"), "").unwrap();
        assert_eq!(found(), None);
        std::fs::remove_dir_all(path("x")).unwrap();
        assert_eq!(found(), None);
    }
}
