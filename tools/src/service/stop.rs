//! `service.stop`: stops a service until it is started again.

use aios_contracts::v1;

use super::{Service, fetch};
use aios_tool::argument::ServiceName;
use aios_tool::prelude::*;

arguments! {
    /// Arguments of `service.stop`.
    pub struct Input {
        /// Name of the service, as `service.list` shows it.
        pub service: ServiceName<argument::Stop>,
    }
}

/// The tool `service.stop`.
pub struct Stop;

impl Tool for Stop {
    type Input = Input;
    type Output = Service;

    fn declaration() -> Declaration {
        Declaration::of("service.stop", "Stops a service.")
            .example(json!({"service": "nginx"}))
            .risk(Risk::High)
            .timeout_ms(30_000)
            .least(Least::AdminForOwn)
            .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        match output.without.is_empty() {
            true => format!("{} is stopped", output.name),
            false => format!("{} is stopped; without it: {}", output.name, output.without),
        }
    }
}

impl Change for Stop {
    fn effect() -> Effect {
        Effect::of("the service is inactive and has no process", &["stop"]).undone_by(Undo::Call)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        may_be_stopped(input)?;
        let now = fetch(input.service.as_str(), context)?;
        Ok(super::foreseen(&now, is_stopped(&now), "inactive"))
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        if !is_stopped(&now) {
            capture.call(super::inverse(("start", "started"), &now));
        }
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        may_be_stopped(input)?;
        let mut init = context.init()?;
        let request = v1::ServiceRequest {
            name: input.service.to_string(),
        };
        let answer = context.block_on(async { init.stop_service(request).await })?;
        Ok(answer.into_inner().into())
    }

    fn verify(input: &Input, _output: &Service, context: &Context) -> Result<(), ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        match is_stopped(&now) {
            true => Ok(()),
            false => Err(ToolError::Unverified(now.describe())),
        }
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Service>, ToolError> {
        Ok(Some(fetch(input.service.as_str(), context)?).filter(is_stopped))
    }
}

fn is_stopped(service: &Service) -> bool {
    service.state == "inactive" && service.pid == 0
}

/// May goals stop it?
fn may_be_stopped(input: &Input) -> Result<(), ToolError> {
    if aios_daemon::services::is_core(input.service.as_str()) {
        return Err(ToolError::Precondition(format!(
            "{} is a core service: without it goals cannot be carried out or the node cannot be \
             managed; it can be restarted, and stopped with aiosctl services stop {0}",
            input.service
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use serde_json::json;

    #[test]
    fn a_service_is_stopped_and_the_loss_named() {
        let init = Init::new();
        let done = init.change::<Stop>(json!({"service": "cron"})).unwrap();
        assert_eq!(
            done.summary,
            "cron is stopped; without it: goals are refused"
        );
        assert_eq!(init.state("cron"), "inactive");
    }

    #[test]
    fn what_goals_need_is_not_stopped() {
        let init = Init::new();
        for service in ["memory", "tools"] {
            let error = init
                .change::<Stop>(json!({ "service": service }))
                .unwrap_err();
            assert!(matches!(error, ToolError::Precondition(_)), "{error:?}");
            assert_eq!(init.state(service), "ready");
        }
    }
}
