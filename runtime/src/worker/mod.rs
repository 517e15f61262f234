//! A worker: one process, one model, one context of llama.cpp.
//!
//! It trusts nobody: what llama.cpp would abort on is refused here first.
//! It ends when its socket closes or its parent dies. One thread reads the
//! socket; the other computes, and looks at what was read between two decodes.

mod encoder;
mod generator;
mod sampling;
mod text;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use tonic::Status;

use crate::wire::{self, Command, Event, Failure, FromWorker, Load, Loaded, ToWorker};

/// Sequences that are computed together.
const SEQUENCES: u32 = 8;

/// The process `aios-runtime worker`; its standard input is the socket to the server.
pub fn main() -> ExitCode {
    aios_daemon::logging::init();
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
    let dies_with_parent =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    if let Err(error) = dies_with_parent {
        tracing::warn!("cannot be bound to the server's life: {error}");
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // The server has gone or wants no more: nothing is wrong here.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let first: ToWorker = wire::read(&mut socket)?;
    let Some(Command::Load(load)) = first.command else {
        return Err(io::Error::other("the first frame is not Load"));
    };
    let mut out = Out { socket };
    let backend = LlamaBackend::init().map_err(io::Error::other)?;
    let began = Instant::now();
    let parameters = LlamaModelParams::default().with_n_gpu_layers(0);
    let path = Path::new(&load.path);
    let Ok(model) = LlamaModel::load_from_file(&backend, path, &parameters) else {
        let refused = Status::failed_precondition("llama.cpp cannot load the file");
        return out.fail(first.id, &refused);
    };
    let model_ms = began.elapsed().as_millis() as u64;
    let began = Instant::now();
    let Ok(context) = model.new_context(&backend, context_parameters(&load)) else {
        let refused = Status::failed_precondition("llama.cpp cannot make a context");
        return out.fail(first.id, &refused);
    };
    let context_ms = began.elapsed().as_millis() as u64;
    let loaded = Loaded {
        model_ms,
        context_ms,
    };
    out.send(first.id, Event::Loaded(loaded))?;
    let queue = Queue::read_from(out.socket.try_clone()?);
    if load.generates {
        generator::Generator::new(&model, context).run(queue, &mut out)
    } else {
        encoder::Encoder::new(&model, context).run(queue, &mut out)
    }
}

fn context_parameters(load: &Load) -> LlamaContextParams {
    let threads = i32::try_from(load.threads).unwrap_or(1);
    let base = LlamaContextParams::default()
        .with_n_ctx(std::num::NonZeroU32::new(load.context_tokens))
        .with_n_seq_max(SEQUENCES)
        .with_kv_unified(true)
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    if load.generates {
        let batch = load.context_tokens.min(generator::BATCH);
        base.with_n_batch(batch).with_n_ubatch(batch)
    } else {
        // An encoder sees all of a sequence at once: the batch is the context.
        base.with_n_batch(load.context_tokens)
            .with_n_ubatch(load.context_tokens)
            .with_embeddings(true)
            .with_pooling_type(llama_cpp_2::context::params::LlamaPoolingType::None)
    }
}

/// The way back to the server.
pub(crate) struct Out {
    socket: UnixStream,
}

impl Out {
    fn send(&mut self, id: u64, event: Event) -> io::Result<()> {
        let event = Some(event);
        wire::write(&mut self.socket, &FromWorker { id, event })
    }

    fn fail(&mut self, id: u64, refusal: &Status) -> io::Result<()> {
        let failure = Failure {
            code: refusal.code().into(),
            message: refusal.message().to_owned(),
        };
        self.send(id, Event::Failed(failure))
    }
}

/// Requests that wait, in order; and ids that are not wanted any more.
pub(crate) struct Queue {
    incoming: Receiver<ToWorker>,
    waiting: VecDeque<(u64, Command)>,
    cancelled: HashSet<u64>,
}

impl Queue {
    /// Starts the thread that reads the socket.
    fn read_from(mut socket: UnixStream) -> Self {
        let (sender, incoming) = channel();
        std::thread::spawn(move || {
            while let Ok(frame) = wire::read(&mut socket) {
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        Self {
            incoming,
            waiting: VecDeque::new(),
            cancelled: HashSet::new(),
        }
    }

    /// Takes in what has arrived; waits for something when `idle`.
    /// False when the server has gone.
    fn refresh(&mut self, idle: bool) -> bool {
        if idle && self.waiting.is_empty() {
            match self.incoming.recv() {
                Ok(frame) => self.take(frame),
                Err(_) => return false,
            }
        }
        loop {
            match self.incoming.try_recv() {
                Ok(frame) => self.take(frame),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, frame: ToWorker) {
        match frame.command {
            Some(Command::Cancel(_)) => {
                let before = self.waiting.len();
                self.waiting.retain(|(id, _)| *id != frame.id);
                if self.waiting.len() == before {
                    self.cancelled.insert(frame.id); // running, or answered already
                }
            }
            Some(command) => self.waiting.push_back((frame.id, command)),
            None => {}
        }
    }

    fn next(&mut self) -> Option<(u64, Command)> {
        self.waiting.pop_front()
    }

    /// The running requests that are to be given up. Ids that are not running are forgotten.
    fn cancelled(&mut self) -> HashSet<u64> {
        std::mem::take(&mut self.cancelled)
    }
}
