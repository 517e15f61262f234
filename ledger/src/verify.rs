//! Verification: every byte of both files is accounted for, with nothing but the files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use crate::checkpoint::{self, Checkpoint};
use crate::frame::{Frame, FrameError, Frames, Kind};
use crate::layout::{self, Export, HEADER};
use crate::tree::{Frontier, Hash};

/// What the verifier knows beforehand. With nothing known, a ledger that was
/// replaced as a whole, key and all, looks intact.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The signer's public key.
    pub public_key: Option<[u8; 32]>,
    /// Size and root hash of checkpoints seen earlier.
    pub remembered: Vec<(u64, Hash)>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every byte is as it was signed.
    pub intact: bool,
    /// Whole entries read, up to the first thing that is wrong.
    pub entries: u64,
    /// Merkle tree hash of those entries.
    pub root_hash: Hash,
    /// What is wrong, and where; empty when intact.
    pub detail: String,
    /// Who signed; zeros when the log does not say.
    pub public_key: [u8; 32],
}

impl Report {
    /// Of a ledger of which nothing can be read, and why.
    pub fn unreadable(detail: String) -> Self {
        Self {
            intact: false,
            entries: 0,
            root_hash: Frontier::default().root(),
            detail,
            public_key: [0; 32],
        }
    }
}

/// Verifies the ledger in a folder: the live one when nothing is being appended,
/// or a copy on any machine.
pub fn verify(folder: &Path, expected: &Expected) -> Report {
    let (log_path, mark_path) = layout::paths(folder);
    let opened = File::open(&log_path)
        .and_then(|log| Ok((log.metadata()?.len(), log)))
        .map_err(|error| format!("cannot read {}: {error}", log_path.display()));
    let checkpoint = std::fs::read(&mark_path)
        .map_err(|error| format!("cannot read {}: {error}", mark_path.display()));
    match (opened, checkpoint) {
        (Ok((log_bytes, log)), Ok(checkpoint)) => verify_export(
            &Export {
                log,
                log_bytes,
                checkpoint,
            },
            expected,
        ),
        (Err(detail), _) | (_, Err(detail)) => Report::unreadable(detail),
    }
}

/// Verifies an open copy for as long as somebody wants to know, which is asked at each record. `None`
/// when nobody does any more.
pub fn verify_while(
    export: &Export,
    expected: &Expected,
    is_wanted: &dyn Fn() -> bool,
) -> Option<Report> {
    let report = verify_asking(export, expected, is_wanted);
    is_wanted().then_some(report)
}

/// Verifies an open copy.
pub(crate) fn verify_export(export: &Export, expected: &Expected) -> Report {
    verify_asking(export, expected, &|| true)
}

fn verify_asking(export: &Export, expected: &Expected, is_wanted: &dyn Fn() -> bool) -> Report {
    let mut header = [0; HEADER as usize];
    let read = export.log.read_exact_at(&mut header, 0);
    let Some(key) = read.ok().and_then(|()| layout::parse_header(&header)) else {
        return Report::unreadable("the log's first line is wrong".to_owned());
    };
    let mut scan = Scan::new(key, &export.checkpoint, expected);
    let outcome = scan.run(export, is_wanted);
    Report {
        intact: outcome.is_ok(),
        entries: scan.tree.size(),
        root_hash: scan.tree.root(),
        detail: outcome.err().unwrap_or_default(),
        public_key: key.to_bytes(),
    }
}

/// One pass over the log.
struct Scan<'e> {
    key: VerifyingKey,
    /// The first line of its notes.
    origin: String,
    expected: &'e Expected,
    /// Remembered checkpoints that are not reached yet, the largest first.
    remembered: Vec<(u64, Hash)>,
    /// The checkpoint file, and whether the log has that very checkpoint.
    mark: &'e [u8],
    marked: bool,
    tree: Frontier,
    /// Digest of the last checkpoint record.
    last: Hash,
    /// The last checkpoint record, to be checked at the end.
    last_payload: Vec<u8>,
    /// The last checkpoint's size.
    signed: u64,
}

impl<'e> Scan<'e> {
    fn new(key: VerifyingKey, mark: &'e [u8], expected: &'e Expected) -> Self {
        let mut remembered = expected.remembered.clone();
        remembered.sort_by(|a, b| b.cmp(a));
        Self {
            key,
            origin: checkpoint::origin(&key),
            expected,
            remembered,
            mark,
            marked: false,
            tree: Frontier::default(),
            last: [0; 32],
            last_payload: Vec::new(),
            signed: 0,
        }
    }

    fn run(&mut self, export: &Export, is_wanted: &dyn Fn() -> bool) -> Result<(), String> {
        if self
            .expected
            .public_key
            .is_some_and(|key| key != self.key.to_bytes())
        {
            return Err("it is signed by another key than expected".to_owned());
        }
        self.check_remembered()?;
        let mut frames = Frames::new(&export.log, HEADER, export.log_bytes);
        loop {
            if !is_wanted() {
                return Err("not finished".to_owned());
            }
            let offset = frames.offset();
            let wrong =
                |what: String| format!("at entry {}, byte {offset}: {what}", self.tree.size());
            match frames.read() {
                Ok(Some(frame)) if frame.kind == Kind::Entry => {
                    self.tree.push(frame.hash);
                    self.check_remembered()?;
                }
                Ok(Some(frame)) => {
                    let what = self.take_checkpoint(frame);
                    what.map_err(|what| {
                        format!("at entry {}, byte {offset}: {what}", self.tree.size())
                    })?;
                }
                Ok(None) => return self.finish(),
                Err(FrameError::Bad(what)) => return Err(wrong(what.to_owned())),
                Err(FrameError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(wrong("the file became shorter".to_owned()));
                }
                Err(FrameError::Io(error)) => return Err(wrong(error.to_string())),
            }
        }
    }

    fn check_remembered(&mut self) -> Result<(), String> {
        while let Some((size, root)) = self.remembered.last() {
            if *size > self.tree.size() {
                break;
            }
            if *root != self.tree.root() {
                return Err(format!(
                    "the first {size} entries are not those of the remembered checkpoint"
                ));
            }
            self.remembered.pop();
        }
        Ok(())
    }

    /// Only the last checkpoint's signature is checked: it signs the digest of the
    /// record before, and that one of the record before it.
    fn take_checkpoint(&mut self, frame: Frame) -> Result<(), String> {
        let (note, _) = checkpoint::decode(&frame.payload).ok_or("a checkpoint is malformed")?;
        let (checkpoint, _) =
            Checkpoint::parse(note, &self.origin).ok_or("a checkpoint's text is malformed")?;
        if checkpoint.size != self.tree.size() {
            return Err("a checkpoint is over another number of entries".to_owned());
        }
        if checkpoint.previous != self.last {
            return Err("a checkpoint does not follow the one before it".to_owned());
        }
        self.marked |= self.mark.starts_with(note.as_bytes())
            && note.len() < layout::SECTOR - 32
            && layout::sector(note, frame.end) == self.mark;
        self.last = frame.hash;
        self.last_payload = frame.payload;
        self.signed = checkpoint.size;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        if let Some((size, _)) = self.remembered.last() {
            let entries = self.tree.size();
            return Err(format!(
                "the tail is cut: a remembered checkpoint is over {size} entries, here are {entries}"
            ));
        }
        if self.signed != self.tree.size() {
            return Err(format!(
                "the entries after entry {} are not signed",
                self.signed
            ));
        }
        let signed = checkpoint::decode(&self.last_payload).and_then(|(note, frontier)| {
            let checkpoint = Checkpoint::verify(note, &self.key)?;
            checkpoint::frontier(&checkpoint, frontier)
        });
        match signed {
            None => Err("the last checkpoint's signature is wrong".to_owned()),
            Some(tree) if tree != self.tree => {
                Err("the entries are not those that were signed".to_owned())
            }
            Some(_) if !self.marked => Err(self.cut_tail()),
            Some(_) => Ok(()),
        }
    }

    /// Says what the checkpoint file claims that the log does not have.
    fn cut_tail(&self) -> String {
        let claimed = layout::parse_sector(self.mark)
            .and_then(|(note, _)| Checkpoint::verify(&note, &self.key));
        match claimed {
            Some(claimed) if claimed.size > self.tree.size() => format!(
                "the tail is cut: {} entries were signed, here are {}",
                claimed.size,
                self.tree.size()
            ),
            Some(_) => "the checkpoint file speaks of another history".to_owned(),
            None => "the checkpoint file is damaged".to_owned(),
        }
    }
}
