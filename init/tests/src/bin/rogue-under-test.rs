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

/// Says what there is to see and to take.
fn look_around() {
    let entries = std::fs::read_dir("/").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    println!("sees {}", names.join(" "));
    for path in ["/etc/passwd", "/proc/self/status", "/data/log", "/root"] {
        if std::fs::metadata(path).is_ok() {
            println!("reaches {path}");
        }
    }
    for folder in ["/", "/tmp", "/dev/shm", "/run"] {
        if std::fs::write(format!("{folder}/rogue"), "x").is_ok() {
            println!("writes into {folder}");
        }
    }
    if std::net::UdpSocket::bind("127.0.0.1:0").is_ok() {
        println!("speaks to a network");
    }
    let sockets: Vec<UnixDatagram> = (0..200)
        .map_while(|_| UnixDatagram::unbound().ok())
        .collect();
    println!(
        "has fewer than {}",
        if sockets.len() < 64 { 64 } else { 200 }
    );
}

/// Tries system calls that an agent has no use for, and what every program may do: end a thread by
/// a panic, which looks at itself.
fn call_around() {
    use nix::sys::{inotify, signal};
    let may = |what: &str, done: bool| {
        if done {
            println!("has called: {what}");
        }
    };
    let watch = inotify::Inotify::init(inotify::InitFlags::empty());
    may("watch files", watch.is_ok());
    may("signal", signal::kill(nix::unistd::getpid(), None).is_ok());
    may("make a pipe", nix::unistd::pipe().is_ok());
    let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let mode = std::fs::set_permissions(
        "/nowhere",
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    );
    may("change modes", !mode.is_err_and(|error| denied(&error)));
    #[allow(clippy::panic, reason = "it is what is tried")]
    let panicked = std::thread::spawn(|| panic!("on purpose")).join().is_err();
    println!("a thread {}", if panicked { "panicked" } else { "did not" });
}

fn main() -> std::io::Result<()> {
    let mut ignored = nix::sys::signal::SigSet::empty();
    ignored.add(nix::sys::signal::Signal::SIGTERM);
    ignored.thread_block()?;
    let pid_1 = UnixDatagram::unbound()?;
    pid_1.connect(std::env::var_os("NOTIFY_SOCKET").unwrap_or_default())?;
    pid_1.send(b"READY=1")?;
    look_around();
    call_around();
    take_a_socket();
    loop {
        pid_1.send(b"EXTEND_TIMEOUT_USEC=600000000")?;
        std::thread::sleep(ASK_EVERY);
    }
}
