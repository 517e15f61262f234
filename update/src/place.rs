//! Where the slots are: the partitions beside the one that the running root is on.
//!
//! The kernel knows what is under the root: the device-mapper device that it made from
//! its command line has that partition as its only slave. Its neighbours on the same
//! disk are the other slot, whatever other disks carry the same names.

use std::fs;
use std::path::{Path, PathBuf};

use aios_disk::layout::{BOOT, ENVIRONMENT, ROOT, SECTOR};
use aios_disk::partitions;

use crate::slots::Slot;

/// Why there are no slots to speak of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSlots {
    /// Not booted by aiOS's boot loader.
    #[error(
        "this way of running has no slots: updates are for machines that boot from aiOS's disk image; \
         build and start a newer image instead"
    )]
    NotHere,
    /// Booted from a slot, and the disk is not as it should be.
    #[error("the slots of this machine cannot be used: {0}")]
    Unusable(String),
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its device.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
}

/// The slots of the disk that the root is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot that runs.
    pub running: Slot,
    /// The partition whose first bytes are the boot loader's environment.
    pub environment: Partition,
    /// `boot-a` and `boot-b`.
    pub boot: [Partition; 2],
    /// `root-a` and `root-b`.
    pub root: [Partition; 2],
}

/// The kernel's view of the machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `/proc/cmdline`'s text.
    pub command_line: String,
    /// In a container the command line is another system's.
    pub container: bool,
    /// `/sys/class/block`.
    pub blocks: PathBuf,
    /// `/dev`.
    pub devices: PathBuf,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        Self {
            command_line: fs::read_to_string("/proc/cmdline").unwrap_or_default(),
            container: std::env::var_os("container").is_some(),
            blocks: PathBuf::from("/sys/class/block"),
            devices: PathBuf::from("/dev"),
        }
    }

    /// The slot that runs, if it runs from one.
    pub fn running(&self) -> Option<Slot> {
        if self.container {
            return None;
        }
        self.word("aios.slot=")?.parse().ok()
    }

    /// Finds the slots.
    ///
    /// # Errors
    /// When there are none, or the disk is not as it should be.
    pub fn place(&self) -> Result<Place, NoSlots> {
        let running = self.running().ok_or(NoSlots::NotHere)?;
        self.find(running).map_err(NoSlots::Unusable)
    }

    fn word(&self, key: &str) -> Option<&str> {
        // The last one counts, as for the kernel itself.
        self.command_line
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix(key))
    }

    fn find(&self, running: Slot) -> Result<Place, String> {
        let root = self
            .word("root=/dev/")
            .ok_or("the kernel command line has no root=/dev/…")?;
        let own = partitions::beneath(&self.blocks, root)?;
        if !own.join("partition").exists() {
            let own = own.display();
            return Err(format!("the root is on {own}, which is no partition"));
        }
        let disk = own.parent().ok_or("the root's partition has no disk")?;
        let label = label(&own)?;
        if label != ROOT[running.place()] {
            return Err(format!(
                "slot {running} runs, but its root is on the partition {label:?}"
            ));
        }
        let one = |name: &str| self.neighbour(disk, name);
        Ok(Place {
            running,
            environment: one(ENVIRONMENT)?,
            boot: [one(BOOT[0])?, one(BOOT[1])?],
            root: [one(ROOT[0])?, one(ROOT[1])?],
        })
    }

    /// The partition of this disk that has this label; there must be one.
    fn neighbour(&self, disk: &Path, wanted: &str) -> Result<Partition, String> {
        let mut found = Vec::new();
        for name in partitions::names(disk) {
            let folder = disk.join(&name);
            if folder.join("partition").exists() && label(&folder)? == wanted {
                found.push((name, folder));
            }
        }
        let [(name, folder)] = found.as_slice() else {
            return Err(format!(
                "{} has {} partitions {wanted:?}, not one",
                disk.display(),
                found.len()
            ));
        };
        let text = read(&folder.join("size"))?;
        let sectors: u64 = text
            .trim()
            .parse()
            .map_err(|_| format!("{name} has the size {text:?}"))?;
        Ok(Partition {
            path: self.devices.join(name),
            size: sectors * SECTOR,
        })
    }
}

fn label(partition: &Path) -> Result<String, String> {
    partitions::label(partition).map_err(|error| format!("{}: {error}", partition.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const LABELS: [&str; 5] = ["grubenv", "boot-a", "root-a", "boot-b", "root-b"];

    /// A `/sys` with disks that all have the same labels, and dm-0 on the third partition of vdb.
    fn machine(folder: &Path, command_line: &str) -> Machine {
        let blocks = folder.join("class/block");
        fs::create_dir_all(&blocks).unwrap();
        for disk in ["vda", "vdb"] {
            for (place, label) in LABELS.iter().enumerate() {
                let name = format!("{disk}{}", place + 1);
                let device = folder.join("devices/pci").join(disk).join(&name);
                fs::create_dir_all(&device).unwrap();
                fs::write(device.join("partition"), "1\n").unwrap();
                fs::write(device.join("size"), "2048\n").unwrap();
                fs::write(
                    device.join("uevent"),
                    format!("DEVNAME={name}\nPARTNAME={label}\n"),
                )
                .unwrap();
                symlink(&device, blocks.join(name)).unwrap();
            }
        }
        let slaves = blocks.join("dm-0/slaves");
        fs::create_dir_all(&slaves).unwrap();
        symlink(folder.join("devices/pci/vdb/vdb3"), slaves.join("vdb3")).unwrap();
        Machine {
            command_line: command_line.to_owned(),
            container: false,
            blocks,
            devices: PathBuf::from("/dev"),
        }
    }

    const LINE: &str = "ro root=/dev/dm-0 aios.slot=a quiet";

    #[test]
    fn the_slots_are_on_the_disk_of_the_root_whatever_other_disks_say() {
        let folder = tempfile::tempdir().unwrap();
        let place = machine(folder.path(), LINE).place().unwrap();
        assert_eq!(place.running, Slot::A);
        assert_eq!(place.environment.path, Path::new("/dev/vdb1"));
        assert_eq!(
            place.root[1],
            Partition {
                path: "/dev/vdb5".into(),
                size: 1 << 20
            }
        );
        assert_eq!(place.boot[1].path, Path::new("/dev/vdb4"));
    }

    #[test]
    fn other_ways_of_running_have_no_slots() {
        let folder = tempfile::tempdir().unwrap();
        let direct = machine(folder.path(), "ro root=/dev/dm-0 aios.data=/dev/vdb");
        assert_eq!(direct.place(), Err(NoSlots::NotHere));
        // The command line of a host that boots from a slot itself.
        let container = Machine {
            container: true,
            command_line: LINE.into(),
            ..direct
        };
        assert_eq!(container.place(), Err(NoSlots::NotHere));
    }

    #[test]
    fn a_disk_that_is_not_as_it_should_be_is_left_alone() {
        let check = |expected: &str, line: &str, change: &dyn Fn(&Path)| {
            let folder = tempfile::tempdir().unwrap();
            let machine = machine(folder.path(), line);
            change(folder.path());
            let Err(NoSlots::Unusable(said)) = machine.place() else {
                panic!("{expected}")
            };
            assert!(said.contains(expected), "{said}");
        };
        let uevent = |name: &'static str, text: &'static str| {
            move |folder: &Path| {
                fs::write(
                    folder.join("devices/pci/vdb").join(name).join("uevent"),
                    text,
                )
                .unwrap()
            }
        };
        check(
            "its root is on the partition \"root-a\"",
            "root=/dev/dm-0 aios.slot=b",
            &|_| {},
        );
        check("no root=", "aios.slot=a", &|_| {});
        check(
            "0 partitions \"boot-b\"",
            LINE,
            &uevent("vdb4", "DEVNAME=vdb4\n"),
        );
        check("2 partitions \"root-b\"", LINE, &|folder| {
            let another = folder.join("devices/pci/vdb/vdb9");
            fs::create_dir(&another).unwrap();
            fs::write(another.join("partition"), "9\n").unwrap();
            fs::write(another.join("uevent"), "PARTNAME=root-b\n").unwrap();
        });
        check("2 devices", LINE, &|folder| {
            fs::create_dir(folder.join("class/block/dm-0/slaves/vda3")).unwrap();
        });
        check("size", LINE, &|folder| {
            fs::write(folder.join("devices/pci/vdb/vdb5/size"), "x").unwrap();
        });
    }
}
