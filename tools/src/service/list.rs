//! `service.list`: all services and how they are.

use super::{Service, fetch_all};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `service.list`.
pub struct List;

/// All services.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// In PID 1's order.
    pub services: Vec<Service>,
}

impl Tool for List {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("service.list", "Lists all services with their states.")
            .needing("service", "read", "list")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        summary(&output.services)
    }
}

impl Look for List {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        Ok(Output {
            services: fetch_all(context)?,
        })
    }
}

/// How many are up, and what is the matter with the others.
pub fn summary(services: &[Service]) -> String {
    let up = services.iter().filter(|service| service.is_up()).count();
    let names = |wanted: bool| -> Vec<&str> {
        let chosen = services.iter().filter(|service| service.is_up() == wanted);
        chosen.map(|service| service.name.as_str()).collect()
    };
    let mut lines = vec![format!(
        "{up} of {} services are up: {}",
        services.len(),
        names(true).join(", ")
    )];
    for service in services.iter().filter(|service| !service.is_up()) {
        lines.push(service.describe());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use aios_tool::tool::look;
    use serde_json::json;

    #[test]
    fn all_services_are_listed_and_those_that_are_down_explained() {
        let init = Init::new();
        init.set("cron", "degraded");
        let done = init.look::<List>(json!({})).unwrap();
        assert_eq!(done.output["services"].as_array().unwrap().len(), 3);
        assert!(
            done.summary
                .starts_with("2 of 3 services are up: memory, tools\n"),
            "{}",
            done.summary
        );
        assert!(
            done.summary.contains("cron is degraded for 0 s"),
            "{}",
            done.summary
        );
    }

    #[test]
    fn without_init_the_error_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            crate::trial::call_in(look::<List>().as_ref(), json!({}), folder.path()).unwrap_err();
        assert!(matches!(error, ToolError::Unavailable(_)), "{error:?}");
    }
}
