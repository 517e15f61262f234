//! The agents: who takes what, are they there, and giving them tasks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aios_contracts::v1::agent_client::AgentClient;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{
    AgentInfo, ExecuteRequest, GetAgentRequest, KillAgentsRequest, ServiceRequest, Task,
};
use aios_daemon::manifest::AgentManifest;
use aios_daemon::retry;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::Channel;

use crate::clients;

/// An agent that does not say how it is within this time is not connected.
const ANSWER: Duration = Duration::from_secs(2);

/// Between two tries to reach an agent.
const RETRY: Duration = Duration::from_millis(200);

/// How long init may take to start one process; an emulated machine needs seconds.
const START: Duration = Duration::from_secs(60);

/// One agent, as it is known here.
#[derive(Debug)]
struct Known {
    manifest: AgentManifest,
    client: AgentClient<Channel>,
    connected: AtomicBool,
}

/// All agents that have a manifest.
#[derive(Debug)]
pub struct Agents {
    known: BTreeMap<String, Known>,
    init: InitClient<Channel>,
    patience: Duration,
}

impl Agents {
    /// The agents of these manifests, whose sockets are in `run/agents`.
    pub fn new(
        manifests: Vec<AgentManifest>,
        run: &Path,
        init: InitClient<Channel>,
        patience: Duration,
    ) -> Self {
        let mut known = BTreeMap::new();
        for manifest in manifests {
            let client = clients::agent(run, &manifest.name);
            let connected = AtomicBool::new(false);
            known.insert(
                manifest.name.clone(),
                Known {
                    manifest,
                    client,
                    connected,
                },
            );
        }
        Self {
            known,
            init,
            patience,
        }
    }

    /// The agent that takes tasks of this act.
    pub fn route(&self, act: &str) -> Option<&str> {
        let takes = |known: &&Known| known.manifest.takes(act);
        self.known
            .values()
            .find(takes)
            .map(|known| known.manifest.name.as_str())
    }

    /// Gives a task to an agent, again as long as the agent is away: it resumes, it does not repeat.
    ///
    /// # Errors
    /// The agent's refusal, or its absence.
    pub async fn execute(&self, agent: &str, request: &ExecuteRequest) -> Result<Task, Status> {
        let known = self
            .known
            .get(agent)
            .ok_or_else(|| Status::not_found(format!("there is no agent {agent:?}")))?;
        let answer = retry::persistently(self.patience, || {
            let mut client = known.client.clone();
            let request = request.clone();
            async move { client.execute(request).await }
        });
        answer.await.map(tonic::Response::into_inner)
    }

    /// Has init start every agent, at once, and waits until they answer, at most until `end`.
    /// Returns the names of those that do not.
    pub async fn start(&self, end: Instant) -> Vec<String> {
        let starts = self.known.values().map(|known| self.start_one(known, end));
        join_all(starts).await;
        self.missing()
    }

    /// Has init kill every agent, within `limit`: agents keep nothing, and one that was asked to end
    /// could take its time. Returns which live on, or why that is not known.
    pub async fn kill(&self, limit: Duration) -> Vec<String> {
        let mut init = self.init.clone();
        let remarks = match timeout(limit, init.kill_agents(KillAgentsRequest {})).await {
            Ok(Ok(answer)) => {
                let remaining = answer.into_inner().remaining.into_iter();
                let lives = |name| format!("{name} was killed and has not ended yet");
                remaining.map(lives).collect()
            }
            Ok(Err(status)) => vec![format!("agents were not stopped: {}", status.message())],
            Err(_) => vec!["agents were not stopped in time".to_owned()],
        };
        for known in self.known.values() {
            known.connected.store(false, Ordering::Relaxed);
        }
        remarks
    }

    /// Those that are not connected, as far as is known.
    pub fn missing(&self) -> Vec<String> {
        let away = |known: &&Known| !known.connected.load(Ordering::Relaxed);
        self.known
            .values()
            .filter(away)
            .map(|known| known.manifest.name.clone())
            .collect()
    }

    /// How many there should be.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Is there no manifest at all?
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How each agent is now.
    pub async fn list(&self) -> Vec<AgentInfo> {
        join_all(self.known.values().map(info)).await
    }

    async fn start_one(&self, known: &Known, end: Instant) {
        if info(known).await.connected {
            return; // only we were restarted
        }
        let name = format!("agent-{}", known.manifest.name);
        let asked = retry::persistently(START, || {
            let mut init = self.init.clone();
            let request = ServiceRequest { name: name.clone() };
            async move { init.start_service(request).await }
        });
        match tokio::time::timeout_at(end, asked).await {
            Ok(Err(status)) => tracing::warn!("init did not start {name}: {}", status.message()),
            Err(_) => tracing::warn!("init did not start {name} in time"),
            Ok(Ok(_)) => {}
        }
        while !info(known).await.connected && Instant::now() + RETRY < end {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Asks the agent how it is; what its manifest says when it does not answer.
async fn info(known: &Known) -> AgentInfo {
    let mut client = known.client.clone();
    let answer = timeout(ANSWER, client.get_agent(GetAgentRequest {})).await;
    let answer = answer
        .ok()
        .and_then(Result::ok)
        .map(tonic::Response::into_inner);
    let connected = answer.is_some();
    if known.connected.swap(connected, Ordering::Relaxed) != connected {
        let state = if connected { "connected" } else { "away" };
        tracing::info!("agent {} is {state}", known.manifest.name);
    }
    let manifest = &known.manifest;
    AgentInfo {
        name: manifest.name.clone(),
        description: manifest.description.clone(),
        tools: manifest.tools.clone(),
        capabilities: manifest.capabilities.clone(),
        connected,
        ..answer.unwrap_or_default()
    }
}

/// Runs all at once and returns their results in order.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut open = false;
        for (future, result) in running.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    results.into_iter().flatten().collect()
}
