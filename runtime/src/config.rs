//! What the operator may set, and where things are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not TOML, or `[runtime]` has an unknown key or a wrong value.
    #[error("{path}: the table [runtime] cannot be used")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        source: Box<toml::de::Error>,
    },
    /// A number is out of its range.
    #[error("{path}: runtime.{key} must be between {least} and {most}")]
    Range {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: &'static str,
        /// The smallest allowed.
        least: u32,
        /// The largest allowed.
        most: u32,
    },
    /// The path of this executable is not known, so workers cannot be started.
    #[error("cannot find this executable")]
    Executable(#[source] std::io::Error),
}

/// The table `[runtime]` of `/etc/aios/config.toml`; every key may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Threads that ggml computes with, per model. One is best for the built-in
    /// models: the threads spin at their barriers and starve each other.
    pub threads: u32,
    /// Tokens that a generative model holds at once, over all its streams.
    pub context_tokens: u32,
    /// Requests that one model takes at once, running and waiting.
    pub queue: u32,
    /// Seconds that a model may take to load and to answer its test prompt.
    /// In an emulated machine everything is about 25 times slower.
    pub load_timeout_seconds: u32,
    /// Models without which the appliance does not work.
    pub required: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: 1,
            context_tokens: 4096,
            queue: 64,
            load_timeout_seconds: 120,
            required: vec!["embedding".to_owned(), "operator".to_owned()],
        }
    }
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
    /// Reads the environment and `config.toml` (which may be absent).
    ///
    /// # Errors
    /// When the file cannot be read or says something that cannot be.
    pub fn load() -> Result<Self, ConfigError> {
        let folder = |variable: &str, default: &str| {
            let value = std::env::var_os(variable).unwrap_or_else(|| OsString::from(default));
            PathBuf::from(value)
        };
        let settings = read(&folder("AIOS_ETC_DIR", "/etc/aios").join("config.toml"))?;
        Ok(Self {
            socket: aios_proto::socket::of("runtime"),
            builtin_models: folder("AIOS_LIB_DIR", "/usr/lib/aios").join("models"),
            operator_models: folder("AIOS_STATE_DIR", "/var/lib/aios").join("models"),
            executable: std::env::current_exe().map_err(ConfigError::Executable)?,
            settings,
        })
    }
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(source) => Err(ConfigError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Only the table `[runtime]` is ours; the rest of the file belongs to others.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    runtime: Settings,
}

fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let file: File = toml::from_str(text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let settings = file.runtime;
    let check = |key, value: u32, least, most| {
        let inside = (least..=most).contains(&value);
        inside.then_some(()).ok_or_else(|| ConfigError::Range {
            path: path.to_owned(),
            key,
            least,
            most,
        })
    };
    check("threads", settings.threads, 1, 256)?;
    check("context_tokens", settings.context_tokens, 64, 1 << 20)?;
    check("queue", settings.queue, 1, 4096)?;
    check(
        "load_timeout_seconds",
        settings.load_timeout_seconds,
        1,
        86_400,
    )?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default_and_other_tables_are_left_alone() {
        let path = Path::new("config.toml");
        assert_eq!(
            parse(path, "[other]\nx = 1\n").unwrap(),
            Settings::default()
        );
        let threads = parse(path, "[runtime]\nthreads = 4\n").unwrap().threads;
        assert_eq!(threads, 4);
    }

    #[test]
    fn an_unknown_key_or_a_number_out_of_range_is_refused() {
        let path = Path::new("config.toml");
        let check = |text: &str| assert!(parse(path, text).is_err(), "{text}");
        check("[runtime]\nthread = 4\n");
        check("[runtime]\nthreads = 0\n");
        check("[runtime]\nqueue = 100000\n");
        check("[runtime\n");
    }
}
