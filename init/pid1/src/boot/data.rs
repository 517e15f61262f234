//! The data disk, and the writable root that stands on it.
//!
//! The root file system is read-only and verified. Over it lies an overlay whose
//! upper layer is on the data disk, so that packages can be installed. **aiOS's own programs,
//! manifests and accounts always come from the lower layer** ([`super::pins`],
//! [`super::system_accounts`]).

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::system_accounts::Verified;
use super::{check, pins, reset, unlock};
use crate::mounts;
use aios_disk::partitions;

/// How long a disk may take to appear.
const DEVICE_PATIENCE_MS: u64 = 10_000;
/// How often it is looked for meanwhile.
const DEVICE_POLL_MS: u64 = 20;

const BLOCK_DEVICES: &str = "/sys/class/block";
const DATA: &str = "/data";
/// The writable layer, what overlayfs needs beside it, and what of the layer is not used.
const UPPER: &str = "/data/overlay/upper";
const WORK: &str = "/data/overlay/work";
const IGNORED: &str = "/data/overlay/ignored";
/// Where the new root is put together; an empty folder of the root file system.
const NEW_ROOT: &str = "/mnt";
const NONE: Option<&str> = None;

/// What keeps state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The data disk.
    Disk,
    /// Nothing: it is gone with the power.
    Memory,
}

/// Where the data is, as the kernel command line says.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Device(PathBuf),
    PartitionLabel(String),
    PartitionUuid(String),
}

/// On a machine: mounts the data disk (or, loudly, memory instead).
pub fn mount_disk(say: &mut dyn FnMut(String)) -> Keeps {
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let mounted = match parse(&command_line) {
        Some(source) => wait_for(&source).and_then(|device| mount_data(&device, say)),
        None => Err("the kernel command line has no aios.data=".to_owned()),
    };
    let Err(reason) = mounted else {
        return Keeps::Disk;
    };
    say(format!(
        "NO DATA DISK: {reason}; nothing will outlive a power-off"
    ));
    mount_memory(say);
    Keeps::Memory
}

/// Memory in the place of the data disk.
pub fn mount_memory(say: &mut dyn FnMut(String)) {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    if let Err(error) = mount(Some("tmpfs"), DATA, Some("tmpfs"), flags, Some("mode=0755")) {
        say(format!("cannot mount memory on {DATA}: {error}"));
    }
}

fn parse(command_line: &str) -> Option<Source> {
    let value = command_line
        .split_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix("aios.data="))?;
    match value.split_once('=') {
        Some((_, "")) => None,
        Some(("PARTLABEL", label)) => Some(Source::PartitionLabel(label.to_owned())),
        Some(("PARTUUID", uuid)) => Some(Source::PartitionUuid(uuid.to_owned())),
        None if value.starts_with("/dev/") => Some(Source::Device(PathBuf::from(value))),
        _ => None,
    }
}

fn wait_for(source: &Source) -> Result<PathBuf, String> {
    for _ in 0..DEVICE_PATIENCE_MS / DEVICE_POLL_MS {
        let found = match source {
            Source::Device(path) => path.exists().then(|| path.clone()),
            Source::PartitionLabel(label) => partitions::by_label(Path::new(BLOCK_DEVICES), label),
            Source::PartitionUuid(uuid) => {
                partitions::by_guid(Path::new(BLOCK_DEVICES), Path::new("/dev"), uuid)
            }
        };
        if let Some(device) = found {
            return Ok(device);
        }
        aios_service::time::pause(DEVICE_POLL_MS);
    }
    Err(format!(
        "{source:?} did not appear within {DEVICE_PATIENCE_MS} ms"
    ))
}

/// Mounts what is on the device, opened if it is encrypted. A disk that a factory reset makes
/// anew is mounted once more.
fn mount_data(device: &Path, say: &mut dyn FnMut(String)) -> Result<(), String> {
    mount_device(&unlock::ready(device)?, say)?;
    if !reset::is_asked(Path::new(DATA)) {
        return Ok(());
    }
    if let Err(why) = unlock::reset(device) {
        say(format!("factory reset: the disk is not made anew: {why}"));
    }
    match mounts::is_mount_point(Path::new(DATA)) {
        true => Ok(()),
        false => mount_device(&unlock::ready(device)?, say),
    }
}

fn mount_device(device: &Path, say: &mut dyn FnMut(String)) -> Result<(), String> {
    check::before_mount(device, say)?;
    let flags = MsFlags::MS_NOATIME | MsFlags::MS_NODEV;
    // A disk that fails under us: writing on would spoil more than it keeps.
    let options = Some("errors=remount-ro");
    mount(Some(device), DATA, Some("ext4"), flags, options)
        .map_err(|error| format!("cannot mount {} on {DATA}: {error}", device.display()))
}

/// Puts the overlay over a read-only root and moves into it. Says why not when
/// it cannot be done; the system then goes on read-only. Returns what of the layer has no effect, as it
/// would have changed what boots.
pub fn overlay_root(say: &mut dyn FnMut(String)) -> Vec<String> {
    if !is_read_only(Path::new("/")) || !Path::new(DATA).is_dir() {
        return Vec::new();
    }
    let accounts = Verified::read(Path::new("/"));
    let mut ignored = pins::clear(Path::new(UPPER), Path::new(IGNORED));
    match try_overlay() {
        Ok(()) => ignored.extend(accounts.restore(Path::new("/"))),
        Err((what, error)) => {
            say(format!("THE ROOT STAYS READ-ONLY: cannot {what}: {error}"));
            let _ = umount2(NEW_ROOT, MntFlags::MNT_DETACH);
        }
    }
    ignored
}

fn try_overlay() -> Result<(), (&'static str, io::Error)> {
    let step = |what| move |error: Errno| (what, error.into());
    for folder in [UPPER, WORK] {
        std::fs::create_dir_all(folder).map_err(|error| ("make the layers", error))?;
    }
    // Folders of the lower layer can be renamed, as dpkg does.
    let options = format!("redirect_dir=on,lowerdir=/,upperdir={UPPER},workdir={WORK}");
    mount(
        Some("overlay"),
        NEW_ROOT,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(step("mount the overlay"))?;
    pins::bind(Path::new(NEW_ROOT)).map_err(|error| ("bind what was verified", error))?;
    let mounted = mounts::table().map_err(|error| ("read what is mounted", error))?;
    for (place, _) in mounted {
        let top = Path::new(&place).components().count() == 2;
        if top && place != NEW_ROOT {
            let target = format!("{NEW_ROOT}{place}");
            mount(
                Some(place.as_str()),
                target.as_str(),
                NONE,
                MsFlags::MS_MOVE,
                NONE,
            )
            .map_err(step("move a mount into the new root"))?;
        }
    }
    let here = step("enter the new root");
    nix::unistd::chdir(NEW_ROOT).map_err(here)?;
    nix::unistd::pivot_root(".", ".").map_err(here)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(here)?;
    nix::unistd::chdir("/").map_err(here)
}

/// Binds the state and log folders of the data disk to their places.
pub fn bind_state(say: &mut dyn FnMut(String)) {
    if !mounts::is_mount_point(Path::new(DATA)) {
        return;
    }
    for (from, to) in [
        ("/data/state", "/var/lib/aios"),
        ("/data/log", "/var/log/aios"),
    ] {
        let made = std::fs::create_dir_all(from).and_then(|()| std::fs::create_dir_all(to));
        let bound = made
            .map_err(|error| errno(&error))
            .and_then(|()| mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE));
        if let Err(error) = bound {
            say(format!("cannot keep {to} on the data disk: {error}"));
        }
    }
}

fn is_read_only(path: &Path) -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};
    statvfs(path).is_ok_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_disk_is_named_by_device_or_partition_label() {
        let label = |label: &str| Some(Source::PartitionLabel(label.to_owned()));
        let device = |path: &str| Some(Source::Device(PathBuf::from(path)));
        let check = |line: &str, expected| assert_eq!(parse(line), expected, "{line}");
        check("ro quiet aios.data=/dev/vdb", device("/dev/vdb"));
        check("aios.data=PARTLABEL=AIOS-DATA ro", label("AIOS-DATA"));
        check("aios.data=/dev/vda aios.data=/dev/vdb", device("/dev/vdb"));
        check(
            "aios.data=PARTUUID=01-ab",
            Some(Source::PartitionUuid("01-ab".to_owned())),
        );
        check("aios.data=PARTLABEL=", None);
        check("aios.data=PARTUUID=", None);
        check("aios.data=UUID=01", None);
        check("aios.data=vdb", None);
        check("quiet", None);
    }
}
