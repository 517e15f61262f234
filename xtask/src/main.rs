//! `cargo xtask …`: everything that is done with this repository from outside.
//!
//! 1. A fresh Debian with a Rust toolchain is enough: each command installs what
//!    it needs ([`host`]), and says what and why.
//! 2. What takes long is kept, addressed by the hash of what it was made from
//!    ([`cache`]); nothing else decides whether it is made again.
//! 3. Each product has one module with one `build`: [`kernel`], [`binaries`],
//!    [`models`], [`rootfs`], [`disk`]; [`image`] puts them together.
//!
//! What must not live here: anything that runs on the appliance.

mod bare;
mod bench;
mod binaries;
mod bundle;
mod cache;
mod deny;
mod disk;
mod esp;
mod exec;
mod ext;
mod goals;
mod grub;
mod host;
mod image;
mod iso;
mod kernel;
mod keys;
mod layer;
mod layout;
mod models;
mod oci;
mod paths;
mod promises;
mod qcow2;
mod rootfs;
mod run;
mod sbom;
mod services;
mod tar;
mod test;
mod verity;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, boots, tests and measures aiOS.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the kernel from Debian's source and kernel-config/
    Kernel,
    /// Build aiOS's own executables
    Binaries,
    /// Build or collect the built-in models
    Models,
    /// Build the root file system: squashfs with its verity tree
    Rootfs,
    /// Build everything: kernel, root, data and disk images, in target/aios/
    Image(image::ImageArguments),
    /// Make the key that signs updates, unless there is one; print where it is
    Keys,
    /// Build everything and make a signed update of it
    Bundle(bundle::Arguments),
    /// Boot the appliance, give it goals, and leave it running
    Run(run::RunArguments),
    /// Give goals to an appliance in a container, and judge what it makes of them
    Goals(goals::GoalsArguments),
    /// Run all checks and tests, as CI does
    Test(test::TestArguments),
    /// List the Debian packages that the other commands install, and why
    Needs(host::NeedsArguments),
    /// Build xtask in a Debian root with build-essential alone (part of test), or go the whole way
    Bare(bare::BareArguments),
    /// Measure, and print each figure beside its target
    Bench(bench::BenchArguments),
    /// Lead the port on standard input into a container's network (used by run)
    #[command(hide = true)]
    Forward {
        /// The container's PID 1
        #[arg(long)]
        pid: u32,
    },
    /// Make a disk image or an installer with a node's identity in it (it holds a private key)
    Disk(image::DiskArguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)`: it was done, and what was asked for did not come true.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Kernel => println!("{}", kernel::build()?.image.display()),
        Command::Binaries => {
            let built = binaries::build()?;
            for binary in built.appliance {
                println!("{}", binary.path.display());
            }
            println!("{}", built.aiosctl.display());
        }
        Command::Models => println!("{}", models::build()?.display()),
        Command::Rootfs => {
            let binaries = binaries::build()?.appliance;
            println!("{}", rootfs::build(&binaries)?.image.display());
        }
        Command::Image(arguments) => image::run(&arguments)?,
        Command::Disk(arguments) => image::disk(&arguments)?,
        Command::Run(arguments) => return run::run(&arguments),
        Command::Goals(arguments) => return goals::run(&arguments),
        Command::Test(arguments) => test::run(&arguments)?,
        Command::Keys => {
            println!("{}", keys::path()?.display());
            print!("{}", keys::public()?);
        }
        Command::Bundle(arguments) => println!("{}", bundle::build(&arguments)?.display()),
        Command::Needs(arguments) => host::needs(&arguments)?,
        Command::Bare(arguments) => bare::run(&arguments)?,
        Command::Bench(arguments) => bench::run(&arguments)?,
        Command::Forward { pid } => run::forward(pid)?,
    }
    Ok(true)
}
