//! `service.restart`: a new process for a service, ready after the call.
//!
//! Two services end this call while it runs: restarting `tools` ends this very
//! process, and its successor finds the restart done; restarting `control` ends
//! the connection, and the result is looked up when it answers again.

use std::time::{Duration, SystemTime};

use aios_contracts::v1;

use super::{Service, boot_ms, boot_ms_of, fetch};
use crate::procfs::{pause, process};
use aios_tool::argument::ServiceName;
use aios_tool::prelude::*;

arguments! {
    /// Arguments of `service.restart`.
    pub struct Input {
        /// Name of the service, as `service.list` shows it.
        pub service: ServiceName<argument::Restart>,
    }
}

/// The tool `service.restart`.
pub struct Restart;

/// How often the service is looked at while its restart cannot be waited for.
const GLANCE: Duration = Duration::from_millis(50);
/// This daemon's own service.
const OWN: &str = "tools";

impl Tool for Restart {
    type Input = Input;
    type Output = Service;

    fn declaration() -> Declaration {
        Declaration::of("service.restart", "Restarts a service.")
            .example(json!({"service": "nginx"}))
            .risk(Risk::High)
            .timeout_ms(45_000)
            .least(Least::AdminForOwn)
            .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        match output.pid {
            0 => format!("{} was run again and is {}", output.name, output.state),
            pid => format!(
                "{} was restarted and is {} (pid {pid})",
                output.name, output.state
            ),
        }
    }
}

impl Change for Restart {
    fn effect() -> Effect {
        Effect::of(
            "the service is ready, and has been only since after the call",
            &["restart"],
        )
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        Ok(super::foreseen(&now, false, "ready, with a new process"))
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        let asked = boot_ms();
        let mut init = context.init()?;
        let request = v1::ServiceRequest {
            name: input.service.to_string(),
        };
        match context.block_on(async { init.restart_service(request).await }) {
            Ok(answer) => is_newer(answer.into_inner().into(), asked),
            Err(ToolError::Unavailable(_) | ToolError::Failed(_)) => {
                look_again(input.service.as_str(), asked, context)
            }
            Err(error) => Err(error),
        }
    }

    fn verify(input: &Input, output: &Service, context: &Context) -> Result<(), ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        match now.is_up() && now.since_boot_ms >= output.since_boot_ms {
            true => Ok(()),
            false => Err(ToolError::Unverified(now.describe())),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Service>, ToolError> {
        let service = fetch(input.service.as_str(), context)?;
        let own = input.service.as_str() == OWN && is_this_process_newer(interrupted.started);
        let newer = service.since_boot_ms >= boot_ms_of(interrupted.started);
        Ok(match own || (service.is_up() && newer) {
            true => Some(Service {
                state: up(&service, own),
                ..service
            }),
            false => None,
        })
    }
}

/// Of its own service this process knows more than PID 1, to whom it has not
/// said yet that it is ready: that it runs, and settles what was interrupted.
fn up(service: &Service, own: bool) -> String {
    match own {
        true => "ready".to_owned(),
        false => service.state.clone(),
    }
}

fn is_this_process_newer(than: SystemTime) -> bool {
    let own = process::of(std::process::id()).and_then(|own| own.started());
    own.is_some_and(|started| started >= than)
}

/// The kernel's boot clock and the service's state are in whole milliseconds of
/// one clock, so that a restart within the same millisecond counts.
fn is_newer(service: Service, asked: u64) -> Result<Service, ToolError> {
    match service.is_up() && service.since_boot_ms >= asked {
        true => Ok(service),
        false => Err(ToolError::Unverified(service.describe())),
    }
}

/// Waits until the service is seen ready anew.
fn look_again(name: &str, asked: u64, context: &Context) -> Result<Service, ToolError> {
    loop {
        if let Ok(service) = fetch(name, context).and_then(|service| is_newer(service, asked)) {
            return Ok(service);
        }
        pause(context, GLANCE)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use crate::trial;
    use serde_json::json;

    fn found(init: &Init, service: &str, ago: Duration) -> Option<Service> {
        let context = trial::context(init.folder());
        let input = trial::input::<Restart>(json!({"service": service}), &context);
        let interrupted = Interrupted {
            started: SystemTime::now() - ago,
            execution: "x",
            steps: &[],
        };
        Restart::found_done(&input, &interrupted, &context).unwrap()
    }

    #[test]
    fn a_restarted_service_has_a_new_process_that_is_ready() {
        let init = Init::new();
        let done = init
            .change::<Restart>(json!({"service": "memory"}))
            .unwrap();
        assert_eq!(done.summary, "memory was restarted and is ready (pid 72)");
    }

    #[test]
    fn a_restart_that_did_not_happen_is_not_reported() {
        let init = Init::new();
        init.break_restart();
        let error = init
            .change::<Restart>(json!({"service": "memory"}))
            .unwrap_err();
        assert!(matches!(error, ToolError::Unverified(_)), "{error:?}");
    }

    #[test]
    fn a_lost_connection_is_no_failure_when_the_service_comes_back() {
        let init = Init::new();
        init.lose_the_answer();
        let done = init
            .change::<Restart>(json!({"service": "memory"}))
            .unwrap();
        assert_eq!(done.output["pid"], 72);
    }

    #[test]
    fn after_a_crash_the_restart_is_found_by_the_time_of_the_start() {
        let init = Init::new();
        assert!(
            found(&init, "memory", Duration::ZERO).is_none(),
            "ready, but from before"
        );
        init.change::<Restart>(json!({"service": "memory"}))
            .unwrap();
        assert!(found(&init, "memory", Duration::from_secs(5)).is_some());
    }

    #[test]
    fn the_restart_of_this_daemon_is_done_when_a_newer_process_asks() {
        let init = Init::new();
        init.set("tools", "starting");
        let service = found(&init, "tools", Duration::from_secs(3600)).unwrap();
        assert_eq!(service.state, "ready");
        assert!(found(&init, "memory", Duration::ZERO).is_none());
    }
}
