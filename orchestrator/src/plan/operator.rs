//! The operational level: the built-in operator model. Its trunk is the runtime's,
//! its heads are `aios-brain`'s.

use std::path::Path;
use std::time::Duration;

use aios_brain::{BrainError, Done, Operator, Proposal};
use aios_contracts::v1::EncodeRequest;
use aios_contracts::v1::runtime_client::RuntimeClient;
use tonic::Status;
use tonic::transport::Channel;

use crate::standing::Standing;

/// The runtime's name for the model's trunk.
const MODEL: &str = "operator";

/// Whoever can say what to do next.
#[tonic::async_trait]
pub trait Understand: Send + Sync {
    /// What to do next for the goal, after what was `done` for it, oldest first.
    async fn propose(&self, goal: &str, done: &[Done]) -> Result<Proposal, Status>;
}

/// The operator model.
pub struct OperatorModel {
    operator: Operator,
    runtime: RuntimeClient<Channel>,
    standing: Standing,
    patience: Duration,
}

impl OperatorModel {
    /// Reads vocabulary and heads from `folder`.
    ///
    /// # Errors
    /// When they are not there or do not fit together.
    pub fn load(
        folder: &Path,
        runtime: RuntimeClient<Channel>,
        standing: Standing,
        patience: Duration,
    ) -> Result<Self, BrainError> {
        Ok(Self {
            operator: Operator::load(folder)?,
            runtime,
            standing,
            patience,
        })
    }
}

/// The runtime's failure, saying whose it is.
fn away(status: &Status) -> Status {
    let text = format!("the model runtime does not answer ({})", status.message());
    Status::new(status.code(), text)
}

#[tonic::async_trait]
impl Understand for OperatorModel {
    async fn propose(&self, goal: &str, done: &[Done]) -> Result<Proposal, Status> {
        let encoded = self
            .operator
            .encode(goal, done)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let states = self.standing.persistently("runtime", self.patience, || {
            let mut runtime = self.runtime.clone();
            let request = EncodeRequest {
                model: MODEL.to_owned(),
                token_ids: encoded.ids.clone(),
            };
            async move { runtime.encode(request).await }
        });
        let states = states.await.map_err(|status| away(&status))?.into_inner();
        self.operator
            .decide(&encoded, &states.states)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
