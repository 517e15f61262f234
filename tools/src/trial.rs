//! For tests: a tool called as the pipeline calls it, without ledger and confinement.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aios_ledger::Ledger;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::context::{Context, Surroundings};
use crate::error::ToolError;
use crate::tool::{Done, Erased, ErasedTool, Prepared, Tool};

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
        ledger: ledger(),
        owner: owner(),
        runtime: runtime().handle().clone(),
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    Context::new(
        Arc::new(surroundings),
        "0190b6a0-0000-7000-8000-000000000000",
        deadline,
    )
}

/// Validates and resolves arguments.
pub fn prepare<T: Tool>(arguments: Value, folder: &Path) -> Result<Prepared, ToolError> {
    Erased::<T>::default().prepare(&arguments, &context(folder))
}

/// Calls a tool in a folder.
pub fn call_in<T: Tool>(arguments: Value, folder: &Path) -> Result<Done, ToolError> {
    let context = context(folder);
    let tool = Erased::<T>::default();
    let prepared = tool.prepare(&arguments, &context)?;
    tool.act(&prepared.input, &context)
}

/// Calls a tool that needs no other daemon.
pub fn call<T: Tool>(arguments: Value) -> Result<Done, ToolError> {
    call_in::<T>(arguments, Path::new("/nonexistent"))
}
