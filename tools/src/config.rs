//! Where things are and what the operator configured, parsed once.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::policy::Approval;

/// The daemon's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `/run/aios`.
    pub run_dir: PathBuf,
    /// `/var/lib/aios`.
    pub state_dir: PathBuf,
    /// `/etc/aios`.
    pub etc_dir: PathBuf,
    /// The `[approval]` table.
    pub approval: Approval,
    /// The `[tools]` table.
    pub tools: Tools,
    /// Who owns new files: root, unless a test says otherwise.
    pub owner: (u32, u32),
}

/// The `[tools]` table of `/etc/aios/config.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// So many calls of one caller may be under way at the same time, hung ones counted.
    pub calls_per_caller_max: usize,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            calls_per_caller_max: 16,
        }
    }
}

/// The tables of the file that are read here; the others belong to other daemons.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    approval: Approval,
    tools: Tools,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file says something that it cannot say.
    #[error("{path} is not a valid configuration")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// Reads `config.toml`; without the file, the defaults stand.
    ///
    /// # Errors
    /// When the file is there and cannot be read or parsed.
    pub fn load() -> Result<Self, ConfigError> {
        let dir = |variable, default: &str| {
            std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        Self::at(
            aios_proto::socket::run_dir(),
            dir("AIOS_STATE_DIR", "/var/lib/aios"),
            dir("AIOS_ETC_DIR", "/etc/aios"),
        )
    }

    /// The same for given folders.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn at(run_dir: PathBuf, state_dir: PathBuf, etc_dir: PathBuf) -> Result<Self, ConfigError> {
        let file = read(&etc_dir.join("config.toml"))?;
        Ok(Self {
            run_dir,
            state_dir,
            etc_dir,
            approval: file.approval,
            tools: file.tools,
            owner: (0, 0),
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(source) => {
            return Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            });
        }
        Ok(text) => text,
    };
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_tool::spec::Risk;

    #[test]
    fn the_file_is_optional_but_not_its_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        assert_eq!(read(&path).unwrap().approval.auto_up_to, Risk::High);
        std::fs::write(&path, "[approval]\nauto_up_to = \"low\"\n[memory]\nx = 1\n").unwrap();
        assert_eq!(read(&path).unwrap().approval.auto_up_to, Risk::Low);
        for wrong in [
            "[approval]\nauto_upto = \"low\"",
            "[approval]\nauto_up_to = \"lw\"",
            "[",
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(
                matches!(read(&path), Err(ConfigError::Parse { .. })),
                "{wrong}"
            );
        }
    }
}
