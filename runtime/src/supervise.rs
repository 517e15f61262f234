//! Keeps one model's worker alive, and carries its requests to it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aios_contracts::v1::ModelState;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::config::Settings;
use crate::gguf::{self, Summary};
use crate::probe::{self, Test};
use crate::process::Worker;
use crate::wire::{Command, Event, Load};

/// Starts in a row that may fail before the model is given up.
const ATTEMPTS: u32 = 3;
/// The wait before a worker that died is started again; doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest such wait.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// A worker that lived this long starts again without a longer wait.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// The longest sequence of an encoder, in tokens: all of it is computed in one step.
const ENCODER_CONTEXT_MAX: u32 = 2048;
/// The id of the requests that the supervisor makes itself.
const OWN_ID: u64 = 0;

/// Which model, and how it runs.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The executable of the worker.
    pub executable: PathBuf,
    /// What the operator set.
    pub settings: Settings,
}

/// What is known about a model.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it stands.
    pub state: ModelState,
    /// What its file says; the context is what the worker serves.
    pub summary: Option<Summary>,
    /// The worker; 0 when there is none.
    pub pid: u32,
    /// Why it `FAILED`, or why its worker was started again.
    pub error: String,
    /// When it last answered its test prompt.
    pub tested: Option<Instant>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: ModelState::Loading,
            summary: None,
            pid: 0,
            error: String::new(),
            tested: None,
        }
    }
}

/// One request on its way.
pub struct Job {
    /// Unique for the model.
    pub id: u64,
    /// What is asked.
    pub command: Command,
    /// Where the answers go; dropped without a last one when the worker is lost.
    pub reply: mpsc::UnboundedSender<Event>,
    /// Its place in the queue.
    pub permit: OwnedSemaphorePermit,
}

/// What the supervisor is told.
pub enum Message {
    /// Do this.
    Job(Job),
    /// The caller of this has gone.
    Cancel(u64),
}

/// Why a start did not succeed.
enum StartError {
    /// It would not succeed another time.
    Hopeless(String),
    /// It may: the worker crashed or took too long.
    Again(String),
}

/// Runs until the model has failed for good or all senders of `messages` are gone.
pub async fn run(
    spec: Spec,
    mut messages: mpsc::UnboundedReceiver<Message>,
    status: watch::Sender<Status>,
) {
    let mut failures = 0;
    let mut backoff = BACKOFF_FIRST;
    loop {
        status.send_modify(|status| {
            status.state = ModelState::Loading;
            status.pid = 0;
        });
        let reason = match start(&spec, &status).await {
            Ok(worker) => {
                failures = 0;
                let started = Instant::now();
                let Some(reason) = serve(worker, &mut messages).await else {
                    return; // unloaded
                };
                if started.elapsed() > STABLE_AFTER {
                    backoff = BACKOFF_FIRST;
                }
                reason
            }
            Err(StartError::Hopeless(reason)) => return fail(&spec, &status, reason),
            Err(StartError::Again(reason)) => {
                failures += 1;
                if failures == ATTEMPTS {
                    let reason = format!("{reason} (tried {ATTEMPTS} times)");
                    return fail(&spec, &status, reason);
                }
                reason
            }
        };
        tracing::warn!("model {}: {reason}; starting it again", spec.name);
        status.send_modify(|status| status.error = reason);
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_LAST);
    }
}

fn fail(spec: &Spec, status: &watch::Sender<Status>, reason: String) {
    tracing::error!("model {} failed: {reason}", spec.name);
    status.send_modify(|status| {
        status.state = ModelState::Failed;
        status.pid = 0;
        status.error = reason;
    });
}

/// Checks the file, starts a worker, has it load the model and answer the test prompt.
async fn start(spec: &Spec, status: &watch::Sender<Status>) -> Result<Worker, StartError> {
    let began = Instant::now();
    let (summary, test) = inspect(spec).await?;
    let checked = began.elapsed();
    status.send_modify(|status| status.summary = Some(summary.clone()));
    let worker = Worker::start(&spec.executable)
        .map_err(|error| StartError::Again(format!("cannot start a worker: {error}")))?;
    status.send_modify(|status| status.pid = worker.pid());
    let load = Command::Load(Load {
        path: spec.path.display().to_string(),
        threads: spec.settings.threads,
        context_tokens: summary.context_length,
        generates: summary.generates,
    });
    let limit = Duration::from_secs(u64::from(spec.settings.load_timeout_seconds));
    let deadline = tokio::time::Instant::now() + limit;
    let (mut worker, event) = ask(worker, load, deadline).await?;
    let Event::Loaded(steps) = event else {
        return Err(refused(worker, event).await);
    };
    let loaded = began.elapsed();
    let mut answer = String::from("no test prompt");
    if let Some(test) = test {
        let (asked, event) = ask(worker, test.command(), deadline).await?;
        worker = asked;
        let folder = spec.path.parent().unwrap_or(&spec.path);
        answer = test.judge(&event, folder).map_err(StartError::Hopeless)?;
        status.send_modify(|status| status.tested = Some(Instant::now()));
    }
    tracing::info!(
        check_ms = checked.as_millis(),
        model_ms = steps.model_ms,
        context_ms = steps.context_ms,
        test_ms = (began.elapsed() - loaded).as_millis(),
        total_ms = began.elapsed().as_millis(),
        "model {} is ready: {answer}",
        spec.name,
    );
    status.send_modify(|status| {
        status.state = ModelState::Ready;
        status.error.clear();
    });
    Ok(worker)
}

/// The file's header and the test prompt, read off the event loop.
async fn inspect(spec: &Spec) -> Result<(Summary, Option<Test>), StartError> {
    let path = spec.path.clone();
    let most = spec.settings.context_tokens;
    let read = tokio::task::spawn_blocking(move || {
        let mut summary =
            gguf::inspect(&path).map_err(|error| aios_daemon::error::chain(&error))?;
        let limit = if summary.generates {
            most
        } else {
            ENCODER_CONTEXT_MAX
        };
        summary.context_length = summary.context_length.min(limit);
        Ok((summary, probe::beside(&path)?))
    });
    match read.await {
        Ok(result) => result.map_err(StartError::Hopeless),
        Err(error) => Err(StartError::Again(error.to_string())),
    }
}

/// The worker's refusal, with what llama.cpp wrote about it.
async fn refused(worker: Worker, event: Event) -> StartError {
    let obituary = worker.obituary().await;
    StartError::Hopeless(match event {
        Event::Failed(failure) => format!("{}: {obituary}", failure.message),
        _ => format!("the worker answered something else: {obituary}"),
    })
}

/// One question of the supervisor's own. A worker that crashes or is late is
/// taken down; how it ended is in the error.
async fn ask(
    mut worker: Worker,
    command: Command,
    deadline: tokio::time::Instant,
) -> Result<(Worker, Event), StartError> {
    let answer = async {
        worker.send(OWN_ID, command).await.ok()?;
        worker.events.recv().await?.event
    };
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Some(event)) => Ok((worker, event)),
        Ok(None) => Err(StartError::Again(worker.obituary().await)),
        Err(_) => Err(StartError::Again("it took too long to load".to_owned())),
    }
}

/// What of a job stays here while the worker has it.
struct Pending {
    reply: mpsc::UnboundedSender<Event>,
    _permit: OwnedSemaphorePermit,
}

/// Carries requests and answers. Returns how the worker ended, or `None` when
/// nobody can ask any more. Requests in flight are dropped, which tells their callers.
async fn serve(
    mut worker: Worker,
    messages: &mut mpsc::UnboundedReceiver<Message>,
) -> Option<String> {
    let mut pending: HashMap<u64, Pending> = HashMap::new();
    loop {
        tokio::select! {
            biased; // a worker's end is seen before it is given another request
            event = worker.events.recv() => match event {
                Some(event) => deliver(&mut pending, event.id, event.event),
                None => return Some(worker.obituary().await),
            },
            message = messages.recv() => {
                let sent = match message? {
                    Message::Job(job) => pass(&mut worker, &mut pending, job).await,
                    Message::Cancel(id) if pending.remove(&id).is_some() => {
                        worker.send(id, Command::Cancel(Default::default())).await
                    }
                    Message::Cancel(_) => Ok(()),
                };
                if sent.is_err() {
                    return Some(worker.obituary().await);
                }
            }
        }
    }
}

async fn pass(
    worker: &mut Worker,
    pending: &mut HashMap<u64, Pending>,
    job: Job,
) -> std::io::Result<()> {
    if job.reply.is_closed() {
        return Ok(()); // its caller has gone while the model was loading
    }
    let entry = Pending {
        reply: job.reply,
        _permit: job.permit,
    };
    pending.insert(job.id, entry);
    worker.send(job.id, job.command).await
}

fn deliver(pending: &mut HashMap<u64, Pending>, id: u64, event: Option<Event>) {
    let Some(event) = event else { return };
    let last = event.is_last();
    if let Some(entry) = pending.get(&id) {
        drop(entry.reply.send(event)); // Err: the caller has gone; its cancel is on the way
    }
    if last {
        pending.remove(&id);
    }
}
