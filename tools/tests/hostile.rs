//! The disk and other processes are not friendly.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::sync::Mutex;

use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Declaration, Effect};
use aios_tool::tool::{Change, Tool, change};
use aios_tools::fs::write;
use aios_tools::registry::Registry;
use common::{Machine, done};
use serde_json::json;
use tonic::Code;

/// What happens between the check of a path and the act on it.
static BETWEEN: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// `fs.write`, with somebody in between.
struct DisturbedWrite;

impl Tool for DisturbedWrite {
    type Input = write::Input;
    type Output = write::Output;

    fn declaration() -> Declaration {
        write::Act::declaration()
    }
    fn relate(_: &mut write::Input, _: &Context) -> Result<(), ToolError> {
        if let Some(disturb) = BETWEEN.lock().unwrap().take() {
            disturb();
        }
        Ok(())
    }
    fn summarize(input: &write::Input, output: &write::Output) -> String {
        write::Act::summarize(input, output)
    }
}

impl Change for DisturbedWrite {
    fn effect() -> Effect {
        write::Act::effect()
    }
    fn preview(input: &write::Input, context: &Context) -> Result<Preview, ToolError> {
        write::Act::preview(input, context)
    }
    fn act(input: &write::Input, context: &Context) -> Result<write::Output, ToolError> {
        write::Act::act(input, context)
    }
    fn verify(_: &write::Input, _: &write::Output, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_swapped_after_its_check_leads_nowhere() {
    let mut machine = Machine::new(Registry::complete().with(change::<DisturbedWrite>()));
    let outside = machine.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("x"), "untouched").unwrap();
    let (folder, file) = (machine.path("folder"), machine.path("folder/x"));
    let mut storage = machine.storage();
    let arguments = json!({"path": file, "content": "escaped"});

    std::fs::create_dir(&folder).unwrap();
    let (target, swapped) = (outside.clone(), folder.clone());
    *BETWEEN.lock().unwrap() = Some(Box::new(move || {
        std::fs::remove_dir(&swapped).unwrap();
        std::os::unix::fs::symlink(target, &swapped).unwrap();
    }));
    let status = done(&mut storage, "1", "fs.write", arguments.clone())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");

    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let (target, swapped) = (outside.join("x"), file.clone());
    *BETWEEN.lock().unwrap() = Some(Box::new(move || {
        std::os::unix::fs::symlink(target, swapped).unwrap();
    }));
    let status = done(&mut storage, "2", "fs.write", arguments)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert_eq!(
        std::fs::read_to_string(outside.join("x")).unwrap(),
        "untouched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_whole_is_recorded_in_part() {
    let mut machine = Machine::new(Registry::complete());
    let mut storage = machine.storage();
    let control = |count| "\u{1}".repeat(count);
    let path = format!("/{}", format!("{}/", control(200)).repeat(19));
    for (tool, arguments) in [
        ("fs.stat", json!({"path": path})),
        ("fs.write", json!({"path": path, "content": ""})),
        ("fs.write", json!({"path": path, "contents": ""})),
    ] {
        let mut request = common::call(&control(256), tool, arguments);
        request.reason = control(4096);
        request.on_behalf_of = control(4096);
        let before = machine.audit().len();
        let status = storage.call(request).await.unwrap_err();
        assert_ne!(status.code(), Code::Unavailable, "{tool}: {status}");
        assert_eq!(machine.audit().len(), before + 1, "{tool}");
    }
    let detail = control(4096);
    let record = aios_contracts::v1::RecordRequest {
        kind: detail.clone(),
        subject: detail.clone(),
        goal_id: detail.clone(),
        detail,
    };
    machine.orchestrator().record(record).await.unwrap();

    // Call ids stay apart also where they are recorded alike.
    let (one, other) = (machine.path("one"), machine.path("other"));
    for (last, path) in [("1", &one), ("2", &other)] {
        let id = format!("{}{last}", control(200));
        let arguments = json!({"path": path, "content": "x"});
        done(&mut storage, &id, "fs.write", arguments)
            .await
            .unwrap();
    }
}

/// Its own process (nextest): the limit holds for all that it writes.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_writable_ledger_nothing_is_done() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::signal::{SigHandler, Signal};
    let mut machine = Machine::new(Registry::complete());
    let file = machine.path("x");
    let mut storage = machine.storage();
    let large = "y".repeat(3000); // makes the ledger larger than any other file written here
    for number in 0..40 {
        let arguments = json!({"path": file, "nonsense": large});
        let refused = done(&mut storage, &format!("r{number}"), "fs.read", arguments).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    let size = std::fs::metadata(machine.folder.path().join("state/ledger/log"))
        .unwrap()
        .len();
    assert!(size > 8192, "{size}");
    // SAFETY: ignoring a signal runs no handler; writes past the limit then fail with EFBIG.
    #[allow(unsafe_code)]
    unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    let unlimited = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, size, unlimited.1).unwrap();
    let arguments = json!({"path": file, "content": "x"});
    let status = done(&mut storage, "1", "fs.write", arguments)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("ledger"), "{status}");
    assert!(!std::path::Path::new(&file).exists());
    // The journal had the intent already: it is withdrawn there.
    setrlimit(Resource::RLIMIT_FSIZE, unlimited.0, unlimited.1).unwrap();
    assert_eq!(machine.under_way(), 0);
    assert!(machine.audit().iter().all(|(kind, _)| kind != "intent"));
}
