//! The `console` role: a status page on the serial line and the screen, for who sits before the
//! machine: what it is, how it can be reached, and whether something is wrong.
//!
//! 1. It is a plain block of lines, written anew when something changed and at most once a second:
//!    what the kernel and PID 1 say stays readable between two pages, on any terminal.
//! 2. It runs as an account of its own, reads what every account may read, and asks `control` and
//!    `aios-config` like anybody. **Nothing waits for it.**
//! 3. `r` writes the page anew; `a` asks for a static address and has `aios-config` apply it: only who
//!    has the machine under his hands can press a key here.

mod address;
mod asked;
mod facts;
mod page;
mod terminal;

use std::io;
use std::time::Duration;

use aios_config::reader;
use aios_daemon::InForce;
use facts::Facts;
use terminal::{Key, Terminal};

/// How often it is looked whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A boot that is not over by then has something to show.
const BOOT_MAX: Duration = Duration::from_secs(150);

/// The serial line and the screen; what is not there is left out.
const TERMINALS: [&str; 2] = ["/dev/ttyS0", "/dev/tty1"];

/// Shows the page until it is stopped.
///
/// # Errors
/// When there is no terminal at all: it is then not needed.
pub fn run() -> io::Result<()> {
    let config = InForce::<reader::Console>::read(&aios_service::places::etc_dir());
    if !config.table::<aios_config::Console>().status_page {
        return Ok(());
    }
    let mut terminals: Vec<Terminal> = TERMINALS
        .iter()
        .filter_map(|path| Terminal::open(path).ok())
        .collect();
    // Err: nobody waits for it (started by hand).
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    if terminals.is_empty() {
        return Ok(()); // `restart = "on-failure"`: there is nobody to show it to
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut asked = asked::Asked::default();
    let mut shown = String::new();
    let started = std::time::Instant::now();
    loop {
        asked.renew(&runtime);
        let page = page::page(&Facts::gather(&asked));
        // The boot's own lines come first, however long they take.
        let booted = asked.is_booted() || started.elapsed() > BOOT_MAX;
        if booted && page != shown {
            terminals
                .iter_mut()
                .for_each(|terminal| terminal.write(&page));
            shown = page;
        }
        for pressed in terminal::wait(&mut terminals, LOOK_EVERY) {
            match pressed.key {
                Key::Refresh => terminals[pressed.terminal].write(&shown),
                Key::Address => address::ask(&runtime, &mut terminals[pressed.terminal]),
            }
        }
    }
}
