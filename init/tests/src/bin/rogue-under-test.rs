//! An agent that somebody else has written: it does not end when it is asked to, and asks PID 1
//! for more time as often as it can.

#![allow(clippy::disallowed_methods)] // it sleeps; there is no executor to block

use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

const ASK_EVERY: Duration = Duration::from_millis(20);

/// Tries to listen where agents are looked for, and to have PID 1 let go of its own listener.
fn take_a_socket() {
    let run = std::env::var("AIOS_RUN_DIR").unwrap_or_default();
    let own = format!("{run}/agents/one.sock");
    if std::fs::remove_file(&own).is_ok() {
        println!("took its socket away");
    }
    match UnixListener::bind(format!("{run}/agents/two.sock")) {
        Ok(_) => println!("listens in the place of another"),
        Err(error) => println!("cannot listen: {error}"),
    }
    if UnixStream::connect(&own).is_ok() {
        println!("may connect to an agent");
    }
    let given = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    println!("was given {given}");
}

fn main() -> std::io::Result<()> {
    let mut ignored = nix::sys::signal::SigSet::empty();
    ignored.add(nix::sys::signal::Signal::SIGTERM);
    ignored.thread_block()?;
    let pid_1 = UnixDatagram::unbound()?;
    pid_1.connect(std::env::var_os("NOTIFY_SOCKET").unwrap_or_default())?;
    pid_1.send(b"READY=1")?;
    take_a_socket();
    loop {
        pid_1.send(b"EXTEND_TIMEOUT_USEC=600000000")?;
        std::thread::sleep(ASK_EVERY);
    }
}
