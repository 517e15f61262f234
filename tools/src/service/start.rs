//! `service.start`: starts a service and waits until it is ready.

use aios_contracts::v1;

use super::{Service, fetch};
use aios_tool::argument::ServiceName;
use aios_tool::prelude::*;

arguments! {
    /// Arguments of `service.start`.
    pub struct Input {
        /// Name of the service, as `service.list` shows it.
        pub service: ServiceName<argument::Start>,
    }
}

/// The tool `service.start`.
pub struct Start;

impl Tool for Start {
    type Input = Input;
    type Output = Service;

    fn declaration() -> Declaration {
        Declaration::of("service.start", "Starts a service.")
            .example(json!({"service": "nginx"}))
            .risk(Risk::Medium)
            .timeout_ms(40_000)
            .least(Least::AdminForOwn)
            .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        output.describe()
    }
}

impl Change for Start {
    fn effect() -> Effect {
        Effect::of("the service is ready, or done if it runs once", &["start"])
            .undone_by(Undo::Call)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        Ok(super::foreseen(&now, now.is_up(), "ready"))
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        if !now.is_up() && !aios_daemon::services::is_core(&now.name) {
            capture.call(super::inverse(("stop", "stopped"), &now));
        }
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        let mut init = context.init()?;
        let request = v1::ServiceRequest {
            name: input.service.to_string(),
        };
        let answer = context.block_on(async { init.start_service(request).await })?;
        Ok(answer.into_inner().into())
    }

    fn verify(input: &Input, _output: &Service, context: &Context) -> Result<(), ToolError> {
        let now = fetch(input.service.as_str(), context)?;
        match now.is_up() {
            true => Ok(()),
            false => Err(ToolError::Unverified(now.describe())),
        }
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Service>, ToolError> {
        Ok(Some(fetch(input.service.as_str(), context)?).filter(Service::is_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use serde_json::json;

    #[test]
    fn a_service_is_started_and_seen_ready() {
        let init = Init::new();
        init.set("memory", "inactive");
        let done = init.change::<Start>(json!({"service": "memory"})).unwrap();
        assert_eq!(done.output["state"], "ready");
        assert_eq!(init.state("memory"), "ready");
    }

    #[test]
    fn a_service_that_does_not_come_up_is_not_reported_started() {
        let init = Init::new();
        init.set("cron", "backoff");
        let error = init
            .change::<Start>(json!({"service": "cron"}))
            .unwrap_err();
        assert!(matches!(error, ToolError::Unverified(_)), "{error:?}");
    }
}
