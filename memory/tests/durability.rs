//! The real executable, killed with SIGKILL right after its acknowledgements.

#![allow(clippy::unwrap_used)] // a test

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::{
    Decision, Event, EventLevel, GetGoalRequest, Goal, ListDecisionsRequest, ListEventsRequest,
    ListGoalsRequest, RememberRequest, Task,
};
use aios_daemon::socket;
use tokio::net::UnixDatagram;
use tonic::transport::Channel;

type Client = MemoryClient<Channel>;

/// The daemon in a folder of its own, ready. Whoever runs the test is root to it:
/// by right, or in a user namespace.
async fn start(folder: &Path) -> (Child, Client) {
    let notify = folder.join("notify.sock");
    let _ = std::fs::remove_file(&notify);
    let readiness = UnixDatagram::bind(&notify).unwrap();
    let program = env!("CARGO_BIN_EXE_aios-memory");
    let mut command = if is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", program]);
        command
    };
    let child = command
        .env("AIOS_RUN_DIR", folder)
        .env("AIOS_STATE_DIR", folder.join("state"))
        .env("NOTIFY_SOCKET", &notify)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut message = [0; 64];
    let ready = async {
        // What comes before are the sockets that the supervisor shall keep.
        loop {
            let length = readiness.recv(&mut message).await.unwrap();
            if message[..length].starts_with(b"READY=1") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .unwrap();
    let channel = socket::channel(&folder.join("memory.sock")).unwrap();
    (
        child,
        MemoryClient::new(channel).max_decoding_message_size(socket::MESSAGE_MAX),
    )
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn goal(number: usize) -> Goal {
    Goal {
        id: format!("goal-{number:05}"),
        created_ms: number as i64,
        ..Default::default()
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (child, client) = start(folder.path()).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let mut client = client.clone();
            tokio::spawn(async move {
                for number in (0..25).map(|number| writer * 25 + number) {
                    client.put_goal(goal(number)).await.unwrap();
                    let goal_id = goal(number).id;
                    let task = Task {
                        goal_id: goal_id.clone(),
                        index: 1,
                        ..Default::default()
                    };
                    client.put_task(task).await.unwrap();
                    let decision = Decision {
                        id: goal_id.clone(),
                        goal_id,
                        ..Default::default()
                    };
                    client.append_decision(decision).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut last = client.clone();
    let warning = EventLevel::Warning.into();
    let event = Event {
        level: warning,
        kind: "test.last".into(),
        ..Default::default()
    };
    last.append_event(event).await.unwrap();
    let note = RememberRequest {
        kind: "note".into(),
        text: "a".into(),
        ..Default::default()
    };
    let remembered = last.remember(note.clone()).await.unwrap().into_inner().id;
    kill(child);

    let (child, mut client) = start(folder.path()).await;
    let request = ListGoalsRequest {
        limit: 1000,
        states: vec![],
    };
    let goals = client.list_goals(request).await.unwrap().into_inner().goals;
    assert_eq!(goals.len(), 200);
    assert!(goals.iter().all(|goal| goal.tasks.len() == 1));
    let request = ListDecisionsRequest {
        goal_id: "goal-00199".into(),
        limit: 0,
    };
    let decisions = client
        .list_decisions(request)
        .await
        .unwrap()
        .into_inner()
        .decisions;
    assert_eq!(decisions.len(), 1);
    let events = client
        .list_events(ListEventsRequest { limit: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (&*events.events[0].kind, &*events.events[0].source),
        ("test.last", "root")
    );
    assert_eq!(
        client.remember(note).await.unwrap().into_inner().id,
        remembered
    );
    kill(child);
}

#[tokio::test]
async fn killed_in_the_middle_of_writing_it_has_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (child, client) = start(folder.path()).await;
    let mut writer = client.clone();
    let writing = tokio::spawn(async move {
        let mut acknowledged = 0;
        while writer.put_goal(goal(acknowledged)).await.is_ok() {
            acknowledged += 1;
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill(child);
    let acknowledged = writing.await.unwrap();
    assert!(acknowledged > 0);
    let (child, mut client) = start(folder.path()).await;
    for number in 0..acknowledged {
        let request = GetGoalRequest {
            id: goal(number).id,
        };
        assert!(
            client.get_goal(request).await.is_ok(),
            "goal {number} of {acknowledged} is lost"
        );
    }
    kill(child);
}

#[tokio::test]
async fn told_to_stop_it_ends_well_and_soon_with_clients_connected() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut client) = start(folder.path()).await;
    client.put_goal(goal(1)).await.unwrap();
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let status = tokio::time::timeout(Duration::from_secs(2), ended)
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_damaged_database_is_an_event_and_not_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("state/memory");
    std::fs::create_dir_all(&memory).unwrap();
    std::fs::write(memory.join("working.db"), "this is no database".repeat(500)).unwrap();
    let (child, mut client) = start(folder.path()).await;
    let events = client
        .list_events(ListEventsRequest { limit: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(events.events[0].kind, "memory.database_damaged");
    client.put_goal(goal(1)).await.unwrap();
    let aside = std::fs::read_dir(memory).unwrap().flatten();
    let aside = aside.filter(|file| file.file_name().to_string_lossy().contains("damaged-"));
    assert_eq!(aside.count(), 1);
    kill(child);
}

/// Prints writes per second; to be looked at, not judged. Run with `--run-ignored all`.
#[tokio::test]
#[ignore = "prints a figure"]
async fn throughput() {
    let folder = tempfile::tempdir().unwrap();
    let (child, client) = start(folder.path()).await;
    for clients in [1_usize, 16, 64] {
        let count = 200 * clients;
        let begun = std::time::Instant::now();
        let writers: Vec<_> = (0..clients)
            .map(|writer| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    for number in 0..200 {
                        client.put_goal(goal(writer * 200 + number)).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        println!("{clients} clients: {rate:.0} durable writes per second");
    }
    kill(child);
}
