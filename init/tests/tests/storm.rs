//! The real executable as PID 1 while its services are killed: clients notice
//! nothing, and when the killing ends all is as it was.
//!
//! Needs root and util-linux's `unshare`.

// The tests sleep; there is no executor to block. Helpers fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aios_proto::v1;
use aios_proto::v1::init_client::InitClient;
use aios_testkit::needs;
use support::{Boot, memory_kib, resident_kib};

/// PID 1 must stay below this, in KiB: it is on every node, and never leaves memory.
const RESIDENT_MAX_KIB: u64 = 3 * 1024;
/// What its own memory (not the pages of its executable, which come and go) may
/// differ by between the middle and the end of a storm.
const FLAT_KIB: u64 = 64;
/// Services in the storm, beside control and logger.
const VICTIMS: usize = 40;
/// Each is killed once per round, at any moment of it: so eight times in no less
/// than six rounds, which must be more than a minute, or PID 1 would rightly give it up.
const ROUND: Duration = Duration::from_millis(10_500);

#[test]
fn a_killed_daemon_refuses_no_client() {
    let Some(boot) = Boot::start(&[]) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    let path = boot.path().join("run/init.sock");
    let over = AtomicBool::new(false);
    let (connections, refused) = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (mut connections, mut refused) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                match UnixStream::connect(&path) {
                    Ok(_) => connections += 1,
                    Err(error) => refused.push(error.to_string()),
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            (connections, refused)
        });
        for _ in 0..5 {
            let pid = boot.wait_until(|| boot.pid_of("aios-control"));
            boot.kill(pid);
            boot.wait_until(|| boot.pid_of("aios-control").filter(|new| *new != pid));
            std::thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
        client.join().unwrap()
    });
    println!("{connections} connections during 5 kills");
    assert!(connections > 200, "only {connections} connections");
    assert_eq!(refused, Vec::<String>::new());
    // It is its former socket that the last process answers on.
    let control = services(&boot)
        .into_iter()
        .find(|service| service.name == "control")
        .unwrap();
    assert_eq!(control.restarts, 5);
}

#[test]
fn after_a_storm_of_kills_all_is_as_it_was() {
    let command = "phase = 3\nready = \"exec\"\n\
        command = [\"/bin/sh\", \"-c\", \"sleep 2000 & (sleep 0.05 &) ; exec sleep 1000\"]\n";
    let names: Vec<String> = (0..VICTIMS)
        .map(|number| format!("victim-{number}"))
        .collect();
    let victims: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), command)).collect();
    let Some(boot) = Boot::start(&victims) else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    let long = needs::has_hours();
    let length = Duration::from_secs(if long { 120 } else { 12 });
    let begun = Instant::now();
    let (mut random, mut kills, mut middle) = (0x2545_F491_4F6C_DD1D, 0, 0);
    while begun.elapsed() < length {
        let round = Instant::now();
        let mut pids = boot.children();
        shuffle(&mut pids, &mut random);
        let pause = ROUND / u32::try_from(pids.len().max(1)).unwrap();
        for pid in pids {
            boot.kill_if_there(pid);
            kills += 1;
            std::thread::sleep(pause);
            if middle == 0 && begun.elapsed() > length / 2 {
                middle = memory_kib(boot.pid(), "RssAnon:");
            }
            if begun.elapsed() > length {
                break;
            }
        }
        std::thread::sleep(
            ROUND
                .saturating_sub(round.elapsed())
                .min(length.saturating_sub(begun.elapsed())),
        );
    }
    let ended = Instant::now();
    let all_ready = || {
        let services = services(&boot);
        let ready = |service: &v1::Service| service.state() == v1::ServiceState::Ready;
        (services.len() == VICTIMS + 2 && services.iter().all(ready)).then_some(())
    };
    boot.wait_until(all_ready);
    let back = ended.elapsed();
    let resident = resident_kib(boot.pid());
    let own = memory_kib(boot.pid(), "RssAnon:");
    println!(
        "{kills} kills; all ready after {} ms; PID 1 {resident} KiB; its own {middle}, then {own} KiB",
        back.as_millis()
    );
    assert!(back < Duration::from_secs(5), "{back:?}");
    assert!(kills >= VICTIMS, "{kills} kills are no storm");
    assert!(resident <= RESIDENT_MAX_KIB, "PID 1 uses {resident} KiB");
    assert!(
        own <= middle + FLAT_KIB,
        "PID 1 grew from {middle} to {own} KiB"
    );
    assert_eq!(boot.zombies(), Vec::<String>::new());
}

/// What control says of all services; nothing while it is away.
fn services(boot: &Boot) -> Vec<v1::Service> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let channel = aios_proto::socket::channel(&boot.path().join("run/init.sock")).unwrap();
        let answer = InitClient::new(channel)
            .list_services(v1::ListServicesRequest {})
            .await;
        answer.map_or_else(|_| Vec::new(), |list| list.into_inner().services)
    })
}

/// Fisher and Yates's, over a xorshift generator.
fn shuffle(pids: &mut [u32], random: &mut u64) {
    for place in (1..pids.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let other = usize::try_from(*random % (place as u64 + 1)).unwrap();
        pids.swap(place, other);
    }
}
