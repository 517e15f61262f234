//! A data disk that is full to the last byte.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::sync::Arc;

use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::emergency_server::EmergencyServer;
use aios_contracts::v1::{EmergencyRequest, RecordRequest, UndoRequest};
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_testkit::disk::Disk;
use aios_tools::emergency;
use aios_tools::registry::Registry;
use common::{Machine, agent, call, done};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Channel, Server};

/// Orders of operators that must have room.
const ORDERS: usize = 500;

fn machine_on(disk: &Disk) -> Machine {
    let folder = TempDir::new_in(disk.path()).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    Machine::at(folder, Registry::complete())
}

async fn emergency(machine: &Machine) -> EmergencyClient<Channel> {
    let socket = machine.folder.path().join("run/emergency.sock");
    let listener = aios_daemon::socket::listen(&socket).unwrap();
    let service = emergency::Service::new(
        Arc::clone(&machine.pipeline),
        Callers::played(|| Principal::Daemon("orchestrator".into())),
        Arc::new(|| {}),
    );
    let server = Server::builder()
        .add_service(EmergencyServer::new(service))
        .serve_with_incoming(listener);
    tokio::spawn(server);
    EmergencyClient::new(aios_daemon::socket::channel(&socket).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_stop_resume_undo_and_are_on_record_and_agents_leave_them_the_room() {
    let Some(disk) = Disk::as_data_partition(64) else {
        return;
    };
    let mut machine = machine_on(&disk);
    let mut orchestrator = machine.orchestrator();
    let mut storage = machine.storage();
    let mut emergency = emergency(&machine).await;
    let path = machine.path("kept");
    std::fs::write(&path, "kept").unwrap();
    let deleted = done(&mut storage, "d", "fs.delete", json!({"path": path}));
    let deleted = deleted.await.unwrap().execution_id;
    disk.fill_wholly();

    // An agent looks until what it may use is used up.
    let look = json!({"path": machine.path("")});
    let mut long = call("look", "fs.stat", look.clone());
    long.reason = "r".repeat(4000);
    let mut refused = None;
    for _ in 0..2000 {
        refused = storage.call(long.clone()).await.err().or(refused);
    }
    let refused = refused.unwrap();
    assert!(refused.message().contains("storage reclaim"), "{refused}");
    assert_eq!(refused.code(), Code::ResourceExhausted);

    let order = EmergencyRequest::default;
    let state = emergency.stop(order()).await.unwrap().into_inner();
    assert!(state.stopped && state.remarks.is_empty(), "{state:?}");
    let state = emergency.resume(order()).await.unwrap().into_inner();
    assert!(!state.stopped && state.remarks.is_empty(), "{state:?}");
    let undo = UndoRequest {
        execution_id: deleted,
        role: aios_contracts::v1::Role::Operator.into(),
        ..UndoRequest::default()
    };
    orchestrator.undo(undo).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    for _ in 0..ORDERS {
        let order = RecordRequest {
            kind: "config.apply".into(),
            ..RecordRequest::default()
        };
        orchestrator.record(order).await.unwrap();
    }
    let refused = done(&mut storage, "l", "fs.stat", look.clone()).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);

    disk.empty();
    machine.pipeline.ledger().renew_reserve();
    done(&mut storage, "again", "fs.stat", look.clone())
        .await
        .unwrap();
    let mut monitor = machine.connect(agent("monitor"));
    done(&mut monitor, "m", "fs.stat", look).await.unwrap();
    let report = machine
        .pipeline
        .ledger()
        .verify(&aios_ledger::Expected::default());
    assert!(report.intact, "{}", report.detail);
}

/// What the machine keeps for root is enough to start again, with executions that are in the journal
/// alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_does_not_keep_the_tools_from_starting() {
    let Some(disk) = Disk::as_data_partition(64) else {
        return;
    };
    let mut machine = machine_on(&disk);
    let mut orchestrator = machine.orchestrator();
    let path = machine.path("kept");
    std::fs::write(&path, "kept").unwrap();
    let deleted = machine.act("fs.delete", json!({"path": path})).unwrap();
    disk.fill();
    let undo = UndoRequest {
        execution_id: deleted.execution_id,
        role: aios_contracts::v1::Role::Operator.into(),
        ..UndoRequest::default()
    };
    orchestrator.undo(undo).await.unwrap();
    drop(orchestrator);
    let machine = machine.restart(Registry::complete()).await;
    assert!(machine.pipeline.emergency().stopped().is_none());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
}
