//! The daemon: configuration, ledger and store, then the service on `tools.sock`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::emergency_server::EmergencyServer;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_daemon::serve::{self, Door};
use aios_daemon::socket;
use aios_daemon::{Callers, Places};
use aios_ledger::Ledger;
use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::grants::Grants;
use crate::grpc::{self, Right, Service};
use crate::pipeline::Pipeline;
use crate::registry::Registry;
use crate::{confine, emergency, retention};

/// How often the ledger makes durable what changes nothing.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How often the ledger asks a disk for its reserve that was full.
const RESERVE_EVERY: Duration = Duration::from_secs(10);

/// Serves until SIGTERM.
///
/// # Errors
/// When it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let places = Places::of_this_process();
    let socket = places.socket("tools");
    let config = Config::load(places);
    let pipeline = build(&config)?;
    let keep_days = config.tools.undo_keep_days;
    tokio::spawn(retention::watch(Arc::clone(&pipeline), keep_days));
    serve(pipeline, &socket).await
}

fn build(config: &Config) -> anyhow::Result<Arc<Pipeline>> {
    confine::log_support();
    let registry = Registry::complete();
    let pipeline = Pipeline::open(config, registry, grants(config), Handle::current())?;
    Ok(Arc::new(pipeline))
}

/// What the agents' manifests grant. When one is wrong nobody is granted anything, and everything
/// that is left goes on.
fn grants(config: &Config) -> Grants {
    let read = aios_daemon::manifest::read_all(&config.etc_dir.join("agents"));
    let granted = match &read {
        Ok(manifests) => Grants::from_manifests(manifests),
        Err(error) => Err(error.to_string()),
    };
    granted.unwrap_or_else(|error| {
        tracing::error!("no agent holds any capability: {error}");
        Grants::default()
    })
}

async fn serve(pipeline: Arc<Pipeline>, socket: &Path) -> anyhow::Result<()> {
    let terminated = serve::terminated()?;
    let callers = Callers::by_kernel();
    let door = Door::open(socket, &callers, &[&grpc::ACCESS, &emergency::ACCESS])?
        .takes(&grpc::ACCESS, Right::Call, "Call", socket::MESSAGE_MAX)
        .takes(
            &grpc::ACCESS,
            Right::Task,
            "RegisterTask",
            socket::MESSAGE_MAX,
        )
        .takes(&grpc::ACCESS, Right::Record, "Record", grpc::RECORD_MAX);
    let service = Service::new(Arc::clone(&pipeline), callers.clone(), Arc::default());
    let service = ToolsServer::new(service)
        .max_decoding_message_size(socket::MESSAGE_MAX)
        .max_encoding_message_size(socket::MESSAGE_MAX);
    let emergency = emergency::Service::new(Arc::clone(&pipeline), callers, Arc::new(abort));
    let services = door
        .server()
        .add_service(service)
        .add_service(EmergencyServer::new(emergency));
    let syncing = tokio::spawn(sync_ledger(Arc::clone(&pipeline)));
    let renewing = tokio::spawn(renew_reserve(Arc::clone(pipeline.ledger())));
    let settling = Arc::clone(&pipeline);
    let left = pipeline.left_open();
    tokio::task::spawn_blocking(move || settling.settle_left(left));
    serve::ready();
    tracing::info!("ready: {} tools", pipeline.registry().iter().count());
    door.serve(services, terminated).await?; // what is not finished is settled at the next start
    syncing.abort();
    renewing.abort();
    pipeline.empty_journal();
    pipeline.ledger().sync().context("the ledger's last sync")?;
    tracing::info!("stopped");
    std::process::exit(0) // does not wait for acts that hang; they are settled at the next start
}

/// Ends acts that cannot be ended otherwise. PID 1 starts this daemon again, which settles them.
fn abort() {
    std::process::exit(1)
}

/// Makes entries of calls that only looked durable, when there are new ones, and has refusals on record
/// that were only counted.
async fn sync_ledger(pipeline: Arc<Pipeline>) {
    let mut tick = tokio::time::interval(SYNC_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut synced = 0;
    loop {
        tick.tick().await;
        let counting = Arc::clone(&pipeline);
        match tokio::task::spawn_blocking(move || counting.record_held_back()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("refusals are not on record: {error}"),
            Err(error) => tracing::error!("counting refusals crashed: {error}"),
        }
        let len = pipeline.ledger().len();
        if len == synced {
            continue;
        }
        let ledger = Arc::clone(pipeline.ledger());
        match tokio::task::spawn_blocking(move || ledger.sync()).await {
            Ok(Ok(())) => synced = len,
            Ok(Err(error)) => tracing::error!("the ledger cannot be synced: {error}"),
            Err(error) => tracing::error!("syncing the ledger crashed: {error}"),
        }
    }
}

/// Keeps room ready for the ledger's next entries, as soon as a full disk has room again.
async fn renew_reserve(ledger: Arc<Ledger>) {
    let mut tick = tokio::time::interval(RESERVE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let ledger = Arc::clone(&ledger);
        let renewed = tokio::task::spawn_blocking(move || ledger.renew_reserve());
        if let Err(error) = renewed.await {
            tracing::error!("renewing the ledger's reserve crashed: {error}");
        }
    }
}
