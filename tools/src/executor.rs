//! Runs one act: in a thread of its own, confined, under a deadline.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::confine;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::tool::{Done, ErasedTool, Prepared};

/// How often a waiter looks whether it should give up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An act under way.
pub struct Running {
    tool: Arc<dyn ErasedTool>,
    result: Receiver<Result<Done, ToolError>>,
}

/// How long a wait took.
pub enum Waited {
    /// The act ended in time.
    Ended(Result<Done, ToolError>),
    /// It did not; it may still be waited for.
    Late(Running),
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
    let (sender, result) = sync_channel(1);
    let acting = Arc::clone(&tool);
    let act = move || {
        let Prepared { demands, call } = prepared;
        let ended = confine::this_thread(&acting.spec().kernel, &demands.reach)
            .and_then(|()| call.act(&context));
        drop(context);
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

impl Running {
    /// Waits, at most so long, and not after `give_up` says so.
    pub fn wait(self, limit: Duration, give_up: impl Fn() -> bool) -> Waited {
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
    pub fn wait_on(self) -> Result<Done, ToolError> {
        match self.result.recv() {
            Ok(ended) => ended,
            Err(_) => self.crashed(),
        }
    }

    fn crashed(&self) -> Result<Done, ToolError> {
        Err(ToolError::Failed(format!(
            "{} crashed",
            self.tool.spec().name
        )))
    }
}
