//! Everything together: the artefacts in `target/aios/` and their manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aios_qemu::Artefacts;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::rootfs::Root;
use crate::{binaries, cache, disk, exec, kernel, oci, paths, qcow2, rootfs};

/// Raise when this module's or [`disk`]'s steps change what they make.
const RECIPE: u32 = 2;

/// The artefacts, as they are called in `target/aios/`.
const KERNEL: &str = "bzImage";
const ROOT: &str = "root.squashfs";
const BOOT: &str = "boot.img";
const DATA: &str = "data.img";
const DISK: &str = "disk.img";
const MANIFEST: &str = "manifest.json";

/// What every way of booting has in common. `no_timer_check`: the kernel waits for
/// the first timer interrupts by counting its own cycles, and panics when a busy
/// host lets an emulated timer come late.
const COMMON: &str = "quiet loglevel=4 panic=10 no_timer_check init=/usr/lib/aios/aios-init \
                      root=/dev/dm-0 ro rootfstype=squashfs rootwait";

/// `manifest.json`: what was built, to be checked by whoever gets it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Version of aiOS.
    version: String,
    /// Debian's version of the kernel's source.
    kernel_version: String,
    /// By file name, relative to the manifest.
    files: BTreeMap<String, FileEntry>,
    /// The root hash of dm-verity, which vouches for the whole root file system.
    root_hash: String,
    /// Kernel command lines, by way of booting.
    command_lines: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    /// Bytes.
    size: u64,
    sha256: String,
}

/// Builds all artefacts.
///
/// # Errors
/// When one of them cannot be built.
pub fn build() -> Result<Artefacts> {
    Ok(make()?.0)
}

fn make() -> Result<(Artefacts, Root)> {
    let kernel = kernel::build()?;
    let binaries = binaries::build()?;
    let root = rootfs::build(&binaries)?;
    let key = cache::Key::new(RECIPE)
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("kernel", &kernel.image.to_string_lossy())
        .text("command line", &command_line_for_disk(&root))
        .text("root", &root.verity.root_hash)
        .text("boot loader", disk::BOOT_LOADER);
    let built = cache::entry("image", &key, |folder| assemble(folder, &kernel, &root))?;
    let folder = paths::artefacts();
    publish(&built, &folder)?;
    let aiosctl = binaries.iter().find(|binary| binary.name == "aiosctl");
    let artefacts = Artefacts {
        kernel: folder.join(KERNEL),
        command_line: command_line_for_vm(&root),
        root: folder.join(ROOT),
        rootfs: rootfs::unpack(&root)?,
        data: folder.join(DATA),
        disk: folder.join(DISK),
        aiosctl: aiosctl.context("there is no aiosctl")?.path.clone(),
    };
    artefacts.write(&folder)?;
    Ok((artefacts, root))
}

/// In which form the appliance is wanted.
#[derive(clap::Args)]
pub struct ImageArguments {
    /// raw: disk.img, to write to a disk; qcow2: disk.qcow2, for virtual machines;
    /// oci: aios.oci.tar, for containers
    #[arg(long, value_enum, default_value = "raw")]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Raw,
    Qcow2,
    Oci,
}

/// Builds everything, in the form that is asked for too, and says where it is.
///
/// # Errors
/// When a part cannot be built.
pub fn run(arguments: &ImageArguments) -> Result<()> {
    let artefacts = build()?;
    print(&artefacts);
    let folder = paths::artefacts();
    match arguments.format {
        Format::Raw => {}
        Format::Qcow2 => {
            let path = folder.join("disk.qcow2");
            qcow2::write(&artefacts.disk, &path)?;
            println!("{}", path.display());
        }
        Format::Oci => {
            let path = folder.join("aios.oci.tar");
            oci::write(&artefacts.rootfs, &path)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// Says where everything is.
fn print(artefacts: &Artefacts) {
    let folder = paths::artefacts();
    println!("{}", folder.join(MANIFEST).display());
    for path in [
        &artefacts.kernel,
        &artefacts.root,
        &artefacts.data,
        &artefacts.disk,
    ] {
        println!("{}", path.display());
    }
}

/// Makes a disk image with a node's identity in it.
///
/// # Errors
/// When an artefact cannot be built, or the file cannot be read.
pub fn provisioned(node: &Path, out: &Path) -> Result<()> {
    let (artefacts, root) = make()?;
    let parts = disk::Parts {
        boot: &paths::artefacts().join(BOOT),
        root: &root,
        data: &artefacts.data,
        node: Some(node),
        installer: false,
    };
    disk::build(out, &parts)
}

/// Root on the first virtio disk, data on the second; QEMU loads the kernel.
pub fn command_line_for_vm(root: &Root) -> String {
    let table = root.verity.device_table("/dev/vda");
    format!("console=ttyS0 {COMMON} \"dm-mod.create={table}\" aios.data=/dev/vdb")
}

/// Root and data on the disk that the boot loader came from: it fills in the GUID of the
/// slot's root partition, and adds the slot and the GUID of the data partition.
pub fn command_line_for_disk(root: &Root) -> String {
    let device = "PARTUUID=$root_uuid";
    let table = root.verity.device_table(device);
    format!(
        "console=tty0 console=ttyS0,115200 {COMMON} dm-mod.waitfor={device} \
         \"dm-mod.create={table}\""
    )
}

fn assemble(folder: &Path, kernel: &Kernel, root: &Root) -> Result<()> {
    fs::copy(&kernel.image, folder.join(KERNEL))?;
    fs::copy(&root.image, folder.join(ROOT))?;
    let data = folder.join(DATA);
    disk::data(&data)?;
    let boot = folder.join(BOOT);
    disk::boot(&boot, kernel, root)?;
    let parts = disk::Parts {
        boot: &boot,
        root,
        data: &data,
        node: None,
        installer: false,
    };
    disk::build(&folder.join(DISK), &parts)?;
    let mut files = BTreeMap::new();
    for name in [KERNEL, ROOT, BOOT, DATA, DISK] {
        let path = folder.join(name);
        let entry = FileEntry {
            size: fs::metadata(&path)?.len(),
            sha256: cache::sha256(&path)?,
        };
        files.insert(name.to_owned(), entry);
    }
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_version: kernel.version.clone(),
        files,
        root_hash: root.verity.root_hash.clone(),
        command_lines: [
            ("vm".to_owned(), command_line_for_vm(root)),
            ("disk".to_owned(), command_line_for_disk(root)),
        ]
        .into(),
    };
    Ok(fs::write(
        folder.join(MANIFEST),
        serde_json::to_vec_pretty(&manifest)?,
    )?)
}

/// Copies artefacts from the cache, unless they are there already. The manifest
/// comes last: where it is, what it names is complete.
fn publish(built: &Path, folder: &Path) -> Result<()> {
    let text = fs::read(built.join(MANIFEST))?;
    let manifest: Manifest = serde_json::from_slice(&text)?;
    let there = |(name, entry): (&String, &FileEntry)| {
        fs::metadata(folder.join(name)).is_ok_and(|metadata| metadata.len() == entry.size)
    };
    let same = fs::read(folder.join(MANIFEST)).is_ok_and(|was| was == text);
    if same && manifest.files.iter().all(there) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    drop(fs::remove_file(folder.join(MANIFEST))); // It may not be there.
    for name in manifest.files.keys() {
        // A new file each time: the old one may be a running machine's disk.
        let new: PathBuf = folder.join(format!("{name}.new"));
        exec::run(
            &format!("copying {name}"),
            Command::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .arg(built.join(name))
                .arg(&new),
        )?;
        fs::rename(&new, folder.join(name))?;
    }
    Ok(fs::write(folder.join(MANIFEST), text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verity::Verity;

    fn root() -> Root {
        let verity = Verity {
            root_hash: "ab".repeat(32),
            data_blocks: 8,
        };
        Root {
            image: PathBuf::new(),
            verity,
        }
    }

    #[test]
    fn the_command_lines_keep_their_contract_with_pid_1() {
        let (vm, disk) = (command_line_for_vm(&root()), command_line_for_disk(&root()));
        for line in [&vm, &disk] {
            for word in [
                "init=/usr/lib/aios/aios-init",
                "root=/dev/dm-0",
                "ro",
                "panic=10",
            ] {
                assert!(line.split(' ').any(|part| part == word), "{word} in {line}");
            }
            assert!(line.len() < 2048, "the kernel cuts it off");
        }
        assert!(vm.ends_with(" aios.data=/dev/vdb"), "{vm}");
        assert_eq!(disk.matches("PARTUUID=$root_uuid").count(), 3, "{disk}");
    }

    #[test]
    fn publishing_again_changes_nothing_and_repairs_what_is_missing() {
        let (built, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(built.path().join(KERNEL), "kernel").unwrap();
        let manifest = Manifest {
            version: "0".into(),
            kernel_version: "0".into(),
            files: [(
                KERNEL.to_owned(),
                FileEntry {
                    size: 6,
                    sha256: "x".into(),
                },
            )]
            .into(),
            root_hash: "x".into(),
            command_lines: BTreeMap::new(),
        };
        fs::write(
            built.path().join(MANIFEST),
            serde_json::to_vec(&manifest).unwrap(),
        )
        .unwrap();
        publish(built.path(), folder.path()).unwrap();
        let made = fs::metadata(folder.path().join(KERNEL))
            .unwrap()
            .modified()
            .unwrap();
        publish(built.path(), folder.path()).unwrap();
        let again = fs::metadata(folder.path().join(KERNEL))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(made, again);
        fs::remove_file(folder.path().join(KERNEL)).unwrap();
        publish(built.path(), folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join(KERNEL)).unwrap(), b"kernel");
    }
}
