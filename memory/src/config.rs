//! Where things are; from the environment alone, there is nothing to tune.

use std::path::PathBuf;

/// Overrides the folder of all daemons' state; for tests.
const STATE_DIR_VARIABLE: &str = "AIOS_STATE_DIR";

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
    /// Reads the environment.
    pub fn load() -> Self {
        let state = std::env::var_os(STATE_DIR_VARIABLE)
            .map_or_else(|| PathBuf::from("/var/lib/aios"), PathBuf::from);
        Self {
            folder: state.join("memory"),
            socket: aios_proto::socket::of("memory"),
            runtime_socket: aios_proto::socket::of("runtime"),
        }
    }
}
