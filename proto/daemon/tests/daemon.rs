//! A whole daemon on the frame, and what the frame promises it: who may call, the end of calls under
//! way, and that no client is refused meanwhile.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use aios_contracts::v1::{EmergencyRequest, GetEmergencyRequest};
use aios_daemon::identity::Principal;
use aios_daemon::idle::Activity;
use aios_daemon::{Callers, retry};
use support::start;
use tonic::Code;

fn orchestrator() -> Callers {
    Callers::played(|| Principal::Daemon("orchestrator".into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_table_decides_and_the_kernel_says_who_calls() {
    let agent = Callers::played(|| Principal::Agent("storage".into()));
    let mut running = start(agent, Duration::ZERO).await;
    assert!(
        running
            .client
            .get_state(GetEmergencyRequest {})
            .await
            .is_ok()
    );
    let refused = running.client.stop(EmergencyRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.message(),
        "agent:storage may not call Emergency.Stop"
    );

    // Nobody who runs tests has an account of the table.
    let mut running = start(Callers::by_kernel(), Duration::ZERO).await;
    let refused = running.client.get_state(GetEmergencyRequest {}).await;
    assert!(
        retry::is_transient(&refused.unwrap_err()),
        "it is turned away"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_has_its_time_at_the_end_and_no_more() {
    for (takes, answered) in [(100, true), (10_000, false)] {
        let running = start(orchestrator(), Duration::from_millis(takes)).await;
        let mut client = running.client.clone();
        let call = tokio::spawn(async move { client.stop(EmergencyRequest::default()).await });
        while running.activity.idle() > Duration::ZERO {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let told = Instant::now();
        running.stop.send(()).unwrap();
        running.ended.await.unwrap();
        assert!(told.elapsed() < Duration::from_secs(2), "{takes} ms");
        // Here the process lives on, and with it the connection; a daemon's process ends now.
        let answer = tokio::time::timeout(Duration::from_millis(200), call).await;
        let is_answered = answer.is_ok_and(|answer| answer.unwrap().is_ok());
        assert_eq!(is_answered, answered, "{takes} ms");
        drop(running.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_keeps_a_daemon_from_being_idle() {
    let activity = Activity::default();
    let busy = activity.begin();
    let unused = activity.unused(Duration::from_millis(1));
    let waited = tokio::time::timeout(Duration::from_millis(1500), unused).await;
    assert!(waited.is_err(), "something is under way");
    drop(busy);
    activity.unused(Duration::from_millis(1)).await;
}
