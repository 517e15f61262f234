//! `service.start`: starts a service and waits until it is ready.

use aios_contracts::v1;

use super::{Input, Service, check_name, fetch};
use crate::context::Context;
use crate::error::ToolError;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};

/// See the module.
pub struct Start;

impl Tool for Start {
    type Input = Input;
    type Output = Service;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        timeout_ms: 40_000,
        post_condition: "the service is ready, or done if it runs once",
        ..Spec::reading(
            "service.start",
            "Starts a service.",
            &["service:start:{service}"],
        )
    };

    fn resolve(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        check_name(&input.service)
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        let mut init = context.init()?;
        let request = v1::ServiceRequest {
            name: input.service.clone(),
        };
        let answer = context.block_on(async { init.start_service(request).await })?;
        Ok(answer.into_inner().into())
    }

    fn verify(input: &Input, _output: &Service, context: &Context) -> Result<(), String> {
        let now = fetch(&input.service, context).map_err(|error| error.to_string())?;
        match now.is_up() {
            true => Ok(()),
            false => Err(now.describe()),
        }
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        output.describe()
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Service>, ToolError> {
        Ok(Some(fetch(&input.service, context)?).filter(Service::is_up))
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
        let done = init.call::<Start>(json!({"service": "memory"})).unwrap();
        assert_eq!(done.output["state"], "ready");
        assert_eq!(init.state("memory"), "ready");
    }

    #[test]
    fn a_service_that_does_not_come_up_is_not_reported_started() {
        let init = Init::new();
        init.set("cron", "backoff");
        let error = init.call::<Start>(json!({"service": "cron"})).unwrap_err();
        assert!(matches!(error, ToolError::Unverified(_)), "{error:?}");
    }
}
