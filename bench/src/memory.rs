//! The memory: how fast it writes, and how soon it is back when killed.

use std::path::Path;
use std::time::{Duration, Instant};

use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::{Goal, GoalState, ListGoalsRequest, PutGoalRequest};
use aios_daemon::socket;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::figure::{Figure, quantile_ms};
use crate::footprint::processes_of;

const WRITERS: usize = 64;
const WRITES_EACH: usize = 200;
const KILLS: usize = 5;

/// A killed daemon that is not back by then will not come.
const BACK_LIMIT: Duration = Duration::from_secs(10);

/// Longer apart than a restart's settling time, so that each kill is a first one.
const BETWEEN_KILLS: Duration = Duration::from_secs(6);

/// Durable inserts per second; killed daemon to serving again.
pub async fn measure(run: &Path, init: u32) -> Result<Vec<Figure>> {
    let path = run.join("memory.sock");
    let client = MemoryClient::new(socket::channel(&path)?);
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let mut client = client.clone();
        writers.spawn(async move {
            for _ in 0..WRITES_EACH {
                client.put_goal(finished_goal()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let rate = (WRITERS * WRITES_EACH) as f64 / start.elapsed().as_secs_f64();
    let mut away = Vec::new();
    for _ in 0..KILLS {
        away.push(kill_and_wait(&path, init).await?);
        tokio::time::sleep(BETWEEN_KILLS).await;
    }
    Ok(vec![
        Figure::new("durable memory inserts", rate, "/s"),
        Figure::new(
            "killed daemon to serving again",
            quantile_ms(&mut away, 0.5),
            "ms",
        ),
    ])
}

fn finished_goal() -> PutGoalRequest {
    let goal = Goal {
        id: uuid::Uuid::now_v7().to_string(),
        text: "a goal of the benchmark".to_owned(),
        state: GoalState::Cancelled.into(),
        created_ms: 1,
        updated_ms: 1,
        finished_ms: 1,
        ..Goal::default()
    };
    PutGoalRequest {
        goal: Some(goal),
        decisions: Vec::new(),
    }
}

async fn kill_and_wait(path: &Path, init: u32) -> Result<Duration> {
    let processes = processes_of(init)?;
    let memory = processes
        .iter()
        .find(|process| {
            process
                .command
                .first()
                .is_some_and(|name| name.ends_with("aios-memory"))
        })
        .context("aios-memory does not run")?;
    let pid = Pid::from_raw(memory.pid.cast_signed()).context("aios-memory has no pid")?;
    let start = Instant::now();
    kill_process(pid, Signal::KILL)?;
    while start.elapsed() < BACK_LIMIT {
        let mut client = MemoryClient::new(socket::channel(path)?);
        let request = ListGoalsRequest {
            limit: 1,
            ..ListGoalsRequest::default()
        };
        if client.list_goals(request).await.is_ok() {
            return Ok(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("aios-memory did not come back");
}
