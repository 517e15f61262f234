//! Calls under way: how many, what a client hears of them, how they are given up, and which become
//! tasks.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aiosctl::error::Failure;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolResponse, CallToolResult, CreateTaskResult, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use tokio::sync::{Semaphore, watch};

use super::steps::{Asked, News, Steps};
use super::transport::Open;

/// Calls that are carried out at one time; further ones wait.
const CALLS_AT_ONCE: usize = 8;

/// Calls that are carried out or wait; further ones are refused.
const CALLS_MAX: usize = 64;

/// How often a client hears that a call goes on, so that it does not give up.
const BEAT: Duration = Duration::from_secs(5);

/// After how long a call becomes a task, for a client that knows tasks.
const TASK_AFTER: Duration = Duration::from_secs(2);

/// How long a task may run; as long again its answer is kept.
const TASK_TTL: Duration = Duration::from_secs(3600);

/// Tasks of which something may be kept; with more, calls are answered directly.
const TASKS_MAX: usize = 128;

/// How long an order that is on its way to the node is waited for, to take it back.
const ORDER: Duration = Duration::from_secs(5);

/// A call under way.
type Work = Pin<Box<dyn Future<Output = CallToolResult> + Send>>;

/// All calls of one client.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

struct Inner {
    steps: Steps,
    open: Arc<Open>,
    admitted: Semaphore,
    running: Semaphore,
    tasks: TaskManager,
    tasks_begun: Mutex<VecDeque<Instant>>,
}

impl Calls {
    /// Calls that take these steps.
    pub fn new(steps: Steps, open: Arc<Open>) -> Self {
        Self(Arc::new(Inner {
            steps,
            open,
            admitted: Semaphore::new(CALLS_MAX),
            running: Semaphore::new(CALLS_AT_ONCE),
            tasks: TaskManager::new(),
            tasks_begun: Mutex::default(),
        }))
    }

    /// What a call does.
    pub fn steps(&self) -> &Steps {
        &self.0.steps
    }

    /// The calls that became tasks.
    pub fn tasks(&self) -> &TaskManager {
        &self.0.tasks
    }

    /// Carries a call out, and tells the client of its progress. A long one becomes a task.
    pub async fn carry_out(
        &self,
        asked: Asked,
        context: RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let tool = asked.tool().to_owned();
        let (news, mut heard) = watch::channel(News::default());
        let mut work = self.work(asked, news);
        let mut progress = Progress::of(&context);
        let knows_tasks = context
            .client_capabilities()
            .is_some_and(|client| client.supports_tasks());
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
        let mut grace = std::pin::pin!(tokio::time::sleep(TASK_AFTER));
        let mut is_early = true;
        loop {
            tokio::select! {
                result = &mut work => return result.into(),
                () = context.ct.cancelled() => {
                    self.give_up(work, heard).await;
                    let what = Failure::failed("the call was cancelled");
                    return self.0.steps.failed(&tool, &what).into();
                }
                Ok(()) = heard.changed() => {
                    let said = heard.borrow_and_update().said.clone();
                    progress.tell(said).await;
                }
                _ = beat.tick() => progress.tell("still under way".to_owned()).await,
                () = &mut grace, if is_early => {
                    is_early = false;
                    if knows_tasks && self.may_begin_task() {
                        return self.task(work, heard).into();
                    }
                }
            }
        }
    }

    /// The call, to be carried out once there is room for it.
    fn work(&self, asked: Asked, news: watch::Sender<News>) -> Work {
        let calls = self.clone();
        Box::pin(async move {
            let Ok(_admitted) = calls.0.admitted.try_acquire() else {
                let busy = Failure::failed(format!("{CALLS_MAX} calls are under way already"))
                    .hint("wait until some of them are answered, then call again");
                return calls.0.steps.failed(asked.tool(), &busy);
            };
            // Never closed, so there is always a place in the end.
            let _running = calls.0.running.acquire().await;
            calls.0.steps.take(asked, news).await
        })
    }

    /// Takes a call back that its client does not want any more. A client that went away without a
    /// word takes nothing back: what it ordered goes on.
    async fn give_up(&self, mut work: Work, mut heard: watch::Receiver<News>) {
        if self.0.open.has_ended() {
            return;
        }
        let known = |news: &News| !news.ordering || !news.goal.is_empty();
        let settled = async {
            tokio::select! {
                _ = &mut work => {}
                _ = heard.wait_for(known) => {}
            }
        };
        // Only then is known what there is to take back.
        let _ = tokio::time::timeout(ORDER, settled).await;
        drop(work);
        let goal = heard.borrow().goal.clone();
        self.0.steps.give_up(&goal).await;
    }

    fn may_begin_task(&self) -> bool {
        let mut begun = self
            .0
            .tasks_begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_gone = |since: &Instant| since.elapsed() > TASK_TTL * 2;
        while begun.front().is_some_and(is_gone) {
            begun.pop_front();
        }
        let may = begun.len() < TASKS_MAX;
        if may {
            begun.push_back(Instant::now());
        }
        may
    }

    /// Lets a call go on as a task.
    fn task(&self, mut work: Work, mut heard: watch::Receiver<News>) -> CreateTaskResult {
        let options = TaskOptions::new()
            .with_ttl_ms(TASK_TTL.as_millis() as u64)
            .with_status_message(heard.borrow().said.clone());
        let calls = self.clone();
        let task = self.0.tasks.spawn(options, move |context: TaskContext| {
            Box::pin(async move {
                loop {
                    tokio::select! {
                        result = &mut work => return Ok(result),
                        () = context.cancelled() => {
                            calls.give_up(work, heard).await;
                            return Err(TaskExit::Cancelled);
                        }
                        Ok(()) = heard.changed() => {
                            let said = heard.borrow_and_update().said.clone();
                            context.set_status_message(said);
                        }
                    }
                }
            })
        });
        CreateTaskResult::new(task)
    }
}

/// What a client hears of a call, if it asked to.
struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    count: u32,
}

impl Progress {
    fn of(context: &RequestContext<RoleServer>) -> Self {
        Self {
            peer: context.peer.clone(),
            token: context.meta.get_progress_token(),
            count: 0,
        }
    }

    async fn tell(&mut self, said: String) {
        let Some(token) = &self.token else { return };
        if said.is_empty() {
            return;
        }
        self.count += 1;
        let progress = ProgressNotificationParam::new(token.clone(), f64::from(self.count));
        // Whoever cannot be told has gone; the call ends by itself.
        let _ = self.peer.notify_progress(progress.with_message(said)).await;
    }
}
