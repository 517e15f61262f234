//! `aios-maintenance`: the daemon of a node that nobody can manage yet.

use std::sync::Arc;

use aios_maintenance::{Place, init::Init, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    aios_proto::logging::init();
    let place = Place::of_this_node();
    let installer = Init::new(&place)?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = run(&place, Arc::new(installer)) => ended,
        _ = terminate.recv() => Ok(()),
    }
}
