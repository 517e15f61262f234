//! A runtime in a temporary folder, with models that the tests write themselves.
#![allow(dead_code)] // each test file uses its part

pub mod models;

use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1::runtime_client::RuntimeClient;
use aios_contracts::v1::{self, GenerateRequest, GenerateResponse, ListModelsRequest, Model};
use aios_runtime::Config;
use aios_runtime::config::Settings;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Code, Status};

pub type Client = RuntimeClient<Channel>;

/// A server of its own for one test.
pub struct Runtime {
    pub client: Client,
    pub folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

/// Where a built-in model, or the operator's own, lies.
pub enum Place {
    Builtin,
    Operator,
}

/// Starts a server after `prepare` has written models into `lib/` and `state/`.
pub fn start(settings: Settings, prepare: impl FnOnce(&Path, &Path)) -> Runtime {
    start_with(env!("CARGO_BIN_EXE_aios-runtime").into(), settings, prepare)
}

/// The same with another executable for the workers.
pub fn start_with(
    executable: PathBuf,
    settings: Settings,
    prepare: impl FnOnce(&Path, &Path),
) -> Runtime {
    let folder = tempfile::tempdir().unwrap();
    let (builtin, operator) = (folder.path().join("lib"), folder.path().join("state"));
    std::fs::create_dir_all(&builtin).unwrap();
    std::fs::create_dir_all(&operator).unwrap();
    prepare(&builtin, &operator);
    let socket = folder.path().join("runtime.sock");
    let config = Config {
        socket: socket.clone(),
        builtin_models: builtin,
        operator_models: operator,
        executable,
        settings,
    };
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(aios_runtime::server::serve(config, async {
        drop(stopped.await);
    }));
    let channel = aios_daemon::socket::channel(&socket).unwrap();
    Runtime {
        client: RuntimeClient::new(channel),
        folder,
        _stop: stop,
    }
}

/// Nothing is required to be there.
pub fn settings() -> Settings {
    Settings {
        required: Vec::new(),
        ..Settings::default()
    }
}

/// A server with the tiny decoder `writer` and the tiny encoder `embedding`.
pub async fn tiny() -> Runtime {
    let mut runtime = start(settings(), |builtin, _| {
        models::decoder(4096).write(&builtin.join("writer.gguf"));
        models::encoder().write(&builtin.join("embedding.gguf"));
    });
    runtime.ready(2).await;
    runtime
}

impl Runtime {
    pub async fn models(&mut self) -> Vec<Model> {
        // The server may not have bound its socket yet.
        for _ in 0..100 {
            if let Ok(response) = self.client.list_models(ListModelsRequest {}).await {
                return response.into_inner().models;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server does not answer");
    }

    pub async fn model(&mut self, name: &str) -> Model {
        let models = self.models().await;
        models.into_iter().find(|model| model.name == name).unwrap()
    }

    /// Waits until so many models are ready.
    pub async fn ready(&mut self, count: usize) {
        for _ in 0..1500 {
            let models = self.models().await;
            let ready = models.iter().filter(|m| m.state() == v1::ModelState::Ready);
            if ready.count() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not ready: {:?}", self.models().await);
    }

    /// Generates, and collects the pieces.
    pub async fn generate(&mut self, request: GenerateRequest) -> Result<Written, Status> {
        let mut stream = self.client.generate(request).await?.into_inner();
        let mut written = Written::default();
        while let Some(piece) = stream.message().await? {
            assert!(!written.last.done, "a piece after the last");
            written.text.push_str(&piece.text);
            written.pieces += 1;
            written.last = piece;
        }
        assert!(written.last.done, "the stream ended without its last piece");
        Ok(written)
    }

    pub async fn encode(&mut self, ids: Vec<u32>) -> Result<v1::EncodeResponse, Status> {
        let request = v1::EncodeRequest {
            model: "embedding".to_owned(),
            token_ids: ids,
        };
        self.client.encode(request).await.map(|r| r.into_inner())
    }
}

/// What `Generate` gave.
#[derive(Debug, Default)]
pub struct Written {
    pub text: String,
    pub pieces: usize,
    pub last: GenerateResponse,
}

/// A request to the tiny decoder.
pub fn prompt(text: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        model: "writer".to_owned(),
        prompt: text.to_owned(),
        max_tokens,
        ..Default::default()
    }
}

/// A request that only `max_tokens` ends: the grammar allows no end.
pub fn endless(max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        grammar: "root ::= [a-z] root".to_owned(),
        ..prompt("on and on", max_tokens)
    }
}

/// The code of an error that there must be.
pub fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> Code {
    result.unwrap_err().code()
}

/// Kills a process that this test's server started.
pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// CPU time that a process has used, in clock ticks (proc(5), utime and stime).
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
