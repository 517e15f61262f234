//! A service as a unit file describes it.

use std::path::PathBuf;

use super::words::Name;
use aios_service::manifest::Restart;
use aios_service::supervise::Millis;

/// When it counts as started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its program was executed (`simple`, `exec`, `idle`).
    Exec,
    /// Its program says so.
    Notify,
    /// Its program left another behind and ended.
    Forking,
    /// Its program ended well.
    Oneshot,
}

/// Who else is ended when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMode {
    /// All: first asked, then killed.
    ControlGroup,
    /// The main process is asked; then all are killed.
    Mixed,
    /// The main process only.
    Process,
    /// Nobody.
    None,
}

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments, variables not put in yet.
    pub words: Vec<String>,
    /// `@`: the second word is the program's name for itself.
    pub own_name: bool,
    /// `-`: its failure does not count.
    pub may_fail: bool,
    /// `+`, `!`: as root, whatever `User=` says.
    pub as_root: bool,
    /// `:`: no variables.
    pub literal: bool,
}

/// A folder that is made for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// With these permissions.
    pub mode: u32,
    /// Under this variable of the environment.
    pub variable: &'static str,
    /// Removed when the service stops.
    pub passing: bool,
}

/// Something that must hold before it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// `!`
    pub negated: bool,
    /// What must be there.
    pub path: PathBuf,
    /// And be executable.
    pub executable: bool,
}

impl Condition {
    /// Does it hold now?
    pub fn holds(&self) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let found = std::fs::metadata(&self.path);
        let runs =
            |meta: &std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        let holds = found.is_ok_and(|meta| !self.executable || runs(&meta));
        holds != self.negated
    }
}

/// A service, as its unit file describes it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is the directive of its name, systemd.service(5), systemd.exec(5)
pub struct Unit {
    pub name: Name,
    pub description: String,
    pub kind: Kind,
    pub start_pre: Vec<Command>,
    pub start: Vec<Command>,
    pub start_post: Vec<Command>,
    pub reload: Vec<Command>,
    pub stop: Vec<Command>,
    pub stop_post: Vec<Command>,
    pub environment: Vec<(String, String)>,
    /// A path, and whether it may be missing.
    pub environment_files: Vec<(PathBuf, bool)>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub groups: Vec<String>,
    pub ambient: Vec<caps::Capability>,
    pub working_directory: Option<PathBuf>,
    pub no_new_privileges: bool,
    pub umask: u32,
    pub files_max: Option<u64>,
    pub folders: Vec<Folder>,
    pub pid_file: Option<PathBuf>,
    pub remains: bool,
    pub all_may_notify: bool,
    pub restart: Restart,
    pub restart_after: Option<Millis>,
    /// None: no limit.
    pub start_timeout: Option<Millis>,
    pub stop_timeout: Option<Millis>,
    pub watchdog: Option<Millis>,
    pub kill_mode: KillMode,
    pub kill_signal: nix::sys::signal::Signal,
    pub after: Vec<String>,
    pub requires: Vec<String>,
    pub wants: Vec<String>,
    pub conditions: Vec<Condition>,
    /// Directives that are there and have no effect here.
    pub ignored: Vec<String>,
}
