//! Where things are, each with its override for tests.

use std::path::PathBuf;

fn or(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// Sockets: `/run/aios`.
pub fn run_dir() -> PathBuf {
    or("AIOS_RUN_DIR", "/run/aios")
}

/// Configuration: `/etc/aios`.
pub fn etc_dir() -> PathBuf {
    or("AIOS_ETC_DIR", "/etc/aios")
}

/// State: `/var/lib/aios`.
pub fn state_dir() -> PathBuf {
    or("AIOS_STATE_DIR", "/var/lib/aios")
}

/// Logs: `/var/log/aios`.
pub fn log_dir() -> PathBuf {
    or("AIOS_LOG_DIR", "/var/log/aios")
}

/// The variables that reach every service.
pub const INHERITED: [&str; 7] = [
    "AIOS_RUN_DIR",
    "AIOS_STATE_DIR",
    "AIOS_ETC_DIR",
    "AIOS_LIB_DIR",
    "AIOS_LOG_DIR",
    "AIOS_LOG",
    "container",
];
