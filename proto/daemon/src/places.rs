//! Where a daemon's files are.

use std::path::{Path, PathBuf};

use aios_config::reader::Reader;

use crate::InForce;

/// The folders that daemons share. Each has a variable of the environment that overrides it, for
/// tests alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Sockets, and what lives in memory: `/run/aios` (`AIOS_RUN_DIR`).
    pub run: PathBuf,
    /// Configuration: `/etc/aios` (`AIOS_ETC_DIR`).
    pub etc: PathBuf,
    /// State on the disk: `/var/lib/aios` (`AIOS_STATE_DIR`).
    pub state: PathBuf,
    /// What comes with the image: `/usr/lib/aios` (`AIOS_LIB_DIR`).
    pub lib: PathBuf,
}

impl Places {
    /// The folders of this process.
    pub fn of_this_process() -> Self {
        let folder = |variable: &str, usual: &str| {
            std::env::var_os(variable).map_or_else(|| PathBuf::from(usual), PathBuf::from)
        };
        Self {
            run: folder("AIOS_RUN_DIR", "/run/aios"),
            etc: folder("AIOS_ETC_DIR", "/etc/aios"),
            state: folder("AIOS_STATE_DIR", "/var/lib/aios"),
            lib: folder("AIOS_LIB_DIR", "/usr/lib/aios"),
        }
    }

    /// Folders below `root`, for tests.
    pub fn below(root: &Path) -> Self {
        Self {
            run: root.join("run"),
            etc: root.join("etc"),
            state: root.join("state"),
            lib: root.join("lib"),
        }
    }

    /// The socket of a daemon: `memory`, `tools`, …
    pub fn socket(&self, daemon: &str) -> PathBuf {
        self.run.join(format!("{daemon}.sock"))
    }

    /// The configuration that holds, for the service `R`. While `config.toml` is wrong, the log says
    /// so, and the last right configuration holds.
    pub fn config<R: Reader>(&self) -> InForce<R> {
        let config = InForce::<R>::read(&self.etc);
        if let Some(warning) = config.warning() {
            tracing::error!("{warning}");
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use aios_config::{Tools, reader};

    use super::*;
    use crate::configuration::{FILE, remember};

    #[test]
    fn a_daemon_gets_its_tables_also_while_the_file_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        std::fs::create_dir(&places.etc).unwrap();
        let most = || {
            let config = places.config::<reader::Tools>();
            config.table::<Tools>().calls_per_caller_max
        };
        assert_eq!(most(), 16);
        let file = places.etc.join(FILE);
        std::fs::write(&file, "[tools]\ncalls_per_caller_max = 5\n").unwrap();
        remember(&places.etc).unwrap();
        std::fs::write(&file, "[tools\n").unwrap();
        assert_eq!(most(), 5);
    }
}
