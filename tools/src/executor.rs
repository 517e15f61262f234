//! Runs one act, or finds out what it would do: in a thread of its own, confined, under a deadline.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::confine;
use aios_tool::context::Context;
use aios_tool::demand::Reach;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::tool::{Done, ErasedTool, Prepared};

/// How often a waiter looks whether it should give up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An act, or the preview of one, under way.
pub struct Running<T = Done> {
    tool: Arc<dyn ErasedTool>,
    result: Receiver<Result<T, ToolError>>,
}

/// How long a wait took.
pub enum Waited<T = Done> {
    /// It ended in time.
    Ended(Result<T, ToolError>),
    /// It did not; it may still be waited for.
    Late(Running<T>),
}

/// Starts an act. `guards` are dropped when it has ended, however late.
///
/// # Errors
/// When the system has no thread left.
pub fn start(
    tool: Arc<dyn ErasedTool>,
    prepared: Prepared,
    context: Context,
    guards: Arc<dyn Any + Send + Sync>,
) -> Result<Running, ToolError> {
    let Prepared { demands, call } = prepared;
    run(tool, demands.reach, guards, move || {
        let acted = call.act(&context);
        drop(context);
        acted
    })
}

/// Starts to find out what an act would do. The thread can write nothing: what the act may change, it
/// may read.
///
/// # Errors
/// When the system has no thread left.
pub fn preview(
    tool: Arc<dyn ErasedTool>,
    prepared: Prepared,
    context: Context,
    guards: Arc<dyn Any + Send + Sync>,
) -> Result<Running<Preview>, ToolError> {
    let Prepared { demands, call } = prepared;
    let Reach { mut read, write } = demands.reach;
    read.extend(write);
    let reach = Reach {
        read,
        write: Vec::new(),
    };
    run(tool, reach, guards, move || {
        let foreseen = call.preview(&context);
        drop(context);
        foreseen
    })
}

fn run<T: Send + 'static>(
    tool: Arc<dyn ErasedTool>,
    reach: Reach,
    guards: Arc<dyn Any + Send + Sync>,
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<Running<T>, ToolError> {
    let (sender, result) = sync_channel(1);
    let acting = Arc::clone(&tool);
    let act = move || {
        let ended = confine::this_thread(&acting.spec().kernel, &reach).and_then(|()| work());
        drop(guards);
        drop(sender.send(ended)); // fails when nobody waits any more
    };
    let name = &tool.spec().name;
    thread::Builder::new()
        .name(name.clone())
        .spawn(act)
        .map_err(|error| ToolError::Unavailable(format!("no thread for {name}: {error}")))?;
    Ok(Running { tool, result })
}

impl<T> Running<T> {
    /// Waits, at most so long, and not after `give_up` says so.
    pub fn wait(self, limit: Duration, give_up: impl Fn() -> bool) -> Waited<T> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.result.recv_timeout(left.min(LOOK_EVERY)) {
                Ok(ended) => return Waited::Ended(ended),
                Err(RecvTimeoutError::Disconnected) => return Waited::Ended(self.crashed()),
                Err(RecvTimeoutError::Timeout) if left <= LOOK_EVERY || give_up() => {
                    return Waited::Late(self);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits for as long as it takes.
    pub fn wait_on(self) -> Result<T, ToolError> {
        match self.result.recv() {
            Ok(ended) => ended,
            Err(_) => self.crashed(),
        }
    }

    fn crashed(&self) -> Result<T, ToolError> {
        Err(ToolError::Failed(format!(
            "{} crashed",
            self.tool.spec().name
        )))
    }
}
