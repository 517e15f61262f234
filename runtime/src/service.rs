//! The gRPC service: who may call, and the wire's types.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aios_contracts::v1::{self, ModelState, runtime_server};
use aios_daemon::{Access, Callers, Who};
use tokio_stream::Stream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::registry::{Call, Listed, Registry};
use crate::wire::{Command, Event};

/// The model that embeds when none is named.
const EMBEDDING: &str = "embedding";
/// Response metadata of `Embed`: indexes of texts of which only the beginning was read.
pub const TRUNCATED: &str = "aios-truncated";

/// `aios.v1.Runtime`.
pub struct Runtime {
    registry: Arc<Registry>,
}

impl Runtime {
    /// The service over these models.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }
}

/// The daemons that models are for, root, and this daemon's own account.
pub static ACCESS: Access<()> = Access::new(
    "Runtime",
    &[
        (Who::Root, &[()]),
        (Who::Daemon("orchestrator"), &[()]),
        (Who::Daemon("memory"), &[()]),
        (Who::Own, &[()]),
    ],
);

fn admit<T>(request: Request<T>, method: &str) -> Result<T, Status> {
    ACCESS.admit(&Callers::by_kernel(), &request, (), method)?;
    Ok(request.into_inner())
}

fn model_of(listed: Listed) -> v1::Model {
    let status = listed.status.unwrap_or_else(|| crate::supervise::Status {
        state: ModelState::Available,
        ..Default::default()
    });
    let summary = status.summary;
    let size = || std::fs::metadata(&listed.path).map_or(0, |metadata| metadata.len());
    v1::Model {
        name: listed.name,
        state: status.state.into(),
        size_bytes: summary.as_ref().map_or_else(size, |s| s.size_bytes),
        path: listed.path.display().to_string(),
        architecture: summary
            .as_ref()
            .map(|s| s.architecture.clone())
            .unwrap_or_default(),
        context_length: summary.as_ref().map_or(0, |s| s.context_length),
        embedding_length: summary.as_ref().map_or(0, |s| s.embedding_length),
        generates: summary.as_ref().is_some_and(|s| s.generates),
        builtin: listed.builtin,
        worker_pid: status.pid,
        error: status.error,
    }
}

fn unexpected() -> Status {
    Status::internal("the worker answered something else")
}

#[tonic::async_trait]
impl runtime_server::Runtime for Runtime {
    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        admit(request, "ListModels")?;
        let models = self.registry.list().into_iter().map(model_of).collect();
        Ok(Response::new(v1::ListModelsResponse { models }))
    }

    async fn load_model(
        &self,
        request: Request<v1::LoadModelRequest>,
    ) -> Result<Response<v1::Model>, Status> {
        let request = admit(request, "LoadModel")?;
        let listed = self.registry.load(&request.name).await?;
        Ok(Response::new(model_of(listed)))
    }

    async fn unload_model(
        &self,
        request: Request<v1::UnloadModelRequest>,
    ) -> Result<Response<v1::UnloadModelResponse>, Status> {
        let request = admit(request, "UnloadModel")?;
        self.registry.unload(&request.name)?;
        Ok(Response::new(v1::UnloadModelResponse {}))
    }

    type GenerateStream = Pieces;

    async fn generate(
        &self,
        request: Request<v1::GenerateRequest>,
    ) -> Result<Response<Pieces>, Status> {
        let request = admit(request, "Generate")?;
        let model = request.model.clone();
        let call = self.registry.ask(&model, Command::Generate(request))?;
        Ok(Response::new(Pieces(call)))
    }

    async fn embed(
        &self,
        request: Request<v1::EmbedRequest>,
    ) -> Result<Response<v1::EmbedResponse>, Status> {
        let request = admit(request, "Embed")?;
        let model = if request.model.is_empty() {
            EMBEDDING.to_owned()
        } else {
            request.model.clone()
        };
        let mut call = self.registry.ask(&model, Command::Embed(request))?;
        let Event::Embedded(embedded) = call.answer().await? else {
            return Err(unexpected());
        };
        let mut response = Response::new(embedded.response.ok_or_else(unexpected)?);
        if !embedded.truncated.is_empty() {
            let indexes: Vec<String> = embedded.truncated.iter().map(u32::to_string).collect();
            let value = MetadataValue::try_from(indexes.join(",")).map_err(|_| unexpected())?;
            response.metadata_mut().insert(TRUNCATED, value);
        }
        Ok(response)
    }

    async fn encode(
        &self,
        request: Request<v1::EncodeRequest>,
    ) -> Result<Response<v1::EncodeResponse>, Status> {
        let request = admit(request, "Encode")?;
        let model = request.model.clone();
        let mut call = self.registry.ask(&model, Command::Encode(request))?;
        match call.answer().await? {
            Event::Encoded(response) => Ok(Response::new(response)),
            _ => Err(unexpected()),
        }
    }

    async fn health(
        &self,
        request: Request<v1::HealthRequest>,
    ) -> Result<Response<v1::HealthResponse>, Status> {
        admit(request, "Health")?;
        let (serving, detail) = match self.registry.health().await {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Ok(Response::new(v1::HealthResponse { serving, detail }))
    }
}

/// The stream of `Generate`; dropping it gives the request up.
pub struct Pieces(Call);

impl Stream for Pieces {
    type Item = Result<v1::GenerateResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_answer(context).map(|answer| {
            answer.map(|event| match event? {
                Event::Piece(piece) => Ok(piece),
                _ => Err(unexpected()),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use aios_daemon::identity::{Principal, identities};

    use super::*;

    #[test]
    fn models_are_for_the_orchestrator_the_memory_and_root() {
        let check = |uid: u32, expected| {
            let caller = Principal::from_uid(uid);
            assert_eq!(ACCESS.may(&caller, ()), expected, "{caller}");
        };
        let uid_of = |name: &str| {
            let found = identities().iter().find(|i| i.name == name);
            found.map(|i| i.uid).unwrap()
        };
        check(0, true);
        check(uid_of("aios-orchestrator"), true);
        check(uid_of("aios-memory"), true);
        check(uid_of("aios-tools"), false);
        check(uid_of("aios-agent-storage"), false);
        check(54_321, false);
        check(rustix::process::geteuid().as_raw(), true);
    }
}
