//! The machine's disks, as the kernel shows them, and which of them may be offered.

use std::fs;
use std::path::{Path, PathBuf};

use aios_disk::layout::{MIB_SECTORS, SECTOR};
use aios_disk::partitions::{self, names};

use super::contents::Part;

/// The kernel's view of the machine; tests have one of their own.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `/sys/block`.
    pub blocks: PathBuf,
    /// `/dev`.
    pub devices: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            blocks: PathBuf::from("/sys/block"),
            devices: PathBuf::from("/dev"),
        }
    }
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// `sda`.
    pub name: String,
    /// Sectors of 512 bytes.
    pub sectors: u64,
    /// Bytes of its own sectors.
    pub block: u64,
    /// What its maker calls it.
    pub model: String,
    /// Its maker's number.
    pub serial: String,
    /// How it is attached.
    pub bus: &'static str,
    /// It cannot be written.
    pub read_only: bool,
    /// Its partitions.
    pub parts: Vec<Part>,
}

/// Why a disk is not offered, if it is not. `medium`: the disk that we run from; `needed`: sectors.
pub fn refusal(disk: &Disk, medium: &str, needed: u64) -> Option<String> {
    if disk.name == medium {
        return Some("this medium, which the installer runs from".to_owned());
    }
    if disk.read_only {
        return Some("it cannot be written".to_owned());
    }
    if disk.block != SECTOR {
        return Some(format!(
            "its sectors have {} bytes, aiOS boots from disks with {SECTOR} (many NVMe disks can be \
             formatted to that: nvme format)",
            disk.block
        ));
    }
    (disk.sectors < needed).then(|| {
        format!(
            "too small: {}, and at least {} are needed",
            size(disk.sectors),
            size(needed)
        )
    })
}

/// `931.5 GiB`
pub fn size(sectors: u64) -> String {
    let mib = sectors / MIB_SECTORS;
    match mib {
        0..=1023 => format!("{mib} MiB"),
        _ => format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024),
    }
}

impl Machine {
    /// All disks, by name; what they hold is not looked at.
    pub fn disks(&self) -> Vec<Disk> {
        let names = names(&self.blocks);
        names.iter().filter_map(|name| self.disk(name)).collect()
    }

    fn disk(&self, name: &str) -> Option<Disk> {
        // Not hardware; CD-ROMs; a card's own boot and key areas.
        const NO_DISKS: [&str; 7] = ["dm-", "loop", "md", "nbd", "ram", "sr", "zram"];
        let folder = self.blocks.join(name);
        let none = NO_DISKS.iter().any(|prefix| name.starts_with(prefix))
            || name.contains("boot")
            || name.contains("rpmb");
        let sectors: u64 = text(&folder.join("size")).parse().ok()?;
        if none || sectors == 0 || !folder.join("device").exists() {
            return None;
        }
        let at = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let vendor = text(&folder.join("device/vendor"));
        let model = text(&folder.join("device/model"));
        let vendor = match vendor.starts_with("0x") || vendor == "ATA" {
            true => String::new(), // a PCI number, or nobody's name
            false => vendor,
        };
        Some(Disk {
            name: name.to_owned(),
            sectors,
            block: text(&folder.join("queue/logical_block_size"))
                .parse()
                .unwrap_or(SECTOR),
            model: plain(&format!("{vendor} {model}")),
            serial: plain(&serial(&folder, &at)),
            bus: bus(&at),
            read_only: text(&folder.join("ro")) == "1",
            parts: self.parts(&folder),
        })
    }

    /// The partitions as the kernel has understood them, by number.
    fn parts(&self, folder: &Path) -> Vec<Part> {
        let part = |name: &String| {
            let own = folder.join(name);
            let number = |file: &str| text(&own.join(file)).parse::<u64>().ok();
            let label = partitions::label(&own);
            Some(Part {
                number: number("partition")?,
                first: number("start")?,
                sectors: number("size")?,
                name: plain(&label.unwrap_or_default()),
                holds: String::new(),
            })
        };
        let mut parts: Vec<Part> = names(folder).iter().filter_map(part).collect();
        parts.sort_by_key(|part| part.number);
        parts
    }

    /// The disk or CD-ROM below the device of the root file system, whatever is between.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn medium(&self, command_line: &str) -> Result<String, String> {
        let root = command_line
            .split_whitespace()
            .rev()
            .find_map(|word| word.strip_prefix("root=/dev/"))
            .ok_or("the kernel's command line has no root=/dev/…")?;
        let own = partitions::beneath(&self.blocks, root)?;
        let disk = match own.join("partition").exists() {
            true => own.parent().map(Path::to_owned).unwrap_or_default(),
            false => own,
        };
        let name = disk.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        match name.starts_with("dm-") {
            true => Err(format!("{root} stands on no disk")),
            false => Ok(name),
        }
    }
}

/// A file of `/sys`, without blanks around it; empty when there is none.
pub fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// What comes from a disk may say anything: printable ASCII, and not too much of it.
pub fn plain(text: &str) -> String {
    const MAX: usize = 64;
    let kept = text.chars().map(|c| match c.is_ascii_graphic() {
        true => c,
        false => ' ',
    });
    let kept: String = kept.take(MAX).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bus(at: &Path) -> &'static str {
    let at = at.to_string_lossy();
    let buses = [
        ("/usb", "USB"),
        ("/nvme", "NVMe"),
        ("/virtio", "virtio"),
        ("/ata", "SATA"),
        ("/mmc", "MMC"),
    ];
    let found = buses.iter().find(|(part, _)| at.contains(part));
    found.map_or("SCSI", |(_, name)| name)
}

/// NVMe and MMC say it as text, virtio too, SCSI and SATA in a page of vital product data; a USB
/// disk's is its stick's.
fn serial(folder: &Path, at: &Path) -> String {
    for file in ["device/serial", "serial"] {
        let serial = text(&folder.join(file));
        if !serial.is_empty() {
            return serial;
        }
    }
    let above = at
        .ancestors()
        .find(|folder| folder.join("idVendor").exists());
    if let Some(stick) = above {
        return text(&stick.join("serial"));
    }
    let page = fs::read(folder.join("device/vpd_pg80")).unwrap_or_default();
    String::from_utf8_lossy(page.get(4..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(sectors: u64) -> Disk {
        Disk {
            name: "sdb".into(),
            sectors,
            block: 512,
            ..Disk::default()
        }
    }

    #[test]
    fn only_a_disk_that_can_take_it_is_offered() {
        let check = |change: &dyn Fn(&mut Disk), expected: Option<&str>| {
            let mut disk = disk(4_000_000);
            change(&mut disk);
            let said = refusal(&disk, "sda", 3_000_000);
            match expected {
                None => assert_eq!(said, None),
                Some(part) => assert!(
                    said.as_ref().is_some_and(|said| said.contains(part)),
                    "{said:?}"
                ),
            }
        };
        check(&|_| {}, None);
        check(&|disk| disk.sectors = 3_000_000, None);
        check(&|disk| disk.sectors = 2_999_999, Some("too small: 1.4 GiB"));
        check(&|disk| disk.name = "sda".into(), Some("this medium"));
        check(&|disk| disk.read_only = true, Some("cannot be written"));
        check(&|disk| disk.block = 4096, Some("4096 bytes"));
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(2048 * 460), "460 MiB");
        assert_eq!(size(1_953_525_168), "931.5 GiB");
        assert_eq!(size(u64::MAX), "8796093022207.9 GiB");
    }

    #[test]
    fn what_a_disk_says_cannot_move_the_cursor() {
        assert_eq!(plain("  A\u{1b}[2J\u{7}b\nc  é "), "A [2J b c");
        assert_eq!(plain(&"x".repeat(500)).len(), 64);
    }

    /// Files below a folder, and links.
    fn make(root: &Path, files: &[(&str, &str)], links: &[(&str, &str)]) {
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        for (path, target) in links {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(root.join(target), path).unwrap();
        }
    }

    fn machine(root: &Path) -> Machine {
        let files = [
            ("devices/usb1/1-1/idVendor", "0781"),
            ("devices/usb1/1-1/serial", "STICK"),
            ("devices/usb1/1-1/host0/block/sda/size", "1000"),
            (
                "devices/usb1/1-1/host0/block/sda/device/model",
                "Ultra\u{1b}",
            ),
            ("devices/usb1/1-1/host0/block/sda/device/vendor", "SanDisk "),
            ("devices/usb1/1-1/host0/block/sda/sda5/partition", "5"),
            ("devices/usb1/1-1/host0/block/sda/sda5/start", "64"),
            ("devices/usb1/1-1/host0/block/sda/sda5/size", "8"),
            (
                "devices/usb1/1-1/host0/block/sda/sda5/uevent",
                "A=1\nPARTNAME=root-a\n",
            ),
            ("devices/virtio0/block/vda/size", "8000"),
            ("devices/virtio0/block/vda/serial", "one"),
            ("devices/virtio0/block/vda/device/vendor", "0x1af4"),
            ("devices/virtio0/block/vda/queue/logical_block_size", "4096"),
            ("devices/ata3/block/sr0/size", "900000"),
            ("devices/ata3/block/sr0/device/model", "CD"),
            ("devices/virtual/block/dm-1/size", "8"),
        ];
        let links = [
            ("block/sda", "devices/usb1/1-1/host0/block/sda"),
            ("block/vda", "devices/virtio0/block/vda"),
            ("block/sr0", "devices/ata3/block/sr0"),
            ("block/dm-0", "devices/virtual/block/dm-0"),
            ("block/dm-1", "devices/virtual/block/dm-1"),
            ("block/dm-2", "devices/virtual/block/dm-2"),
            (
                "devices/virtual/block/dm-0/slaves/sda5",
                "devices/usb1/1-1/host0/block/sda/sda5",
            ),
            (
                "devices/virtual/block/dm-1/slaves/dm-2",
                "devices/virtual/block/dm-2",
            ),
            (
                "devices/virtual/block/dm-2/slaves/sr0",
                "devices/ata3/block/sr0",
            ),
        ];
        make(root, &files, &links);
        Machine {
            blocks: root.join("block"),
            devices: root.join("dev"),
        }
    }

    #[test]
    fn disks_are_found_with_what_the_kernel_knows_and_nothing_else_is_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let disks = machine(folder.path()).disks();
        let [sda, vda] = disks.as_slice() else {
            panic!("{disks:#?}");
        };
        assert_eq!((sda.bus, sda.model.as_str()), ("USB", "SanDisk Ultra"));
        assert_eq!((sda.serial.as_str(), sda.parts.len()), ("STICK", 1));
        assert_eq!(
            (sda.parts[0].number, sda.parts[0].name.as_str()),
            (5, "root-a")
        );
        assert_eq!(
            (vda.bus, vda.block, vda.serial.as_str()),
            ("virtio", 4096, "one")
        );
        assert_eq!(vda.model, "");
    }

    #[test]
    fn the_medium_is_what_the_root_stands_on() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let medium = |line: &str| machine.medium(line);
        assert_eq!(medium("ro root=/dev/dm-0 quiet"), Ok("sda".to_owned()));
        assert_eq!(medium("root=/dev/dm-1"), Ok("sr0".to_owned()));
        assert!(medium("root=/dev/dm-9").is_err());
        assert!(medium("ro quiet").is_err());
    }
}
