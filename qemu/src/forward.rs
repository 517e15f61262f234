//! A port on 127.0.0.1 that leads to a port inside a container's own network.
//!
//! A container has no network but its loopback; so the connecting end of each
//! connection is opened by a thread that entered the container's network.

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The appliance's management port.
const INSIDE_PORT: u16 = 9090;

/// Serves `listener` until the container's PID 1 has ended.
///
/// # Errors
/// When a connection cannot be accepted.
pub fn serve(listener: &TcpListener, container_pid: u32) -> io::Result<()> {
    let network = PathBuf::from(format!("/proc/{container_pid}/ns/net"));
    let pid = i32::try_from(container_pid).ok().and_then(Pid::from_raw);
    let init = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
    loop {
        let mut awaited = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(&init, PollFlags::IN),
        ];
        poll(&mut awaited, None)?;
        if !awaited[1].revents().is_empty() {
            return Ok(());
        }
        let (client, _) = listener.accept()?;
        let network = network.clone();
        // A thread per connection: only it leaves this process's network.
        thread::spawn(move || {
            if let Err(error) = connect(&network).and_then(|server| join(client, server)) {
                eprintln!("forwarding to the container: {error}");
            }
        });
    }
}

fn connect(network: &PathBuf) -> io::Result<TcpStream> {
    let network = File::open(network)?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    TcpStream::connect(("127.0.0.1", INSIDE_PORT))
}

/// Copies both ways until both ends are done.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    // Small frames of gRPC must not wait for the acknowledgement of the one before: 40 ms each.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upward = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_server);
        copied.and(to_server.shutdown(Shutdown::Write))
    });
    let (mut from_server, mut to_client) = (server, client);
    let downward = io::copy(&mut from_server, &mut to_client);
    let closed = to_client.shutdown(Shutdown::Both);
    drop(upward.join());
    downward.and(closed)
}
