//! What the operator may set, and where things are.

use std::path::PathBuf;

use aios_config::reader;
use aios_daemon::Places;

/// The table `[runtime]` of the configuration.
pub use aios_config::Runtime as Settings;

/// Why the server cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The path of this executable is not known, so workers cannot be started.
    #[error("cannot find this executable")]
    Executable(#[source] std::io::Error),
}

/// Everything that the server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub socket: PathBuf,
    /// Built-in models: read-only, loaded at start.
    pub builtin_models: PathBuf,
    /// The operator's own models, loaded when asked.
    pub operator_models: PathBuf,
    /// The executable that is started with the argument `worker`.
    pub executable: PathBuf,
    /// What the operator set.
    pub settings: Settings,
}

impl Config {
    /// The configuration that holds in these places.
    ///
    /// # Errors
    /// When the path of this executable is not known.
    pub fn load(places: &Places) -> Result<Self, ConfigError> {
        Ok(Self {
            socket: places.socket("runtime"),
            builtin_models: places.lib.join("models"),
            operator_models: places.state.join("models"),
            executable: std::env::current_exe().map_err(ConfigError::Executable)?,
            settings: places
                .config::<reader::Runtime>()
                .table::<Settings>()
                .clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_starts_whatever_is_wrong_with_the_file() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        std::fs::create_dir(&places.etc).unwrap();
        let file = places.etc.join(aios_daemon::configuration::FILE);
        let check = |text: &str, threads: u32| {
            std::fs::write(&file, text).unwrap();
            aios_daemon::configuration::remember(&places.etc).unwrap();
            let settings = Config::load(&places).unwrap().settings;
            assert_eq!(settings.threads, threads, "{text}");
        };
        check("[runtime\n", 1);
        check("[runtime]\nthreads = 4\n", 4);
        check("[runtime]\nthreads = 0\n", 4);
        check("[runtime]\nthread = 2\n", 4);
        check("[other]\nx = 1\n", 4);
        check("", 1);
    }
}
