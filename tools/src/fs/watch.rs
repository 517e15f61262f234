//! `fs.watch`: waits until something changes at a path.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use aios_tool::argument::{ReadEntry, Seconds};
use aios_tool::file::place::Place;
use aios_tool::file::{READING, name};
use aios_tool::prelude::*;

/// How long it waits when nothing is said.
const WAIT: Seconds<1, 300> = Seconds::of(30);
/// How often the deadline and the emergency stop are looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(100);
/// So many changes are told.
const TOLD_MAX: usize = 20;
/// So much longer it waits for what comes with the first change.
const SETTLE: Duration = Duration::from_millis(200);
/// What is read of the kernel at once, in bytes: an event has at most 272.
const EVENTS: usize = 4096;

/// The tool `fs.watch`.
pub struct Act;

arguments! {
    /// Arguments of `fs.watch`.
    pub struct Input {
        /// Absolute path of a file or a folder; of a folder, what is directly in it counts too. It
        /// need not be there yet, its folder must.
        pub path: ReadEntry,
        /// At most so many seconds, 1 to 300; 30 if absent.
        pub seconds: Option<Seconds<1, 300>>,
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Happened {
    /// Where.
    pub path: String,
    /// `made`, `removed`, `written`, `attributes` (owner, mode, times), `overflow` (more than the
    /// kernel could tell).
    pub change: String,
}

/// What happened.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Did something change?
    pub changed: bool,
    /// What changed, in order, without repetitions; not all of it when it was much.
    pub changes: Vec<Happened>,
    /// How long it waited, in milliseconds.
    pub waited_ms: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.watch",
            "Waits until a file or what is in a folder changes, for at most some seconds.",
        )
        .example(json!({"path": "/srv/inbox", "seconds": 60}))
        .timeout_ms(310_000)
        .kernel(READING)
    }

    fn complete(input: &mut Input) {
        input.seconds.get_or_insert(WAIT);
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let waited = output.waited_ms as f64 / 1000.0;
        if !output.changed {
            return format!("nothing changed at {} in {waited:.1} s", output.path);
        }
        let told = output.changes.iter();
        let told: Vec<_> = told
            .map(|one| format!("{} {}", one.path, said(&one.change)))
            .collect();
        format!("after {waited:.1} s: {}", told.join(", "))
    }
}

fn said(change: &str) -> &str {
    match change {
        "made" => "is there now",
        "removed" => "is gone",
        "written" => "was written",
        "attributes" => "has other attributes",
        _ => "changed more often than could be told",
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        let begin = Instant::now();
        let limit = argument::defaulted(&input.seconds)?.duration();
        let watch = Watch::of(&place)?;
        let mut changes: Vec<Happened> = Vec::new();
        let mut until = begin + limit;
        while Instant::now() < until && !context.remaining().is_zero() {
            let before = changes.len();
            watch.read(&mut changes)?;
            if before == 0 && !changes.is_empty() {
                until = until.min(Instant::now() + SETTLE);
            }
        }
        Ok(Output {
            path: input.path.to_string(),
            changed: !changes.is_empty(),
            changes,
            waited_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// What is watched: the object itself, and its name in its folder, because a file is replaced by a
/// new one under its name.
struct Watch {
    queue: OwnedFd,
    path: PathBuf,
    name: OsString,
    folder: i32,
    object: Option<i32>,
}

impl Watch {
    fn of(place: &Place) -> Result<Self, ToolError> {
        let fault = |error: Errno| place.error(error);
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let queue = inotify::init(flags).map_err(fault)?;
        let names =
            WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let contents = WatchFlags::MODIFY | WatchFlags::ATTRIB;
        let add = |held: i32, what: WatchFlags| {
            // A descriptor that is held cannot be swapped, unlike a path.
            inotify::add_watch(&queue, format!("/proc/self/fd/{held}"), what).map_err(fault)
        };
        let folder = add(place.parent.as_raw_fd(), names)?;
        let object = match place.stat()? {
            None => None,
            Some(stat) => {
                let held = place.hold()?;
                // Through the descriptor, a link would be followed to what it points to.
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Symlink => None,
                    FileType::Directory => Some(add(held.as_raw_fd(), names | contents)?),
                    _ => Some(add(held.as_raw_fd(), contents)?),
                }
            }
        };
        Ok(Self {
            queue,
            path: place.path.clone(),
            name: place.name.clone(),
            folder,
            object,
        })
    }

    /// Adds what happened to what is known already; waits for it a moment.
    fn read(&self, changes: &mut Vec<Happened>) -> Result<(), ToolError> {
        let fault = |error: Errno| ToolError::io(name::encode(&self.path), error);
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(GLANCE.subsec_nanos()),
        };
        let mut waiting = [PollFd::new(&self.queue, PollFlags::IN)];
        match poll(&mut waiting, Some(&moment)) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(fault(error)),
        }
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut events = Reader::new(&self.queue, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(fault(error)),
            };
            let named = event
                .file_name()
                .map(|name| OsStr::from_bytes(name.to_bytes()));
            let Some(happened) = self.happened(event.wd(), named, event.events()) else {
                continue;
            };
            if changes.len() < TOLD_MAX && !changes.contains(&happened) {
                changes.push(happened);
            }
        }
    }

    /// What an event means; `None`: it concerns something else.
    fn happened(&self, wd: i32, named: Option<&OsStr>, events: ReadFlags) -> Option<Happened> {
        let path = if events.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.path.clone()
        } else if Some(wd) == self.object {
            named.map_or_else(|| self.path.clone(), |name| self.path.join(name))
        } else if wd == self.folder && named == Some(&self.name) {
            self.path.clone()
        } else {
            return None;
        };
        Some(Happened {
            path: name::encode(path),
            change: word(events)?.to_owned(),
        })
    }
}

fn word(events: ReadFlags) -> Option<&'static str> {
    let any = |of: ReadFlags| events.intersects(of);
    if any(ReadFlags::QUEUE_OVERFLOW) {
        Some("overflow")
    } else if any(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
        Some("made")
    } else if any(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Some("removed")
    } else if any(ReadFlags::MODIFY) {
        Some("written")
    } else if any(ReadFlags::ATTRIB) {
        Some("attributes")
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test sleeps in a thread of its own
mod tests {
    use super::*;
    use crate::trial::call;
    use std::path::Path;

    /// Watches while something is done; the changes as `name change`.
    fn seen(path: &Path, doing: impl FnOnce() + Send + 'static) -> (Vec<String>, String) {
        let work = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            doing();
        });
        let done = call::<Act>(json!({"path": path, "seconds": 15})).unwrap();
        work.join().unwrap();
        let output: Output = serde_json::from_value(done.output).unwrap();
        let short = |one: &Happened| {
            let name = one.path.rsplit('/').next().unwrap().to_owned();
            format!("{name} {}", one.change)
        };
        (output.changes.iter().map(short).collect(), done.summary)
    }

    #[test]
    fn what_is_written_replaced_made_or_removed_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (file, other) = (root.join("file"), root.join("other"));
        std::fs::write(&file, "1").unwrap();
        let written = file.clone();
        let (changes, summary) = seen(&file, move || std::fs::write(written, "2").unwrap());
        assert!(changes.contains(&"file written".to_owned()), "{changes:?}");
        assert!(summary.ends_with("file was written"), "{summary}");
        let (new, there) = (other.clone(), file.clone());
        let (changes, _) = seen(&file, move || {
            std::fs::write(&new, "3").unwrap();
            std::fs::rename(new, there).unwrap();
        });
        assert!(changes.contains(&"file made".to_owned()), "{changes:?}");
        assert!(
            !changes.iter().any(|one| one.starts_with("other")),
            "{changes:?}"
        );
        let made = root.join("in");
        let (changes, _) = seen(&root, move || std::fs::create_dir(made).unwrap());
        assert_eq!(changes, ["in made"]);
        let absent = root.join("absent");
        let made = absent.clone();
        let (changes, _) = seen(&absent, move || std::fs::write(made, "").unwrap());
        assert_eq!(changes[0], "absent made");
        let (changes, _) = seen(&file.clone(), move || std::fs::remove_file(file).unwrap());
        assert!(changes.contains(&"file removed".to_owned()), "{changes:?}");
    }

    #[test]
    fn nothing_that_happens_is_said_after_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let done = call::<Act>(json!({"path": root, "seconds": 1})).unwrap();
        assert_eq!(done.output["changed"], false);
        assert!(
            done.summary.starts_with("nothing changed at"),
            "{}",
            done.summary
        );
    }
}
