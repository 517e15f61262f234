//! `fs.list`: what is in a directory.

use rustix::fs::FileType;

use aios_tool::argument::ReadPath;
use aios_tool::file::{READING, name};
use aios_tool::prelude::*;

/// At most so many entries are given.
const ENTRIES_MAX: usize = 10_000;
/// So much of an answer an entry takes beside its name, in bytes of JSON, at most.
const ITEM_MAX: usize = 128;
/// The summary shows so many.
const SHOWN_MAX: usize = 50;

/// The tool `fs.list`.
pub struct Act;

arguments! {
    /// Arguments of `fs.list`.
    pub struct Input {
        /// Absolute path of the directory.
        pub path: ReadPath,
    }
}

/// One thing in the directory.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its name, as a path of it is written: bytes that are not visible UTF-8 as `\xHH`.
    pub name: String,
    /// `file`, `directory`, `symlink`, …
    pub kind: String,
    /// Size in bytes.
    pub size: u64,
    /// Last change, Unix time in milliseconds.
    pub modified_ms: i64,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// What is in it, by name; the first of them, when they are more than an answer holds.
    pub entries: Vec<Item>,
    /// So many things are in it.
    pub count: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.list",
            "Lists what is in a directory, with kinds and sizes.",
        )
        .example(json!({"path": "/srv"}))
        .kernel(READING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let shown: Vec<_> = output.entries.iter().take(SHOWN_MAX).map(shown).collect();
        let more = match output.count as usize - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match output.count {
            0 => format!("{} is empty", output.path),
            1 => format!("1 entry in {}: {}", output.path, shown.join(", ")),
            count => format!(
                "{count} entries in {}: {}{more}",
                output.path,
                shown.join(", ")
            ),
        }
    }
}

impl Look for Act {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let children = input.path.place()?.children()?;
        let count = children.len() as u64;
        let mut entries = Vec::new();
        let mut room = format::ANSWER_MAX;
        for child in children.into_iter().take(ENTRIES_MAX) {
            let name = name::encode(&child.name);
            let Some(left) = room.checked_sub(format::json_size(&name) + ITEM_MAX) else {
                break;
            };
            room = left;
            let Some(stat) = child.stat()? else {
                continue; // gone in the meantime
            };
            entries.push(Item {
                name,
                kind: file::kind_name(FileType::from_raw_mode(stat.st_mode)).to_owned(),
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified_ms: file::milliseconds(stat.st_mtime, stat.st_mtime_nsec),
            });
        }
        Ok(Output {
            path: input.path.to_string(),
            entries,
            count,
        })
    }
}

fn shown(item: &Item) -> String {
    match item.kind.as_str() {
        "file" => format!("{} ({})", item.name, format::bytes(item.size)),
        "directory" => format!("{}/", item.name),
        "symlink" => format!("{}@", item.name),
        kind => format!("{} ({kind})", item.name),
    }
}
