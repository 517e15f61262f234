//! The disk image: GPT, GRUB for BIOS and UEFI, two slots of boot and root, and data.
//! Made as a plain file: no loop devices, no mounts, no root. The same inputs give the
//! same bytes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aios_disk::layout::{BOOT_A, DATA_OPTIONS, ENVIRONMENT, ESP, ROOT_A, SECTOR, SECTOR_LENGTH};
use anyhow::{Context, Result, bail, ensure};

use crate::grub::Firmware;
use crate::kernel::Kernel;
use crate::layout::{self, MIB, Partition};
use crate::rootfs::Root;
use crate::{esp, ext, grub, host, image, iso};

/// The boot loader's environment on a new disk: the first slot, three tries.
const NEW: [(&str, &str); 5] = [
    ("first", "a"),
    ("tries_a", "3"),
    ("ok_a", "0"),
    ("tries_b", "0"),
    ("ok_b", "0"),
];

/// What decides at boot; part of what an image is made from.
pub const BOOT_LOADER: &str = grub::CONFIGURATION;

/// What a disk image is made of.
pub struct Parts<'a> {
    /// The boot partition's content: kernel and its command line.
    pub boot: &'a Path,
    /// The sealed root file system.
    pub root: &'a Root,
    /// An empty data file system.
    pub data: &'a Path,
    /// What is in the partition `AIOS-CONFIG`: `node.toml`, which holds the node's private
    /// key, `config.toml` and `install.toml`. Without any there is no such partition.
    pub config: &'a [(&'static str, &'a Path)],
    /// What is it when it is booted?
    pub kind: Kind,
}

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A node's disk.
    Disk,
    /// It installs what is on it to another disk.
    Installer,
    /// The same, and it is a CD-ROM, too.
    InstallerCd,
}

impl Kind {
    fn is_installer(self) -> bool {
        self != Self::Disk
    }
}

/// Makes an empty data file system.
///
/// # Errors
/// When mke2fs fails.
pub fn data(path: &Path) -> Result<()> {
    host::ensure(&[host::DISK])?;
    let uuid = uuid(layout::DATA);
    ext::make(path, layout::DATA_MIB * MIB, &DATA_OPTIONS, &uuid, &[])
}

/// Makes the content of a boot partition: kernel, and how to start it on `root`.
///
/// # Errors
/// When a tool fails or the kernel is too big.
pub fn boot(path: &Path, kernel: &Kernel, root: &Root, kind: Kind) -> Result<()> {
    host::ensure(&[host::DISK])?;
    let work = tempfile::tempdir()?;
    let config = |name: &str, command_line: &str| -> Result<PathBuf> {
        let path = work.path().join(name);
        fs::write(&path, grub::slot_config(command_line))?;
        Ok(path)
    };
    let slot = config("slot.cfg", &image::command_line_for_disk(root))?;
    let cd = config("cd.cfg", &image::command_line_for_cd(root))?;
    let mut files = vec![
        ("bzImage", kernel.image.as_path()),
        ("slot.cfg", slot.as_path()),
    ];
    if kind == Kind::InstallerCd {
        files.push(("cd.cfg", cd.as_path()));
    }
    let options = ["-t", "ext2", "-L", "aios-boot"];
    let length = layout::BOOT_MIB * MIB;
    ext::make(path, length, &options, &uuid(BOOT_A), &files)
}

/// Makes a disk image.
///
/// # Errors
/// When a tool fails or a part does not fit.
pub fn build(path: &Path, parts: &Parts) -> Result<()> {
    host::ensure(&[host::DISK])?;
    let work = tempfile::tempdir()?;
    let secret = !parts.config.is_empty();
    let (placed, total) = layout::place(secret, parts.kind.is_installer());
    let mode = if secret { 0o600 } else { 0o644 };
    let disk = create(path, total * MIB, mode)?;
    partition(path, &layout::script(&placed))?;
    for (partition, at) in &placed {
        if let Some(source) = content(work.path(), partition, parts)? {
            fill(&disk, &source, partition, *at)?;
        }
    }
    install_grub(&disk, work.path())?;
    if parts.kind == Kind::InstallerCd {
        make_cd(&disk, work.path(), &placed, total * MIB)?;
    }
    Ok(disk.sync_all()?)
}

fn make_cd(disk: &File, work: &Path, placed: &[(Partition, u64)], length: u64) -> Result<()> {
    let esp = placed.iter().find(|(partition, _)| partition.name == ESP);
    let contents = iso::Contents {
        length,
        core: grub::core(work, Firmware::BiosCd)?,
        esp: esp.context("there is no EFI system partition")?.1 * MIB,
        name: "AIOS",
    };
    iso::add(disk, &contents)
}

/// The file that goes into a partition; none for those that start empty.
fn content(work: &Path, partition: &Partition, parts: &Parts) -> Result<Option<PathBuf>> {
    let file = work.join(partition.name);
    match partition.name {
        ESP => {
            let boot_loader = grub::core(work, Firmware::Uefi)?;
            esp::make(&file, partition.mib * MIB, &boot_loader)?;
        }
        ENVIRONMENT => {
            let mut variables = NEW.to_vec();
            if parts.kind.is_installer() {
                variables.push(("install", "1"));
            }
            fs::write(&file, grub::environment(&variables)?)?;
        }
        layout::CONFIG => {
            let options = ["-t", "ext4", "-O", "^has_journal", "-L", layout::CONFIG];
            let length = partition.mib * MIB;
            ext::make(&file, length, &options, &partition.uuid(), parts.config)?;
        }
        BOOT_A => return Ok(Some(parts.boot.to_owned())),
        ROOT_A => return Ok(Some(parts.root.image.clone())),
        layout::DATA if !parts.kind.is_installer() => return Ok(Some(parts.data.to_owned())),
        _ => return Ok(None),
    }
    Ok(Some(file))
}

fn fill(disk: &File, source: &Path, partition: &Partition, at: u64) -> Result<()> {
    let length = fs::metadata(source)
        .with_context(|| source.display().to_string())?
        .len();
    ensure!(
        length <= partition.mib * MIB,
        "{} has {length} bytes, the partition {} {} MiB",
        source.display(),
        partition.name,
        partition.mib
    );
    copy_sparse(source, disk, at * MIB)
}

fn uuid(name: &str) -> String {
    let found = layout::TABLE.iter().find(|entry| entry.name == name);
    found.map_or_else(|| layout::DISK_UUID.to_owned(), Partition::uuid)
}

fn create(path: &Path, length: u64, mode: u32) -> Result<File> {
    // A device or a link named by mistake is not ours to remove.
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => fs::remove_file(path)?,
        Ok(_) => bail!(
            "{} is no regular file; write the image to a file",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.set_len(length)?;
    Ok(file)
}

fn partition(disk: &Path, table: &str) -> Result<()> {
    let mut child = Command::new("/sbin/sfdisk")
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(disk)
        .stdin(Stdio::piped())
        .spawn()
        .context("sfdisk")?;
    child
        .stdin
        .take()
        .context("sfdisk")?
        .write_all(table.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "sfdisk: {status}");
    Ok(())
}

/// Copies a file into the disk, leaving holes where it holds only zeros.
fn copy_sparse(source: &Path, disk: &File, mut at: u64) -> Result<()> {
    let mut file = File::open(source).with_context(|| source.display().to_string())?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if buffer[..length].iter().any(|&byte| byte != 0) {
            disk.write_all_at(&buffer[..length], at)?;
        }
        at += length as u64;
    }
}

fn install_grub(disk: &File, work: &Path) -> Result<()> {
    let core_at = layout::EDGE_MIB * MIB;
    let mut core = grub::core(work, Firmware::Bios)?;
    ensure!(
        core.len() as u64 <= layout::TABLE[0].mib * MIB,
        "GRUB does not fit into its partition"
    );
    let mut first = [0; SECTOR_LENGTH];
    disk.read_exact_at(&mut first, 0)?;
    let sector = grub::link(&first, &grub::boot_sector()?, &mut core, core_at / SECTOR)?;
    disk.write_all_at(&core, core_at)?;
    Ok(disk.write_all_at(&sector, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verity::Verity;

    #[test]
    fn what_is_no_regular_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        create(&file, 1, 0o600).unwrap();
        create(&file, 2, 0o600).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(create(&link, 3, 0o600).is_err());
        assert_eq!(fs::metadata(&link).unwrap().len(), 2);
    }

    /// What `sfdisk --dump` says: number, start, size, type, uuid and name of each.
    fn dump(disk: &Path) -> Vec<String> {
        let mut sfdisk = Command::new("/sbin/sfdisk");
        let text = crate::exec::output(sfdisk.arg("--dump").arg(disk)).unwrap();
        let lines = text.lines().filter(|line| line.contains(" start="));
        let prefix = disk.display().to_string();
        lines
            .map(|line| line.replace(&prefix, "").replace(' ', ""))
            .collect()
    }

    #[test]
    fn the_disk_is_as_documented_and_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let root = Root {
            image: file("root", "ROOT"),
            verity: Verity {
                root_hash: "ab".repeat(32),
                data_blocks: 1,
            },
        };
        let kernel = Kernel {
            image: file("bzImage", "KERNEL"),
            version: "0".into(),
        };
        let (data_image, node) = (file("data", "DATA"), file("node.toml", "[node]"));
        let build = |name: &str, node: Option<&Path>, kind: Kind| {
            let config: Vec<_> = node.iter().map(|path| ("node.toml", *path)).collect();
            let boot_image = folder.path().join("boot.img");
            boot(&boot_image, &kernel, &root, Kind::InstallerCd).unwrap();
            let path = folder.path().join(name);
            let parts = Parts {
                boot: &boot_image,
                root: &root,
                data: &data_image,
                config: &config,
                kind,
            };
            super::build(&path, &parts).unwrap();
            path
        };
        let (first, second) = (
            build("one", Some(&node), Kind::Disk),
            build("two", Some(&node), Kind::Disk),
        );
        assert_eq!(
            crate::cache::sha256(&first).unwrap(),
            crate::cache::sha256(&second).unwrap()
        );
        let table = dump(&first);
        assert_eq!(table.len(), 9, "{table:?}");
        let mut expected: Vec<String> = layout::place(true, false)
            .0
            .iter()
            .map(|(partition, at)| {
                format!(
                    "{}:start={},size={},type={},uuid={},name=\"{}\"",
                    partition.number,
                    at * MIB / SECTOR,
                    partition.mib * MIB / SECTOR,
                    partition.kind,
                    partition.uuid().to_uppercase(),
                    partition.name
                )
            })
            .collect();
        expected.sort();
        assert_eq!(table, expected);
        assert_eq!(dump(&build("three", None, Kind::Disk)).len(), 8);
        // An installer, CD-ROM or not, has everything at the same place, and a small end.
        for kind in [Kind::Installer, Kind::InstallerCd] {
            let image = build("four", Some(&node), kind);
            let starts = |lines: &[String]| {
                let start = |line: &String| line.split(',').next().unwrap_or_default().to_owned();
                lines.iter().map(start).collect::<Vec<_>>()
            };
            assert_eq!(starts(&dump(&image)), starts(&table), "{kind:?}");
            assert!(fs::metadata(&image).unwrap().len() < 480 * MIB, "{kind:?}");
        }
    }

    #[test]
    fn zeros_stay_holes_and_the_rest_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("a"), folder.path().join("b"));
        let mut content = vec![0; 200 * 1024];
        content[150 * 1024] = 7;
        fs::write(&source, &content).unwrap();
        let disk = create(&target, MIB, 0o600).unwrap();
        copy_sparse(&source, &disk, 4096).unwrap();
        assert_eq!(
            fs::read(&target).unwrap()[4096..4096 + content.len()],
            content
        );
        use std::os::unix::fs::MetadataExt;
        assert!(fs::metadata(&target).unwrap().blocks() * 512 < 100 * 1024);
    }
}
