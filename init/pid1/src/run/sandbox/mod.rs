//! A service's private view: an empty network, and a file system in which other
//! people's files are hidden and everything that is not its own is read-only.

mod paths;
mod root;
mod syscalls;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use aios_service::manifest::{Manifest, Syscalls};

type Failed = (&'static str, String);

/// Hidden with `private_files`, except state folders.
const HIDDEN: [&str; 7] = [
    "/data",
    "/home",
    "/srv",
    "/root",
    "/var/lib/aios",
    "/etc/aios/pki",
    "/var/log",
];
/// Stay as they are with `private_files`: they are not files, or not on a disk.
const UNTOUCHED: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
const NONE: Option<&str> = None;

fn step<E: ToString>(what: &'static str) -> impl Fn(E) -> Failed {
    move |error| (what, error.to_string())
}

/// In the child, while it is still root and after its state folders were made.
pub fn enter(manifest: &Manifest) -> Result<(), Failed> {
    if manifest.sandbox.private_network {
        unshare(CloneFlags::CLONE_NEWNET).map_err(step("get a network of its own"))?;
        aios_service::network::set_up(aios_service::network::LOOPBACK)
            .map_err(step("bring its loopback up"))?;
    }
    if let Some(paths) = &manifest.sandbox.root {
        root::enter(paths)?;
    } else if manifest.sandbox.private_files {
        private_files(&manifest.state_dirs)?;
    }
    Ok(())
}

/// The last step before the program: which system calls it may make, and which
/// files it may use. Returns what this kernel cannot enforce.
pub fn seal(manifest: &Manifest) -> Result<Vec<String>, Failed> {
    let sandbox = &manifest.sandbox;
    let mut lacking = Vec::new();
    if let Some(paths) = &sandbox.landlock
        && !paths::restrict(manifest, paths).map_err(step("restrict its files"))?
    {
        lacking.push("Landlock".to_owned());
    }
    if let Some(set) = sandbox.syscalls {
        let restricted = match set {
            Syscalls::Service => syscalls::restrict(&sandbox.syscalls_allowed, sandbox.sockets),
            Syscalls::Agent => syscalls::restrict_agent(sandbox.sockets),
        };
        lacking.extend(
            restricted
                .err()
                .map(|why| format!("a system call filter ({why})")),
        );
    }
    Ok(lacking)
}

fn private_files(state_dirs: &[PathBuf]) -> Result<(), Failed> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(step("get a mount namespace of its own"))?;
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(NONE, "/", NONE, slave, NONE).map_err(step("part its mounts from ours"))?;
    let own = open_all(state_dirs)?;
    hide()?;
    guard_sockets()?;
    bind_back(&own)?;
    make_read_only(state_dirs)
}

/// Handles to the state folders, which are about to be hidden with the rest.
fn open_all(state_dirs: &[PathBuf]) -> Result<Vec<(&PathBuf, File)>, Failed> {
    let open = |path| File::open(path).map(|folder| (path, folder));
    state_dirs
        .iter()
        .map(|path| open(path).map_err(step("open a state folder")))
        .collect()
}

/// The daemons' sockets can be connected to, which a read-only mount allows, and
/// not replaced.
fn guard_sockets() -> Result<(), Failed> {
    let run = &aios_service::places::run_dir();
    if !run.is_dir() {
        return Ok(());
    }
    mount(Some(run), run, NONE, MsFlags::MS_BIND, NONE).map_err(step("guard the sockets"))?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, run, NONE, read_only, NONE).map_err(step("guard the sockets"))
}

fn hide() -> Result<(), Failed> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for path in HIDDEN
        .iter()
        .chain(&["/tmp"])
        .filter(|path| Path::new(path).is_dir())
    {
        let options = if *path == "/tmp" {
            "mode=1777,size=16m"
        } else {
            "mode=0755,size=64k"
        };
        mount(Some("tmpfs"), *path, Some("tmpfs"), flags, Some(options))
            .map_err(step("hide a folder"))?;
    }
    Ok(())
}

fn bind_back(own: &[(&PathBuf, File)]) -> Result<(), Failed> {
    for (path, folder) in own {
        std::fs::create_dir_all(path).map_err(step("show a state folder"))?;
        let source = format!("/proc/self/fd/{}", folder.as_raw_fd());
        mount(
            Some(source.as_str()),
            path.as_path(),
            NONE,
            MsFlags::MS_BIND,
            NONE,
        )
        .map_err(step("show a state folder"))?;
    }
    Ok(())
}

fn make_read_only(state_dirs: &[PathBuf]) -> Result<(), Failed> {
    for (place, _) in crate::mounts::table().map_err(step("read what is mounted"))? {
        let path = Path::new(&place);
        let special =
            path == Path::new("/tmp") || UNTOUCHED.iter().any(|top| path.starts_with(top));
        if special || state_dirs.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        let locked = kept_flags(path) | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        match mount(NONE, path, NONE, locked, NONE) {
            // Hidden under another mount: nobody can write there either.
            Ok(()) | Err(nix::errno::Errno::ENOENT | nix::errno::Errno::EINVAL) => {}
            Err(error) => return Err(("make files read-only", format!("{place}: {error}"))),
        }
    }
    let probe = nix::sys::statvfs::statvfs("/").map_err(step("look at the root"))?;
    let read_only = probe
        .flags()
        .contains(nix::sys::statvfs::FsFlags::ST_RDONLY);
    read_only.then_some(()).ok_or((
        "make files read-only",
        "the root is still writable".to_owned(),
    ))
}

/// What a mount forbids already must be said again when it is remounted.
fn kept_flags(path: &Path) -> MsFlags {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let Ok(stat) = statvfs(path) else {
        return MsFlags::empty();
    };
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let set = pairs.iter().filter(|(has, _)| stat.flags().contains(*has));
    set.fold(MsFlags::empty(), |flags, (_, keep)| flags | *keep)
}
