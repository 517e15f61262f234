//! Where a `node.toml` may come from, in this order: fw_cfg (QEMU), the
//! container runtime, a partition named AIOS-CONFIG.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

pub mod offered;
mod usb;

use crate::layout;
use crate::partitions;

/// More than any node.toml.
const SIZE_MAX: u64 = 256 * 1024;

const FW_CFG: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.aios/node.toml/raw";
const CONTAINER: &str = "/run/provision/node.toml";

const FW_CFG_CONFIG: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.aios/config.toml/raw";
const CONTAINER_CONFIG: &str = "/run/provision/config.toml";

/// Maintenance mode.
pub const NETWORK: &str = "the network";

/// Where something is from, and its text.
pub type Source = Option<(&'static str, String)>;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The first `node.toml`.
    pub node: Source,
    /// The first `config.toml`.
    pub config: Source,
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A node that nobody can manage yet: for what maintenance mode was offered, too.
    NewNode,
    /// A node that has its certificate: nothing depends on what it may find.
    Node,
    /// A disk about to be made, which stays as it is made.
    Disk,
}

impl For {
    /// Is a stick that may still come worth waiting for?
    fn waits_with(self, found: &Found) -> bool {
        match self {
            Self::NewNode => found.node.is_none(),
            Self::Disk => found.config.is_none(),
            Self::Node => false,
        }
    }
}

/// Looks everywhere. A stick that may still come is waited for where what the seeker needs is not
/// there yet.
pub fn find(seeker: For) -> Found {
    let mut found = Found::default();
    for (name, node, config) in [
        ("fw_cfg", FW_CFG, FW_CFG_CONFIG),
        (CONTAINER, CONTAINER, CONTAINER_CONFIG),
    ] {
        found.add(name, read(Path::new(node)), read(Path::new(config)));
    }
    if found.node.is_none() && seeker == For::NewNode {
        let node = read(&offered::node());
        let config = node.as_ref().and_then(|_| read(&offered::config()));
        found.add(NETWORK, node, config);
    }
    if seeker.waits_with(&found) {
        usb::settle(|| partition().is_some_and(|device| File::open(device).is_ok()));
    }
    if found.node.is_none() || found.config.is_none() {
        let (node, config) = from_partition().unwrap_or_default();
        found.add("the partition AIOS-CONFIG", node, config);
    }
    found
}

/// May a configuration be found, now or by a stick that is slow? Cheap: it only looks where one
/// could be.
pub fn may_configure() -> bool {
    Path::new(FW_CFG_CONFIG).exists() || partition().is_some() || usb::is_possible()
}

fn partition() -> Option<PathBuf> {
    partitions::by_label(Path::new("/sys/class/block"), layout::CONFIG)
}

impl Found {
    fn add(&mut self, name: &'static str, node: Option<String>, config: Option<String>) {
        let named = |text: String| (name, text);
        self.node = self.node.take().or(node.map(named));
        self.config = self.config.take().or(config.map(named));
    }
}

fn read(path: &Path) -> Option<String> {
    read_with(path, OFlag::empty())
}

/// A stranger's stick: a link on it would lead into our own files.
fn read_own(path: &Path) -> Option<String> {
    read_with(path, OFlag::O_NOFOLLOW)
}

fn read_with(path: &Path, flags: OFlag) -> Option<String> {
    let mut text = String::new();
    // Not blocking: a FIFO has nobody at its other end.
    let file = File::options()
        .read(true)
        .custom_flags((flags | OFlag::O_NONBLOCK).bits())
        .open(path)
        .ok()
        .filter(|file| file.metadata().is_ok_and(|about| about.is_file()))?;
    file.take(SIZE_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

fn from_partition() -> Option<(Option<String>, Option<String>)> {
    let device = partition()?;
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
    let texts = (
        read_own(&place.join("node.toml")),
        read_own(&place.join("config.toml")),
    );
    // Err: it stays mounted, read-only, until shutdown.
    let _ = umount2(place, MntFlags::MNT_DETACH);
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seeker_waits_for_what_it_needs_and_for_nothing_else() {
        let check = |node: bool, config: bool, waiting: &[For]| {
            let text = |is_found: bool| is_found.then(|| (FW_CFG, String::new()));
            let found = Found {
                node: text(node),
                config: text(config),
            };
            for seeker in [For::NewNode, For::Disk, For::Node] {
                let waits = seeker.waits_with(&found);
                assert_eq!(waits, waiting.contains(&seeker), "{seeker:?} {found:?}");
            }
        };
        check(false, false, &[For::NewNode, For::Disk]);
        check(true, false, &[For::Disk]);
        check(false, true, &[For::NewNode]);
        check(true, true, &[]);
    }
}
