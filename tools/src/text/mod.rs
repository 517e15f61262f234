//! `text.*`: what is in texts, how they differ, and texts made from others.

pub mod count;
pub mod diff;
mod expression;
pub mod extract;
pub mod patch;
pub mod template;
mod unified;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;

use rustix::fs::FileType;

use aios_tool::argument::ReadPath;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::format;
use aios_tool::preview;
use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<count::Act>(),
        look::<diff::Diff>(),
        look::<extract::Act>(),
        change::<patch::Act>(),
        change::<template::Act>(),
    ]
}

/// The largest text that is taken as a whole, in bytes.
const SIZE_MAX: u64 = preview::TEXT_MAX as u64;

/// The longest line of a text that is gone through line by line, in bytes.
const LINE_MAX: u64 = 1024 * 1024;

/// The whole text of a file.
///
/// # Errors
/// `Precondition` when it is no file, too large, or no text.
fn whole(path: &ReadPath) -> Result<String, ToolError> {
    let refuse = |why: &str| Err(ToolError::Precondition(format!("{path}: {why}")));
    let mut bytes = Vec::new();
    open(path)?
        .take(SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ToolError::io(path, error))?;
    if bytes.len() as u64 > SIZE_MAX {
        return refuse("it is larger than 1 MiB");
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => refuse("it is not text"),
    }
}

fn open(path: &ReadPath) -> Result<File, ToolError> {
    let place = path.place()?;
    match FileType::from_raw_mode(place.existing()?.st_mode) {
        FileType::RegularFile => place.open_content(),
        _ => Err(ToolError::Precondition(format!("{path}: it is not a file"))),
    }
}

/// Goes through the lines of a file of any size, each with its end; `each` answers whether it wants
/// the next one.
///
/// # Errors
/// `Precondition` when it is no file or a line is too long; `Deadline`; what `each` answers.
fn lines(
    path: &ReadPath,
    context: &Context,
    mut each: impl FnMut(&[u8]) -> Result<bool, ToolError>,
) -> Result<(), ToolError> {
    let mut reader = BufReader::new(open(path)?);
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        if context.remaining().is_zero() {
            return Err(ToolError::Deadline(format!(
                "{path} is too large: {number} lines could be read in time"
            )));
        }
        line.clear();
        number += 1;
        let mut limited = (&mut reader).take(LINE_MAX + 1);
        limited
            .read_until(b'\n', &mut line)
            .map_err(|error| ToolError::io(path, error))?;
        if line.len() as u64 > LINE_MAX {
            return Err(ToolError::Precondition(format!(
                "{path}: line {number} is longer than {}",
                format::bytes(LINE_MAX)
            )));
        }
        if line.is_empty() || !each(&line)? {
            return Ok(());
        }
    }
}
