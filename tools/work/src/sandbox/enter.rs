//! The process that gets namespaces and builds the root that a program sees.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use aios_tool::file::name;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use super::{Ground, INSIDE, Writing, below};

const NONE: Option<&str> = None;

/// Where programs and libraries are; what is a link on the machine is the same link in the sandbox.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "opt"];

/// What programs look up: no keys, no passwords, nothing of aiOS.
const SETTINGS: [&str; 14] = [
    "etc/alternatives",
    "etc/ca-certificates",
    "etc/group",
    "etc/hosts",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/ld.so.conf.d",
    "etc/localtime",
    "etc/mime.types",
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/protocols",
    "etc/services",
    "etc/ssl/certs",
];

/// The devices that every program may use.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Room in the sandbox's `/tmp`, which is memory of the daemon's cgroup.
const TEMPORARY: &str = "mode=1777,size=256m";

/// Arguments: the [`Ground`], and the program with its arguments. How the program ended is in the
/// report of the process inside.
pub fn enter(arguments: &[OsString]) -> ExitCode {
    match entered(arguments) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("the sandbox: {why}");
            ExitCode::FAILURE
        }
    }
}

fn entered(arguments: &[OsString]) -> Result<ExitCode, String> {
    let [text, program @ ..] = arguments else {
        return Err("too few arguments".to_owned());
    };
    let ground: Ground =
        serde_json::from_slice(text.as_encoded_bytes()).map_err(|error| error.to_string())?;
    let mut own = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if !ground.network {
        own |= CloneFlags::CLONE_NEWNET;
    }
    unshare(own).map_err(|error| format!("no namespaces: {error}"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(|error| format!("no own mounts: {error}"))?;
    // Held once its mounts are its own, which alone can be bound, and before the root is built.
    let folder = held(&ground.folder)?;
    let reads: Vec<OwnedFd> = ground
        .reads
        .iter()
        .map(|path| held(path))
        .collect::<Result<_, _>>()?;
    let root = name::decode(&ground.scratch).join("root");
    build(&ground, &root)?;
    let closed = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (path, read) in ground.reads.iter().zip(&reads) {
        show(read, &root, &name::decode(path), closed)?;
    }
    lay(&ground, &folder, &root)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| format!("no end with the daemon: {error}"))?;
    // By the name it was called by: the executable is many programs.
    let own = std::env::args_os().next().ok_or("it has no name")?;
    let status = Command::new(own)
        .arg(INSIDE)
        .arg(text)
        .args(program)
        .status()
        .map_err(|error| format!("no process in it: {error}"))?;
    // How the program ended is in the report.
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Opens what is at a path, without following any link on the way.
fn held(path: &str) -> Result<OwnedFd, String> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(
        rustix::fs::CWD,
        name::decode(path),
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
    .map_err(|error| format!("{path}: {error}"))
}

/// The root: programs, a few settings, devices, a `/tmp`.
fn build(ground: &Ground, root: &Path) -> Result<(), String> {
    memory(root, MsFlags::MS_NOSUID, "mode=0755,size=4m")?;
    let closed = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    for name in PROGRAMS {
        same(&Path::new("/").join(name), &root.join(name), closed)?;
    }
    for name in SETTINGS {
        let flags = closed | MsFlags::MS_NOEXEC;
        same(&Path::new("/").join(name), &root.join(name), flags)?;
    }
    for name in ["proc", "dev", "tmp"] {
        folders(&root.join(name))?;
    }
    memory(&root.join("dev"), MsFlags::MS_NOSUID, "mode=0755,size=64k")?;
    for name in DEVICES {
        let node = root.join("dev").join(name);
        File::create(&node).map_err(|error| format!("{}: {error}", node.display()))?;
        let device = Path::new("/dev").join(name);
        mount(Some(&device), &node, NONE, MsFlags::MS_BIND, NONE)
            .map_err(|error| format!("{}: {error}", device.display()))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("shm", "/tmp"),
    ] {
        symlink(target, root.join("dev").join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    if !ground.executes.is_empty() {
        flags |= MsFlags::MS_NOEXEC;
    }
    memory(&root.join("tmp"), flags, TEMPORARY)?;
    if ground.network && Path::new("/etc/resolv.conf").exists() {
        fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf"))
            .map_err(|error| format!("/etc/resolv.conf: {error}"))?;
    }
    Ok(())
}

/// What is at a path of the machine is at the path in the sandbox: the same link, or the same thing
/// with these flags. Nothing when the machine has nothing there.
fn same(from: &Path, to: &Path, flags: MsFlags) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", from.display());
    let Ok(data) = from.symlink_metadata() else {
        return Ok(());
    };
    if let Some(parent) = to.parent() {
        folders(parent)?;
    }
    if data.is_symlink() {
        return symlink(fs::read_link(from).map_err(fault)?, to).map_err(fault);
    }
    if data.is_dir() {
        folders(to)?;
    } else {
        File::create(to).map_err(fault)?;
    }
    bind(from, to, flags)
}

/// Shows what is held at the same path in the sandbox.
fn show(what: &OwnedFd, root: &Path, path: &Path, flags: MsFlags) -> Result<PathBuf, String> {
    let to = below(root, path);
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    let stat = rustix::fs::fstat(what).map_err(|error| fault(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => folders(&to)?,
        _ => {
            folders(to.parent().unwrap_or(root))?;
            if to.symlink_metadata().is_err() {
                File::create(&to).map_err(fault)?;
            }
        }
    }
    bind(&held_path(what), &to, flags)?;
    Ok(to)
}

/// The folder that the program works in.
fn lay(ground: &Ground, folder: &OwnedFd, root: &Path) -> Result<(), String> {
    let path = name::decode(&ground.folder);
    let mut flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    if !ground.executes.is_empty() {
        // What it may not execute, it may not load as a library either.
        flags |= MsFlags::MS_NOEXEC;
    }
    match ground.writing {
        Writing::Nothing => show(folder, root, &path, flags | MsFlags::MS_RDONLY).map(drop),
        Writing::Folder => show(folder, root, &path, flags).map(drop),
        Writing::Shadow => {
            let to = below(root, &path);
            folders(&to)?;
            let scratch = name::decode(&ground.scratch);
            // By a name of our own: a path of others may hold what the options' text means.
            bind(
                &held_path(folder),
                &scratch.join("lower"),
                MsFlags::MS_RDONLY,
            )?;
            let options = format!(
                "userxattr,lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work",
                scratch.display()
            );
            let kind = Some("overlay");
            mount(kind, &to, kind, flags, Some(options.as_str()))
                .map_err(|error| format!("the overlay cannot be mounted: {error}"))
        }
    }
}

fn held_path(what: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", what.as_raw_fd()).into()
}

fn folders(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn memory(at: &Path, flags: MsFlags, options: &str) -> Result<(), String> {
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options))
        .map_err(|error| format!("{}: {error}", at.display()))
}

fn bind(from: &Path, to: &Path, flags: MsFlags) -> Result<(), String> {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .and_then(|()| {
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
            mount(NONE, to, NONE, again, NONE)
        })
        .map_err(|error| format!("{} at {}: {error}", from.display(), to.display()))
}
