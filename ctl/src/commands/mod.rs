//! One file per command group: its arguments, what it asks, how it is shown.

pub mod agents;
pub mod approvals;
pub mod audit;
pub mod boot;
pub mod completions;
pub mod config;
pub mod degraded;
pub mod emergency;
pub mod goal;
pub mod logs;
pub mod mcp;
pub mod models;
pub mod node_config;
pub mod pki;
mod pki_revoke;
pub mod power;
pub mod preview;
pub mod sbom;
pub mod schedules;
pub mod services;
pub mod status;
pub mod storage;
pub mod tools;
pub mod undo;
pub mod update;

use crate::cli::{Cli, Command, Global};
use crate::client::Client;
use crate::config::Store;
use crate::error::{Exit, Failure};
use crate::output::Output;

/// Runs the command that the arguments name.
///
/// # Errors
/// Whatever kept it from being done.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    let output = Output { json: global.json };
    match command {
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Config(arguments) => config::run(&global, output, arguments).await,
        Command::Pki(arguments) => pki::run(&global, output, arguments).await,
        Command::Audit(arguments) => audit::run(&global, output, arguments).await,
        Command::Goal(arguments) => goal::run(&connect(&global).await?, output, arguments).await,
        Command::Tools(arguments) => tools::run(&connect(&global).await?, output, arguments).await,
        Command::Undo(arguments) => undo::run(&connect(&global).await?, output, arguments).await,
        Command::Logs(arguments) => logs::run(&connect(&global).await?, output, arguments).await,
        Command::Services(arguments) => {
            services::run(&connect(&global).await?, output, arguments).await
        }
        Command::Emergency(arguments) => {
            emergency::run(&connect(&global).await?, output, arguments).await
        }
        Command::Approvals(arguments) => {
            approvals::run(&connect(&global).await?, output, arguments).await
        }
        Command::Schedules(arguments) => {
            schedules::run(&connect(&global).await?, output, arguments).await
        }
        Command::Storage(arguments) => {
            storage::run(&connect(&global).await?, output, arguments).await
        }
        Command::Mcp(_) => Err(mcp::elsewhere()),
        Command::Status => status::run(&connect(&global).await?, output).await,
        Command::Boot => boot::run(&connect(&global).await?, output).await,
        Command::Degraded { all } => degraded::run(&connect(&global).await?, output, all).await,
        Command::Sbom { summary } => sbom::run(&connect(&global).await?, output, summary).await,
        Command::Agents => agents::run(&connect(&global).await?, output).await,
        Command::Models => models::run(&connect(&global).await?, output).await,
        Command::Reboot(arguments) => {
            power::reboot(&connect(&global).await?, output, arguments).await
        }
        Command::Update(arguments) => {
            update::update(&connect(&global).await?, output, arguments).await
        }
        Command::Rollback(arguments) => {
            update::rollback(&connect(&global).await?, output, arguments).await
        }
        Command::Slots => update::slots(&connect(&global).await?, output).await,
        Command::FactoryReset(arguments) => {
            power::factory_reset(&connect(&global).await?, output, arguments).await
        }
        Command::Shutdown(arguments) => {
            power::shutdown(&connect(&global).await?, output, arguments).await
        }
    }
}

/// Opens the configuration and connects to the appliance of the chosen context.
///
/// # Errors
/// When the configuration is wrong or the appliance cannot be reached.
pub async fn connect(global: &Global) -> Result<Client, Failure> {
    let store = Store::open(global.config.as_deref())?;
    let (_, context) = store.context(global.context.as_deref())?;
    let mut context = context.clone();
    if let Some(endpoint) = &global.endpoint {
        context.endpoint = crate::config::endpoint(endpoint)?;
    }
    Client::connect(&context, global.timeout).await
}
