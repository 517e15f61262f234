//! For tests: a tool called as the pipeline calls it, without ledger and confinement.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aios_ledger::Ledger;
use serde_json::Value;
use tokio::runtime::Runtime;

use aios_tool::argument::Arguments;
use aios_tool::context::{Context, Surroundings};
use aios_tool::error::ToolError;
use aios_tool::tool::{Change, Done, ErasedTool, Look, Prepared, Tool, change, look};

/// The runtime that drives asynchronous clients in tests.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A ledger of this test process.
fn ledger() -> Arc<Ledger> {
    static LEDGER: OnceLock<(tempfile::TempDir, Arc<Ledger>)> = OnceLock::new();
    let (_, ledger) = LEDGER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger"), &folder.path().join("key"));
        (folder, Arc::new(ledger.unwrap()))
    });
    Arc::clone(ledger)
}

/// Whoever runs the test owns new files.
fn owner() -> (u32, u32) {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    (uid.as_raw(), gid.as_raw())
}

/// A context whose sockets and state are in this folder.
pub fn context(folder: &Path) -> Context {
    let surroundings = Surroundings {
        run_dir: folder.to_owned(),
        state_dir: folder.to_owned(),
        owner: owner(),
        runtime: runtime().handle().clone(),
        parts: vec![ledger()],
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    Context::new(
        Arc::new(surroundings),
        "0190b6a0-0000-7000-8000-000000000000",
        deadline,
    )
}

/// Checks, resolves and guards arguments.
pub fn prepare(
    tool: &dyn ErasedTool,
    arguments: Value,
    folder: &Path,
) -> Result<Prepared, ToolError> {
    tool.prepare(arguments, &context(folder))
}

/// What a call of a tool needs, as its caller must hold it.
pub fn needs(tool: &dyn ErasedTool, arguments: Value) -> Result<Vec<String>, ToolError> {
    let prepared = prepare(tool, arguments, Path::new("/x"))?;
    let needs = prepared.demands.needs.iter();
    Ok(needs.map(ToString::to_string).collect())
}

/// The arguments of a tool, resolved and guarded.
pub fn input<T: Tool>(arguments: Value, context: &Context) -> T::Input {
    let mut input: T::Input = serde_json::from_value(arguments).unwrap();
    T::complete(&mut input);
    input.resolve(context).unwrap();
    T::relate(&mut input, context).unwrap();
    input.guard(context).unwrap();
    input
}

/// Calls a tool in a folder.
pub fn call_in(tool: &dyn ErasedTool, arguments: Value, folder: &Path) -> Result<Done, ToolError> {
    let context = context(folder);
    tool.prepare(arguments, &context)?.call.act(&context)
}

/// Looks, without any other daemon.
pub fn call<T: Look>(arguments: Value) -> Result<Done, ToolError> {
    call_in(look::<T>().as_ref(), arguments, Path::new("/nonexistent"))
}

/// Changes something, without any other daemon.
pub fn call_change<T: Change>(arguments: Value) -> Result<Done, ToolError> {
    call_in(change::<T>().as_ref(), arguments, Path::new("/nonexistent"))
}
