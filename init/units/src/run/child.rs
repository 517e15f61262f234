//! Makes the processes of a unit's service: folders, environment, identity.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use caps::CapSet;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};

use crate::unit::{Command, Kind, Unit};
use crate::{text, words};
use aios_service::accounts::{self, Account};

/// As whom a command runs.
#[derive(Clone)]
struct Identity {
    user: String,
    account: Account,
}

fn identity(unit: &Unit) -> Result<Identity, String> {
    let named = unit.user.as_deref().unwrap_or("root");
    let (user, mut account) = accounts::find_by_name_or_number(named)
        .ok_or_else(|| format!("User={named}: no such account that a package may have"))?;
    account.groups = accounts::groups_of(&user);
    let group = |name: &String| {
        accounts::find_group(name)
            .ok_or_else(|| format!("Group={name}: no such group that a package may have"))
    };
    if let Some(name) = &unit.group {
        account.gid = group(name)?;
    }
    for name in &unit.groups {
        account.groups.push(group(name)?);
    }
    Ok(Identity { user, account })
}

/// Makes the unit's folders, its own account's.
pub fn make_folders(unit: &Unit) -> Result<(), String> {
    let Identity { account, .. } = identity(unit)?;
    for folder in &unit.folders {
        let make = || -> io::Result<()> {
            std::fs::create_dir_all(&folder.path)?;
            chown(&folder.path, Some(account.uid), Some(account.gid))?;
            std::fs::set_permissions(&folder.path, PermissionsExt::from_mode(folder.mode))
        };
        make().map_err(|error| format!("cannot make {}: {error}", folder.path.display()))?;
    }
    Ok(())
}

/// Removes those that are there only while the service runs.
pub fn remove_passing_folders(unit: &Unit) {
    for folder in unit.folders.iter().filter(|folder| folder.passing) {
        // Err: it is gone already, or another service's; the next boot empties /run.
        let _ = std::fs::remove_dir_all(&folder.path);
    }
}

/// Starts a command; its pid.
///
/// # Errors
/// Why it cannot be executed.
pub fn spawn(
    unit: &Unit,
    command: &Command,
    main: Option<i32>,
    is_main: bool,
    notify: &Path,
) -> Result<i32, String> {
    let mut identity = identity(unit)?;
    if command.as_root {
        identity = Identity {
            user: "root".to_owned(),
            account: Account::root(),
        };
    }
    let variables = variables(unit, &identity, main, notify)?;
    let mut arguments = Vec::new();
    for (place, word) in command.words.iter().enumerate() {
        if place == 0 || command.literal {
            arguments.push(word.clone());
        } else {
            arguments.extend(words::with_variables(word, &variables));
        }
    }
    let mut arguments = arguments.into_iter();
    let named = arguments.next().unwrap_or_default();
    let program = find_program(&named).ok_or_else(|| format!("{named} is not in {PATH}"))?;
    let mut process = std::process::Command::new(&program);
    if command.own_name {
        process.arg0(arguments.next().unwrap_or_default());
    } else {
        process.arg0(&named);
    }
    process
        .args(arguments)
        .env_clear()
        .envs(
            variables
                .iter()
                .map(|(key, value)| (OsStr::new(key), OsStr::new(value))),
        )
        .stdin(std::process::Stdio::null());
    let become_it = setup(unit, identity, is_main && unit.kind != Kind::Forking);
    // SAFETY: this process has one thread, so the child finds every lock free and
    // may do all that its parent may. Needed: identity and limits are the child's alone.
    #[allow(unsafe_code)]
    unsafe {
        process.pre_exec(become_it);
    }
    let child = process
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    i32::try_from(child.id()).map_err(|error| error.to_string())
}

/// Where programs are that a unit names without a path, and `PATH` for its processes.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn find_program(named: &str) -> Option<PathBuf> {
    if named.contains('/') {
        return Some(PathBuf::from(named));
    }
    let runs = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    PATH.split(':')
        .map(|folder| Path::new(folder).join(named))
        .find(runs)
}

fn variables(
    unit: &Unit,
    identity: &Identity,
    main: Option<i32>,
    notify: &Path,
) -> Result<Vec<(String, String)>, String> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut all = vec![pair("PATH", PATH), pair("LANG", "C.UTF-8")];
    if unit.user.is_some() {
        all.push(pair("HOME", &identity.account.home));
        all.push(pair("USER", &identity.user));
        all.push(pair("LOGNAME", &identity.user));
    }
    for folder in &unit.folders {
        let path = folder.path.to_string_lossy();
        match all.iter_mut().find(|(key, _)| key == folder.variable) {
            Some((_, value)) => *value += &format!(":{path}"),
            None => all.push(pair(folder.variable, &path)),
        }
    }
    if unit.kind == Kind::Notify || unit.all_may_notify || unit.watchdog.is_some() {
        all.push(pair("NOTIFY_SOCKET", &notify.to_string_lossy()));
    }
    if let Some(watchdog) = unit.watchdog {
        all.push(pair(
            "WATCHDOG_USEC",
            &watchdog.saturating_mul(1000).to_string(),
        ));
    }
    if let Some(main) = main {
        all.push(pair("MAINPID", &main.to_string()));
    }
    all.extend(unit.environment.clone());
    for (path, may_miss) in &unit.environment_files {
        match environment_files(path) {
            Ok(more) => all.extend(more),
            Err(_) if *may_miss => {}
            Err(why) => return Err(format!("EnvironmentFile={}: {why}", path.display())),
        }
    }
    Ok(all)
}

/// What the files say that this pattern matches, in the order of their names.
fn environment_files(pattern: &Path) -> Result<Vec<(String, String)>, String> {
    let text = pattern.to_str().ok_or("no UTF-8")?;
    let found = glob::glob(text).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    let mut count = 0;
    for path in found {
        let path = path.map_err(|error| error.to_string())?;
        let content =
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        all.extend(text::environment_file(&String::from_utf8_lossy(&content)));
        count += 1;
    }
    if count == 0 {
        return Err("there is no such file".to_owned());
    }
    Ok(all)
}

/// What the child does before its program.
fn setup(
    unit: &Unit,
    identity: Identity,
    dies_with_us: bool,
) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
    let Identity { account, .. } = identity;
    let (umask, files, ambient) = (unit.umask, unit.files_max, unit.ambient.clone());
    let (no_new, folder) = (unit.no_new_privileges, working_directory(unit, &account));
    move || {
        nix::unistd::setsid()?;
        // We read our signals from a descriptor; it does not.
        nix::sys::signal::SigSet::empty().thread_set_mask()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
        if let Some(files) = files {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            // More than the hard limit needs CAP_SYS_RESOURCE, which a container may lack.
            setrlimit(Resource::RLIMIT_NOFILE, files, files)
                .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard.min(files), hard))?;
        }
        take_identity(&account, &ambient)?;
        if no_new {
            nix::sys::prctl::set_no_new_privs()?;
        }
        if dies_with_us {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        }
        match &folder {
            Some((path, may_miss)) => std::env::set_current_dir(path)
                .or_else(|error| if *may_miss { Ok(()) } else { Err(error) }),
            None => std::env::set_current_dir("/"),
        }
    }
}

fn working_directory(unit: &Unit, account: &Account) -> Option<(PathBuf, bool)> {
    let text = unit.working_directory.as_ref()?.to_str()?;
    let (path, may_miss) = match text.strip_prefix('-') {
        Some(path) => (path, true),
        None => (text, false),
    };
    let path = if path == "~" {
        account.home.as_str()
    } else {
        path
    };
    Some((PathBuf::from(path), may_miss))
}

fn take_identity(account: &Account, ambient: &[caps::Capability]) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account
        .groups
        .iter()
        .map(|group| Gid::from_raw(*group))
        .collect();
    nix::unistd::setgroups(&groups)?;
    nix::unistd::setresgid(gid, gid, gid)?;
    if uid.is_root() {
        return Ok(());
    }
    if ambient.is_empty() {
        return Ok(nix::unistd::setresuid(uid, uid, uid)?);
    }
    nix::sys::prctl::set_keepcaps(true)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    let kept = ambient.iter().copied().collect();
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::set(None, set, &kept).map_err(io::Error::other)?;
    }
    for capability in ambient {
        caps::raise(None, CapSet::Ambient, *capability).map_err(io::Error::other)?;
    }
    Ok(())
}
