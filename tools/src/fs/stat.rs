//! `fs.stat`: what is at a path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::FileType;

use aios_tool::argument::ReadEntry;
use aios_tool::file::{READING, name};
use aios_tool::prelude::*;

/// The tool `fs.stat`.
pub struct Stat;

arguments! {
    /// Arguments of `fs.stat`.
    pub struct Input {
        /// Absolute path. A symbolic link is shown itself, not what it points to.
        pub path: ReadEntry,
    }
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// `file`, `directory`, `symlink`, `socket`, `fifo`, `character device`, `block device`.
    pub kind: String,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits in octal: `0644`.
    pub mode: String,
    /// User id of the owner.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Last change of the content, Unix time in milliseconds.
    pub modified_ms: i64,
    /// Where the symbolic link points to.
    pub target: Option<String>,
}

impl Tool for Stat {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.stat",
            "Shows kind, size, owner, mode and time of what is at a path.",
        )
        .example(json!({"path": "/etc/hosts"}))
        .kernel(READING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let target = match &output.target {
            Some(target) => format!(" to {target}"),
            None => String::new(),
        };
        format!(
            "{} is a {}{target}, {} bytes, mode {}, owner {}:{}, changed {}",
            output.path,
            output.kind,
            output.size,
            output.mode,
            output.uid,
            output.gid,
            aios_tool::format::time(output.modified_ms),
        )
    }
}

impl Look for Stat {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        let stat = place.existing()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let target = match kind {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())
                    .map_err(|error| place.error(error))?;
                Some(name::encode(OsStr::from_bytes(target.to_bytes())))
            }
            _ => None,
        };
        Ok(Output {
            path: input.path.to_string(),
            kind: file::kind_name(kind).to_owned(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: format!("{:04o}", stat.st_mode & 0o7777),
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified_ms: file::milliseconds(stat.st_mtime, stat.st_mtime_nsec),
            target,
        })
    }
}
