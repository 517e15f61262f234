//! Opening: make the files, or find the last acknowledged state and cut what a
//! power cut tore.
//!
//! Only what was not durable can be torn: groups are written and synced one
//! after another, and each checkpoint says how far the disk was certain. So a
//! damaged place is a torn end when no checkpoint after it, and not the second
//! file either, says that it was durable. Everything else is damage.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use ed25519_dalek::{SigningKey, VerifyingKey};
use rustix::fs::{FlockOperation, flock};

use crate::checkpoint::{self, Checkpoint};
use crate::entry::Entry;
use crate::error::Error;
use crate::frame::{self, Frame, FrameError, Frames, Kind};
use crate::layout::{self, HEADER};
use crate::reserve::Room;
use crate::tree::Frontier;
use crate::writer::{self, Position, Writer};

pub(crate) fn open(folder: &Path, key_path: &Path) -> Result<Writer, Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("create", folder))?;
    let (log_path, mark_path) = layout::paths(folder);
    let exists = log_path
        .try_exists()
        .map_err(Error::io("stat", &log_path))?;
    let key = crate::key::load(key_path, !exists)?;
    if !exists {
        create(&log_path, &mark_path, &key)?;
    }
    let log = read_write(&log_path)?;
    flock(&log, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Locked {
        path: log_path.clone(),
    })?;
    let mark = read_write(&mark_path)?;
    check_header(&log, &key.verifying_key(), key_path)?;
    let (position, torn) = recover(&log, &mark, &key.verifying_key())?;
    let durable = position.checkpoint.durable;
    let mut writer = Writer {
        key,
        log,
        log_path,
        mark,
        mark_path,
        position,
        durable,
        room: Room::Last(0),
        closed: None,
    };
    settle(&mut writer, torn)?;
    writer.renew_reserve();
    Ok(writer)
}

/// The log gets its name last: where a log is, everything else is.
fn create(log_path: &Path, mark_path: &Path, key: &SigningKey) -> Result<(), Error> {
    if std::fs::read(mark_path).is_ok_and(|bytes| says_entries(&bytes, &key.verifying_key())) {
        return Err(Error::damaged(
            "the log is gone, its checkpoint is still there",
        ));
    }
    let nothing = Position {
        frontier: Frontier::default(),
        last: [0; 32],
        end: HEADER,
        checkpoint: Checkpoint {
            size: 0,
            root: [0; 32],
            previous: [0; 32],
            durable: 0,
        },
        note: String::new(),
    };
    let (frames, first) = writer::extend(key, &nothing, &[], 0);
    let mut bytes = layout::header(&key.verifying_key()).into_bytes();
    assert_eq!(bytes.len() as u64, HEADER);
    bytes.extend_from_slice(&frames);
    write_new(mark_path, &layout::sector(&first.note, first.end))?;
    let unfinished = log_path.with_extension("new");
    write_new(&unfinished, &bytes)?;
    std::fs::rename(&unfinished, log_path).map_err(Error::io("create", log_path))?;
    layout::sync_folder_of(log_path)?;
    log_path.parent().map_or(Ok(()), layout::sync_folder_of)
}

fn says_entries(sector: &[u8], key: &VerifyingKey) -> bool {
    layout::parse_sector(sector)
        .and_then(|(note, _)| Checkpoint::verify(&note, key))
        .is_some_and(|checkpoint| checkpoint.size > 0)
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.write_all_at(bytes, 0).and_then(|()| file.sync_all()))
        .map_err(Error::io("create", path))
}

fn read_write(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))
}

fn check_header(log: &File, key: &VerifyingKey, key_path: &Path) -> Result<(), Error> {
    let mut header = [0; HEADER as usize];
    let read = log.read_exact_at(&mut header, 0);
    match read.ok().and_then(|()| layout::parse_header(&header)) {
        Some(found) if found == *key => Ok(()),
        Some(_) => Err(Error::Key {
            path: key_path.to_owned(),
            detail: "is not the one that signed this ledger".to_owned(),
        }),
        None => Err(Error::damaged("the log's first line is wrong")),
    }
}

/// The last whole state of the log, and how many bytes after it are torn.
fn recover(log: &File, mark: &File, key: &VerifyingKey) -> Result<(Position, u64), Error> {
    let length = log
        .metadata()
        .map_err(Error::io("stat", Path::new(layout::LOG)))?
        .len();
    let mut position = marked(log, mark, key, length)?;
    let mut frames = Frames::new(log, position.end, length);
    let mut frontier = position.frontier.clone();
    loop {
        match frames.read() {
            Ok(Some(frame)) if frame.kind == Kind::Entry => frontier.push(frame.hash),
            Ok(Some(frame)) => match follows(&position, &frontier, &frame, key) {
                Some(next) => position = next,
                None => break,
            },
            Ok(None) | Err(FrameError::Bad(_)) => break,
            Err(FrameError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(crate::read::damaged(error, frontier.size())),
        }
    }
    refuse_damage(log, &position, length, key)?;
    let torn = length - position.end;
    Ok((position, torn))
}

/// The state that the second file speaks of. It is never ahead of a sound log.
fn marked(log: &File, mark: &File, key: &VerifyingKey, length: u64) -> Result<Position, Error> {
    let mut sector = [0; layout::SECTOR];
    let read = mark.read_exact_at(&mut sector, 0);
    let (note, end) = read
        .ok()
        .and_then(|()| layout::parse_sector(&sector))
        .ok_or_else(|| Error::damaged("the checkpoint file is not one of ours"))?;
    let checkpoint = Checkpoint::verify(&note, key)
        .ok_or_else(|| Error::damaged("the checkpoint file's signature is wrong"))?;
    let lost = || {
        let size = checkpoint.size;
        Error::damaged(format!(
            "the log's tail is cut: {size} entries were acknowledged"
        ))
    };
    if end > length || end < HEADER {
        return Err(lost());
    }
    let frame = frame::before(log, HEADER, end)
        .ok()
        .flatten()
        .ok_or_else(lost)?;
    state(&frame, key)
        .filter(|state| state.note == note)
        .ok_or_else(lost)
}

/// A checkpoint record as a position, when signature and frontier are right.
fn state(frame: &Frame, key: &VerifyingKey) -> Option<Position> {
    let (note, frontier) = checkpoint::decode(&frame.payload)?;
    let checkpoint = Checkpoint::verify(note, key)?;
    Some(Position {
        frontier: checkpoint::frontier(&checkpoint, frontier)?,
        last: frame.hash,
        end: frame.end,
        note: note.to_owned(),
        checkpoint,
    })
}

fn follows(
    before: &Position,
    tree: &Frontier,
    frame: &Frame,
    key: &VerifyingKey,
) -> Option<Position> {
    let next = state(frame, key)?;
    (next.frontier == *tree && next.checkpoint.previous == before.last).then_some(next)
}

/// Looks behind the last whole state for a signed claim that more was durable.
fn refuse_damage(
    log: &File,
    last: &Position,
    length: u64,
    key: &VerifyingKey,
) -> Result<(), Error> {
    let mut rest = vec![0; usize::try_from(length - last.end).unwrap_or(usize::MAX)];
    log.read_exact_at(&mut rest, last.end)
        .map_err(Error::io("read", Path::new(layout::LOG)))?;
    let origin = format!("{}\n", checkpoint::origin(key));
    let size = last.checkpoint.size;
    let claimed = notes(&rest, &origin)
        .filter_map(|note| Checkpoint::verify(note, key))
        .any(|checkpoint| checkpoint.durable > size);
    if claimed {
        return Err(Error::damaged(format!(
            "acknowledged entries after entry {size} are damaged"
        )));
    }
    Ok(())
}

/// Whatever looks like a note, wherever it stands: it begins with the origin and
/// ends with the line after the dash.
fn notes<'b>(bytes: &'b [u8], origin: &'b str) -> impl Iterator<Item = &'b str> {
    let starts = bytes
        .windows(origin.len())
        .enumerate()
        .filter(move |(_, window)| *window == origin.as_bytes());
    starts.filter_map(|(start, _)| {
        let text = bytes.get(start..bytes.len().min(start + layout::SECTOR))?;
        let signed = text
            .windows(3)
            .position(|window| window == "\u{2014}".as_bytes())?;
        let end = text[signed..].iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&text[..=signed + end]).ok()
    })
}

/// Cuts the torn end, makes the rest durable, and puts the cut on record.
fn settle(writer: &mut Writer, torn: u64) -> Result<(), Error> {
    if torn > 0 {
        let cut = writer.log.set_len(writer.position.end);
        cut.map_err(Error::io("cut", &writer.log_path))?;
    }
    writer.sync()?;
    writer.mark()?;
    if torn > 0 {
        let entry = Entry {
            time_ms: unix_ms(),
            kind: "record".to_owned(),
            actor: "ledger".to_owned(),
            reason: "opened after an unclean stop".to_owned(),
            outcome: format!("cut {torn} torn bytes that nobody was promised"),
            ..Entry::default()
        };
        writer.commit(&[entry.encode()?], true)?;
    }
    Ok(())
}

fn unix_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
