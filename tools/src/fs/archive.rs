//! `fs.archive`: packs a file or a folder into an archive.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::FileType;
use sha2::{Digest as _, Sha256};

use super::packed::write::{Format, Packed, pack};
use aios_tool::argument::{NewPath, ReadTree};
use aios_tool::file::install::{self, Replace};
use aios_tool::file::meta::Meta;
use aios_tool::file::place::Place;
use aios_tool::file::state::{State, hex};
use aios_tool::file::{WRITING, extent, fingerprint, must_be_free, name};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `fs.archive`.
pub struct Act;

arguments! {
    /// Arguments of `fs.archive`.
    pub struct Input {
        /// Absolute path of what is packed.
        pub source: ReadTree,
        /// Absolute path of the archive; nothing may be there yet.
        pub destination: NewPath,
        /// `tar` or `tar.gz`; if absent, as the name of the archive ends.
        pub format: Option<Format>,
    }
}

/// What was packed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What was packed.
    pub source: String,
    /// The archive.
    pub destination: String,
    /// Files, folders and links in it.
    pub entries: u64,
    /// Bytes of content in it.
    pub bytes: u64,
    /// Size of the archive in bytes.
    pub size: u64,
    /// SHA-256 of the archive, hex.
    pub sha256: String,
    /// Sockets, pipes and devices, which are left out.
    pub left_out: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.archive",
            "Packs a file, or a folder with all in it, into a new tar or tar.gz archive.",
        )
        .example(
            json!({"source": "/srv/site", "destination": "/srv/site.tar.gz", "format": "tar.gz"}),
        )
        .risk(Risk::Medium)
        .timeout_ms(600_000)
        .kernel(WRITING)
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let named = Format::of_name(input.destination.as_str());
        input.format = input.format.or(named);
        match input.format {
            Some(_) => Ok(()),
            None => Err(ToolError::Invalid(
                "destination: its name must end in .tar, .tar.gz or .tgz, or format must be given"
                    .into(),
            )),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            source,
            destination,
            entries,
            ..
        } = output;
        let left_out = match output.left_out {
            0 => String::new(),
            count => format!("; {count} sockets, pipes or devices are left out"),
        };
        format!(
            "{source} is packed into {destination} ({entries} entries, {}, packed {}){left_out}",
            format::bytes(output.bytes),
            format::bytes(output.size)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the archive holds what is at the source",
            &["pack", "archive", "compress"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        may_be_packed(input)?;
        let source = input.source.place()?;
        let what = extent::of(&source)?;
        let mode = mode(&source)?;
        let after = format!("an archive of {}: {what}, mode {mode:o}", input.source);
        let archive = Foreseen::of(&input.destination, "absent", &after);
        Ok(archive.exactly(fingerprint::seen(&source)?).into())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        may_be_packed(input)?;
        capture.absent(&input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let (from, to) = (input.source.place()?, input.destination.place()?);
        let format = *argument::defaulted(&input.format)?;
        let meta = Meta::new(mode(&from)?, context.owner());
        let (mut packed, mut digest) = (Packed::default(), Digested::of(io::sink()));
        install::install(&to, context.execution(), &meta, Replace::No, |file| {
            let mut digested = Digested::of(io::BufWriter::new(file));
            packed = pack(&from, format, &mut digested, context)?;
            digested.inner.flush()?;
            digest = Digested {
                inner: io::sink(),
                digest: digested.digest,
                size: digested.size,
            };
            Ok(())
        })?;
        Ok(output(input, packed, digest))
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        match State::of(&input.destination.place()?)? {
            State::File { sha256, .. } if sha256 == output.sha256 => Ok(()),
            other => Err(ToolError::Unverified(format!(
                "{} is not the archive that was written, but a {}",
                input.destination,
                other.kind()
            ))),
        }
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let Some(to) = input.destination.place_if_any()? else {
            return Ok(None);
        };
        let State::File { sha256, .. } = State::of(&to)? else {
            return Ok(None);
        };
        // The same tree gives the same archive; what is there may be somebody else's.
        let mut digested = Digested::of(io::sink());
        let format = *argument::defaulted(&input.format)?;
        let packed = pack(&input.source.place()?, format, &mut digested, context);
        let packed = packed.map_err(|error| ToolError::io(&input.source, error))?;
        let output = output(input, packed, digested);
        Ok(Some(output).filter(|output| output.sha256 == sha256))
    }
}

fn output(input: &Input, packed: Packed, digested: Digested<io::Sink>) -> Output {
    Output {
        source: input.source.to_string(),
        destination: input.destination.to_string(),
        entries: packed.entries,
        bytes: packed.bytes,
        size: digested.size,
        sha256: hex(&digested.digest.finalize()),
        left_out: packed.left_out,
    }
}

/// The mode of the archive: for everyone when everyone can read all that it holds, else for its owner
/// alone.
fn mode(source: &Place) -> Result<u32, ToolError> {
    let above = source.path.ancestors().skip(1);
    for folder in above.filter(|folder| folder.parent().is_some()) {
        let data = folder.symlink_metadata();
        let data = data.map_err(|error| ToolError::io(name::encode(folder), error))?;
        if data.mode() & SEARCHED_BY_ALL == 0 {
            return Ok(0o600);
        }
    }
    Ok(if is_for_all(source)? { 0o644 } else { 0o600 })
}

/// Others may search a folder.
const SEARCHED_BY_ALL: u32 = 0o001;
/// Others may read a file, or the names in a folder.
const READ_BY_ALL: u32 = 0o004;

/// May everyone who gets there read it, with all below it?
fn is_for_all(place: &Place) -> Result<bool, ToolError> {
    let mode = place.existing()?.st_mode;
    let has = |bits: u32| mode & bits == bits;
    match FileType::from_raw_mode(mode) {
        FileType::Directory => {
            if !has(READ_BY_ALL | SEARCHED_BY_ALL) {
                return Ok(false);
            }
            for child in place.children()? {
                if !is_for_all(&child)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        FileType::RegularFile => Ok(has(READ_BY_ALL)),
        _ => Ok(true), // a link has no mode of its own, and what else there is is left out
    }
}

/// May the source be packed into the destination?
fn may_be_packed(input: &Input) -> Result<(), ToolError> {
    input.destination.is_apart_from(&input.source.to_path())?;
    input.source.place()?.existing()?;
    must_be_free(&input.destination.place()?)
}

/// What is written, and what identifies all of it.
struct Digested<W> {
    inner: W,
    digest: Sha256,
    size: u64,
}

impl<W> Digested<W> {
    fn of(inner: W) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            size: 0,
        }
    }
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
