//! `aiosctl mcp` as clients meet it: the real executable on pipes, between rmcp's own client (or
//! plain lines of JSON) and a registry that really does what its tools say, over real mTLS.

#![cfg(feature = "mcp")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test

mod support;

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ClientCapabilities,
    ClientConfig, ClientRequest, GetTaskParams, Implementation, JsonObject, PaginatedRequestParams,
    ProgressNotificationParam, ProtocolVersion, Request, SubscriptionFilter, TaskPayload,
    TaskStatus,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RunningService, ServiceError};
use rmcp::{
    ClientHandler, ClientLifecycleMode, RoleClient, ServiceExt as _, serve_client_with_lifecycle,
};
use serde_json::{Value, json};
use support::registry::{APPROVAL, Registry, tool};
use support::{Double, Machine, serve};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// An operator's machine and a node with a registry.
async fn connected(role: &str) -> (Machine, Registry) {
    let machine = Machine::new();
    machine.succeeds(&["pki", "operator", "eve", "--role", role]);
    let registry = Registry::default();
    let double = Double {
        registry: Some(registry.clone()),
        ..Double::default()
    };
    let address = serve(&machine.provisioning(), double).await.to_string();
    machine.succeeds(&["config", "set", "endpoint", &address]);
    (machine, registry)
}

/// Starts `aiosctl mcp`.
fn start(machine: &Machine, arguments: &[&str]) -> (Child, ChildStdin, ChildStdout) {
    let mut child = machine
        .command(&[&["mcp"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, input, output)
}

/// A client that remembers what it was told.
#[derive(Clone, Default)]
struct Heard {
    progress: Arc<Mutex<Vec<String>>>,
    changes: Arc<Mutex<u32>>,
    knows_tasks: bool,
}

impl ClientHandler for Heard {
    fn get_info(&self) -> ClientConfig {
        let capabilities = if self.knows_tasks {
            ClientCapabilities::builder().enable_tasks().build()
        } else {
            ClientCapabilities::default()
        };
        ClientConfig::new(capabilities, Implementation::new("test", "1"))
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().unwrap().extend(progress.message);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        *self.changes.lock().unwrap() += 1;
    }
}

type Client = RunningService<RoleClient, Heard>;

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

/// A client of 2026-07-28, with the server's process.
async fn client(machine: &Machine, arguments: &[&str], heard: &Heard) -> (Child, Client) {
    let (child, input, output) = start(machine, arguments);
    let client = serve_client_with_lifecycle(heard.clone(), (output, input), newest());
    (child, client.await.unwrap())
}

fn call(name: &str, arguments: Value) -> CallToolRequestParams {
    let arguments: JsonObject = serde_json::from_value(arguments).unwrap();
    CallToolRequestParams::new(name.to_owned()).with_arguments(arguments)
}

async fn called(client: &Client, name: &str, arguments: Value) -> CallToolResult {
    client.call_tool(call(name, arguments)).await.unwrap()
}

fn text(result: &CallToolResult) -> String {
    let blocks = result.content.iter().filter_map(|block| block.as_text());
    blocks
        .map(|block| block.text.clone())
        .collect::<Vec<_>>()
        .join("\n")
}

fn document(result: &CallToolResult) -> Value {
    result.structured_content.clone().unwrap()
}

fn with_token(mut arguments: Value, result: &CallToolResult) -> Value {
    arguments["confirm_token"] = document(result)["confirm_token"].clone();
    assert!(arguments["confirm_token"].is_string());
    arguments
}

/// Waits until it holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test]
async fn the_tools_of_the_role_are_listed_in_pages_with_schemas_and_hints() {
    let (machine, _) = connected("operator").await;
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let first = client.list_tools(None).await.unwrap();
    assert_eq!((first.tools.len(), first.ttl_ms), (50, Some(60_000)));
    let all = client.list_all_tools().await.unwrap();
    let names: Vec<&str> = all.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(
        names.len(),
        115,
        "each once, without process-kill: {names:?}"
    );
    assert!(names.is_sorted() && !names.contains(&"process-kill"));
    let write = all.iter().find(|tool| tool.name == "fs-write").unwrap();
    assert_eq!(
        write.input_schema["properties"]["confirm_token"]["type"],
        "string"
    );
    assert_eq!(write.input_schema["required"], json!(["content", "path"]));
    let read = all.iter().find(|tool| tool.name == "fs-read").unwrap();
    let hints = |tool: &rmcp::model::Tool| {
        let hints = tool.annotations.clone().unwrap();
        (hints.read_only_hint, hints.destructive_hint)
    };
    assert_eq!(hints(write), (Some(false), Some(true)));
    assert_eq!(hints(read), (Some(true), Some(false)));
    assert_eq!(
        read.output_schema.as_ref().unwrap()["required"],
        json!(["content"])
    );
    let cursor = PaginatedRequestParams::default().with_cursor(Some("x".repeat(100)));
    assert!(client.list_tools(Some(cursor)).await.is_err());
}

#[tokio::test]
async fn what_is_offered_can_be_narrowed_and_a_viewer_is_told_why_there_is_nothing() {
    let names = async |role: &str, arguments: &[&str]| {
        let (machine, _) = connected(role).await;
        let (_child, client) = client(&machine, arguments, &Heard::default()).await;
        let tools = client.list_all_tools().await.unwrap();
        let names = tools.iter().map(|tool| tool.name.to_string());
        (
            names.collect::<Vec<_>>(),
            client.peer().peer_info().is_some(),
        )
    };
    let only = ["--only", "fs.*", "--only", "process.*"];
    assert_eq!(
        names("admin", &only).await.0,
        ["fs-read", "fs-write", "process-kill"]
    );
    let looks = ["--read-only", "--only", "fs.*"];
    assert_eq!(names("admin", &looks).await.0, ["fs-read"]);
    assert!(names("viewer", &[]).await.0.is_empty());
    let (machine, registry) = connected("admin").await;
    let (_child, client) = client(&machine, &["--read-only"], &Heard::default()).await;
    let refused = client.call_tool(call("fs-write", json!({}))).await;
    assert!(
        matches!(refused, Err(ServiceError::McpError(_))),
        "{refused:?}"
    );
    assert!(registry.state().made.is_empty());
    let (code, _, errors) = machine.run_async(&["mcp", "--only", "fs.["]).await;
    assert_eq!(code, 2, "{errors}");
}

#[tokio::test]
async fn a_look_answers_with_what_it_saw_and_errors_say_what_to_do() {
    let (machine, registry) = connected("operator").await;
    registry.state().files.insert("/a".into(), "hello\n".into());
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let result = called(&client, "fs-read", json!({"path": "/a"})).await;
    assert_eq!(document(&result), json!({"content": "hello\n"}));
    assert!(
        text(&result).starts_with("/a is read\n"),
        "{}",
        text(&result)
    );
    let missing = called(&client, "fs-read", json!({"path": "/b"})).await;
    assert_eq!(missing.is_error, Some(true));
    let told = text(&missing);
    assert!(told.starts_with("fs.read on https://127.0.0.1:"), "{told}");
    assert!(
        told.contains("/b: no such file\\u{1b}[2J\n-> `aiosctl goal show"),
        "{told}"
    );
    // The first is more than is sent; the second is data, however it looks.
    let large = called(&client, "test-large", json!({"size": 200_000})).await;
    assert_eq!(large.is_error, Some(true));
    assert!(text(&large).contains("too large"), "{}", text(&large));
    let hostile = called(&client, "test-large", json!({"size": 2})).await;
    assert_eq!(document(&hostile), json!({"content": "\\u{1b}\\u{1b}"}));
    assert!(!text(&hostile).contains('\u{1b}'));
    for unknown in ["fs.read", "nope", "", &"x".repeat(10_000)] {
        let refused = client.call_tool(call(unknown, json!({}))).await;
        let Err(ServiceError::McpError(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.message.len() < 300 && error.message.contains("there is no tool"));
    }
}

#[tokio::test]
async fn a_change_is_shown_first_and_made_once_when_it_is_confirmed() {
    let (machine, registry) = connected("operator").await;
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let arguments = json!({"path": "/a", "content": "one"});
    let shown = called(&client, "fs-write", arguments.clone()).await;
    assert_eq!(document(&shown)["state"], "preview");
    assert_eq!(
        document(&shown)["preview"]["changes"][0]["before"],
        "absent"
    );
    assert!(
        text(&shown).starts_with("Nothing was changed."),
        "{}",
        text(&shown)
    );
    assert!(registry.state().made.is_empty());
    let confirmed = with_token(arguments, &shown);
    let done = called(&client, "fs-write", confirmed.clone()).await;
    let document = document(&done);
    assert_eq!(
        (&document["state"], &document["output"]),
        (&json!("done"), &json!({"size": 3}))
    );
    assert!(
        text(&done).contains("aiosctl undo execution-of-goal-mcp-"),
        "{}",
        text(&done)
    );
    // The node never saw the token, and a repeated confirmation makes nothing again.
    let made = registry.state().made.clone();
    assert_eq!(made[0].arguments_json, r#"{"content":"one","path":"/a"}"#);
    registry
        .state()
        .files
        .insert("/a".into(), "by another".into());
    let again = called(&client, "fs-write", confirmed).await;
    assert_eq!(self::document(&again), document);
    assert_eq!(registry.state().made.len(), 1);
}

#[tokio::test]
async fn what_was_not_shown_is_not_done() {
    let (machine, registry) = connected("operator").await;
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let arguments = json!({"path": "/a", "content": "one"});
    let shown = called(&client, "fs-write", arguments.clone()).await;
    let confirmed = with_token(arguments.clone(), &shown);
    let refused = async |arguments: Value, why: &str| {
        let result = called(&client, "fs-write", arguments).await;
        assert_eq!(result.is_error, Some(true));
        assert_eq!(document(&result)["state"], "refused");
        assert!(text(&result).contains(why), "{}", text(&result));
        assert!(registry.state().made.is_empty());
        result
    };
    let mut other = confirmed.clone();
    other["content"] = "two".into();
    refused(other, "given for other arguments").await;
    let mut invented = arguments.clone();
    invented["confirm_token"] = "0".repeat(32).into();
    refused(invented, "not known").await;
    // Something else would happen now: the new preview has a token of its own.
    registry
        .state()
        .files
        .insert("/a".into(), "by another".into());
    let anew = refused(confirmed, "no longer what was shown").await;
    let change = &document(&anew)["preview"]["changes"][0];
    assert_eq!(change["before"], "by another");
    let done = called(&client, "fs-write", with_token(arguments, &anew)).await;
    assert_eq!(document(&done)["state"], "done");
    let wrong = called(&client, "fs-write", json!({"path": 5, "content": ""})).await;
    assert_eq!(wrong.is_error, Some(true));
    assert!(
        text(&wrong).contains("path: a text is wanted"),
        "{}",
        text(&wrong)
    );
}

#[tokio::test]
async fn a_wait_for_a_person_is_told_and_not_gone_round() {
    let (machine, registry) = connected("operator").await;
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let arguments = json!({"package": "nginx"});
    let shown = called(&client, "pkg-install", arguments.clone()).await;
    let confirmed = with_token(arguments, &shown);
    for _ in 0..2 {
        let waits = called(&client, "pkg-install", confirmed.clone()).await;
        assert_eq!(document(&waits)["state"], "waiting");
        assert_eq!(document(&waits)["approval"], APPROVAL);
        let told = text(&waits);
        assert!(
            told.contains(&format!("aiosctl approvals allow {APPROVAL}")),
            "{told}"
        );
        assert!(registry.state().made.is_empty());
    }
    let goals = registry.unfinished();
    assert_eq!(goals.len(), 1, "asked twice, ordered once: {goals:?}");
    registry.make(&goals[0]);
    let done = called(&client, "pkg-install", confirmed).await;
    assert_eq!(document(&done)["state"], "done");
    assert_eq!(registry.state().made.len(), 1);
}

#[tokio::test]
async fn a_long_call_tells_its_progress_and_can_be_cancelled() {
    let (machine, registry) = connected("operator").await;
    let heard = Heard::default();
    let (_child, client) = client(&machine, &[], &heard).await;
    let request = ClientRequest::CallToolRequest(Request::new(call("test-long", json!({}))));
    let sent = client.send_cancellable_request(request, PeerRequestOptions::no_options());
    let sent = sent.await.unwrap();
    until("progress", || !heard.progress.lock().unwrap().is_empty()).await;
    assert_eq!(registry.unfinished().len(), 1);
    sent.cancel(Some("enough".into())).await.unwrap();
    until("the goal's end", || registry.unfinished().is_empty()).await;
    assert!(registry.state().made.is_empty());
    // The client goes on as before.
    let result = called(&client, "filler-look_000", json!({})).await;
    assert_eq!(document(&result), json!({}));
}

#[tokio::test]
async fn a_long_call_becomes_a_task_for_a_client_that_knows_tasks() {
    let (machine, registry) = connected("operator").await;
    let heard = Heard {
        knows_tasks: true,
        ..Heard::default()
    };
    let (_child, client) = client(&machine, &[], &heard).await;
    let task = async || {
        let answer = client.call_tool_once(call("test-long", json!({}))).await;
        match answer.unwrap() {
            CallToolResponse::Task(created) => created.task.task_id,
            other => panic!("{other:?}"),
        }
    };
    let get = async |id: &str| {
        client
            .get_task(GetTaskParams::new(id.to_owned()))
            .await
            .unwrap()
            .task
    };
    let made = task().await;
    assert_eq!(get(&made).await.status(), TaskStatus::Working);
    registry.make(&registry.unfinished()[0]);
    let ended = loop {
        let now = get(&made).await;
        if now.status().is_terminal() {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let TaskPayload::Completed { result } = ended.payload else {
        panic!("{ended:?}");
    };
    assert_eq!(result["structuredContent"], json!({"done": true}));
    let unwanted = task().await;
    client
        .cancel_task(CancelTaskParams::new(unwanted.clone()))
        .await
        .unwrap();
    until("the goal's end", || registry.unfinished().is_empty()).await;
    assert!(client.get_task(GetTaskParams::new("nope")).await.is_err());
    // Short ones are answered as always.
    let short = client
        .call_tool_once(call("filler-look_000", json!({})))
        .await;
    assert!(
        matches!(short, Ok(CallToolResponse::Complete(_))),
        "{short:?}"
    );
}

#[tokio::test]
async fn a_change_of_the_registry_is_told_to_clients_of_both_kinds() {
    let (machine, registry) = connected("operator").await;
    let heard = Heard::default();
    let (_child, new) = client(&machine, &[], &heard).await;
    let filter = SubscriptionFilter::builder().tools_list_changed().build();
    let mut subscription = new.listen(filter).await.unwrap();
    let (_other, input, output) = start(&machine, &[]);
    let old = heard.clone().serve((output, input)).await.unwrap();
    registry
        .state()
        .more
        .push(tool("fs.new", false, json!({}), json!({})));
    tokio::time::sleep(Duration::from_millis(1100)).await; // a list is not asked for more often
    for client in [&new, &old] {
        assert_eq!(
            document(&called(client, "fs-new", json!({})).await),
            json!({})
        );
    }
    let told = tokio::time::timeout(Duration::from_secs(5), subscription.next()).await;
    assert!(matches!(told, Ok(Ok(Some(_)))), "{told:?}");
    until("the old client's notice", || {
        *heard.changes.lock().unwrap() > 0
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_calls_is_refused_beyond_what_is_carried_out() {
    let (machine, registry) = connected("operator").await;
    let (_child, client) = client(&machine, &[], &Heard::default()).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let peer = client.peer().clone();
        calls.spawn(async move { peer.call_tool(call("test-long", json!({}))).await });
    }
    for _ in 0..36 {
        let refused = calls.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(refused.is_error, Some(true));
        assert!(
            text(&refused).contains("64 calls are under way"),
            "{}",
            text(&refused)
        );
    }
    until("eight goals", || registry.unfinished().len() == 8).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(registry.unfinished().len(), 8, "the others wait");
}

/// The server's answers to plain lines.
struct Lines {
    _child: Child,
    input: ChildStdin,
    output: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Lines {
    fn start(machine: &Machine) -> Self {
        let (child, input, output) = start(machine, &["--only", "fs.*"]);
        Self {
            _child: child,
            input,
            output: BufReader::new(output).lines(),
        }
    }

    async fn send(&mut self, line: &str) {
        self.input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
    }

    /// The answer to a request; what comes before it is passed over.
    async fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&line.to_string()).await;
        loop {
            let line = self.output.next_line().await.unwrap().unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn initialize(&mut self, version: &str) -> Value {
        let client = json!({"name": "lines", "version": "1"});
        let params = json!({
            "protocolVersion": version, "capabilities": {}, "clientInfo": client,
        });
        let answer = self.ask(0, "initialize", params).await;
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        answer["result"].clone()
    }
}

#[tokio::test]
async fn each_client_is_answered_in_its_own_version() {
    let (machine, registry) = connected("operator").await;
    registry.state().files.insert("/a".into(), "hello".into());
    let check = async |asked: &str, spoken: &str| {
        let mut lines = Lines::start(&machine);
        let hello = lines.initialize(asked).await;
        assert_eq!(hello["protocolVersion"], spoken, "asked for {asked}");
        assert_eq!(hello["serverInfo"]["name"], "aiosctl");
        assert!(
            hello["instructions"]
                .as_str()
                .unwrap()
                .contains("confirm_token")
        );
        let listed = lines.ask(1, "tools/list", json!({})).await;
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2);
        assert_eq!(
            listed["result"].get("resultType"),
            None,
            "of the newest version"
        );
        let params = json!({"name": "fs-read", "arguments": {"path": "/a"}});
        let read = lines.ask(2, "tools/call", params).await;
        assert_eq!(
            read["result"]["structuredContent"],
            json!({"content": "hello"})
        );
        assert_eq!(read["result"]["isError"], false);
    };
    check("2025-11-25", "2025-11-25").await;
    check("2025-06-18", "2025-06-18").await;
    check("2024-11-05", "2024-11-05").await;
    // Whoever asks for more in a handshake gets the newest that has one.
    check("2026-07-28", "2025-11-25").await;
    check("2031-01-01", "2025-11-25").await;
    let mut lines = Lines::start(&machine);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "lines", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = lines
        .ask(1, "server/discover", json!({"_meta": meta}))
        .await;
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2025-11-25")));
    let listed = lines.ask(2, "tools/list", json!({"_meta": meta})).await;
    assert_eq!(listed["result"]["resultType"], "complete");
    assert_eq!(listed["result"]["cacheScope"], "private");
}

#[tokio::test]
async fn what_is_no_message_breaks_nothing() {
    let (machine, registry) = connected("operator").await;
    let mut lines = Lines::start(&machine);
    lines.initialize("2025-11-25").await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let deep_call = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"fs-read","arguments":{{"path":{deep}}}}}}}"#
    );
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":8,"method":"{}"}}"#,
        "x".repeat(5 * 1024 * 1024)
    );
    for line in [
        "",
        "{",
        "null",
        "[]",
        "\u{0}\u{1b}[2J",
        "{\"jsonrpc\":\"1.0\"}",
        &deep,
        &deep_call,
        &long,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    ] {
        lines.send(line).await;
    }
    lines
        .input
        .write_all(b"\xff\xfe{\"jsonrpc\"\n")
        .await
        .unwrap();
    let unknown = lines.ask(1, "tools/burn", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    let params = json!({"name": "fs-write", "arguments": {"confirm_token": {"a": []}}});
    let wrong = lines.ask(2, "tools/call", params).await;
    assert_eq!(wrong["result"]["isError"], true, "{wrong}");
    let long = json!({"path": "/a", "content": "x".repeat(1_100_000)});
    let params = json!({"name": "fs-write", "arguments": long});
    let large = lines.ask(3, "tools/call", params).await;
    let told = large["result"]["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("at most 1000000 are taken"), "{told}");
    assert_eq!(lines.ask(4, "ping", json!({})).await["result"], json!({}));
    assert!(registry.state().made.is_empty());
}

#[tokio::test]
async fn a_server_without_a_client_or_a_node_ends_and_says_why() {
    let (machine, registry) = connected("operator").await;
    // Standard input is empty here: a client that closes at once.
    let closed = machine
        .command(&["mcp"])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert_eq!(closed.status.code(), Some(0));
    assert!(closed.stdout.is_empty());
    let lost = machine
        .command(&["mcp", "--endpoint", "127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert_eq!(lost.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&lost.stderr).contains("is the appliance up?"));
    // A client that goes away leaves what it ordered to the node.
    let (mut child, client) = client(&machine, &[], &Heard::default()).await;
    let peer = client.peer().clone();
    tokio::spawn(async move { peer.call_tool(call("test-long", json!({}))).await });
    until("the goal", || registry.unfinished().len() == 1).await;
    drop(client);
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
    assert!(status.unwrap().unwrap().success());
    assert_eq!(registry.unfinished().len(), 1);
}

/// The SDK's newest release at the time of writing; a later one may name things otherwise.
const PYTHON_SDK: &str = "mcp==2.3.0";

/// Fetches the SDK from PyPI, so only when the run has got hours: `cargo xtask test --long`.
#[tokio::test]
async fn the_official_python_sdk_goes_the_whole_way_in_both_versions() {
    if !aios_testkit::needs::has_hours() {
        println!("SKIPPED: it fetches the SDK; AIOS_LONG_TESTS=1 has it run");
        return;
    }
    let (machine, registry) = connected("admin").await;
    registry.state().files.insert("/a".into(), "hello".into());
    let folder = tempfile::tempdir().unwrap();
    let run = async |program: &std::path::Path, arguments: &[&str]| {
        let mut command = tokio::process::Command::new(program);
        let output = command.args(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program:?} {arguments:?}: {said}");
    };
    run(
        "python3".as_ref(),
        &["-m", "venv", folder.path().to_str().unwrap()],
    )
    .await;
    run(
        &folder.path().join("bin/pip"),
        &["install", "--quiet", PYTHON_SDK],
    )
    .await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp_python.py");
    let config = machine.path("config.toml");
    let arguments = [
        script,
        env!("CARGO_BIN_EXE_aiosctl"),
        config.to_str().unwrap(),
    ];
    run(&folder.path().join("bin/python"), &arguments).await;
    let written = registry.state().files.clone();
    for path in ["/pinned", "/auto", "/legacy"] {
        assert_eq!(written[path], "from python");
    }
}
