//! The service over its socket: roles, and recall with a double of the model runtime.

#![allow(clippy::unwrap_used)] // a test

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::runtime_server::{Runtime, RuntimeServer};
use aios_contracts::v1::*;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_daemon::socket;
use aios_memory::{Config, server};
use tokio::sync::oneshot;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};

/// Who the next caller is, by uid.
static CALLER: AtomicU32 = AtomicU32::new(905);

fn played() -> Principal {
    Principal::from_uid(CALLER.load(Ordering::SeqCst))
}

/// Memory in this process; stops when the sender is dropped.
fn serve(folder: &Path) -> (MemoryClient<Channel>, oneshot::Sender<()>) {
    let config = Config {
        folder: folder.join("memory"),
        socket: folder.join("memory.sock"),
        runtime_socket: folder.join("runtime.sock"),
    };
    let channel = socket::channel(&config.socket).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        let callers = Callers::played(played);
        server::serve_until(&config, callers, stop).await.unwrap();
    });
    (MemoryClient::new(channel), stop)
}

async fn until_up(folder: &Path) {
    while tokio::net::UnixStream::connect(folder.join("memory.sock"))
        .await
        .is_err()
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Embeds a text as the counts of its letters: near texts have near vectors.
struct Letters;

#[tonic::async_trait]
impl Runtime for Letters {
    type GenerateStream = tokio_stream::Empty<Result<GenerateResponse, Status>>;

    async fn embed(
        &self,
        request: Request<EmbedRequest>,
    ) -> Result<Response<EmbedResponse>, Status> {
        let embedding = |text: String| {
            let mut values = vec![0.0; 26];
            text.bytes()
                .filter(u8::is_ascii_lowercase)
                .for_each(|letter| values[usize::from(letter - b'a')] += 1.0);
            Embedding { values }
        };
        let embeddings = request
            .into_inner()
            .texts
            .into_iter()
            .map(embedding)
            .collect();
        Ok(Response::new(EmbedResponse { embeddings }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn load_model(&self, _: Request<LoadModelRequest>) -> Result<Response<Model>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn unload_model(
        &self,
        _: Request<UnloadModelRequest>,
    ) -> Result<Response<UnloadModelResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn generate(
        &self,
        _: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn encode(&self, _: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn health(&self, _: Request<HealthRequest>) -> Result<Response<HealthResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

fn note(text: &str) -> RememberRequest {
    RememberRequest {
        kind: "note".into(),
        text: text.into(),
        reference: "/srv".into(),
    }
}

fn about(query: &str) -> RecallRequest {
    RecallRequest {
        query: query.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn what_was_remembered_without_the_runtime_is_recalled_once_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut memory, stop) = serve(folder.path());
    until_up(folder.path()).await;
    memory.remember(note("the disk was full")).await.unwrap();
    let away = memory.recall(about("full disk")).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    assert!(
        away.message().contains("model runtime"),
        "{}",
        away.message()
    );
    let told = include_str!("../../orchestrator/src/degraded/table.toml");
    assert!(told.contains("recall fails until the runtime is back"));
    drop(stop);

    // The runtime comes, memory starts again: the background pass embeds at once.
    let incoming = socket::listen(&folder.path().join("runtime.sock")).unwrap();
    let runtime = Server::builder().add_service(RuntimeServer::new(Letters));
    tokio::spawn(runtime.serve_with_incoming(incoming));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let (mut memory, _stop) = serve(folder.path());
    until_up(folder.path()).await;
    memory.remember(note("nginx was restarted")).await.unwrap();
    let found = loop {
        let found = memory
            .recall(about("full disk"))
            .await
            .unwrap()
            .into_inner()
            .memories;
        if found.len() == 2 {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(found[0].text, "the disk was full");
    assert_eq!(found[0].reference, "/srv");
    assert!(found[0].similarity > found[1].similarity && found[0].similarity <= 1.0001);
    // Remembering again is the same memory.
    memory.remember(note("the disk was full")).await.unwrap();
    let again = memory
        .recall(about("full disk"))
        .await
        .unwrap()
        .into_inner()
        .memories;
    assert_eq!(again.len(), 2);
    let goals = RecallRequest {
        kind: "goal".into(),
        ..about("full disk")
    };
    assert!(
        memory
            .recall(goals)
            .await
            .unwrap()
            .into_inner()
            .memories
            .is_empty()
    );
}

#[tokio::test]
async fn the_tools_may_report_and_nothing_else_and_cannot_forge_their_name_and_agents_may_nothing()
{
    let folder = tempfile::tempdir().unwrap();
    let (mut memory, _stop) = serve(folder.path());
    until_up(folder.path()).await;
    CALLER.store(915, Ordering::SeqCst);
    let refused = memory.append_event(Event::default()).await.unwrap_err();
    assert!(
        aios_daemon::retry::is_transient(&refused),
        "an agent is turned away"
    );
    CALLER.store(904, Ordering::SeqCst);
    let event = Event {
        kind: "x".into(),
        source: "root".into(),
        ..Default::default()
    };
    memory.append_event(event).await.unwrap();
    let refused = memory.put_goal(PutGoalRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("tools may not call"),
        "{}",
        refused.message()
    );
    CALLER.store(905, Ordering::SeqCst);
    let events = memory
        .list_events(ListEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(events.events[0].source, "tools");
    let missing = memory
        .get_goal(GetGoalRequest {
            id: "goal-1".into(),
        })
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
