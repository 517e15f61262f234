//! The event loop of PID 1 and what it acts with: processes, sandboxes, sockets, the machine's own
//! devices. Nothing here waits for anything but `epoll`.

mod cgroup;
mod clock;
mod define;
mod hardware;
mod link;
mod listener;
mod memory;
mod power_button;
mod requests;
mod rights;
mod sandbox;
mod services;
mod spawn;
mod store;
mod supervisor;
mod timeline;
mod watchdog;

pub use clock::Clock;
pub use supervisor::Supervisor;
pub use timeline::Line;
