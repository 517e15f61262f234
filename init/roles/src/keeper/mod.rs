//! The `keeper` role: the machine's slow chores, which PID 1 must not wait for.
//!
//! 1. At its start: what a crash left (pstore) is moved to `/var/log/aios`, and
//!    how the last run ended is said ([`crash`]).
//! 2. When READY was held for ten seconds: the boot counter is cleared; then the
//!    data partition and its file system grow to the disk (`aios_disk::grow`).
//! 3. Whether the data partition is encrypted as the configuration asks is looked at every
//!    ten seconds ([`encryption`]).
//! 4. From then on the time is saved every five minutes and an entropy seed every
//!    hour, so that a power cut costs no more than that.
//!
//! It can be killed at any time: each chore is whole or not done, and is done again.

mod crash;
mod encryption;

use std::time::{Duration, Instant};

use aios_service::time::pause;
use aios_service::{boots, conditions, host, seed};

/// How often it looks whether something is to be done.
const LOOK_EVERY_MS: u64 = 1_000;
const TIME_EVERY: Duration = Duration::from_secs(300);
const SEED_EVERY: Duration = Duration::from_secs(3_600);

/// Runs until SIGTERM.
///
/// # Errors
/// None: a chore that fails is logged, the others go on.
pub fn run() -> std::io::Result<()> {
    report("keep what a crash left", crash::collect());
    // Err: nobody waits for it (started by hand).
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    wait_for_ready();
    if conditions::is_safe_mode() {
        tell(
            4,
            "safe mode: the boot counter stays until an orderly reboot",
        );
    } else {
        report("clear the boot counter", boots::clear());
    }
    match aios_disk::grow::grow() {
        Ok(None) => {}
        Ok(Some(done)) => tell(5, &done),
        Err(error) => tell(3, &format!("the data partition does not grow: {error}")),
    }
    let mut encryption = encryption::Watch::default();
    let (mut time, mut seeded) = (Instant::now(), Instant::now());
    loop {
        report(
            "compare the data partition with the configuration",
            encryption.look(),
        );
        pause(LOOK_EVERY_MS * 10);
        if time.elapsed() >= TIME_EVERY {
            time = Instant::now();
            report("save the time", host::save_time());
        }
        if seeded.elapsed() >= SEED_EVERY {
            seeded = Instant::now();
            report("save an entropy seed", seed::save());
        }
    }
}

/// Until READY was held for as long as a good boot holds it.
fn wait_for_ready() {
    while !conditions::is_ready() {
        pause(LOOK_EVERY_MS);
    }
    pause(boots::HELD_MS);
}

fn report(what: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        tell(3, &format!("cannot {what}: {error}"));
    }
}

fn tell(severity: u8, text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(
        std::io::stderr(),
        format!("<{severity}>{text}\n").as_bytes(),
    );
}
