//! `aiosctl reboot`, `aiosctl shutdown` and `aiosctl factory-reset`

use std::time::Duration;

use aios_contracts::v1::{FactoryResetRequest, GetStatusRequest, PowerAction, PowerRequest};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::Output;

/// How long an orderly shutdown may take: services have 5 s each at most, in parallel.
const GONE_TIMEOUT: Duration = Duration::from_secs(120);

/// How often to look whether it is gone.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `reboot` and `shutdown`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Wait until the appliance no longer answers
    #[arg(long)]
    wait: bool,
    /// Why, for its log
    #[arg(long, default_value = "asked for with aiosctl")]
    reason: String,
}

/// Arguments of `factory-reset`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Certificates, configuration, goals, memory, the audit ledger, logs, installed packages \
and every file that was written are gone after it, and cannot be brought back. Export the ledger first \
(`aiosctl audit export`). The node starts again in maintenance mode, unless its identity is given \
to it at boot (fw_cfg, AIOS-CONFIG)."
)]
pub struct ResetArguments {
    /// The machine's name, as `aiosctl status` shows it: what is erased
    node: String,
}

pub(super) async fn factory_reset(
    client: &Client,
    output: Output,
    arguments: ResetArguments,
) -> Result<Exit, Failure> {
    let node = arguments.node;
    let request = FactoryResetRequest { node: node.clone() };
    client
        .call(client.management().factory_reset(request))
        .await?;
    output.print(&json!({ "state": "erasing", "node": node }), || {
        format!("{node} reboots and erases everything that it was given or has learned")
    })?;
    Ok(Exit::Succeeded)
}

pub(super) async fn reboot(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    power(client, output, arguments, PowerAction::Reboot, "rebooting").await
}

pub(super) async fn shutdown(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    power(client, output, arguments, PowerAction::Off, "powering off").await
}

async fn power(
    client: &Client,
    output: Output,
    arguments: Arguments,
    action: PowerAction,
    doing: &str,
) -> Result<Exit, Failure> {
    let request = PowerRequest {
        action: action.into(),
        reason: arguments.reason,
    };
    client.call(client.management().power(request)).await?;
    if arguments.wait {
        wait_until_gone(client).await?;
    }
    let state = if arguments.wait { "gone" } else { doing };
    output.print(&json!({ "state": state }), || state.to_owned())?;
    Ok(Exit::Succeeded)
}

/// Until calls over the connection no longer get an answer from the appliance.
async fn wait_until_gone(client: &Client) -> Result<(), Failure> {
    let limit = client.timeout(GONE_TIMEOUT);
    let end = Instant::now() + limit;
    while Instant::now() < end {
        let mut api = client.management();
        match timeout(Duration::from_secs(2), api.get_status(GetStatusRequest {})).await {
            // A source means that the transport failed: nobody answered.
            Ok(Err(status)) if std::error::Error::source(&status).is_some() => return Ok(()),
            _ => sleep(PROBE_EVERY).await,
        }
    }
    Err(client.late(limit))
}
