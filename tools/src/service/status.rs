//! `service.status`: how one service is.

use super::{Service, fetch};
use aios_tool::argument::ServiceName;
use aios_tool::prelude::*;

arguments! {
    /// Arguments of `service.status`.
    pub struct Input {
        /// Name of the service, as `service.list` shows it.
        pub service: ServiceName<argument::Read>,
    }
}

/// The tool `service.status`.
pub struct Status;

impl Tool for Status {
    type Input = Input;
    type Output = Service;

    fn declaration() -> Declaration {
        Declaration::of("service.status", "Shows the state of a service.")
            .example(json!({"service": "nginx"}))
            .reading_the_machine()
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        let restarts = match output.restarts {
            0 => String::new(),
            1 => "; restarted once since boot".to_owned(),
            count => format!("; restarted {count} times since boot"),
        };
        let says = match output.status.is_empty() {
            true => String::new(),
            false => format!("; it says {:?}", output.status),
        };
        format!("{}{restarts}{says}", output.describe())
    }
}

impl Look for Status {
    fn look(input: &Input, context: &Context) -> Result<Service, ToolError> {
        fetch(input.service.as_str(), context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use serde_json::json;

    #[test]
    fn the_state_is_the_one_that_init_tells() {
        let init = Init::new();
        let done = init.look::<Status>(json!({"service": "memory"})).unwrap();
        assert_eq!(done.output["pid"], 71);
        assert!(
            done.summary.starts_with("memory is ready for "),
            "{}",
            done.summary
        );
        assert!(done.summary.contains("(pid 71, 12 MB)"), "{}", done.summary);
    }

    #[test]
    fn unknown_and_impossible_names_are_refused() {
        let init = Init::new();
        let error = |name: &str| init.look::<Status>(json!({"service": name})).unwrap_err();
        assert_eq!(
            error("nginx"),
            ToolError::Precondition("there is no service \"nginx\"".into())
        );
        for name in ["", "../x", "a b", "a:*", "memory\n", &"x".repeat(65)] {
            assert!(matches!(error(name), ToolError::Invalid(_)), "{name:?}");
        }
    }
}
