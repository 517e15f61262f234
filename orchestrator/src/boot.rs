//! Putting the orchestrator together, and its order of starting: local pieces and API, READY=1;
//! then agents, unfinished goals, AIOS_PHASE=5.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aios_brain::skills::Skill;
use aios_daemon::manifest;
use aios_update::place::Machine;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agents::Agents;
use crate::api::{self, Endpoint, service::Management};
use crate::approvals::Approvals;
use crate::clients::Clients;
use crate::config::Config;
use crate::degraded;
use crate::dispatch::Dispatch;
use crate::emergency::{self, Emergency};
use crate::goals::{Goals, Parts};
use crate::good;
use crate::plan::Planner;
use crate::plan::operator::{OperatorModel, Understand};
use crate::record::Recorder;
use crate::registry::Registry;
use crate::schedules::{self, Schedules};
use crate::sessions;
use crate::standing::Standing;
use crate::store::Store;
use crate::update::Updates;
use crate::witness::Witness;

/// Between two tries to bring back agents that are away.
pub(crate) const AGENTS_AGAIN: Duration = Duration::from_secs(10);

/// READY=1 waits so long for the management API to listen.
const API_WAIT: Duration = Duration::from_millis(200);

/// Between two tries to read unfinished goals.
const RESUME_AGAIN: Duration = Duration::from_secs(2);

/// How long requests under way may take after SIGTERM. Goals need no grace: they are durable.
const GRACE: Duration = Duration::from_millis(300);

/// The orchestrator, put together.
pub struct Orchestrator {
    config: Config,
    clients: Clients,
    agents: Arc<Agents>,
    skills: Vec<Skill>,
    model: Option<Box<dyn Understand>>,
}

/// The parts that run.
pub struct Running {
    /// Goals.
    pub goals: Goals,
    /// Agents.
    pub agents: Arc<Agents>,
    /// Where the API listens; `None` while it does not.
    pub api: watch::Receiver<Option<SocketAddr>>,
    /// What knows the ledger.
    pub witness: Witness,
    /// Everything that runs; ends when this is dropped.
    pub tasks: tokio::task::JoinSet<()>,
}

impl Orchestrator {
    /// Reads manifests, skills and the model.
    ///
    /// # Errors
    /// When a manifest is wrong. Missing skills and a missing model are logged.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let clients = Clients::new(&config.run)?;
        let patience = config.limits.patience;
        let manifests = manifest::read_all(&config.etc.join("agents"))?;
        let agents = Agents::new(manifests, &config.run, clients.init.clone(), patience);
        let skills = Skill::load_dir(&config.lib.join("skills")).unwrap_or_else(|error| {
            tracing::error!("no skills: {}", aios_daemon::error::chain(&error));
            Vec::new()
        });
        let folder = config.lib.join("models");
        let standing = Standing::new(clients.init.clone());
        let model = OperatorModel::load(&folder, clients.runtime.clone(), standing, patience);
        let model = match model {
            Ok(model) => Some(Box::new(model) as Box<dyn Understand>),
            Err(error) => {
                tracing::error!("no operator model: {}", aios_daemon::error::chain(&error));
                None
            }
        };
        Ok(Self {
            config,
            clients,
            agents: Arc::new(agents),
            skills,
            model,
        })
    }

    /// The same with another model; for tests.
    pub fn with_model(mut self, model: Box<dyn Understand>) -> Self {
        self.model = Some(model);
        self
    }

    /// Runs until SIGTERM.
    ///
    /// # Errors
    /// When signals cannot be waited for.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let running = self.start();
        // Err: it has no certificate or no port yet; all else serves.
        drop(tokio::time::timeout(API_WAIT, running.api.clone().changed()).await);
        notify(&[NotifyState::Ready]);
        terminate.recv().await;
        tracing::info!("stopping; unfinished goals go on at the next start");
        tokio::join!(tokio::time::sleep(GRACE), running.witness.last_look());
        drop(running);
        Ok(())
    }

    /// Starts everything; agents and unfinished goals follow in the background.
    pub fn start(self) -> Running {
        let limits = self.config.limits;
        let recorder = Recorder::start(self.clients.tools.clone());
        let init = self.clients.init.clone();
        let standing = Standing::new(init.clone());
        let registry = Registry::new(
            self.clients.tools.clone(),
            standing.clone(),
            self.skills,
            limits.patience,
        );
        let emergency = Emergency::open(emergency::Parts {
            file: self.config.state.join(aios_daemon::emergency::FILE),
            shown: self.config.run.join("orchestrator/manual-mode"),
            tools: self.clients.emergency.clone(),
            agents: self.agents.clone(),
            recorder: recorder.clone(),
        });
        let ssh = sessions::watch(
            init.clone(),
            recorder.clone(),
            self.config.state.join("ssh-log"),
        );
        let approvals = Approvals::new(self.clients.listening.clone());
        let goals = Goals::new(Parts {
            approvals: approvals.clone(),
            store: Store::new(
                self.clients.memory.clone(),
                standing.clone(),
                limits.patience,
            ),
            planner: Planner::new(registry, init, self.model, limits.patience),
            dispatch: Dispatch::new(
                self.agents.clone(),
                self.clients.tools.clone(),
                limits.patience,
            ),
            standing,
            recorder: recorder.clone(),
            emergency: emergency.clone(),
            limits,
        });
        let witness = Witness::open(
            self.config.state.join("ledger.toml"),
            self.clients.tools.clone(),
            recorder.clone(),
        );
        let updates = Updates::new(&self.clients, recorder.clone());
        let health = good::Health::of(&self.clients);
        let safe = degraded::safe_mode(&self.config.run);
        let revoked = api::revoked::Revoked::new(&self.config.state, &self.config.etc.join("pki"));
        let schedules = Schedules::new(schedules::Parts {
            tools: self.clients.tools.clone(),
            goals: goals.clone(),
            emergency: emergency.clone(),
            revoked: revoked.clone(),
            look_every: limits.schedules,
        });
        let management = Management {
            safe: safe.clone(),
            witness: witness.clone(),
            revoked,
            schedules: schedules.clone(),
            elsewhere: api::listen::Elsewhere::default(),
            goals: goals.clone(),
            approvals: approvals.clone(),
            agents: self.agents.clone(),
            clients: self.clients,
            recorder: recorder.clone(),
            emergency: emergency.clone(),
            updates: updates.clone(),
            state: self.config.state.clone(),
            etc: self.config.etc.clone(),
            sbom: self.config.lib.join("sbom.spdx.json"),
        };
        let endpoint = Endpoint {
            listen: self.config.listen,
            pki: self.config.etc.join("pki"),
        };
        let (bound, api) = watch::channel(None);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(api::serve(endpoint, management, recorder, bound));
        tasks.spawn(ssh);
        tasks.spawn(approvals.listen());
        tasks.spawn(witness.clone().watch(limits.ledger));
        tasks.spawn(come_up(
            self.agents.clone(),
            goals.clone(),
            emergency,
            limits.agents,
            safe.clone(),
        ));
        if safe.is_none() {
            tasks.spawn(schedules.carry_out());
        }
        if Machine::this().running().is_some() {
            tasks.spawn(good::watch(health, api.clone(), updates, limits.healthy));
        }
        Running {
            goals,
            agents: self.agents,
            api,
            witness,
            tasks,
        }
    }
}

/// Agents, unfinished goals, phase 5; then agents that are away are brought back, for ever.
async fn come_up(
    agents: Arc<Agents>,
    goals: Goals,
    emergency: Emergency,
    patience: Duration,
    safe: Option<String>,
) {
    if let Some(reason) = safe {
        tracing::warn!("safe mode: no agents, no goals: {reason}");
        notify(&[NotifyState::Custom("AIOS_PHASE=5")]);
        return std::future::pending().await;
    }
    let end = Instant::now() + patience;
    let (missing, ()) = tokio::join!(
        bring_back(&agents, &emergency, end),
        emergency.agree(patience)
    );
    if let Some(stop) = emergency.stopped() {
        tracing::warn!("manual mode: {stop}");
    } else if !missing.is_empty() {
        tracing::error!("agents are away: {}; the others work", missing.join(", "));
    }
    let resumed = tokio::time::timeout_at(end.max(Instant::now() + RESUME_AGAIN), resume(&goals));
    let resumed = resumed.await;
    tracing::info!(
        "{} of {} agents are connected",
        agents.len() - missing.len(),
        agents.len()
    );
    notify(&[NotifyState::Custom("AIOS_PHASE=5")]);
    let mut more = match resumed {
        Ok(count) => count > 0,
        Err(_) => resume(&goals).await > 0,
    };
    loop {
        tokio::time::sleep(AGENTS_AGAIN).await;
        if more && goals.unfinished() == 0 {
            more = resume(&goals).await > 0; // older ones, that did not fit the first list
        }
        if !agents.missing().is_empty() {
            bring_back(&agents, &emergency, Instant::now() + patience).await;
        }
    }
}

/// Starts the agents unless, and until, there is an emergency stop. Returns who is away.
async fn bring_back(agents: &Agents, emergency: &Emergency, end: Instant) -> Vec<String> {
    tokio::select! {
        biased;
        () = emergency.happens() => agents.missing(),
        missing = agents.start(end) => missing,
    }
}

/// Goes on with unfinished goals, as soon as the memory says which. Returns how many.
async fn resume(goals: &Goals) -> usize {
    loop {
        match goals.resume().await {
            Ok(count) => {
                tracing::info!("{count} unfinished goals go on");
                return count;
            }
            Err(status) => tracing::warn!("unfinished goals are not known: {}", status.message()),
        }
        tokio::time::sleep(RESUME_AGAIN).await;
    }
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!("cannot tell the supervisor {states:?}: {error}");
    }
}
