//! Where a `node.toml` may come from, in this order: fw_cfg (QEMU), the
//! container runtime, a partition named AIOS-CONFIG.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::pid1::data;

/// More than any node.toml.
const SIZE_MAX: u64 = 256 * 1024;

const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.aios/node.toml/raw";
const CONTAINER: &str = "/run/provision/node.toml";
const LABEL: &str = "AIOS-CONFIG";

/// The first there is: what it is, and its text.
pub fn find() -> Option<(&'static str, String)> {
    for (name, path) in [("fw_cfg", FW_CFG), (CONTAINER, CONTAINER)] {
        if let Some(text) = read(Path::new(path)) {
            return Some((name, text));
        }
    }
    from_partition().map(|text| ("the partition AIOS-CONFIG", text))
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(SIZE_MAX)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

fn from_partition() -> Option<String> {
    let device = data::by_label(Path::new("/sys/class/block"), LABEL)?;
    let place = Path::new("/run/aios-config");
    std::fs::create_dir_all(place).ok()?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none: Option<&str> = None;
    let mounted = ["vfat", "ext4", "iso9660"]
        .iter()
        .any(|kind| mount(Some(&device), place, Some(*kind), flags, none).is_ok());
    if !mounted {
        return None;
    }
    let text = read(&place.join("node.toml"));
    // Err: it stays mounted, read-only, until shutdown.
    let _ = umount2(place, MntFlags::MNT_DETACH);
    text
}
