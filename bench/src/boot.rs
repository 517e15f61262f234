//! How soon a container's management API was there.

use std::path::Path;

use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{GetBootRequest, ListServicesRequest};
use aios_daemon::socket;
use anyhow::{Context, Result, ensure};

use crate::figure::Figure;

/// PID 1's start until the orchestrator serves the API, which it says by READY=1.
///
/// The models load meanwhile, and are READY's business. Services tell the time of the machine, the
/// timeline that of PID 1: the model server's is in both.
pub async fn measure(run: &Path) -> Result<Vec<Figure>> {
    let mut init = InitClient::new(socket::channel(&run.join("init.sock"))?);
    let boot = init.get_boot(GetBootRequest {}).await?.into_inner();
    let services = init
        .list_services(ListServicesRequest {})
        .await?
        .into_inner()
        .services;
    let since = |name: &str| {
        let service = services.iter().find(|service| service.name == name);
        let service = service.with_context(|| format!("there is no service {name}"))?;
        ensure!(service.restarts == 0, "{name} was started again");
        anyhow::Ok(service.since_boot_ms)
    };
    let models = boot.phases.get(1).context("no phase 2")?.finished_ms;
    let zero = since("runtime")?.saturating_sub(models);
    let served = since("orchestrator")?.saturating_sub(zero);
    Ok(vec![Figure::new(
        "container: PID 1 start to management API",
        served as f64,
        "ms",
    )])
}
