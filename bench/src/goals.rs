//! Goals, as an operator gives them.

use std::path::Path;
use std::time::{Duration, Instant};

use aios_contracts::v1::{GetGoalRequest, GoalState, ListDecisionsRequest, SubmitGoalRequest};
use aiosctl::client::Client;
use aiosctl::config::Store;
use anyhow::{Context, Result, anyhow, ensure};
use tokio::task::JoinSet;

use crate::figure::{Figure, quantile_ms};

/// Goals that nobody gave before, so that the model has to plan them.
const PLANNED: usize = 20;
/// The same goal again and again: the reactive level's.
const TRIVIAL: usize = 200;
/// Goals at once.
const CLIENTS: usize = 8;

/// Time to a validated plan, and trivial goals per second.
pub async fn measure(config: &Path) -> Result<Vec<Figure>> {
    let client = connect(config).await?;
    let mut plans = Vec::new();
    for number in 0..PLANNED {
        let goal = run(&client, &format!("is port {} open?", 20_000 + number)).await?;
        let request = ListDecisionsRequest {
            goal_id: goal,
            limit: 10,
        };
        let answer = client
            .management()
            .list_decisions(request)
            .await?
            .into_inner();
        let first = answer
            .decisions
            .iter()
            .min_by_key(|decision| decision.time_ms);
        plans.push(Duration::from_micros(
            first.context("no decision is on record")?.cost_us,
        ));
    }
    run(&client, "is port 9090 open?").await?;
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = client.clone();
        clients.spawn(async move {
            for _ in 0..TRIVIAL / CLIENTS {
                run(&client, "is port 9090 open?").await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let rate = TRIVIAL as f64 / start.elapsed().as_secs_f64();
    Ok(vec![
        Figure::new(
            "goal to validated plan, operator model, p50",
            quantile_ms(&mut plans, 0.5),
            "ms",
        ),
        Figure::new("trivial goals, end to end", rate, "/s"),
    ])
}

async fn connect(config: &Path) -> Result<Client> {
    let store = Store::open(Some(config)).map_err(|failure| anyhow!("{failure}"))?;
    let (_, context) = store
        .context(None)
        .map_err(|failure| anyhow!("{failure}"))?;
    Client::connect(context, None)
        .await
        .map_err(|failure| anyhow!("{failure}"))
}

/// Gives a goal and waits for its success; its id.
async fn run(client: &Client, text: &str) -> Result<String> {
    let mut api = client.management();
    let request = SubmitGoalRequest {
        text: text.to_owned(),
        request_id: uuid::Uuid::now_v7().to_string(),
        ..SubmitGoalRequest::default()
    };
    let mut goal = api.submit_goal(request).await?.into_inner();
    let mut changes = api
        .watch_goal(GetGoalRequest {
            id: goal.id.clone(),
        })
        .await?
        .into_inner();
    while let Some(now) = changes.message().await? {
        goal = now;
    }
    ensure!(
        goal.state() == GoalState::Succeeded,
        "{text:?} ended with {:?}",
        goal.reason
    );
    Ok(goal.id)
}
