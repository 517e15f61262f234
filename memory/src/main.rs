//! The executable: reads its configuration, serves until it is told to stop.

use std::process::ExitCode;

use aios_memory::{Config, serve};

fn main() -> ExitCode {
    aios_proto::logging::init();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(aios_memory::ServeError::Runtime)
        .and_then(|runtime| runtime.block_on(serve(Config::load())));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", aios_memory::error::chain(&error));
            ExitCode::FAILURE
        }
    }
}
