//! A newcomer's first command: in a Debian root that holds `build-essential` and nothing else,
//! `xtask` builds and says what it would install.
//!
//! The toolchain and the crates are the host's, lent without a network. CI's own machine has
//! packages that somebody installed by hand; this root has none. [`whole`] goes the whole way in
//! such a root: both commands of the README, to their end.

mod whole;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cache, exec, host, paths, rootfs};

/// Raise when this module's steps change what they make.
const RECIPE: u32 = 1;

/// What the README asks for.
const PACKAGES: &str = "build-essential";

/// What `cargo xtask bare` can be told.
#[derive(clap::Args)]
pub struct BareArguments {
    /// Go the whole way there instead: `cargo xtask run` to an answered goal, then `cargo xtask
    /// test`, from a clone of the last commit; takes hours and needs a network
    #[arg(long)]
    whole: bool,
    /// The Debian release of the root
    #[arg(long, value_enum, default_value = "bookworm", requires = "whole")]
    suite: whole::Suite,
    /// As a user with sudo instead of root
    #[arg(long, requires = "whole")]
    user: bool,
}

/// Runs the command.
///
/// # Errors
/// As [`check`] and [`whole::check`].
pub fn run(arguments: &BareArguments) -> Result<()> {
    if arguments.whole {
        whole::check(arguments.suite, arguments.user)
    } else {
        check()
    }
}

/// What only `cargo xtask test --long` has time for: both Debian releases, once as root and once
/// as a user with sudo.
///
/// # Errors
/// As [`whole::check`].
pub fn long() -> Result<()> {
    whole::check(whole::Suite::Bookworm, false)?;
    whole::check(whole::Suite::Trixie, true)
}

/// Packages that the root must lack, else it proves nothing, and that `xtask` must ask for.
const LACKED: [&str; 4] = ["clang", "cmake", "qemu-system-x86", "fdisk"];

/// Packages that no build may need before `xtask` can install anything.
const NOT_NEEDED: [&str; 2] = ["protobuf-compiler", "build-essential"];

/// Builds `xtask` in the bare root and reads what it says.
///
/// # Errors
/// When it does not build there, or its list is not right.
pub fn check() -> Result<()> {
    host::ensure(&[host::ROOTFS])?;
    let root = root(whole::Suite::Bookworm.name(), PACKAGES)?; // the oldest that aiOS is built on
    let work = paths::repository().join("target/bare");
    for folder in [
        "build",
        "upper",
        "work",
        "root",
        "cargo-upper",
        "cargo-work",
    ] {
        std::fs::create_dir_all(work.join(folder))?;
    }
    let listed = exec::output(&mut inside(&root, &work)?)
        .context("xtask does not build on a machine that has only build-essential")?;
    let asks_for = |package: &str| {
        listed
            .lines()
            .any(|line| line.split('\t').next() == Some(package))
    };
    for package in LACKED {
        ensure!(
            asks_for(package),
            "in a bare root, xtask does not ask for {package}:\n{listed}"
        );
    }
    for package in NOT_NEEDED {
        ensure!(
            !asks_for(package),
            "in a bare root, xtask asks for {package}:\n{listed}"
        );
    }
    Ok(())
}

/// A root with nothing but what the README asks for, from the cache or made.
fn root(suite: &str, packages: &str) -> Result<PathBuf> {
    let key = cache::Key::new(RECIPE)
        .text("suite", suite)
        .text("packages", packages);
    let entry = cache::entry("bare", &key, |folder| {
        let what = format!("bare: a root of {suite} with {packages} alone");
        rootfs::plain_debian(&what, suite, packages, &folder.join("root"), false)
    })?;
    Ok(entry.join("root"))
}

/// `cargo run -p xtask -- needs --missing` in the root, in a mount namespace of its own. What it
/// writes stays in `work`; the build folder there makes the next run short.
fn inside(root: &Path, work: &Path) -> Result<Command> {
    let repository = paths::repository();
    let toolchain = exec::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let cargo_home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let script = r#"
        set -eu
        cd "$WORK"
        mount -t overlay overlay -o "lowerdir=$ROOT,upperdir=$WORK/upper,workdir=$WORK/work" root
        mkdir -p "root$REPOSITORY" "root$TOOLCHAIN" root/cargo root/build root/proc root/dev
        mount --bind -o ro "$REPOSITORY" "root$REPOSITORY"
        mount --bind -o ro "$TOOLCHAIN" "root$TOOLCHAIN"
        mount --bind "$WORK/build" root/build
        mount -t overlay overlay -o "lowerdir=$LENT,upperdir=$WORK/cargo-upper,workdir=$WORK/cargo-work" root/cargo
        mount --bind /dev root/dev
        mount --bind /proc root/proc # rustc finds its libraries by it
        exec chroot root /usr/bin/env -i HOME=/root CARGO_HOME=/cargo CARGO_TARGET_DIR=/build \
            PATH="$TOOLCHAIN/bin:/usr/sbin:/usr/bin:/sbin:/bin" /bin/sh -c \
            'cd "$1" && exec cargo run --quiet --offline --locked --package xtask -- needs --missing' sh "$REPOSITORY"
    "#;
    let mut command = host::as_root("env");
    let variables = [
        ("ROOT", root),
        ("WORK", work),
        ("REPOSITORY", &repository),
        ("TOOLCHAIN", Path::new(&toolchain)),
        ("LENT", &cargo_home),
    ];
    for (name, path) in variables {
        command.arg(format!("{name}={}", path.display()));
    }
    command.args(["unshare", "--mount", "/bin/sh", "-c", script]);
    Ok(command)
}
