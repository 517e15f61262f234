//! `service.reload`: has a package's service read its configuration again, without a restart.

use aios_tool::argument::{self, ServiceName};
use aios_tool::prelude::*;
use caps::Capability;
use rustix::process::{Pid, Signal, kill_process};

use super::unit_file::{packaged, unit};
use super::{Service, fetch};

arguments! {
    /// Arguments of `service.reload`.
    pub struct Input {
        /// Name of the service, as `service.list` shows it. Its unit has an `ExecReload=`.
        pub service: ServiceName<argument::Reload>,
    }
}

/// The tool `service.reload`.
pub struct Reload;

/// The service, which runs and whose unit says how it is reloaded.
fn reloadable(input: &Input, context: &Context) -> Result<Service, ToolError> {
    let bare = packaged(input.service.as_str())?;
    if unit(bare)?.reload.is_empty() {
        return Err(ToolError::Precondition(format!(
            "{bare} has no ExecReload=: it cannot be reloaded, only restarted (service.restart)"
        )));
    }
    let now = fetch(bare, context)?;
    match now.state == "ready" && now.pid > 0 {
        true => Ok(now),
        false => Err(ToolError::Precondition(format!(
            "{}; it must run",
            now.describe()
        ))),
    }
}

impl Tool for Reload {
    type Input = Input;
    type Output = Service;

    fn declaration() -> Declaration {
        Declaration::of(
            "service.reload",
            "Has a package's service read its configuration again, by its unit's ExecReload, without a restart.",
        )
        .risk(Risk::Medium)
        .least(Least::AdminForOwn)
        .kernel(&[Capability::CAP_KILL])
        .reading_the_machine()
        .example(json!({"service": "nginx"}))
    }

    fn summarize(_input: &Input, output: &Service) -> String {
        format!("{} was told to reload; {}", output.name, output.describe())
    }
}

impl Change for Reload {
    fn effect() -> Effect {
        Effect::of("the service still runs, by the same process", &["reload"])
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let now = reloadable(input, context)?;
        let object = format!("service {}", now.name);
        let after = "reads its configuration again";
        Ok(aios_tool::preview::Foreseen::of(object, &now.state, after).into())
    }

    fn act(input: &Input, context: &Context) -> Result<Service, ToolError> {
        let now = reloadable(input, context)?;
        // The unit's runner, which PID 1 keeps, reloads on SIGHUP.
        let pid = i32::try_from(now.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| ToolError::Failed(format!("{} has no process", now.name)))?;
        kill_process(pid, Signal::HUP)
            .map_err(|error| ToolError::io(format!("signalling {}", now.name), error))?;
        Ok(now)
    }

    fn verify(input: &Input, output: &Service, context: &Context) -> Result<(), ToolError> {
        crate::procfs::pause(context, std::time::Duration::from_millis(300))?;
        let now = fetch(packaged(input.service.as_str())?, context)?;
        match now.pid == output.pid && now.state == "ready" {
            true => Ok(()),
            false => Err(ToolError::Unverified(now.describe())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;

    #[test]
    fn only_a_packages_service_that_says_how_is_reloaded() {
        let init = Init::new();
        let reload = |name: &str| init.change::<Reload>(json!({ "service": name }));
        let own = reload("memory").unwrap_err();
        assert!(matches!(own, ToolError::Denied(_)), "{own:?}");
        let unknown = reload("no-such-service-here").unwrap_err();
        assert!(matches!(unknown, ToolError::Precondition(_)), "{unknown:?}");
    }
}
