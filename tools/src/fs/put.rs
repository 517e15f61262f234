//! How `fs.write`, `fs.append`, `fs.edit` and the tools of texts change the content of a file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use rustix::fs::FileType;
use sha2::{Digest as _, Sha256};

use super::WHOLE_MAX;
use aios_tool::argument::WritePath;
use aios_tool::file::install::{self, Replace};
use aios_tool::file::meta::Meta;
use aios_tool::file::place::Place;
use aios_tool::file::sparse;
use aios_tool::file::state::{State, hex};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// What a file gets.
#[derive(Clone, Copy, Debug)]
pub enum New<'a> {
    /// This content, in place of what it had.
    Whole(&'a [u8]),
    /// This at its end, on a line of its own.
    Added(&'a [u8]),
}

/// What became of a file.
#[derive(Clone, Copy, Debug)]
pub struct Put {
    /// Its size before, in bytes; `None`: it was not there.
    pub prior_size: Option<u64>,
    /// Its size now.
    pub size: u64,
    /// It lost the privileges that its content had before.
    pub privileges_dropped: bool,
}

/// Ends the summary of a change that took the privileges of a file.
pub fn dropped(privileges: bool) -> &'static str {
    if privileges {
        "; its privileges (set-user-ID, set-group-ID, capabilities) are dropped"
    } else {
        ""
    }
}

/// May the content of what is at the path be changed?
///
/// # Errors
/// `Precondition` when it is no file, or has other names.
pub fn may_be_written(path: &WritePath) -> Result<(), ToolError> {
    let place = path.place()?;
    let Some(stat) = place.stat()? else {
        return Ok(());
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => file::has_one_name(&place, &stat),
        kind => {
            let kind = file::kind_name(kind);
            Err(ToolError::Precondition(format!("{path} is a {kind}")))
        }
    }
}

/// Puts a file in place, whole and at once. Owner, mode and attributes stay, but for what lets
/// whoever runs the file do more than they may: that was for the content it had.
///
/// # Errors
/// As [`may_be_written`]; `Precondition` when the file would be too large; what the kernel says.
pub fn put(path: &WritePath, context: &Context, new: New<'_>) -> Result<Put, ToolError> {
    may_be_written(path)?;
    let place = path.place()?;
    let (New::Whole(text) | New::Added(text)) = new;
    let Some(stat) = place.stat()? else {
        let meta = Meta::new(0o644, context.owner());
        let write = |file: &mut File| file.write_all(text);
        install::install(&place, context.execution(), &meta, Replace::No, write)?;
        return Ok(Put {
            prior_size: None,
            size: text.len() as u64,
            privileges_dropped: false,
        });
    };
    let (_, mut meta) = Meta::read(&place, &place.hold()?)?;
    meta.times = None;
    let prior_size = u64::try_from(stat.st_size).unwrap_or(0);
    let kept = match new {
        New::Whole(_) => 0,
        New::Added(_) => prior_size,
    };
    let gap = if kept > 0 { line_end(&place)? } else { "" };
    let mut put = Put {
        prior_size: Some(prior_size),
        size: kept + (gap.len() + text.len()) as u64,
        privileges_dropped: false,
    };
    if put.size > WHOLE_MAX {
        return Err(ToolError::Precondition(format!(
            "{path} would be larger than {}",
            format::bytes(WHOLE_MAX)
        )));
    }
    if meta.has_privileges() && put.size == prior_size {
        let same = kept > 0 || super::whole_content(&place)? == text;
        if same {
            return Ok(put);
        }
    }
    put.privileges_dropped = meta.drop_privileges();
    let mut prior = place.open_content()?;
    install::install(&place, context.execution(), &meta, Replace::Yes, |file| {
        if kept > 0 {
            sparse::copy(&mut prior, file)?;
        }
        file.write_all(gap.as_bytes())?;
        file.write_all(text)
    })?;
    Ok(put)
}

/// What [`put`] would do.
///
/// # Errors
/// As there.
pub fn foreseen(path: &WritePath, context: &Context, new: New<'_>) -> Result<Preview, ToolError> {
    may_be_written(path)?;
    let place = path.place()?;
    let before = State::of(&place)?;
    let (old, mut meta) = match &before {
        State::File { meta, .. } => (super::whole_content(&place)?, meta.clone()),
        _ => (Vec::new(), Meta::new(0o644, context.owner())),
    };
    let content = match new {
        New::Whole(text) => text.to_vec(),
        New::Added(text) => {
            let gap = if old.is_empty() {
                ""
            } else {
                line_end(&place)?
            };
            [&old, gap.as_bytes(), text].concat()
        }
    };
    if content != old {
        meta.drop_privileges();
    }
    let after = State::File {
        meta,
        size: content.len() as u64,
        sha256: hex(&Sha256::digest(&content)),
    };
    if before.is_as(&after) {
        return Ok(Preview::default());
    }
    let one = Foreseen::at(path.as_str(), &before, &after);
    Ok(one.with_content(&old, &content).into())
}

/// What must be put between the content of a file and another line.
fn line_end(place: &Place) -> Result<&'static str, ToolError> {
    let last = || {
        let mut file = place.open_content()?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1))
            .and_then(|_| file.read_exact(&mut last))
            .map_err(|error| ToolError::io(place.shown(), error))?;
        Ok::<_, ToolError>(last)
    };
    Ok(if last()? == *b"\n" { "" } else { "\n" })
}
