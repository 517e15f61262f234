//! Tool calls, as an agent makes them.

use std::path::Path;
use std::time::Instant;

use aios_contracts::v1::CallRequest;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_daemon::socket;
use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::bare;
use crate::figure::{Figure, quantile_ms};

const READS: usize = 2000;
const WRITERS: usize = 16;
const WRITES_EACH: usize = 150;

/// Latency of a read-only call, and the rate of durable writes.
pub async fn measure(run: &Path, disk: &Path) -> Result<Vec<Figure>> {
    let client = ToolsClient::new(socket::channel(&run.join("tools.sock"))?);
    let mut reads = Vec::with_capacity(READS);
    for _ in 0..READS {
        let start = Instant::now();
        call(
            client.clone(),
            "fs.stat",
            json!({ "path": "/etc/hostname" }),
        )
        .await?;
        reads.push(start.elapsed());
    }
    let rate = writes_per_second(&client).await?;
    let folder = disk.join("bare-loop");
    std::fs::create_dir(&folder)?;
    let bare = bare::rounds_per_second(&folder, WRITERS, WRITES_EACH)?;
    Ok(vec![
        Figure::new(
            "read-only tool call, audited, p50",
            quantile_ms(&mut reads, 0.5),
            "ms",
        ),
        Figure::new(
            "read-only tool call, audited, p99",
            quantile_ms(&mut reads, 0.99),
            "ms",
        ),
        Figure::new("durable mutating calls, 16 clients", rate, "/s"),
        Figure::new(
            "durable calls for each round of a bare loop",
            rate / bare,
            "",
        ),
    ])
}

async fn writes_per_second(client: &ToolsClient<Channel>) -> Result<f64> {
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.spawn(async move {
            for round in 0..WRITES_EACH {
                let path = format!("/srv/bench-{writer}.txt");
                call(
                    client.clone(),
                    "fs.write",
                    json!({ "path": path, "content": round.to_string() }),
                )
                .await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    Ok((WRITERS * WRITES_EACH) as f64 / start.elapsed().as_secs_f64())
}

async fn call(
    mut client: ToolsClient<Channel>,
    tool: &str,
    arguments: serde_json::Value,
) -> Result<()> {
    let request = CallRequest {
        call_id: format!("bench/{}", uuid::Uuid::now_v7()),
        tool: tool.to_owned(),
        arguments_json: arguments.to_string(),
        reason: "benchmark".to_owned(),
        ..CallRequest::default()
    };
    client
        .call(request)
        .await
        .with_context(|| format!("{tool} {arguments}"))?;
    Ok(())
}
