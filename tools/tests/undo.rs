//! Undo puts everything back, whatever was there and whatever was done.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use aios_daemon::identity::Principal;
use aios_role::Role;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Declaration, Effect, Least};
use aios_tool::tool::{Change, Tool, change};
use aios_tool::undo::{Capture, InverseCall};
use aios_tools::fs::write;
use aios_tools::pipeline::{Request, Undo};
use aios_tools::registry::Registry;
use common::Machine;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Writes a file, and is undone by another call: one that appends to the file.
struct Marks;

impl Tool for Marks {
    type Input = write::Input;
    type Output = write::Output;

    fn declaration() -> Declaration {
        let declaration = Declaration::of("test.marks", "Writes.").timeout_ms(5_000);
        declaration.kernel(aios_tool::file::WRITING)
    }
    fn summarize(_: &write::Input, _: &write::Output) -> String {
        "marked".into()
    }
}

impl Change for Marks {
    fn effect() -> Effect {
        Effect::of("the file has the content", &["write"]).undone_by(aios_tool::spec::Undo::Call)
    }
    fn preview(input: &write::Input, context: &Context) -> Result<Preview, ToolError> {
        write::Act::preview(input, context)
    }
    fn capture(input: &write::Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        capture.call(InverseCall {
            tool: "fs.append".into(),
            arguments: json!({"path": input.path.as_str(), "content": "taken back"}),
            undone: format!("{} says that it was taken back", input.path),
        });
        Ok(())
    }
    fn act(input: &write::Input, context: &Context) -> Result<write::Output, ToolError> {
        write::Act::act(input, context)
    }
    fn verify(_: &write::Input, _: &write::Output, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_is_taken_back_by_another_call_once_and_on_record() {
    let machine = Machine::new(Registry::complete().with(change::<Marks>()));
    let file = machine.path("x");
    let pipeline = std::sync::Arc::clone(&machine.pipeline);
    let request = Request {
        call_id: "1".into(),
        tool: "test.marks".into(),
        arguments_json: json!({"path": file, "content": "done"}).to_string(),
        ..Request::default()
    };
    let (undone, again) = tokio::task::spawn_blocking(move || {
        let answer = pipeline.call(&Principal::Root, request).unwrap();
        assert!(answer.reversible);
        let undo = Undo {
            execution_id: answer.execution_id,
            role: Some(Role::Operator),
            ..Undo::default()
        };
        // The orchestrator holds no capability, but may take executions back.
        let caller = Principal::Daemon("orchestrator".into());
        let undone = pipeline.undo(&caller, &undo).unwrap();
        (undone, pipeline.undo(&caller, &undo))
    })
    .await
    .unwrap();
    assert_eq!(
        undone.1,
        format!("undone: {file} says that it was taken back")
    );
    assert!(again.unwrap_err().to_string().contains("already undone"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "done\ntaken back");
    let kinds: Vec<String> = machine.audit().into_iter().map(|(kind, _)| kind).collect();
    let expected = [
        "intent",
        "completion",
        "undo",
        "intent",
        "completion",
        "undo",
    ];
    assert_eq!(kinds[..6], expected);
}

/// As [`Marks`], for the goals of admins alone.
struct ForAdmins;

impl Tool for ForAdmins {
    type Input = write::Input;
    type Output = write::Output;

    fn declaration() -> Declaration {
        let declaration = Declaration::of("test.for_admins", "Writes.").least(Least::Admin);
        declaration.kernel(aios_tool::file::WRITING)
    }
    fn summarize(_: &write::Input, _: &write::Output) -> String {
        "written".into()
    }
}

impl Change for ForAdmins {
    fn effect() -> Effect {
        Effect::of("the file has the content", &["write"]).undone_by(aios_tool::spec::Undo::Call)
    }
    fn preview(input: &write::Input, context: &Context) -> Result<Preview, ToolError> {
        write::Act::preview(input, context)
    }
    fn capture(input: &write::Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        capture.call(InverseCall {
            tool: "test.for_admins".into(),
            arguments: json!({"path": input.path.as_str(), "content": "before"}),
            undone: format!("{} is as before", input.path),
        });
        Ok(())
    }
    fn act(input: &write::Input, context: &Context) -> Result<write::Output, ToolError> {
        write::Act::act(input, context)
    }
    fn verify(_: &write::Input, _: &write::Output, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_a_call_back_could_have_ordered_it() {
    // `test.marks` is for operators, and is taken back by a call that is, too.
    let registry = Registry::complete()
        .with(change::<Marks>())
        .with(change::<ForAdmins>());
    let machine = Machine::new(registry);
    let outcomes = machine.folder.path().join("state/tools/outcomes");
    for (tool, knows_its_role) in [
        ("test.for_admins", true),
        // As the version before this one stored it.
        ("test.for_admins", false),
        ("test.marks", true),
    ] {
        let file = machine.path(&format!("{tool} {knows_its_role}"));
        let pipeline = std::sync::Arc::clone(&machine.pipeline);
        let arguments = json!({"path": file, "content": "after"});
        let act = tokio::task::block_in_place(|| machine.act(tool, arguments)).unwrap();
        if !knows_its_role {
            machine.pipeline.empty_journal();
            let stored = outcomes.join(format!("{}.json", act.execution_id));
            let text = std::fs::read_to_string(&stored).unwrap();
            let without = text.replace(r#","least":"admin""#, "");
            assert_ne!(text, without);
            std::fs::write(stored, without).unwrap();
        }
        let caller = Principal::Daemon("orchestrator".into());
        let undo = |role| {
            let undo = Undo {
                execution_id: act.execution_id.clone(),
                on_behalf_of: "CN=ann".into(),
                role,
                ..Undo::default()
            };
            tokio::task::block_in_place(|| pipeline.undo(&caller, &undo))
        };
        let for_admins = tool == "test.for_admins";
        for role in [None, Some(Role::Viewer), Some(Role::Operator)] {
            if !for_admins && role == Some(Role::Operator) {
                continue;
            }
            let refused = undo(role).unwrap_err();
            assert!(matches!(refused, ToolError::Denied(_)), "{tool}: {refused}");
            let text = refused.to_string();
            assert!(text.contains("which CN=ann has not"), "{text}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "after", "{role:?}");
            let (kind, outcome) = machine.audit().pop().unwrap();
            assert_eq!(kind, "undo");
            assert!(outcome.starts_with("failed"), "{outcome}");
        }
        let role = if for_admins {
            Role::Admin
        } else {
            Role::Operator
        };
        undo(Some(role)).unwrap();
        assert_ne!(std::fs::read_to_string(&file).unwrap(), "after");
    }
}

/// What the version before this one left: an execution in its store, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_of_the_version_before_can_be_undone() {
    let machine = Machine::new(Registry::complete());
    let root = machine.folder.path().canonicalize().unwrap();
    let file = machine.path("x");
    std::fs::write(&file, "after").unwrap();
    let kept = root.join("state/undo/0190b6a0-0000-5000-8000-000000000000");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join("0"), "before").unwrap();
    let metadata = std::fs::metadata(&file).unwrap();
    let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
    let outcome = include_str!("stored/outcome.json")
        .replace("FILE", &file)
        .replace("KEPT", kept.join("0").to_str().unwrap())
        .replace("AFTER", &fingerprint_of(mode, uid, gid, b"after"))
        .replace("BEFORE", &fingerprint_of(mode, uid, gid, b"before"))
        .replace("\"MODE\"", &mode.to_string())
        .replace("\"UID\"", &uid.to_string())
        .replace("\"GID\"", &gid.to_string());
    let id = "0190b6a0-0000-5000-8000-000000000000";
    let stored = root.join(format!("state/tools/outcomes/{id}.json"));
    std::fs::write(stored, outcome).unwrap();
    let pipeline = std::sync::Arc::clone(&machine.pipeline);
    let undo = Undo {
        execution_id: id.into(),
        ..Undo::default()
    };
    let undone = tokio::task::spawn_blocking(move || pipeline.undo(&Principal::Root, &undo));
    assert_eq!(
        undone.await.unwrap().unwrap().1,
        format!("undone: {file} is as it was before")
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
}

/// The fingerprint of a file without extended attributes, as it has been stored since the first
/// version.
fn fingerprint_of(mode: u32, uid: u32, gid: u32, content: &[u8]) -> String {
    let mut digest = Sha256::new();
    let about = format!("{mode:o} {uid} {gid}");
    let fields: [&[u8]; 3] = [b"file", about.as_bytes(), &Sha256::digest(content)[..]];
    for field in fields {
        digest.update((field.len() as u64).to_le_bytes());
        digest.update(field);
    }
    format!("sha256:{:x}", digest.finalize())
}

/// Names are few, so that operations meet.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Thing {
    File(Vec<u8>, u32, bool),
    Folder(u32),
    Link(&'static str),
    /// Another name of what is at this path, when that is a file.
    Name(String),
    /// A file with a hole of this size, in kilobytes, before its end.
    Sparse(u64),
    Fifo,
}

#[derive(Clone, Debug)]
enum Deed {
    Write(String, String),
    Append(String, String),
    Mkdir(String),
    Move(String, String),
    Copy(String, String),
    Delete(String),
    Symlink(String, String),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4).prop_map(|names| names.join("/"))
}

fn thing() -> impl Strategy<Value = Thing> {
    let mode = prop::sample::select(&[0o644_u32, 0o600, 0o755, 0o4711, 0o444][..]);
    prop_oneof![
        (
            prop::collection::vec(any::<u8>(), 0..40),
            mode,
            any::<bool>()
        )
            .prop_map(|(content, mode, attribute)| Thing::File(content, mode, attribute)),
        prop::sample::select(&[0o755_u32, 0o700, 0o1777][..]).prop_map(Thing::Folder),
        prop::sample::select(&["a", "none", "../b"][..]).prop_map(Thing::Link),
        path().prop_map(Thing::Name),
        (0_u64..900).prop_map(Thing::Sparse),
        Just(Thing::Fifo),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let text = "[a-z\n]{0,20}";
    prop_oneof![
        (path(), text).prop_map(|(p, t)| Deed::Write(p, t)),
        (path(), text).prop_map(|(p, t)| Deed::Append(p, t)),
        path().prop_map(Deed::Mkdir),
        (path(), path()).prop_map(|(p, q)| Deed::Move(p, q)),
        (path(), path()).prop_map(|(p, q)| Deed::Copy(p, q)),
        path().prop_map(Deed::Delete),
        (path(), path()).prop_map(|(p, q)| Deed::Symlink(p, q)),
    ]
}

fn build(root: &Path, tree: &[(String, Thing)]) {
    for (path, thing) in tree {
        let path = root.join(path);
        if path.symlink_metadata().is_ok()
            || std::fs::create_dir_all(path.parent().unwrap()).is_err()
        {
            continue; // it would lead through a file
        }
        match thing {
            Thing::File(content, mode, attribute) => {
                std::fs::write(&path, content).unwrap();
                if *attribute {
                    let flags = rustix::fs::XattrFlags::empty();
                    let _ = rustix::fs::setxattr(&path, "user.note", b"kept\0", flags); // where there are any
                }
                std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
            }
            Thing::Folder(mode) => {
                std::fs::create_dir(&path).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
            }
            Thing::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            Thing::Name(other) => drop(std::fs::hard_link(root.join(other), &path)),
            Thing::Sparse(size) => {
                std::fs::write(&path, "begin").unwrap();
                let file = std::fs::OpenOptions::new()
                    .append(true)
                    .open(&path)
                    .unwrap();
                file.set_len(5 + size * 1024).unwrap();
            }
            Thing::Fifo => {
                let mode = rustix::fs::Mode::from_raw_mode(0o640);
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
            }
        }
    }
}

/// All that undo promises to put back; times of files too.
fn state(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().unwrap();
        let mut line = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
        if meta.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            line.push_str(&format!(" {}.{}", meta.mtime(), meta.mtime_nsec()));
        }
        if !meta.is_dir() {
            line.push_str(&format!(" {} names", meta.nlink()));
        }
        if meta.is_file() {
            // A hole may come back smaller than it was, never filled.
            line.push_str(&format!(" {}", meta.blocks() * 512 < meta.len()));
            let mut note = [0; 16];
            let note = rustix::fs::getxattr(&path, "user.note", &mut note[..]).ok();
            line.push_str(&format!(" {note:?} {:?}", std::fs::read(&path).unwrap()));
        }
        if meta.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            line.push_str(&format!(" -> {:?}", target.as_os_str().as_bytes()));
        }
        found.insert(path.display().to_string(), line);
    }
    found
}

fn arguments(machine: &Machine, deed: &Deed) -> (&'static str, Value) {
    let at = |path: &String| machine.path(path);
    match deed {
        Deed::Write(path, text) => ("fs.write", json!({"path": at(path), "content": text})),
        Deed::Append(path, text) => ("fs.append", json!({"path": at(path), "content": text})),
        Deed::Mkdir(path) => ("fs.mkdir", json!({"path": at(path)})),
        Deed::Move(from, to) => (
            "fs.move",
            json!({"source": at(from), "destination": at(to)}),
        ),
        Deed::Copy(from, to) => (
            "fs.copy",
            json!({"source": at(from), "destination": at(to)}),
        ),
        Deed::Delete(path) => ("fs.delete", json!({"path": at(path)})),
        Deed::Symlink(path, target) => ("fs.symlink", json!({"path": at(path), "target": target})),
    }
}

/// The power fails in an undo that moves between file systems: what is moved is kept aside, and
/// copied in full or not at all.
#[test]
fn an_interrupted_undo_goes_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    for copied in [false, true] {
        let machine = Machine::new(Registry::complete());
        let folder = machine.path("folder");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(format!("{folder}/a"), "a").unwrap();
        std::fs::write(format!("{folder}/b"), "b").unwrap();
        let request = Request {
            call_id: "1".into(),
            tool: "fs.delete".into(),
            arguments_json: json!({"path": folder}).to_string(),
            ..Request::default()
        };
        let deleted = machine.pipeline.call(&Principal::Root, request).unwrap();
        let id = deleted.execution_id;

        let state = machine.folder.path().join("state");
        let outcome = state.join(format!("tools/outcomes/{id}.json"));
        let mut begun: Value = serde_json::from_slice(&std::fs::read(&outcome).unwrap()).unwrap();
        begun["undo_begun"] = "u".into();
        std::fs::write(&outcome, begun.to_string()).unwrap();
        let aside = state.join("quarantine/.aios-tmp-u");
        std::fs::rename(state.join("quarantine").join(&id), &aside).unwrap();
        if copied {
            let status = std::process::Command::new("cp")
                .arg("-a")
                .args([aside.as_os_str(), folder.as_ref()])
                .status();
            assert!(status.unwrap().success());
            std::fs::remove_file(aside.join("a")).unwrap();
        }

        let undo = Undo {
            execution_id: id,
            ..Undo::default()
        };
        machine.pipeline.undo(&Principal::Root, &undo).unwrap();
        assert_eq!(std::fs::read_to_string(format!("{folder}/a")).unwrap(), "a");
        assert_eq!(std::fs::read_to_string(format!("{folder}/b")).unwrap(), "b");
        let left = std::fs::read_dir(state.join("quarantine")).unwrap().count();
        assert_eq!(left, 0);
    }
}

/// What was deleted and then lost from the quarantine, or moved and then moved on, is nowhere to be
/// brought back from: undo says so and does not count as done.
#[test]
fn what_is_gone_from_where_it_was_moved_is_not_said_to_be_back() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let machine = Machine::new(Registry::complete());
    let (file, moved) = (machine.path("file"), machine.path("moved"));
    let call = |call_id: &str, tool: &str, arguments: Value| {
        let request = Request {
            call_id: call_id.into(),
            tool: tool.into(),
            arguments_json: arguments.to_string(),
            ..Request::default()
        };
        let answer = machine.pipeline.call(&Principal::Root, request).unwrap();
        Undo {
            execution_id: answer.execution_id,
            ..Undo::default()
        }
    };
    let refused = |undo: &Undo| {
        let undone = machine.pipeline.undo(&Principal::Root, undo);
        undone.unwrap_err().to_string()
    };
    std::fs::write(&file, "a").unwrap();
    let undo_delete = call("1", "fs.delete", json!({"path": file}));
    let quarantine = machine.folder.path().join("state/quarantine");
    let kept = quarantine.join(&undo_delete.execution_id);
    let elsewhere = machine.path("elsewhere");
    std::fs::rename(&kept, &elsewhere).unwrap();
    for _ in 0..2 {
        let told = refused(&undo_delete);
        assert!(told.contains("cannot be brought back"), "{told}");
    }
    std::fs::write(&file, "b").unwrap();
    let told = refused(&undo_delete);
    assert!(told.contains("something else is at"), "{told}");

    let undo_move = call(
        "2",
        "fs.move",
        json!({"source": file, "destination": moved}),
    );
    std::fs::remove_file(&moved).unwrap();
    let told = refused(&undo_move);
    assert!(told.contains("nothing is at"), "{told}");

    // Brought back by somebody else: nothing is left to be done.
    std::fs::rename(&elsewhere, &file).unwrap();
    machine
        .pipeline
        .undo(&Principal::Root, &undo_delete)
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn undoing_all_in_reverse_restores_every_state(
        tree in prop::collection::vec((path(), thing()), 0..12),
        deeds in prop::collection::vec(deed(), 1..10),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let machine = Machine::new(Registry::complete());
        let data = machine.folder.path().canonicalize().unwrap().join("data");
        build(&data, &tree);
        let mut history = Vec::new();
        for (number, deed) in deeds.iter().enumerate() {
            let before = state(&data);
            let (tool, arguments) = arguments(&machine, deed);
            let request = Request {
                call_id: number.to_string(),
                tool: tool.into(),
                arguments_json: arguments.to_string(),
                ..Request::default()
            };
            match machine.pipeline.call(&Principal::Root, request) {
                Ok(answer) if answer.reversible => history.push((answer.execution_id, before)),
                Ok(_) => prop_assert_eq!(&state(&data), &before, "{:?} said that it did nothing", deed),
                Err(_) => prop_assert_eq!(&state(&data), &before, "{:?} failed", deed),
            }
        }
        while let Some((execution_id, before)) = history.pop() {
            let undo = Undo { execution_id, ..Undo::default() };
            let undone = machine.pipeline.undo(&Principal::Root, &undo);
            prop_assert!(undone.is_ok(), "{:?}", undone);
            prop_assert_eq!(&state(&data), &before);
        }
    }
}
