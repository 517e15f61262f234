//! The roles: none (the daemon), `time`, `ssh`, and what dhcpcd calls by the name of `hook`.

use std::path::Path;
use std::process::ExitCode;

use aios_network::{daemon, lease, ssh, time};

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    aios_proto::logging::init();
    // dhcpcd calls its script without arguments, and with an environment of its own making.
    if let Some(folder) = name.strip_suffix("/hook") {
        return done(lease::hook(Path::new(folder)));
    }
    done(match arguments.next().as_deref() {
        None => daemon::run(),
        Some("time") => time::run(),
        Some("ssh") => ssh::run(),
        Some(other) => Err(anyhow::anyhow!(
            "there is no role {other:?}; there are time and ssh"
        )),
    })
}

fn done(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
