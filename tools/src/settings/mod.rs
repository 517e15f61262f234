//! `config.*`: the node's configuration, through the daemon that keeps it (`aios-config`): it checks
//! every change, makes it durable, tells the services, and puts it on record.

pub mod diff;
pub mod get;
pub mod history;
pub mod set;
pub mod text;

#[cfg(test)]
pub(crate) mod fake;

use std::sync::Arc;

use aios_config::{Config, Force, Key};
use aios_contracts::v1::config_client::ConfigClient;
use aios_contracts::v1::{
    ApplyConfigRequest, ConfigCheck, ConfigState, GetConfigRequest, ValidateConfigRequest,
};
use aios_daemon::demand::Demand;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::format::printable;
use aios_tool::tool::{ErasedTool, change, look};
use sha2::{Digest as _, Sha256};
use tonic::transport::Channel;

/// The service that keeps the configuration.
const SERVICE: &str = "config";
/// What is changed, for people.
const FILE: &str = "/etc/aios/config.toml";

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<get::Get>(),
        change::<set::Set>(),
        look::<diff::Diff>(),
        look::<history::History>(),
    ]
}

fn client(context: &Context) -> Result<ConfigClient<Channel>, ToolError> {
    Ok(ConfigClient::new(context.daemon(SERVICE)?))
}

/// The configuration as it is in effect.
///
/// # Errors
/// `Unavailable` when the daemon does not answer.
fn state(context: &Context) -> Result<ConfigState, ToolError> {
    let client = client(context)?;
    let demand = Demand::new(context.init()?, SERVICE);
    context.block_on(demand.ask(context.remaining(), || {
        let mut client = client.clone();
        async move { client.get_config(GetConfigRequest {}).await }
    }))
}

/// What the daemon says to a configuration; nothing changes.
///
/// # Errors
/// `Unavailable` when the daemon does not answer.
fn check(toml: &str, context: &Context) -> Result<ConfigCheck, ToolError> {
    let client = client(context)?;
    let demand = Demand::new(context.init()?, SERVICE);
    context.block_on(demand.ask(context.remaining(), || {
        let mut client = client.clone();
        let toml = toml.to_owned();
        async move { client.validate_config(ValidateConfigRequest { toml }).await }
    }))
}

/// Has a configuration applied in the place of the one with this digest.
///
/// # Errors
/// What is wrong with it; `Precondition` when another was applied meanwhile, or one is tried.
fn apply(toml: String, in_place_of: &str, context: &Context) -> Result<ConfigCheck, ToolError> {
    let mut client = client(context)?;
    let request = ApplyConfigRequest {
        toml,
        try_seconds: 0,
        expected_sha256: in_place_of.to_owned(),
        on_behalf_of: format!("execution {}", context.execution()),
    };
    let answer = context.block_on(async { client.apply_config(request).await })?;
    Ok(answer.into_inner())
}

/// Refuses a configuration of which the daemon does not show all: it cannot be written back.
fn is_whole(state: &ConfigState) -> Result<(), ToolError> {
    let digest = aios_tool::file::state::hex(&Sha256::digest(&state.toml));
    match digest == state.sha256 {
        true => Ok(()),
        false => Err(ToolError::Precondition(format!(
            "{FILE} holds what is not shown; apply a whole configuration"
        ))),
    }
}

/// All that is wrong with a configuration, one problem a line.
fn problems(check: &ConfigCheck) -> String {
    let one = |problem: &aios_contracts::v1::ConfigProblem| {
        let hint = match problem.suggestion.as_str() {
            "" => String::new(),
            hint => format!(" ({})", printable(hint)),
        };
        format!(
            "{}: {}{hint}",
            printable(&problem.key),
            printable(&problem.text)
        )
    };
    check
        .problems
        .iter()
        .map(one)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The key of this name, if there is one.
fn known(name: &str) -> Option<Key> {
    Config::keys().into_iter().find(|key| key.path() == name)
}

/// What becomes of a key, for people; empty when services simply read it.
fn note(key: &Key) -> String {
    match &key.force {
        Force::Read(_) => String::new(),
        Force::SameAs(other) => format!("another name of {other}"),
        Force::Always(why) => format!("holds on every node: {why}"),
        Force::Pending(part) => format!("not in force yet: it needs {part}"),
    }
}
