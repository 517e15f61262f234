//! `fs.extract`: unpacks an archive into a new folder.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::packed::{self, plan::Plan, unpack::unpack};
use aios_tool::argument::{NewPath, ReadPath};
use aios_tool::file::install::{self, Replace, temporary_name};
use aios_tool::file::meta::Meta;
use aios_tool::file::path::is_not_too_deep;
use aios_tool::file::place::Place;
use aios_tool::file::{WRITING, extent, fingerprint, must_be_free, tree};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// What an entry takes on the disk beside its content, in bytes, as ext4 has it.
const ENTRY_BYTES: u64 = 4096;

/// The tool `fs.extract`.
pub struct Act;

arguments! {
    /// Arguments of `fs.extract`.
    pub struct Input {
        /// Absolute path of the archive: tar, as it is or compressed with gzip or Zstandard.
        pub archive: ReadPath,
        /// Absolute path of the folder that is made for what is in it; nothing may be there yet.
        pub destination: NewPath,
    }
}

/// What was unpacked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The archive.
    pub archive: String,
    /// The new folder.
    pub destination: String,
    /// Files, folders and links in the new folder.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// What is left out and why, not all when it is much: devices, pipes, links that lead out of the
    /// folder.
    pub left_out: Vec<String>,
    /// How much is left out.
    pub left_out_count: u64,
    /// Members that were set-user-ID, set-group-ID or sticky in the archive, and are not here.
    pub privileges_dropped: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.extract",
            "Unpacks a tar archive, also a compressed one, into a new folder.",
        )
        .example(json!({"archive": "/srv/site.tar.gz", "destination": "/srv/site"}))
        .risk(Risk::Medium)
        .timeout_ms(600_000)
        .kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            archive,
            destination,
            entries,
            left_out_count,
            ..
        } = output;
        let left_out = match left_out_count {
            0 => String::new(),
            count => format!("; {count} left out: {}", output.left_out.join(", ")),
        };
        let dropped = match output.privileges_dropped {
            0 => String::new(),
            count => format!("; {count} lost set-user-ID, set-group-ID or sticky"),
        };
        format!(
            "{archive} is unpacked into {destination} ({entries} entries, {}){left_out}{dropped}",
            format::bytes(output.bytes)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the folder holds what the archive holds, and nothing outside of it is changed",
            &["unpack", "extract"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let plan = may_be_unpacked(input, context)?;
        let after = format!(
            "a folder with {} entries, {}, from {}",
            plan.entries(),
            format::bytes(plan.bytes),
            input.archive
        );
        let made = Foreseen::of(&input.destination, "absent", &after)
            .exactly(fingerprint::seen(&input.archive.place()?)?);
        let left_out = plan.left_out.iter();
        let left_out = left_out.map(|one| Foreseen::of(one, "in the archive", "left out"));
        Ok(std::iter::once(made).chain(left_out).collect())
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        may_be_unpacked(input, context)?;
        capture.absent(&input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = input.destination.place()?;
        must_be_free(&place)?;
        let (archive, size) = open(input)?;
        let staged = place.sibling(&temporary_name(context.execution()));
        tree::remove(&staged)?; // of a former try
        let unpacked = staging(&staged).and_then(|folder| {
            // Nobody else can enter it, so nothing in it can be swapped.
            let into = format!("/proc/self/fd/{}", folder.as_raw_fd());
            let plan = packed::open(archive)
                .and_then(|content| unpack(content, size, Path::new(&into), context))
                .map_err(|error| fault(input, error))?;
            Meta::new(0o755, context.owner()).apply(&staged)?;
            rustix::fs::syncfs(&folder).map_err(|error| staged.error(error))?;
            install::into_place(&staged, &place, Replace::No)?;
            Ok(plan)
        });
        if unpacked.is_err() {
            tree::remove(&staged)?;
        }
        Ok(output(input, unpacked?))
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let there = extent::of(&input.destination.place()?)?;
        // Another name of a file has its content too.
        if there.entries == output.entries + 1 && there.bytes >= output.bytes {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "{} holds {there}, not what was unpacked",
            output.destination
        )))
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let Some(place) = input.destination.place_if_any()? else {
            return Ok(None);
        };
        if place.stat()?.is_none() {
            return Ok(None);
        }
        // The folder appears under its name when it is whole; what is there may be somebody else's.
        let output = output(input, planned(input, context)?);
        let done = Self::verify(input, &output, context).is_ok();
        Ok(done.then_some(output))
    }
}

fn output(input: &Input, plan: Plan) -> Output {
    Output {
        archive: input.archive.to_string(),
        destination: input.destination.to_string(),
        entries: plan.entries(),
        bytes: plan.bytes,
        left_out: plan.left_out,
        left_out_count: plan.left_out_count,
        privileges_dropped: plan.privileges_dropped,
    }
}

/// A folder of root's alone.
fn staging(place: &Place) -> Result<File, ToolError> {
    rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU)
        .map_err(|error| place.error(error))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    place.open_with(flags, Mode::empty()).map(File::from)
}

/// The archive, and its size in bytes.
fn open(input: &Input) -> Result<(File, u64), ToolError> {
    let place = input.archive.place()?;
    let stat = place.existing()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((
            place.open_content()?,
            u64::try_from(stat.st_size).unwrap_or(0),
        )),
        kind => {
            let kind = file::kind_name(kind);
            Err(ToolError::Precondition(format!(
                "{} is a {kind}",
                input.archive
            )))
        }
    }
}

fn planned(input: &Input, context: &Context) -> Result<Plan, ToolError> {
    let (archive, size) = open(input)?;
    packed::open(archive)
        .and_then(|content| Plan::of(content, size, context))
        .map_err(|error| fault(input, error))
}

/// What would be made, when it may be.
fn may_be_unpacked(input: &Input, context: &Context) -> Result<Plan, ToolError> {
    let place = input.destination.place()?;
    must_be_free(&place)?;
    let plan = planned(input, context)?;
    is_not_too_deep(&input.destination.to_path(), plan.depth)?;
    let system = rustix::fs::fstatvfs(&place.parent).map_err(|error| place.error(error))?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let needed = plan.bytes.saturating_add(plan.entries() * ENTRY_BYTES);
    match needed <= free {
        true => Ok(plan),
        false => Err(ToolError::Precondition(format!(
            "it takes {}, and the file system of {} has only {} free",
            format::bytes(needed),
            input.destination,
            format::bytes(free)
        ))),
    }
}

/// What is wrong with the archive, or with where it goes.
fn fault(input: &Input, error: io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::TimedOut => ToolError::Deadline(format!(
            "{} is too large to be unpacked in time",
            input.archive
        )),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => {
            ToolError::Precondition(format!("{} cannot be unpacked: {error}", input.archive))
        }
        _ => ToolError::io(&input.archive, error),
    }
}
