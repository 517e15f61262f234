//! `data.convert`: writes the table of a file in another format.

use super::table::{self, Format};
use crate::fs::put::{self, New};
use aios_tool::argument::{ReadPath, WritePath};
use aios_tool::budget::{Held, Share};
use aios_tool::file::WRITING;
use aios_tool::prelude::*;

/// The tool `data.convert`.
pub struct Act;

arguments! {
    /// Arguments of `data.convert`.
    pub struct Input {
        /// Absolute path of a file with a table: CSV or TSV with names of columns first, a list of JSON
        /// objects, or JSON Lines. At most 32 MiB.
        pub source: ReadPath,
        /// Absolute path of the file that is written, in place of what it had. Its folder must exist; the
        /// ending of its name says the format: .csv, .tsv, .json or .jsonl.
        pub destination: WritePath,
        /// What the source is, when its name does not say it.
        pub from: Option<Format>,
        /// What is written, when the name of the destination does not say it.
        pub to: Option<Format>,
    }
}

/// What was written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Where the table came from.
    pub source: String,
    /// The file that was written.
    pub destination: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "data.convert",
            "Writes the table of a CSV, TSV, JSON or JSON Lines file into another file, in another of these formats.",
        )
        .risk(Risk::Medium)
        .timeout_ms(60_000)
        .kernel(WRITING)
        .example(json!({"source": "/srv/sales.csv", "destination": "/srv/sales.json"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            source,
            destination,
            rows,
            size,
        } = output;
        let size = format::bytes(*size);
        format!("{destination} has the {rows} rows of {source} ({size})")
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("the file has exactly the rows of the table", &["convert"])
            .undone_by(Undo::Files)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let (text, _) = converted(input)?;
        put::foreseen(&input.destination, context, New::Whole(text.as_bytes()))
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        converted(input)?;
        put::may_be_written(&input.destination)?;
        capture.keep(&input.destination)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let (text, rows) = converted(input)?;
        let put = put::put(&input.destination, context, New::Whole(text.as_bytes()))?;
        Ok(output(input, rows, put.size))
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        let (text, _) = converted(input)?;
        crate::fs::has_content(&input.destination, text.as_bytes())
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let (text, rows) = converted(input)?;
        let done = crate::fs::has_content(&input.destination, text.as_bytes()).is_ok();
        Ok(done.then(|| output(input, rows, text.len() as u64)))
    }
}

fn output(input: &Input, rows: u64, size: u64) -> Output {
    Output {
        source: input.source.to_string(),
        destination: input.destination.to_string(),
        rows,
        size,
    }
}

/// The text that is written, and its rows.
fn converted(input: &Input) -> Result<(Held<String>, u64), ToolError> {
    if input.source.as_str() == input.destination.as_str() {
        return Err(ToolError::Invalid(
            "destination: is the source itself".into(),
        ));
    }
    let to = input
        .to
        .map_or_else(|| Format::of(input.destination.as_str()), Ok)?;
    let mut share = Share::default();
    let table = table::read(&input.source, input.from, &mut share)?;
    let text = table::write(&table, to, &mut share)?;
    let rows = table.rows.len() as u64;
    Ok((Held::new(text, share), rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{call_in, prepare};
    use aios_tool::tool::change;

    #[test]
    fn a_table_is_written_in_another_format() {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("x.csv"), "a,b\n1,x\n").unwrap();
        let tool = change::<Act>();
        let arguments = json!({"source": path("x.csv"), "destination": path("x.jsonl")});
        let prepared = prepare(tool.as_ref(), arguments.clone(), state.path()).unwrap();
        let context = crate::trial::context(state.path());
        let preview = prepared.call.preview(&context).unwrap();
        assert!(
            preview.changes[0].diff.contains("+{\"a\":1,\"b\":\"x\"}"),
            "{preview:?}"
        );
        assert!(!std::path::Path::new(&path("x.jsonl")).exists());
        let done = call_in(tool.as_ref(), arguments, state.path()).unwrap();
        assert_eq!(
            std::fs::read_to_string(path("x.jsonl")).unwrap(),
            "{\"a\":1,\"b\":\"x\"}\n"
        );
        assert!(
            done.summary.contains("has the 1 rows of"),
            "{}",
            done.summary
        );
        let back = json!({"source": path("x.jsonl"), "destination": path("y"), "to": "csv"});
        call_in(tool.as_ref(), back, state.path()).unwrap();
        assert_eq!(std::fs::read_to_string(path("y")).unwrap(), "a,b\n1,x\n");
    }
}
