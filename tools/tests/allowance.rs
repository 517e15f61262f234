//! What agents may put on record: floods over real sockets.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::time::{Duration, Instant};

use aios_contracts::v1::ListToolsRequest;
use aios_daemon::identity::Principal;
use aios_tools::registry::Registry;
use common::{Machine, agent, call, done};
use serde_json::json;
use tonic::{Code, Status};

/// Refusals of one caller that go on record at once, and some that the next seconds add.
const ON_RECORD_MAX: usize = 220;

fn refusals(machine: &Machine) -> usize {
    let audit = machine.audit();
    audit.iter().filter(|(kind, _)| kind == "refusal").count()
}

fn log_bytes(machine: &Machine) -> u64 {
    let log = machine.folder.path().join("state/ledger/log");
    std::fs::metadata(log).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_of_an_agent_do_not_fill_the_ledger() {
    let mut machine = Machine::new(Registry::complete());
    let client = machine.storage().unplanned();
    let mut flood = call("x", "fs.read", json!({}));
    flood.reason = "r".repeat(4096);
    let mut codes = Vec::new();
    for number in 0..1000 {
        let mut call = flood.clone();
        call.call_id = format!("{}{number}", "i".repeat(250));
        let refused = client.clone().call(call).await.unwrap_err();
        codes.push((refused.code(), refused.message().to_owned()));
    }
    assert_eq!(codes[0].0, Code::PermissionDenied);
    let (code, text) = codes.last().unwrap();
    assert_eq!(*code, Code::ResourceExhausted);
    assert!(text.contains("make fewer calls"), "{text}");
    assert!(refusals(&machine) < ON_RECORD_MAX, "{}", refusals(&machine));
    assert!(log_bytes(&machine) < 600_000, "{}", log_bytes(&machine));

    tokio::time::sleep(Duration::from_millis(1100)).await;
    machine.pipeline.record_held_back().unwrap();
    let ledger = machine.pipeline.ledger();
    let last = ledger.newest().next().unwrap().unwrap();
    assert_eq!(
        (last.kind.as_str(), last.actor.as_str()),
        ("refusal", "agent:storage")
    );
    assert!(last.decision.contains(" more"), "{}", last.decision);
    assert!(ledger.verify(&aios_ledger::Expected::default()).intact);

    // Whoever acts for people is neither stopped by it nor left off the record.
    let before = refusals(&machine);
    for _ in 0..300 {
        machine.act("fs.wriet", json!({})).unwrap_err();
    }
    assert_eq!(refusals(&machine), before + 300);
    let mut stranger = machine.connect(Principal::Other(1000));
    for _ in 0..300 {
        stranger.list_tools(ListToolsRequest {}).await.unwrap_err();
    }
    assert!(refusals(&machine) < before + 300 + ON_RECORD_MAX);
}

/// Calls that are answered count too: the same registered call may be repeated for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_repeat_its_calls_without_end() {
    let mut machine = Machine::new(Registry::complete());
    let mut storage = machine.storage();
    let look = call("look", "fs.stat", json!({"path": machine.path("")}));
    storage.call(look.clone()).await.unwrap();
    let began = Instant::now();
    let mut floods = Vec::new();
    for _ in 0..8 {
        let (mut client, look) = (storage.unplanned(), look.clone());
        floods.push(tokio::spawn(async move {
            let mut refused: Option<Status> = None;
            for _ in 0..1000 {
                refused = client.call(look.clone()).await.err().or(refused);
            }
            refused
        }));
    }
    let mut told = None;
    for flood in floods {
        told = flood.await.unwrap().or(told);
    }
    let seconds = began.elapsed().as_secs() + 1;
    let on_record = machine.audit().len() as u64;
    assert!(
        on_record <= 2000 + 500 * seconds + ON_RECORD_MAX as u64,
        "{on_record} in {seconds} s"
    );
    if let Some(told) = told {
        assert_eq!(told.code(), Code::ResourceExhausted, "{told}");
        assert!(told.message().contains("wait a second"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_part_of_the_day_is_filled_is_refused_and_others_are_not() {
    let mut machine = Machine::with(Registry::complete(), |config| {
        config.tools.ledger_mib_per_day_max = 1;
    });
    let mut storage = machine.storage();
    let path = machine.path("");
    let mut look = call("look", "fs.stat", json!({"path": path}));
    look.reason = "r".repeat(4000);
    let mut refused = None;
    for number in 0..400 {
        look.call_id = format!("look {number}");
        if let Err(status) = storage.call(look.clone()).await {
            refused = Some(status);
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("0:00 UTC"), "{refused}");
    assert_eq!(refusals(&machine), 1, "on record once");
    assert!(log_bytes(&machine) < 1 << 20, "{}", log_bytes(&machine));
    let mut monitor = machine.connect(agent("monitor"));
    done(&mut monitor, "m", "fs.stat", json!({"path": path}))
        .await
        .unwrap();
    machine.act("fs.stat", json!({"path": path})).unwrap();
}
