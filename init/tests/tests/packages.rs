//! Debian's own services under aios-init, from their own unit files: nginx (forking),
//! redis-server (notify, an account of its own), ssh (notify, environment file) and
//! postgresql@17-main (a template; forking by a script).
//!
//! `AIOS_TEST_SERVICES` is a Debian root with these packages (`cargo xtask test`
//! makes it). Needs root and util-linux's `unshare`.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aios_contracts::v1;
use aios_contracts::v1::init_client::InitClient;
use aios_testkit::needs;
use support::{Boot, read_log};
use tonic::transport::Channel;

/// A service, its port, what a client says first, and how the answer begins.
const SERVICES: [(&str, u16, &str, &str); 4] = [
    ("nginx", 80, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
    ("redis-server", 6379, "PING\r\n", "+PONG"),
    ("ssh", 22, "", "SSH-2.0-OpenSSH"),
    // A request for TLS (8 bytes: length, code), to which it says yes or no.
    (
        "postgresql@17-main",
        5432,
        "\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}",
        "S",
    ),
];

#[test]
fn debians_services_start_stop_restart_and_report() {
    let Some(root) = needs::folder(needs::SERVICES, "usr/sbin/nginx") else {
        return;
    };
    let Some(boot) = Boot::start_in_root(&root, &[]) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    boot.wait_until(|| boot.socket().exists().then_some(()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for (name, port, says, answers) in SERVICES {
        runtime.block_on(one_service(&boot, name, port, (says, answers)));
    }
    runtime.block_on(refusals(&boot));
    let (status, console) = boot.terminate();
    assert_eq!(status, Some(0), "{console}");
}

async fn one_service(boot: &Boot, name: &str, port: u16, talk: (&str, &str)) {
    let mut init = client(boot);
    let request = || v1::ServiceRequest {
        name: name.to_owned(),
    };
    let began = std::time::Instant::now();
    let context = |error: tonic::Status| panic!("{name}: {error}\n{}", read_log(boot, name));
    let started = init
        .start_service(request())
        .await
        .unwrap_or_else(context)
        .into_inner();
    println!("{name}: started after {} ms", began.elapsed().as_millis());
    assert_eq!(started.state(), v1::ServiceState::Ready);
    assert!(!started.description.is_empty());
    assert_eq!(ask(boot, port, talk), Ok(()), "{name}");

    let restarted = init
        .restart_service(request())
        .await
        .unwrap_or_else(context)
        .into_inner();
    assert_ne!(restarted.pid, started.pid, "{name}");
    assert_eq!(ask(boot, port, talk), Ok(()), "{name} after its restart");

    // Its main process dies: the unit says whether it comes back.
    boot.kill_inside(restarted.pid);
    let comes_back = matches!(name, "redis-server" | "ssh");
    let last = loop {
        let now = init.get_service(request()).await.unwrap().into_inner();
        match now.state() {
            v1::ServiceState::Ready if comes_back && now.pid != restarted.pid => break now,
            v1::ServiceState::Degraded if !comes_back => break now,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert_eq!(last.last_exit, "exited with 137", "{name}");
    if comes_back {
        assert_eq!(ask(boot, port, talk), Ok(()), "{name} after its death");
    } else {
        init.start_service(request()).await.unwrap_or_else(context);
        assert_eq!(ask(boot, port, talk), Ok(()), "{name} after another start");
    }

    let stopped = init
        .stop_service(request())
        .await
        .unwrap_or_else(context)
        .into_inner();
    assert_eq!(
        (stopped.state(), stopped.pid),
        (v1::ServiceState::Inactive, 0),
        "{name}"
    );
    assert!(ask(boot, port, talk).is_err(), "{name} still answers");
    assert_eq!(boot.zombies(), Vec::<String>::new());
}

async fn refusals(boot: &Boot) {
    let units = boot.inside("/etc/systemd/system");
    let write = |name: &str, text: &str| std::fs::write(units.join(name), text).unwrap();
    write(
        "bus.service",
        "[Service]\nType=dbus\nBusName=a.b\nExecStart=/bin/true\n",
    );
    write(
        "unmet.service",
        "[Unit]\nConditionPathExists=/none\n[Service]\nExecStart=/bin/true\n",
    );
    write(
        "broken.service",
        "[Service]\nExecStartPre=/bin/false\nExecStart=/bin/true\n",
    );
    // By a real-time signal, which has no name; `$$` is a unit file's `$`.
    write(
        "shot.service",
        "[Service]\nExecStartPre=/bin/sh -c 'kill -40 $$$$'\nExecStart=/bin/true\n",
    );
    let check = async |name: &str, code: tonic::Code, text: &str| {
        let request = v1::ServiceRequest {
            name: name.to_owned(),
        };
        let error = client(boot).start_service(request).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(text), "{error}");
    };
    check("bus", tonic::Code::FailedPrecondition, "no D-Bus").await;
    check(
        "unmet",
        tonic::Code::FailedPrecondition,
        "ConditionPathExists=/none",
    )
    .await;
    check("none", tonic::Code::NotFound, "no unit file").await;
    check("../nginx", tonic::Code::NotFound, "no unit file").await;
    check("broken", tonic::Code::Aborted, "exited with 1").await;
    boot.wait_for_log("broken", "ExecStartPre: /bin/false: exited with 1");
    check("shot", tonic::Code::Aborted, "exited with 1").await;
    boot.wait_for_log("shot", ": killed by signal 40");
}

fn client(boot: &Boot) -> InitClient<Channel> {
    InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap())
}

/// Talks to a port of the namespace's loopback.
fn ask(boot: &Boot, port: u16, (says, answers): (&str, &str)) -> Result<(), String> {
    let network = std::fs::File::open(format!("/proc/{}/ns/net", boot.pid())).unwrap();
    let bytes: Vec<u8> = says.chars().map(|c| c as u8).collect();
    let talk = move || {
        nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let mut stream =
            TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream
            .write_all(&bytes)
            .map_err(|error| error.to_string())?;
        let mut answer = vec![0; answers.len()];
        stream
            .read_exact(&mut answer)
            .map_err(|error| error.to_string())?;
        match String::from_utf8_lossy(&answer).as_ref() == answers {
            true => Ok(()),
            false => Err(format!("answers {answer:?}")),
        }
    };
    // A thread of its own: it never leaves the namespace.
    std::thread::scope(|scope| scope.spawn(talk).join().unwrap())
}
