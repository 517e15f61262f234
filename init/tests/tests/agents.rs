//! Agents as processes: what PID 1 does with one that wants to go on.

#![allow(clippy::disallowed_methods)] // the tests sleep; there is no executor to block

mod support;

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use aios_contracts::v1;
use aios_contracts::v1::init_client::InitClient;
use support::Boot;

const ROGUE: &str = "phase = 4\nstop_timeout_ms = 3000\ncommand = [\"ROGUE\"]\n";

#[test]
fn an_agent_that_ignores_every_request_to_end_is_gone_at_once_at_an_emergency_stop() {
    let services = [("agent-one", ROGUE), ("agent-two", ROGUE)];
    let other = "phase = 3\nready = \"exec\"\ncommand = [\"/bin/sleep\", \"1000\"]\n";
    let Some(boot) = Boot::start(&[services[0], services[1], ("other", other)]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    boot.wait_for_line("aios: READY after");
    runtime.block_on(async {
        let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
        for (name, _) in services {
            let name = name.to_owned();
            let agent = init.start_service(v1::ServiceRequest { name }).await;
            assert_eq!(agent.unwrap().into_inner().state(), v1::ServiceState::Ready);
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // it has asked for ten minutes
        let began = Instant::now();
        let killed = init.kill_agents(v1::KillAgentsRequest {}).await.unwrap();
        assert_eq!(killed.into_inner().remaining, Vec::<String>::new());
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        let all = init
            .list_services(v1::ListServicesRequest {})
            .await
            .unwrap();
        for service in all.into_inner().services {
            let expected = match service.name.as_str() {
                "agent-one" | "agent-two" => v1::ServiceState::Inactive,
                _ => v1::ServiceState::Ready,
            };
            assert_eq!(service.state(), expected, "{}", service.name);
        }
    });
    assert_eq!(boot.pid_of("rogue"), None);
}

#[test]
fn an_agent_that_asks_for_more_time_is_stopped_within_its_own() {
    let Some(boot) = Boot::start(&[("agent-one", &ROGUE.replace("3000", "300"))]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    boot.wait_for_line("aios: READY after");
    runtime.block_on(async {
        let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
        let name = || v1::ServiceRequest {
            name: "agent-one".to_owned(),
        };
        init.start_service(name()).await.unwrap();
        let stopped = init.stop_service(name()).await.unwrap().into_inner();
        assert_eq!(stopped.last_exit, "killed by SIGKILL");
    });
}

#[test]
fn an_agent_listens_where_pid_1_put_it_and_can_be_put_nowhere_else() {
    let rogue = ROGUE.replace("phase", "user = \"nobody\"\nphase");
    let Some(boot) = Boot::start(&[("agent-one", &rogue)]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    boot.wait_for_line("aios: READY after");
    let path = boot.path().join("run/agents/one.sock");
    let folder = path.parent().unwrap().metadata().unwrap();
    let who_writes = (folder.uid(), folder.mode() & 0o7777);
    assert_eq!(who_writes, (0, 0o755), "root alone makes sockets there");
    runtime.block_on(async {
        let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
        let name = || v1::ServiceRequest {
            name: "agent-one".to_owned(),
        };
        for _ in 0..2 {
            init.start_service(name()).await.unwrap();
            let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
            let listens = stream.peer_cred().unwrap().uid();
            assert_eq!(listens, 65_534, "who listens is the agent");
            init.kill_agents(v1::KillAgentsRequest {}).await.unwrap();
            let gone = tokio::net::UnixStream::connect(&path).await;
            assert!(gone.is_err(), "what is stopped is not connected to");
        }
    });
    boot.wait_for_log("agent-one", "was given");
    let log = support::read_log(&boot, "agent-one");
    assert!(log.contains("agents/one.sock"), "{log}");
    assert!(log.contains("cannot listen: "), "{log}");
    for wrong in ["took its", "in the place", "may connect"] {
        assert!(!log.contains(wrong), "{log}");
    }
}

#[test]
fn an_agent_sees_what_its_manifest_names_and_nothing_else() {
    let confined = format!(
        "{ROGUE}[limits]\nfiles_max = 64\n[sandbox]\nroot = [\"FOLDER\"]\nsyscalls = \"agent\"\n\
         sockets = \"unix\"\nlandlock = {{ read = [\"FOLDER\"] }}\n"
    );
    let Some(boot) = Boot::start(&[("agent-one", &confined)]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    boot.wait_for_line("aios: READY after");
    runtime.block_on(async {
        let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
        let name = "agent-one".to_owned();
        init.start_service(v1::ServiceRequest { name })
            .await
            .unwrap();
        let path = boot.path().join("run/agents/one.sock");
        tokio::net::UnixStream::connect(&path).await.unwrap();
    });
    boot.wait_for_log("agent-one", "was given");
    let log = support::read_log(&boot, "agent-one");
    assert!(log.contains("has fewer than 64"), "{log}");
    assert!(log.contains("a thread panicked"), "{log}");
    for wrong in [
        "reaches",
        "writes into",
        "speaks to",
        "sees bin",
        "has called",
    ] {
        assert!(!log.contains(wrong), "{wrong} is in:\n{log}");
    }
    if !log.contains("runs without Landlock") {
        assert!(
            log.contains("sees \n"),
            "not even the root is listed:\n{log}"
        );
    }
}

#[test]
fn a_daemon_gets_its_socket_and_nobody_puts_anything_beside_it() {
    let daemon = "phase = 3\nready = \"exec\"\nuser = \"aios-memory\"\nsocket = \"memory\"\n\
        command = [\"/bin/sh\", \"-c\", \"echo given $LISTEN_FDNAMES; \
        touch $AIOS_RUN_DIR/manual-mode || echo kept out; exec sleep 1000\"]\n";
    let Some(boot) = Boot::start(&[("memory", daemon)]) else {
        return;
    };
    boot.wait_for_log("memory", "kept out");
    let run = boot.path().join("run");
    let log = support::read_log(&boot, "memory");
    let path = run.join("memory.sock");
    assert!(log.contains(&format!("given {}", path.display())), "{log}");
    assert!(!run.join("manual-mode").exists());
    let folder = run.metadata().unwrap();
    assert_eq!((folder.uid(), folder.mode() & 0o7777), (0, 0o755));
    let socket = path.metadata().unwrap();
    let who = (socket.uid(), socket.gid(), socket.mode() & 0o7777);
    assert_eq!(who, (903, 900, 0o660));
    let former = boot.wait_until(|| boot.pid_of("sleep 1000"));
    let connect = || std::os::unix::net::UnixStream::connect(&path);
    connect().unwrap();
    boot.kill(former);
    boot.wait_until(|| boot.pid_of("sleep 1000").filter(|pid| *pid != former));
    connect().unwrap();
}
