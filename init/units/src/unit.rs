//! A service as a unit file describes it.

use std::path::PathBuf;

use super::words::Name;
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

/// After which ends it is started again (systemd.service(5), `Restart=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the value of its name
pub enum Restart {
    No,
    Always,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    OnAbort,
    OnWatchdog,
}

/// A list of exit statuses and signals, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    /// Exit statuses.
    pub codes: Vec<i32>,
    /// Signals.
    pub signals: Vec<i32>,
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

/// What a condition asks of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is there.
    Exists,
    /// Something is there that the pattern matches.
    ExistsGlob,
    /// It is a folder.
    IsFolder,
    /// It is a symbolic link.
    IsLink,
    /// It is a folder with something in it.
    FolderNotEmpty,
    /// It is a file with something in it.
    FileNotEmpty,
    /// It is a file that can be executed.
    Executable,
}

/// Something that must hold before it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// It is an `Assert…=`. Those are a list of their own.
    pub assertion: bool,
    /// `|`: of all of its list that have this, one must hold.
    pub alternative: bool,
    /// `!`
    pub negated: bool,
    /// About this.
    pub path: PathBuf,
    /// What is asked of it.
    pub asked: Asked,
}

impl Condition {
    /// Does it hold now?
    fn holds(&self) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let is = |test: fn(&std::fs::Metadata) -> bool| {
            std::fs::metadata(&self.path).is_ok_and(|meta| test(&meta))
        };
        let holds = match self.asked {
            Asked::Exists => self.path.exists(),
            Asked::ExistsGlob => {
                let found = self.path.to_str().map(glob::glob);
                found.is_some_and(|found| found.is_ok_and(|mut paths| paths.next().is_some()))
            }
            Asked::IsFolder => self.path.is_dir(),
            Asked::IsLink => self.path.is_symlink(),
            Asked::FolderNotEmpty => {
                std::fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some())
            }
            Asked::FileNotEmpty => is(|meta| meta.is_file() && meta.len() > 0),
            Asked::Executable => {
                is(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            }
        };
        holds != self.negated
    }
}

/// What keeps a unit with these conditions from being started now: a condition
/// that does not hold, or alternatives of which none does.
pub fn unmet(conditions: &[Condition]) -> Option<String> {
    [false, true].into_iter().find_map(|assertion| {
        let list = conditions.iter().filter(|one| one.assertion == assertion);
        let (alternatives, needed): (Vec<_>, Vec<_>) = list.partition(|one| one.alternative);
        if let Some(failed) = needed.into_iter().find(|one| !one.holds()) {
            return Some(failed.text.clone());
        }
        let none_holds = !alternatives.is_empty() && !alternatives.iter().any(|one| one.holds());
        let texts: Vec<&str> = alternatives.iter().map(|one| one.text.as_str()).collect();
        none_holds.then(|| texts.join(" or "))
    })
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
    pub success: Statuses,
    pub restart_prevented: Statuses,
    pub restart_forced: Statuses,
    pub restart_after: Option<Millis>,
    /// For each command and each wait of a start; none: no limit.
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
    /// Lines that were passed over, or read otherwise than they are written, and why.
    pub warnings: Vec<String>,
}
