//! The boot matrix: every way in, disk controller, size of machine, clock and cable.
//!
//! A machine with a cable must be ready, whole and answer its operator; one without
//! must say READY all the same, on its console. The ordinary run takes cases in which
//! each value occurs; `cargo xtask test --long` takes them all.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aios_qemu::{Bus, Firmware, Hardware, Options, Way};
use aios_testkit::needs;
use support::artefacts;

/// How the machine is started.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Direct,
    Bios,
    Uefi,
}

/// What is at the other end of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Net {
    Dhcp,
    Static,
    Unplugged,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    start: Start,
    bus: Bus,
    cpus: u32,
    memory_mib: u32,
    /// The battery of the real-time clock is empty.
    year_1970: bool,
    net: Net,
}

const STARTS: [Start; 3] = [Start::Direct, Start::Bios, Start::Uefi];
const BUSES: [Bus; 4] = [Bus::Virtio, Bus::Nvme, Bus::Ahci, Bus::Usb];
const NETS: [Net; 3] = [Net::Dhcp, Net::Static, Net::Unplugged];

/// The address that QEMU forwards the management port to.
const STATIC: &str = r#"
[network]
dns = ["10.0.2.3"]

[[network.interface]]
name = "first"
dhcp4 = false
ipv6 = "off"
addresses = ["10.0.2.15/24"]
gateway4 = "10.0.2.2"
"#;

/// How long an appliance that is ready may take to get an address and answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn every_kind_of_machine_gets_ready() {
    let cases = if needs::has_hours() { all() } else { some() };
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    // An emulated machine keeps one processor busy, more or less, however many it has.
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((nth, case)) = take(&next, &cases) {
                    let result = boots(case);
                    eprintln!("{} of {}: {case:?}: {result:?}", nth + 1, cases.len());
                    if result.is_err() {
                        failed.lock().unwrap().push(case);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {failed:#?}",
        failed.len(),
        cases.len()
    );
}

/// The next case that nobody has taken.
fn take<'a>(next: &AtomicUsize, cases: &'a [Case]) -> Option<(usize, &'a Case)> {
    let nth = next.fetch_add(1, Ordering::Relaxed);
    cases.get(nth).map(|case| (nth, case))
}

/// All 288.
fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for start in STARTS {
        for bus in BUSES {
            for (cpus, memory_mib) in [(1, 512), (1, 2048), (2, 512), (2, 2048)] {
                for year_1970 in [false, true] {
                    cases.extend(NETS.map(|net| Case {
                        start,
                        bus,
                        cpus,
                        memory_mib,
                        year_1970,
                        net,
                    }));
                }
            }
        }
    }
    cases
}

/// Each value once at least; the ordinary machine is every other test's.
fn some() -> Vec<Case> {
    let case = |start, bus, cpus, memory_mib, year_1970, net| Case {
        start,
        bus,
        cpus,
        memory_mib,
        year_1970,
        net,
    };
    vec![
        case(Start::Direct, Bus::Ahci, 1, 512, true, Net::Static),
        case(Start::Bios, Bus::Nvme, 1, 512, false, Net::Unplugged),
        case(Start::Uefi, Bus::Usb, 2, 2048, true, Net::Dhcp),
    ]
}

/// Boots it; how long that took.
fn boots(case: &Case) -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let way = match case.start {
        Start::Direct => Way::Vm,
        Start::Bios | Start::Uefi => Way::Disk,
    };
    let mut options = Options::new(way, folder.path())?;
    options.cpus = case.cpus;
    options.memory_mib = case.memory_mib;
    options.hardware = Hardware {
        firmware: match case.start {
            Start::Uefi => Firmware::Uefi,
            Start::Direct | Start::Bios => Firmware::Bios,
        },
        bus: case.bus,
        clock: case.year_1970.then(|| "1970-01-01T00:00:00".to_owned()),
        unplugged: case.net == Net::Unplugged,
        ..Hardware::default()
    };
    options.config = (case.net == Net::Static).then(|| STATIC.to_owned());
    let (machine, boot) = support::boot(&artefacts(), &options, |_| ())?;
    anyhow::ensure!(boot.degraded.is_empty(), "degraded: {}", boot.degraded);
    if case.net != Net::Unplugged {
        let status = support::eventually(ANSWER_LIMIT, || machine.ctl().run(&["status"]))?;
        anyhow::ensure!(status["state"] == "ready", "{status:#}");
    }
    Ok(Duration::from_millis(boot.ready_ms))
}
