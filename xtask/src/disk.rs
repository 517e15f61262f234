//! The disk image: GPT, GRUB for BIOS, boot, root and data partitions. Made as a
//! plain file: no loop devices, no mounts, no root.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::kernel::Kernel;
use crate::rootfs::Root;
use crate::{exec, grub, host, image};

const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;

/// Sizes in MiB. Data is what an appliance needs to start with.
const BIOS_MIB: u64 = 1;
const BOOT_MIB: u64 = 32;
const DATA_MIB: u64 = 1024;
const CONFIG_MIB: u64 = 4;

/// Where the first partition starts, and room for the second table at the end (MiB).
const EDGE_MIB: u64 = 1;

// Partition types: the UEFI specification and the Discoverable Partitions Specification.
const TYPE_BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const TYPE_LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const TYPE_ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";

/// The file system label by which GRUB finds the kernel.
const BOOT_LABEL: &str = "aios-boot";
/// The partition labels by which PID 1 finds data and provisioning.
const DATA_LABEL: &str = "aios-data";
const CONFIG_LABEL: &str = "AIOS-CONFIG";

/// What a disk image is made of.
pub struct Parts<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The sealed root file system.
    pub root: &'a Root,
    /// An empty data file system.
    pub data: &'a Path,
    /// A provisioning file (`node.toml`), with the node's private key in it.
    pub node: Option<&'a Path>,
}

/// Makes an empty data file system.
///
/// # Errors
/// When mke2fs fails.
pub fn data(path: &Path) -> Result<()> {
    host::ensure(&[host::DISK])?;
    make_ext(
        path,
        &["-t", "ext4", "-m", "1", "-L", DATA_LABEL],
        DATA_MIB,
        None,
    )
}

/// Makes a disk image.
///
/// # Errors
/// When a tool fails or a part does not fit.
pub fn build(path: &Path, parts: &Parts) -> Result<()> {
    host::ensure(&[host::DISK])?;
    let work = tempfile::tempdir()?;
    let boot = boot_partition(work.path(), parts)?;
    let mut sources = vec![
        ("bios", TYPE_BIOS_BOOT, None, BIOS_MIB),
        ("aios-boot", TYPE_LINUX, Some(boot), BOOT_MIB),
        (
            "root-a",
            TYPE_ROOT,
            Some(parts.root.image.clone()),
            mib_of(&parts.root.image)?,
        ),
        (
            DATA_LABEL,
            TYPE_LINUX,
            Some(parts.data.to_owned()),
            mib_of(parts.data)?,
        ),
    ];
    if let Some(node) = parts.node {
        let config = config_partition(work.path(), node)?;
        // Before the data, which is the last so that it can grow.
        sources.insert(3, (CONFIG_LABEL, TYPE_LINUX, Some(config), CONFIG_MIB));
    }
    let total = sources.iter().map(|source| source.3).sum::<u64>() + 2 * EDGE_MIB;
    let disk = create(
        path,
        total * MIB,
        if parts.node.is_some() { 0o600 } else { 0o644 },
    )?;
    let table = sources.iter().map(|&(name, kind, _, mib)| {
        let uuid = if name == "root-a" {
            partuuid(parts.root)
        } else {
            String::new()
        };
        table_line(name, kind, mib, &uuid)
    });
    partition(
        path,
        &format!("label: gpt\nfirst-lba: 2048\n{}", table.collect::<String>()),
    )?;
    let mut at = EDGE_MIB * MIB;
    for (_, _, source, mib) in &sources {
        if let Some(source) = source {
            copy_sparse(source, &disk, at)?;
        }
        at += mib * MIB;
    }
    install_grub(&disk, work.path())?;
    Ok(disk.sync_all()?)
}

/// The root partition's identity: from the root hash, so that a kernel command
/// line can only find the root that it vouches for.
pub fn partuuid(root: &Root) -> String {
    let hash = &root.verity.root_hash;
    [
        &hash[..8],
        &hash[8..12],
        &hash[12..16],
        &hash[16..20],
        &hash[20..32],
    ]
    .join("-")
}

fn table_line(name: &str, kind: &str, mib: u64, uuid: &str) -> String {
    let uuid = if uuid.is_empty() {
        String::new()
    } else {
        format!(", uuid={uuid}")
    };
    format!(
        "size={}, type={kind}, name=\"{name}\"{uuid}\n",
        mib * MIB / SECTOR
    )
}

fn boot_partition(work: &Path, parts: &Parts) -> Result<PathBuf> {
    let folder = work.join("boot");
    fs::create_dir_all(folder.join("grub"))?;
    fs::copy(&parts.kernel.image, folder.join("bzImage"))?;
    let command_line = image::command_line_for_disk(parts.root);
    fs::write(folder.join("grub/grub.cfg"), grub::config(&command_line))?;
    let path = work.join("boot.img");
    make_ext(
        &path,
        &["-t", "ext2", "-L", BOOT_LABEL],
        BOOT_MIB,
        Some(&folder),
    )?;
    Ok(path)
}

fn config_partition(work: &Path, node: &Path) -> Result<PathBuf> {
    let folder = work.join("config");
    fs::create_dir_all(&folder)?;
    let to = folder.join("node.toml");
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    file.write_all(&fs::read(node).with_context(|| node.display().to_string())?)?;
    let path = work.join("config.img");
    make_ext(
        &path,
        &["-t", "ext4", "-O", "^has_journal", "-L", CONFIG_LABEL],
        CONFIG_MIB,
        Some(&folder),
    )?;
    Ok(path)
}

/// Makes an ext file system in a new sparse file; everything in it is root's.
fn make_ext(path: &Path, options: &[&str], mib: u64, content: Option<&Path>) -> Result<()> {
    create(path, mib * MIB, 0o600)?;
    let mut command = Command::new("/sbin/mke2fs");
    command
        .args(["-q", "-F", "-E", "root_owner=0:0"])
        .args(options);
    if let Some(folder) = content {
        command.arg("-d").arg(folder);
    }
    exec::run("disk: file system", command.arg(path))
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

fn mib_of(path: &Path) -> Result<u64> {
    let length = fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len();
    Ok(length.div_ceil(MIB))
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
    let core_at = EDGE_MIB * MIB;
    let mut core = grub::core(work, BOOT_LABEL)?;
    ensure!(
        core.len() as u64 <= BIOS_MIB * MIB,
        "GRUB does not fit into its partition"
    );
    let mut first = [0; SECTOR as usize];
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

    #[test]
    fn the_root_partition_is_named_by_its_root_hash() {
        let verity = Verity {
            root_hash: "0123456789abcdef".repeat(4),
            data_blocks: 1,
        };
        let root = Root {
            image: PathBuf::new(),
            verity,
        };
        assert_eq!(partuuid(&root), "01234567-89ab-cdef-0123-456789abcdef");
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
