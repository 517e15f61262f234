//! Measures an appliance that runs in a container on this machine, from outside
//! it, and the parts that can be measured alone. `cargo xtask bench` starts the
//! appliance, runs this, and puts the figures beside their targets.
//!
//! 1. It measures what an operator or an agent would feel: real sockets, real
//!    durability, the shipped binaries.
//! 2. A figure that could not be measured is left out with the reason on stderr,
//!    never guessed.

mod bare;
mod boot;
mod figure;
mod footprint;
mod goals;
mod ledger;
mod memory;
mod tools;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

use figure::Figure;

/// Where the appliance is.
#[derive(Parser)]
struct Arguments {
    /// The container's PID 1, as this machine numbers it
    #[arg(long)]
    init: u32,
    /// The operator's configuration file
    #[arg(long)]
    config: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let run = PathBuf::from(format!("/proc/{}/root/run/aios", arguments.init));
    // On the file system that the appliance writes to.
    let disk = PathBuf::from(format!("/proc/{}/root/srv", arguments.init));
    // First what must be undisturbed, then what leaves a mark.
    show("boot", runtime.block_on(boot::measure(&run)));
    show("footprint", footprint::measure(arguments.init));
    show("tools", runtime.block_on(tools::measure(&run, &disk)));
    show("goals", runtime.block_on(goals::measure(&arguments.config)));
    show(
        "memory",
        runtime.block_on(memory::measure(&run, arguments.init)),
    );
    show("ledger", ledger::measure());
    Ok(())
}

/// One line of JSON per figure; what failed goes to stderr.
fn show(what: &str, figures: Result<Vec<Figure>>) {
    match figures {
        Err(error) => eprintln!("{what}: not measured: {error:#}"),
        Ok(figures) => {
            for figure in figures {
                println!("{}", serde_json::json!(figure));
            }
        }
    }
}
