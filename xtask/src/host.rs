//! The Debian packages that a command needs on this machine, each with a reason.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::exec;

/// A Debian package and what it is for.
pub type Need = (&'static str, &'static str);

/// To compile aiOS's executables.
pub const BINARIES: &[Need] = &[
    (
        "build-essential",
        "C and C++ compilers for llama.cpp and SQLite",
    ),
    ("cmake", "builds llama.cpp"),
    ("clang", "headers for the bindings of llama.cpp"),
    ("libclang-dev", "generates the bindings of llama.cpp"),
    ("binutils", "strips and checks the executables"),
];

/// To compile the kernel.
pub const KERNEL: &[Need] = &[
    ("linux-source-6.12", "the kernel's source"),
    ("build-essential", "compiles the kernel"),
    ("bc", "used by the kernel's build"),
    ("bison", "used by the kernel's configuration"),
    ("flex", "used by the kernel's configuration"),
    ("libelf-dev", "objtool, part of the kernel's build"),
    ("xz-utils", "unpacks the kernel's source"),
    ("zstd", "compresses the kernel"),
];

/// To convert the embedding model.
pub const MODELS: &[Need] = &[("python3-venv", "converts the embedding model")];

/// To make the root file system.
pub const ROOTFS: &[Need] = &[
    (
        "mmdebstrap",
        "makes the root file system from Debian packages",
    ),
    ("squashfs-tools", "packs the root file system"),
    ("cryptsetup-bin", "veritysetup: seals the root file system"),
];

/// For mmdebstrap by somebody who is not root.
pub const ROOTFS_UNPRIVILEGED: &[Need] = &[("uidmap", "makes the root file system without root")];

/// To make disk images.
pub const DISK: &[Need] = &[
    ("fdisk", "sfdisk: partitions the disk image"),
    ("e2fsprogs", "makes the data file system"),
    ("grub-common", "grub-mkimage: makes the boot loader"),
    ("grub-pc-bin", "the boot loader's parts for BIOS"),
    ("grub-efi-amd64-bin", "the boot loader's parts for UEFI"),
];

/// To boot what was built.
pub const RUN: &[Need] = &[
    ("qemu-system-x86", "the virtual machine"),
    ("seabios", "the virtual machine's firmware: BIOS"),
    ("ovmf", "the virtual machine's firmware: UEFI"),
    ("runc", "runs the appliance as a container"),
];

/// To look at a container from outside.
pub const GOALS: &[Need] = &[
    ("nftables", "tells the active rules of the firewall"),
    ("iproute2", "makes spare interfaces, and tells addresses"),
    ("git", "makes repositories, and tells their newest commit"),
];

/// Only the tests need these; building and running do not.
pub const TESTS: &[Need] = &[
    (
        "e2fsprogs",
        "mke2fs: makes boot images for the updates' tests",
    ),
    (
        "fdisk",
        "sfdisk: a second opinion on the installer's partition table",
    ),
    ("mount", "mounts in namespaces of the tests' own"),
    ("openssl", "plays a client without a certificate"),
    ("procps", "kill: ends daemons from outside"),
    ("nftables", "the firewall, in a network namespace"),
    (
        "iproute2",
        "makes network namespaces and cables between them",
    ),
    ("dhcpcd-base", "the DHCP client, in a network namespace"),
    ("dnsmasq-base", "plays the DHCP server and router"),
    ("swtpm", "plays a TPM 2.0"),
    ("dropbear-bin", "dbclient: logs in to the appliance by SSH"),
];

/// Everything that any command may install, by what it is for.
const ALL: &[(&str, &[Need])] = &[
    ("executables", BINARIES),
    ("kernel", KERNEL),
    ("models", MODELS),
    ("root file system", ROOTFS),
    ("disk images", DISK),
    ("run", RUN),
    ("goals", GOALS),
    ("test", TESTS),
];

/// What `cargo xtask needs` can be told.
#[derive(clap::Args)]
pub struct NeedsArguments {
    /// Only what is not installed yet
    #[arg(long)]
    missing: bool,
}

/// Prints the packages that the commands install when they need them: name, what for, why.
///
/// # Errors
/// When this is no Debian.
pub fn needs(arguments: &NeedsArguments) -> Result<()> {
    let installed = installed()?;
    let mut named: Vec<&str> = Vec::new();
    for (purpose, (package, why)) in ALL
        .iter()
        .flat_map(|(purpose, needs)| needs.iter().map(move |need| (purpose, need)))
    {
        let there = installed.iter().any(|name| name == package);
        if named.contains(package) || there && arguments.missing {
            continue;
        }
        named.push(package);
        println!("{package}\t{purpose}\t{why}");
    }
    Ok(())
}

/// Are we root?
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs as root: directly, or by sudo.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    command
}

/// Installs what is missing of `needs`; silent and quick when nothing is.
///
/// # Errors
/// When this is no Debian, or apt-get fails.
pub fn ensure(needs: &[&[Need]]) -> Result<()> {
    let installed = installed()?;
    let missing: Vec<&Need> = needs
        .iter()
        .flat_map(|group| group.iter())
        .filter(|(package, _)| !installed.iter().any(|name| name == package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (package, why) in &missing {
        eprintln!("installing {package}: {why}");
    }
    exec::run("apt-get update", as_root("apt-get").args(["-q", "update"]))?;
    exec::run(
        "apt-get install",
        as_root("env")
            .args([
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "-qy",
                "install",
            ])
            .arg("--no-install-recommends")
            .args(missing.iter().map(|(package, _)| package)),
    )
}

/// The version of an installed package.
///
/// # Errors
/// When it is not installed.
pub fn version(package: &str) -> Result<String> {
    let version =
        exec::output(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))?;
    ensure!(!version.is_empty(), "{package} is not installed");
    Ok(version)
}

fn installed() -> Result<Vec<String>> {
    let list = exec::output(Command::new("dpkg-query").args([
        "-W",
        "-f",
        "${db:Status-Abbrev}${Package}\n",
    ]))
    .context("cannot ask dpkg what is installed; aiOS is built on Debian 12 or 13")?;
    Ok(list
        .lines()
        .filter_map(installed_name)
        .map(str::to_owned)
        .collect())
}

/// `"ii bash"` is installed; `"rc bash"` is what is left of it.
fn installed_name(line: &str) -> Option<&str> {
    let (status, name) = line.split_at_checked(3)?;
    (status.as_bytes().get(1) == Some(&b'i')).then_some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::installed_name;

    #[test]
    fn only_what_is_fully_installed_counts() {
        let cases = [
            ("ii bash", Some("bash")),
            ("hi held", Some("held")),
            ("rc removed", None),
            ("iU unpacked", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(installed_name(line), expected, "{line}");
        }
    }
}
