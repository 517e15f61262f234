//! How every daemon of ours starts and ends.

use std::fmt::Display;
use std::process::ExitCode;

/// Runs a daemon to its end on this thread; why it failed goes to the log.
///
/// `{:#}` of the error is shown: with `anyhow`, the whole chain of causes.
pub fn run<E: Display>(daemon: impl Future<Output = Result<(), E>>) -> ExitCode {
    crate::logging::init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            runtime.spawn(crate::watchdog::feed());
            ended(runtime.block_on(daemon))
        }
        Err(error) => ended(Err(format!("cannot start: {error}"))),
    }
}

/// How it ended, in the log and for whoever started it. PID 1 shows the reason of a failure
/// beside the exit status: when the daemon that would be asked is gone, there is nothing else.
pub fn ended<E: Display>(outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let why = format!("{error:#}");
            tracing::error!("{why}");
            let why = why.lines().next().unwrap_or_default();
            let told = format!("AIOS_FAILURE={why}");
            // Err: nobody waits for it (started by hand).
            drop(sd_notify::notify(
                false,
                &[sd_notify::NotifyState::Custom(&told)],
            ));
            ExitCode::FAILURE
        }
    }
}
