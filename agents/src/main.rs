//! `aios-agent NAME`: one agent, as its manifest says.

use aios_agents::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    aios_proto::logging::init();
    Config::load(std::env::args().nth(1))?.build()?.run().await
}
