//! A root of a service's own (`sandbox.root`): empty but for what its manifest names, and read-only.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::{Failed, NONE, kept_flags, step};

/// Enough for the folders that lead to what is shown.
const SIZE: &str = "mode=0755,size=256k";

/// Enters, for good, a root in which there are only these paths, with all below them on their own file
/// system. What is not there is left out.
pub fn enter(paths: &[PathBuf]) -> Result<(), Failed> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(step("get a mount namespace of its own"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(step("part its mounts from ours"))?;
    // PID 1's own folder: nothing that a service may see is below it.
    let new = aios_service::places::run_dir().join("init");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), &new, Some("tmpfs"), flags, Some(SIZE))
        .map_err(step("make a root of its own"))?;
    for path in paths.iter().filter(|path| path.exists()) {
        let shown = show(path, &new);
        shown.map_err(|error| ("show what it needs", format!("{}: {error}", path.display())))?;
    }
    switch(&new).map_err(step("enter its root"))?;
    let locked = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | flags;
    mount(NONE, "/", NONE, locked, NONE).map_err(step("make its root read-only"))
}

/// Binds a path to the same place below `new`, read-only.
fn show(path: &Path, new: &Path) -> io::Result<()> {
    let target = new.join(path.strip_prefix("/").unwrap_or(path));
    if path.is_dir() {
        std::fs::create_dir_all(&target)?;
    } else {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(&target)?;
    }
    mount(Some(path), &target, NONE, MsFlags::MS_BIND, NONE)?;
    let locked = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    mount(NONE, &target, NONE, kept_flags(&target) | locked, NONE)?;
    Ok(())
}

/// Makes `new` the root and lets go of the old one (pivot_root(2), "pivot_root(".", ".")").
fn switch(new: &Path) -> io::Result<()> {
    std::env::set_current_dir(new)?;
    match nix::unistd::pivot_root(".", ".") {
        Ok(()) => umount2(".", MntFlags::MNT_DETACH)?,
        // The root is the kernel's first one, which cannot be left. Without capabilities a service
        // leaves this one as little.
        Err(Errno::EINVAL) => nix::unistd::chroot(".")?,
        Err(error) => return Err(error.into()),
    }
    std::env::set_current_dir("/")
}
