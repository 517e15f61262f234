//! A shadow of the root file system: an overlay over it whose upper layer takes all that is written.
//!
//! Into a shadow leads a way of two processes, because a PID namespace begins with a child:
//! [`enter()`] gets namespaces and mounts the shadow; its child [`inside`] is the first process of the
//! new namespace, makes the shadow its root, gives up what a package needs not, and becomes the
//! program. When one of them is killed, all that runs in the shadow ends.

mod enter;
mod inside;

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

pub use enter::enter;
pub use inside::inside;

/// The first argument of the process that mounts a shadow.
pub const ENTER: &str = "enter";
/// The first argument of the first process in it.
pub const INSIDE: &str = "inside";

/// So much of what a program says is kept, in bytes: the end of it.
const SAID_MAX: usize = 64 * 1024;

/// The account under which apt fetches files.
const APT_UID: u32 = 42;

/// The folder of the daemon, and what it makes shadows of.
#[derive(Clone, Debug)]
pub struct Site {
    /// The root file system of which shadows are made.
    pub root: PathBuf,
    /// The daemon's own folder: lists, fetched packages, shadows.
    pub state: PathBuf,
    /// This program, which goes into shadows.
    pub program: PathBuf,
}

/// May a program in the shadow reach the network?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// That of the machine: to fetch.
    Machine,
    /// None, as for scripts of packages.
    None,
}

impl Network {
    fn word(self) -> &'static str {
        match self {
            Self::Machine => "network",
            Self::None => "alone",
        }
    }
}

/// How a program in a shadow ended.
#[derive(Debug)]
pub struct Ended {
    /// With status 0.
    pub succeeded: bool,
    /// The end of what it said, output and errors.
    pub said: String,
}

/// One shadow.
#[derive(Clone, Debug)]
pub struct Shadow {
    site: Site,
    /// Its folder.
    folder: PathBuf,
}

impl Site {
    /// The site of a running system.
    pub fn of_this_machine() -> Self {
        Self {
            root: "/".into(),
            state: "/var/lib/aios/packages".into(),
            program: "/usr/lib/aios/aios-packages".into(),
        }
    }

    /// Where apt keeps the lists of what can be had.
    pub fn lists(&self) -> PathBuf {
        self.state.join("lists")
    }

    /// Written when the lists were fetched.
    pub(crate) fn fetched(&self) -> PathBuf {
        self.state.join("fetched")
    }

    fn shadows(&self) -> PathBuf {
        self.state.join("shadow")
    }

    /// Makes the folders that all shadows share.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make_folders(&self) -> io::Result<()> {
        for folder in [
            self.shadows(),
            self.lists(),
            self.state.join("cache/archives"),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        for partial in ["lists/partial", "cache/archives/partial"] {
            let partial = self.state.join(partial);
            std::fs::create_dir_all(&partial)?;
            std::fs::set_permissions(&partial, Permissions::from_mode(0o700))?;
            std::os::unix::fs::chown(&partial, Some(APT_UID), None)?;
        }
        Ok(())
    }

    /// Throws away shadows that nobody came back for in so long: their calls died.
    ///
    /// # Errors
    /// When the folder of shadows cannot be read.
    pub fn tidy(&self, age: Duration) -> io::Result<()> {
        for entry in std::fs::read_dir(self.shadows())? {
            let entry = entry?;
            let since = entry.metadata()?.modified()?.elapsed();
            if since.is_ok_and(|since| since > age) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// A new shadow of this id; a former one is thrown away.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn shadow(&self, id: &str) -> io::Result<Shadow> {
        self.make_folders()?;
        self.discard(id)?;
        let folder = self.shadows().join(id);
        for part in ["upper", "work", "root"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        // It becomes the owner and mode of `/` in the shadow.
        std::fs::set_permissions(folder.join("upper"), Permissions::from_mode(0o755))?;
        Ok(Shadow {
            site: self.clone(),
            folder,
        })
    }

    /// Throws a shadow away; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(&self, id: &str) -> io::Result<()> {
        match std::fs::remove_dir_all(self.shadows().join(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Shadow {
    /// What was written in it.
    pub fn upper(&self) -> PathBuf {
        self.folder.join("upper")
    }

    /// Where the plan is kept.
    pub fn plan(&self) -> PathBuf {
        self.folder.join("plan.jsonl")
    }

    /// The root of which it is the shadow.
    pub fn root(&self) -> &Path {
        &self.site.root
    }

    /// Runs a program in it, at most so long.
    ///
    /// # Errors
    /// When it cannot be started, or takes longer.
    pub async fn run(
        &self,
        network: Network,
        limit: Duration,
        program: &[impl AsRef<OsStr> + Sync],
    ) -> io::Result<Ended> {
        let mut words: Vec<OsString> = vec![ENTER.into(), network.word().into()];
        words.extend([&self.site.root, &self.site.state, &self.folder].map(OsString::from));
        words.extend(program.iter().map(|word| word.as_ref().to_owned()));
        let mut child = Command::new(&self.site.program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let (out, errors) = tokio::join!(end_of(out), end_of(errors));
            io::Result::Ok((child.wait().await?, out? + &errors?))
        };
        match tokio::time::timeout(limit, ended).await {
            Ok(ended) => ended.map(|(status, said)| Ended {
                succeeded: status.success(),
                said,
            }),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it has not ended within {} s", limit.as_secs()),
            )),
        }
    }
}

/// The end of what comes, as text; the rest is read and forgotten.
async fn end_of(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut stream) = stream else {
        return Ok(String::new());
    };
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = vec![0; 8192];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&piece[..read]);
        if kept.len() > 2 * SAID_MAX {
            kept.drain(..kept.len() - SAID_MAX);
        }
    }
}
