//! `process.*`: what runs, signals to it, and running something.

pub mod info;
pub mod kill;
pub mod list;
pub mod signal;
pub mod spawn;
pub mod wait;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_tool::context::Context;
use aios_tool::error::ToolError;

use crate::procfs::{self, process};
use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<list::List>(),
        look::<info::Info>(),
        change::<signal::Signal>(),
        change::<kill::Act>(),
        look::<wait::Act>(),
        change::<spawn::Spawn>(),
    ]
}

/// How often it is looked whether a process has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// Has the process ended that had this id and was started then (clock ticks since boot)? A process
/// whose end its parent has not taken note of yet (a zombie) has.
fn has_ended(pid: u32, started: u64) -> bool {
    let now = process::of(pid).filter(|now| now.stat.started == started);
    now.is_none_or(|now| matches!(now.stat.state, 'Z' | 'X'))
}

/// Waits until the process has ended, at most so long; the answer is whether it has.
///
/// # Errors
/// When the call's deadline comes first.
fn ended_within(
    limit: Duration,
    (pid, started): (u32, u64),
    context: &Context,
) -> Result<bool, ToolError> {
    let until = Instant::now() + limit;
    loop {
        if has_ended(pid, started) {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        procfs::pause(context, GLANCE)?;
    }
}
