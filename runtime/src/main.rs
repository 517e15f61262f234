//! `aios-runtime`: the model server; `aios-runtime worker`: one model's process.

use std::process::ExitCode;

use aios_daemon::Places;
use aios_daemon::error::chain;
use aios_runtime::{Config, server, worker};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::main();
    }
    aios_daemon::run::run(async {
        let config = Config::load(&Places::of_this_process()).map_err(|error| chain(&error))?;
        server::run(config).await.map_err(|error| chain(&error))
    })
}
