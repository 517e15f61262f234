//! `fs.*`: files and directories.
//!
//! Paths are resolved once ([`path`]), capabilities are checked on the result, and the act goes
//! through [`place`], which refuses every symbolic link on the way: what was swapped in between
//! makes the call fail instead of leading it elsewhere.

pub mod append;
pub mod copy;
pub mod delete;
pub mod disk_usage;
pub mod list;
pub mod mkdir;
pub mod move_;
pub(crate) mod put;
pub mod read;
pub mod search;
pub mod stat;
pub mod symlink;
pub mod write;

use std::io::Read;
use std::sync::Arc;

use aios_tool::argument::{FilePath, Purpose};
use aios_tool::error::ToolError;
use aios_tool::file::place::Place;
use aios_tool::format;
use aios_tool::tool::{ErasedTool, change, look};
use aios_tool::undo::{Prior, Restore, Step};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        change::<append::Act>(),
        change::<copy::Act>(),
        change::<delete::Act>(),
        look::<disk_usage::Act>(),
        look::<list::Act>(),
        change::<mkdir::Act>(),
        change::<move_::Act>(),
        look::<read::Act>(),
        look::<search::Act>(),
        look::<stat::Stat>(),
        change::<symlink::Act>(),
        change::<write::Act>(),
    ]
}

/// A file that is written to is replaced whole, up to this size in bytes: it is held in memory.
const WHOLE_MAX: u64 = 64 * 1024 * 1024;

/// The whole content of a file.
fn whole_content(place: &Place) -> Result<Vec<u8>, ToolError> {
    let fault = |error| ToolError::io(place.shown(), error);
    let mut content = Vec::new();
    let file = place.open_content()?;
    file.take(WHOLE_MAX + 1)
        .read_to_end(&mut content)
        .map_err(fault)?;
    if content.len() as u64 > WHOLE_MAX {
        return Err(ToolError::Precondition(format!(
            "{} is larger than {}",
            place.shown(),
            format::bytes(WHOLE_MAX)
        )));
    }
    Ok(content)
}

/// Post-condition: the file has exactly this content.
pub(crate) fn has_content<P: Purpose>(
    path: &FilePath<P>,
    expected: &[u8],
) -> Result<(), ToolError> {
    let content = whole_content(&path.place()?)?;
    if content == expected {
        return Ok(());
    }
    Err(ToolError::Unverified(format!(
        "{path} has other content ({} bytes)",
        content.len()
    )))
}

/// Did the capture find nothing?
fn was_absent(steps: &[Step]) -> bool {
    matches!(
        steps,
        [Step::Restore(Restore {
            prior: Prior::Absent,
            ..
        })]
    )
}
