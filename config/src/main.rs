//! `aios-config`: shows, checks and changes the node's configuration. Started when it is needed;
//! leaves when nobody has asked for a while.

mod daemon;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    aios_proto::logging::init();
    daemon::run().await
}
