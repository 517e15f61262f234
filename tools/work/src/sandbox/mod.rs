//! A sandbox: what a program sees and may do, and the way into it.
//!
//! Into a sandbox leads a way of two processes, because a PID namespace begins with a child:
//! [`enter()`] gets namespaces and builds the root that the program sees; its child [`inside()`] is the
//! first process of the new namespace, makes that root its own, gives up all capabilities, starts the
//! program and waits for it. When one of them is killed, all that runs in the sandbox ends.

mod enter;
mod inside;
mod output;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aios_tool::file::name;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

pub use enter::enter;
pub use inside::inside;
pub use output::{Keep, Kept};

/// The first argument of the process that builds a sandbox.
pub const ENTER: &str = "enter";
/// The first argument of the first process in it.
pub const INSIDE: &str = "inside";

/// The exit code that shells give to a program that a signal ended, less the signal.
const BY_SIGNAL: i32 = 128;

/// Where sandboxes are made.
#[derive(Clone, Debug)]
pub struct Site {
    /// The daemon's own folder.
    pub state: PathBuf,
    /// This program, which goes into sandboxes.
    pub program: PathBuf,
}

/// What a program may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writing {
    /// Nothing but its `/tmp`.
    Nothing,
    /// The folder that it works in.
    Folder,
    /// An overlay over the folder that it works in.
    Shadow,
}

/// What is run, and what it may do.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names the sandbox's own folder.
    pub id: String,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// Its environment beside `PATH`, `HOME` and `LC_ALL`.
    pub environment: Vec<(String, String)>,
    /// Where it works.
    pub folder: PathBuf,
    /// What it may write.
    pub writing: Writing,
    /// What else it sees.
    pub reads: Vec<PathBuf>,
    /// What it may execute, with all below; none: whatever it sees.
    pub executes: Vec<PathBuf>,
    /// May it reach the network of the machine?
    pub network: bool,
    /// So long it may take.
    pub limit: Duration,
    /// So much of its output, and of its errors, is kept.
    pub keep: Keep,
    /// What it reads from its standard input.
    pub input: Vec<u8>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; of one that a signal ended, 128 and the signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its time was over, and it was killed.
    pub late: bool,
    /// What it wrote to its standard output.
    pub output: Kept,
    /// What it wrote to its standard error.
    pub errors: Kept,
    /// How long it ran.
    pub took: Duration,
}

/// The file in the sandbox's own folder in which its first process says how the program ended: the exit
/// code of that process, which is of the sandbox's making, cannot be told from one of the program's. No
/// program sees the file.
const REPORT: &str = "ended";

/// What the first process says of the program.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Report {
    /// It runs.
    Started,
    /// It ended with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Report {
    /// The last of the lines.
    fn last(lines: &str) -> Option<Self> {
        let whole = lines.rsplit_once('\n')?.0;
        serde_json::from_str(whole.lines().last()?).ok()
    }
}

impl Ended {
    /// The same by what the first process says of the program, and not by its own end.
    fn by(self, report: &str) -> io::Result<Self> {
        let (code, signal) = match Report::last(report) {
            _ if self.late => (self.code, self.signal),
            Some(Report::Code(code)) => (code, None),
            Some(Report::Signal(signal)) => (BY_SIGNAL + signal, Some(signal)),
            Some(Report::Started) => {
                return Err(io::Error::other(
                    "it was killed while the program ran; all programs that run share their memory",
                ));
            }
            None => {
                let said = String::from_utf8_lossy(&self.errors.into_parts().0).into_owned();
                let why = said.lines().last().unwrap_or("nothing is known").to_owned();
                return Err(io::Error::new(io::ErrorKind::Unsupported, why));
            }
        };
        Ok(Self {
            code,
            signal,
            ..self
        })
    }
}

/// What the processes on the way into the sandbox are told, as JSON. Paths are in the written form of
/// names.
#[derive(Debug, Serialize, Deserialize)]
struct Ground {
    /// The sandbox's own folder.
    scratch: String,
    folder: String,
    writing: Writing,
    reads: Vec<String>,
    executes: Vec<String>,
    network: bool,
    uid: u32,
    gid: u32,
    environment: Vec<(String, String)>,
}

/// May the program write into its folder, which is this account's? What a program leaves in a folder of
/// root's is root's, with any mode that it gives it. So only one that may execute nothing but a few
/// programs of Debian's writes there: git, which runs nothing of what it finds.
fn may_write(order: &Order, uid: u32) -> io::Result<()> {
    let folder = order.writing == Writing::Folder;
    if !folder || uid != 0 || !order.executes.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is root's, and no program of others writes there as root; give the folder to an account \
         first, with fs.chown",
        order.folder.display()
    )))
}

impl Site {
    /// The site of a running system.
    pub fn of_this_machine() -> Self {
        Self {
            state: "/var/lib/aios/work".into(),
            program: "/usr/lib/aios/aios-work".into(),
        }
    }

    /// Throws away all sandboxes' folders.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn tidy(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(self.sandboxes()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Throws a sandbox's folder away; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(&self, id: &str) -> io::Result<()> {
        match std::fs::remove_dir_all(self.scratch(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What was written in the shadow of this id.
    pub fn upper(&self, id: &str) -> PathBuf {
        self.scratch(id).join("upper")
    }

    /// Where the list of changes of this id is kept.
    pub fn plan(&self, id: &str) -> PathBuf {
        self.scratch(id).join("plan.jsonl")
    }

    fn sandboxes(&self) -> PathBuf {
        self.state.join("sandbox")
    }

    fn scratch(&self, id: &str) -> PathBuf {
        self.sandboxes().join(id)
    }

    /// Runs a program to its end, or until its time is over.
    ///
    /// # Errors
    /// When the folder cannot be looked at, or no process can be made; when the program was not started,
    /// or the sandbox ended before it.
    pub async fn run(&self, order: &Order) -> io::Result<Ended> {
        self.discard(&order.id)?;
        let scratch = self.scratch(&order.id);
        for part in ["root", "lower", "upper", "work"] {
            std::fs::create_dir_all(scratch.join(part))?;
        }
        // No part of the way is a link: whoever has a folder above could choose the owner by it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let straight = ResolveFlags::NO_SYMLINKS;
        let held = rustix::fs::openat2(CWD, &order.folder, flags, Mode::empty(), straight)?;
        let owner = rustix::fs::fstat(&held)?;
        may_write(order, owner.st_uid)?;
        let upper = scratch.join("upper");
        std::fs::set_permissions(&upper, Permissions::from_mode(owner.st_mode & 0o7777))?;
        std::os::unix::fs::chown(&upper, Some(owner.st_uid), Some(owner.st_gid))?;
        let written = |paths: &[PathBuf]| paths.iter().map(name::encode).collect();
        let ground = Ground {
            scratch: name::encode(&scratch),
            folder: name::encode(&order.folder),
            writing: order.writing,
            reads: written(&order.reads),
            executes: written(&order.executes),
            network: order.network,
            uid: owner.st_uid,
            gid: owner.st_gid,
            environment: order.environment.clone(),
        };
        let begun = Instant::now();
        let mut child = Command::new(&self.program)
            .args([ENTER, &serde_json::to_string(&ground)?])
            .arg(&order.program)
            .args(&order.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let ended = ended(&mut child, order).await?;
        let report = scratch.join(REPORT);
        let report = match std::fs::read_to_string(report) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let took = begun.elapsed();
        Ok(Ended {
            took,
            ..ended.by(&report)?
        })
    }
}

/// Feeds and reads a program until it has ended or its time is over.
async fn ended(child: &mut Child, order: &Order) -> io::Result<Ended> {
    let (mut output, mut errors) = (Kept::new(order.keep), Kept::new(order.keep));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // It may end without reading.
            drop(stdin.write_all(&order.input).await);
        }
        Ok(())
    };
    let said = async {
        tokio::try_join!(feed, output.take(stdout), errors.take(stderr))?;
        child.wait().await
    };
    let status = tokio::time::timeout(order.limit, said).await;
    let (late, status) = match status {
        Ok(status) => (false, status?),
        Err(_) => {
            child.start_kill()?;
            (true, child.wait().await?)
        }
    };
    Ok(Ended {
        code: status.code().unwrap_or_default(),
        signal: status.signal(),
        late,
        output,
        errors,
        took: Duration::ZERO,
    })
}

/// The path below another root.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
