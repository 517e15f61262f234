//! Where things are; from the environment alone, there is nothing to tune.

use std::path::PathBuf;

use aios_daemon::Places;

/// What the daemon needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its folder: `/var/lib/aios/memory`.
    pub folder: PathBuf,
    /// Its socket: `/run/aios/memory.sock`.
    pub socket: PathBuf,
    /// The model runtime's socket.
    pub runtime_socket: PathBuf,
}

impl Config {
    /// In these places.
    pub fn load(places: &Places) -> Self {
        Self {
            folder: places.state.join("memory"),
            socket: places.socket("memory"),
            runtime_socket: places.socket("runtime"),
        }
    }
}
