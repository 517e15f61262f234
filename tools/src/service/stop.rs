//! `service.stop`: stops a service until it is started again.

use aios_contracts::v1;

use super::{Input, Service, check_name, fetch};
use crate::context::Context;
use crate::error::ToolError;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};

/// See the module.
pub struct Stop;

impl Tool for Stop {
    type Input = Input;
    type Output = Service;
    const SPEC: Spec = Spec {
        risk: Risk::High,
        mutating: true,
        timeout_ms: 30_000,
        post_condition: "the service is inactive and has no process",
        ..Spec::reading(
            "service.stop",
            "Stops a service.",
            &["service:stop:{service}"],
        )
    };

    fn resolve(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        check_name(&input.service)
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        if aios_daemon::services::is_core(&input.service) {
            return Err(ToolError::Precondition(format!(
                "{} is a core service: without it goals cannot be carried out or the node cannot be \
                 managed; it can be restarted, and stopped with aiosctl services stop {0}",
                input.service
            )));
        }
        let mut init = context.init()?;
        let request = v1::ServiceRequest {
            name: input.service.clone(),
        };
        let answer = context.block_on(async { init.stop_service(request).await })?;
        Ok(answer.into_inner().into())
    }

    fn verify(input: &Input, _output: &Service, context: &Context) -> Result<(), String> {
        let now = fetch(&input.service, context).map_err(|error| error.to_string())?;
        match is_stopped(&now) {
            true => Ok(()),
            false => Err(now.describe()),
        }
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        match output.without.is_empty() {
            true => format!("{} is stopped", output.name),
            false => format!("{} is stopped; without it: {}", output.name, output.without),
        }
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Service>, ToolError> {
        Ok(Some(fetch(&input.service, context)?).filter(is_stopped))
    }
}

fn is_stopped(service: &Service) -> bool {
    service.state == "inactive" && service.pid == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use serde_json::json;

    #[test]
    fn a_service_is_stopped_and_the_loss_named() {
        let init = Init::new();
        let done = init.call::<Stop>(json!({"service": "cron"})).unwrap();
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
                .call::<Stop>(json!({ "service": service }))
                .unwrap_err();
            assert!(matches!(error, ToolError::Precondition(_)), "{error:?}");
            assert_eq!(init.state(service), "ready");
        }
    }
}
