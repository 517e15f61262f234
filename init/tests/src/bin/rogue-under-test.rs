//! An agent that somebody else has written: it does not end when it is asked to, and asks PID 1
//! for more time as often as it can.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

const ASK_EVERY: Duration = Duration::from_millis(20);

fn main() -> std::io::Result<()> {
    let mut ignored = nix::sys::signal::SigSet::empty();
    ignored.add(nix::sys::signal::Signal::SIGTERM);
    ignored.thread_block()?;
    let pid_1 = UnixDatagram::unbound()?;
    pid_1.connect(std::env::var_os("NOTIFY_SOCKET").unwrap_or_default())?;
    pid_1.send(b"READY=1")?;
    loop {
        pid_1.send(b"EXTEND_TIMEOUT_USEC=600000000")?;
        std::thread::sleep(ASK_EVERY);
    }
}
