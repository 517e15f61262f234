//! `aios-runtime`: the model server; `aios-runtime worker`: one model's process.

use std::process::ExitCode;

use aios_daemon::Places;
use aios_runtime::{Config, server, worker};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::main();
    }
    aios_proto::logging::init();
    match Config::load(&Places::of_this_process())
        .map_err(Into::into)
        .and_then(run)
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", aios_runtime::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    executor.block_on(server::run(config))?;
    Ok(())
}
