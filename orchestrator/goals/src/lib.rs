//! Goals as a domain: a goal, its tasks, and the decision what happens to it next. Pure.
//!
//! 1. **A value of these types cannot be half a value**: a state is one of five, an end carries its
//!    answer or its reason, arguments are parsed. What came over a wire, or from a disk, is turned
//!    into them once, at the edge (`aios-orchestrator`'s `wire`).
//! 2. **A goal ends** ([`engine::next`]), and it ends as succeeded only when every task did.
//! 3. **Nothing is invented**: an answer consists of what the tasks returned ([`engine::answer`]).
//!
//! What must not live here: a clock, a socket, a file, or a type of the contracts in `proto/`.

pub mod engine;
mod goal;
mod task;

pub use aios_role::Role;
pub use engine::{End, Interruption, Step};
pub use goal::{Call, Goal, Level, State};
pub use task::{Arguments, Execution, Made, Task, TaskState, ToolCall, call_id};

/// Milliseconds since the Unix epoch.
pub type UnixMillis = i64;
