//! What tools share that change unit files: which services are packages' or the operator's own.

use std::path::Path;

use aios_daemon::Places;
use aios_tool::edit::Plan;
use aios_tool::error::ToolError;
use aios_tool::file::meta::Meta;
use aios_tool::file::state::State;
use aios_units::Unit;

use crate::role::OwnServices;

/// Where an operator's unit files are.
pub const FOLDER: &str = "/etc/systemd/system";

/// The name without `.service`, when it is no service of aiOS's own.
///
/// # Errors
/// `Denied` for one of aiOS's own.
pub fn packaged(name: &str) -> Result<&str, ToolError> {
    let bare = name.strip_suffix(".service").unwrap_or(name);
    let own = OwnServices::read(&Places::of_this_process().etc);
    match own.has(bare) {
        false => Ok(bare),
        true => Err(ToolError::Denied(format!(
            "{bare} is a service of aiOS's own, which a manifest describes; no unit file changes it"
        ))),
    }
}

/// The unit of a service.
///
/// # Errors
/// `Precondition` when there is none that can be run.
pub fn unit(name: &str) -> Result<Unit, ToolError> {
    aios_units::find(name).map_err(|why| ToolError::Precondition(format!("{name}: {why}")))
}

/// A plan that begins with a folder and those above it, as far as they are missing.
///
/// # Errors
/// When it cannot be seen what is there.
pub fn with_folder(folder: &str) -> Result<Plan, ToolError> {
    let mut plan = Plan::new();
    let above = Path::new(folder).ancestors().filter_map(Path::to_str);
    let mut above: Vec<&str> = above.filter(|path| *path != "/").collect();
    above.reverse();
    for path in above {
        if State::at(path)? == State::Absent {
            plan = plan.folder(path, Meta::new(0o755, (0, 0)))?;
        }
    }
    Ok(plan)
}
