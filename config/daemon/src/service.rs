//! The wire: messages in, messages out.

use aios_config::{Change, Problem};
use aios_contracts::v1::config_server::Config;
use aios_contracts::v1::*;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use tonic::{Request, Response, Status};

use crate::access::ACCESS;
use crate::applier::Applier;
use crate::order::{By, Effect, Refusal, digest};
use crate::trial::{self, Trial};

/// The service.
pub struct Service {
    applier: Applier,
    callers: Callers,
}

impl Service {
    /// Over this applier.
    pub fn new(applier: Applier, callers: Callers) -> Self {
        Self { applier, callers }
    }

    /// The message, when its sender may send it; and who that is.
    fn admit<T>(&self, request: Request<T>, method: &str) -> Result<(T, Principal), Status> {
        let who = ACCESS.admit(&self.callers, &request, (), method)?;
        self.applier.used();
        Ok((request.into_inner(), who))
    }

    fn state(&self) -> Result<Response<ConfigState>, Status> {
        let toml = self.applier.current().map_err(status)?;
        let (trial, last_change) = self.applier.progress();
        Ok(Response::new(ConfigState {
            sha256: digest(&toml),
            toml,
            trial: trial.as_ref().map(to_wire),
            last_change,
        }))
    }
}

/// The operator whom the orchestrator names, and whose order it has put on record; else who calls,
/// whomever he names.
fn by(named: String, caller: &Principal) -> By {
    let name = match (named.is_empty(), caller.is_daemon("orchestrator")) {
        (true, _) => caller.to_string(),
        (false, true) => named,
        (false, false) => format!("{caller} for {named}"),
    };
    By {
        name,
        on_record: caller.is_daemon("orchestrator"),
    }
}

fn to_wire(trial: &Trial) -> ConfigTrial {
    let left = trial.left_ms(trial::now_ms()).div_ceil(1000);
    ConfigTrial {
        id: trial.id.clone(),
        by: trial.by.clone(),
        seconds_left: u32::try_from(left).unwrap_or(u32::MAX),
    }
}

fn problem(problem: &Problem) -> ConfigProblem {
    ConfigProblem {
        line: u32::try_from(problem.line).unwrap_or(u32::MAX),
        key: problem.path.clone(),
        text: problem.message.clone(),
        suggestion: problem.help.clone().unwrap_or_default(),
    }
}

fn check(toml: &str, effect: &Effect) -> ConfigCheck {
    let restarts = effect.changes.iter().filter_map(|change| match change {
        Change::Restart(name) => Some((*name).to_owned()),
        Change::Reload(_) => None,
    });
    ConfigCheck {
        restarts: restarts.collect(),
        changes: effect.told(),
        sha256: digest(toml),
        not_in_force: effect
            .not_in_force
            .iter()
            .map(ToString::to_string)
            .collect(),
        ..ConfigCheck::default()
    }
}

fn status(refusal: Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) | Refusal::Seconds => Status::invalid_argument(text),
        Refusal::NotNow(_) => Status::failed_precondition(text),
        Refusal::Leaving => Status::unavailable(text),
        // Who asks tries again what is UNAVAILABLE: this is as wrong the next time.
        Refusal::Disk(_) | Refusal::Unrecorded(_) | Refusal::Unsure(_) => Status::internal(text),
    }
}

#[tonic::async_trait]
impl Config for Service {
    async fn get_config(
        &self,
        request: Request<GetConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        self.admit(request, "GetConfig")?;
        self.state()
    }

    async fn validate_config(
        &self,
        request: Request<ValidateConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        let (request, _) = self.admit(request, "ValidateConfig")?;
        let answer = match self.applier.effect(&request.toml) {
            Ok(effect) => check(&request.toml, &effect),
            Err(Refusal::Invalid(problems)) => ConfigCheck {
                problems: problems.iter().map(problem).collect(),
                sha256: digest(&request.toml),
                ..ConfigCheck::default()
            },
            Err(other) => return Err(status(other)),
        };
        Ok(Response::new(answer))
    }

    async fn apply_config(
        &self,
        request: Request<ApplyConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        let (request, caller) = self.admit(request, "ApplyConfig")?;
        let by = by(request.on_behalf_of, &caller);
        let expected = |present: &str| {
            request.expected_sha256.is_empty() || request.expected_sha256 == digest(present)
        };
        let applied = self
            .applier
            .apply(&request.toml, request.try_seconds, &by, expected);
        let (effect, trial) = applied.map_err(status)?;
        Ok(Response::new(ConfigCheck {
            trial: trial.as_ref().map(to_wire),
            ..check(&request.toml, &effect)
        }))
    }

    async fn confirm_config(
        &self,
        request: Request<ConfirmConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        let (request, caller) = self.admit(request, "ConfirmConfig")?;
        let by = by(request.on_behalf_of, &caller);
        self.applier.confirm(&request.trial, &by).map_err(status)?;
        self.state()
    }
}
