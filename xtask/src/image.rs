//! Everything together: the artefacts in `target/aios/` and their manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aios_disk::layout::{ROOT_A, SECTOR};
use aios_qemu::Artefacts;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::disk::Kind;
use crate::kernel::Kernel;
use crate::rootfs::Root;
use crate::{binaries, cache, disk, exec, kernel, layout, oci, paths, qcow2, rootfs};

/// Raise when this module's or [`disk`]'s steps change what they make.
const RECIPE: u32 = 2;

/// The artefacts, as they are called in `target/aios/`.
const KERNEL: &str = "bzImage";
const ROOT: &str = "root.squashfs";
const BOOT: &str = "boot.img";
const DATA: &str = "data.img";
const DISK: &str = "disk.img";
const MANIFEST: &str = "manifest.json";

/// The first CD-ROM.
const CD: &str = "/dev/sr0";

/// What every way of booting has in common. `no_timer_check`: the kernel waits for
/// the first timer interrupts by counting its own cycles, and panics when a busy
/// host lets an emulated timer come late. `bonding.max_bonds=0`: the kernel makes no
/// `bond0` of its own, which would be in the way of the operator's.
const COMMON: &str = "quiet loglevel=4 panic=10 no_timer_check bonding.max_bonds=0 \
                      init=/usr/lib/aios/aios-init root=/dev/dm-0 ro rootfstype=squashfs rootwait";

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

/// What images are made of.
struct Built {
    kernel: Kernel,
    root: Root,
}

fn make() -> Result<(Artefacts, Built)> {
    let kernel = kernel::build()?;
    let binaries = binaries::build()?;
    let root = rootfs::build(&binaries.appliance)?;
    let key = cache::Key::new(RECIPE)
        .text("version", env!("CARGO_PKG_VERSION"))
        .text("kernel", &kernel.image.to_string_lossy())
        .text("command line", &command_line_for_disk(&root))
        .text("root", &root.verity.root_hash)
        .text("boot loader", disk::BOOT_LOADER);
    let built = cache::entry("image", &key, |folder| assemble(folder, &kernel, &root))?;
    let folder = paths::artefacts();
    publish(&built, &folder)?;
    let artefacts = Artefacts {
        kernel: folder.join(KERNEL),
        command_line: command_line_for_vm(&root),
        root: folder.join(ROOT),
        rootfs: rootfs::unpack(&root)?,
        data: folder.join(DATA),
        disk: folder.join(DISK),
        aiosctl: binaries.aiosctl,
    };
    artefacts.write(&folder)?;
    Ok((artefacts, Built { kernel, root }))
}

/// In which form the appliance is wanted.
#[derive(clap::Args)]
pub struct ImageArguments {
    /// raw: disk.img, to write to a disk; qcow2: disk.qcow2, for virtual machines;
    /// iso: aios.iso, the installer as a CD-ROM that can be written to a stick, too;
    /// oci: aios.oci.tar, for containers
    #[arg(long, value_enum, default_value = "raw")]
    format: Format,
    /// installer.img instead: for a USB stick, installs to a disk of the machine
    #[arg(long)]
    installer: bool,
}

/// What an image is made with, beside the appliance.
#[derive(clap::Args)]
pub struct DiskArguments {
    /// What `aiosctl pki node` wrote
    #[arg(long, value_name = "FILE", required_unless_present = "installer")]
    node_config: Option<PathBuf>,
    /// The node's config.toml: how it starts, instead of the defaults
    #[arg(long, value_name = "FILE", requires = "node_config")]
    config: Option<PathBuf>,
    /// An installer; with a node's identity, that comes along
    #[arg(long)]
    installer: bool,
    /// An install.toml: the installer asks nothing then
    #[arg(long, value_name = "FILE", requires = "installer")]
    answers: Option<PathBuf>,
    /// The image to write; an installer that is called .iso is a CD-ROM, too
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Raw,
    Qcow2,
    Iso,
    Oci,
}

/// Builds everything, in the form that is asked for too, and says where it is.
///
/// # Errors
/// When a part cannot be built.
pub fn run(arguments: &ImageArguments) -> Result<()> {
    ensure!(
        !arguments.installer || matches!(arguments.format, Format::Raw | Format::Iso),
        "an installer is raw or iso"
    );
    let (artefacts, parts) = make()?;
    print(&artefacts);
    let folder = paths::artefacts();
    match arguments.format {
        Format::Raw if arguments.installer => {
            println!("{}", installer(&parts, Kind::Installer)?.display());
        }
        Format::Raw => {}
        Format::Iso => println!("{}", installer(&parts, Kind::InstallerCd)?.display()),
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

/// Both installers, for the tests.
///
/// # Errors
/// When they cannot be made.
pub fn installers() -> Result<()> {
    let (_, parts) = make()?;
    installer(&parts, Kind::Installer)?;
    installer(&parts, Kind::InstallerCd).map(drop)
}

fn installer(parts: &Built, kind: Kind) -> Result<PathBuf> {
    let name = match kind {
        Kind::InstallerCd => "aios.iso",
        _ => "installer.img",
    };
    let path = paths::artefacts().join(name);
    write(&path, parts, &[], kind)?;
    Ok(path)
}

/// Makes a disk image, or an installer, with a node's identity in it.
///
/// # Errors
/// When an artefact cannot be built, or a file cannot be read.
pub fn disk(arguments: &DiskArguments) -> Result<()> {
    if let Some(path) = &arguments.config {
        check(path)?;
    }
    let (_, parts) = make()?;
    let is_iso = arguments.out.extension().is_some_and(|end| end == "iso");
    let kind = match (arguments.installer, is_iso) {
        (true, true) => Kind::InstallerCd,
        (true, false) => Kind::Installer,
        (false, _) => Kind::Disk,
    };
    let given = |name, path: &Option<PathBuf>| path.clone().map(|path| (name, path));
    let node = given("node.toml", &arguments.node_config);
    let config = given("config.toml", &arguments.config);
    let answers = given("install.toml", &arguments.answers);
    let files: Vec<(&'static str, PathBuf)> =
        node.into_iter().chain(config).chain(answers).collect();
    write(&arguments.out, &parts, &files, kind)
}

/// A configuration that the node would refuse is refused here.
fn check(path: &Path) -> Result<()> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    let Err(problems) = aios_config::parse(&text) else {
        return Ok(());
    };
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{name}: {problem}"))
        .collect();
    anyhow::bail!(lines.join("\n"))
}

fn write(path: &Path, built: &Built, config: &[(&'static str, PathBuf)], kind: Kind) -> Result<()> {
    let work = tempfile::tempdir()?;
    let folder = paths::artefacts();
    let boot = match kind {
        Kind::InstallerCd => work.path().join(BOOT),
        _ => folder.join(BOOT),
    };
    if kind == Kind::InstallerCd {
        disk::boot(&boot, &built.kernel, &built.root, kind)?;
    }
    let config: Vec<(&'static str, &Path)> = config
        .iter()
        .map(|(name, path)| (*name, path.as_path()))
        .collect();
    let parts = disk::Parts {
        boot: &boot,
        root: &built.root,
        data: &folder.join(DATA),
        config: &config,
        kind,
    };
    disk::build(path, &parts)
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

/// The same for the installer on a CD-ROM, on which Linux sees no partitions: the root is a piece
/// of it, in the place that the layout gives slot a.
pub fn command_line_for_cd(root: &Root) -> String {
    let (placed, _) = layout::place(false, true);
    let at = placed
        .iter()
        .find(|(partition, _)| partition.name == ROOT_A)
        .map_or(0, |(_, at)| at * layout::MIB / SECTOR);
    let sectors = layout::ROOT_MIB * layout::MIB / SECTOR;
    let table = root.verity.device_table("/dev/dm-0");
    let common = COMMON.replace("root=/dev/dm-0", "root=/dev/dm-1");
    format!(
        "console=tty0 console=ttyS0,115200 {common} dm-mod.waitfor={CD} \
         \"dm-mod.create=cd,,,ro,0 {sectors} linear {CD} {at};{table}\""
    )
}

fn assemble(folder: &Path, kernel: &Kernel, root: &Root) -> Result<()> {
    fs::copy(&kernel.image, folder.join(KERNEL))?;
    fs::copy(&root.image, folder.join(ROOT))?;
    let data = folder.join(DATA);
    disk::data(&data)?;
    let boot = folder.join(BOOT);
    disk::boot(&boot, kernel, root, Kind::Disk)?;
    let parts = disk::Parts {
        boot: &boot,
        root,
        data: &data,
        config: &[],
        kind: Kind::Disk,
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
        let cd = command_line_for_cd(&root());
        // 1 + 1 + 40 + 1 + 16 MiB lie before it: the edge, bios, esp, grubenv, boot-a.
        let piece = format!(
            "cd,,,ro,0 393216 linear /dev/sr0 {};vroot,,,ro,0 64 verity",
            59 * 2048
        );
        assert!(
            cd.contains(&piece) && cd.contains(" root=/dev/dm-1 "),
            "{cd}"
        );
        assert!(cd.len() < 1800, "GRUB's words come after it: {cd}");
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
