//! `aios-orchestrator`: goal engine, planner, router and management API.

use aios_orchestrator::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    aios_proto::logging::init();
    Config::load()?.build()?.run().await
}
