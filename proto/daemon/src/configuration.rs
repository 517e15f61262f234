//! The configuration that holds: the file as it is, the last right one while the file is wrong, or
//! the defaults.
//!
//! `config.toml` may be edited by hand, and a service that restarts must not stay down because of a
//! typing error in a table of another service. The last right text lies beside the file; the services
//! that run as root keep it up to date: `aios-provision` at each boot, `aios-config` at each change,
//! `aios-network` when it reads the file again.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use aios_config::reader::{ReadBy, Reader};
use aios_config::{Config, NotInForce, Problem, TopTable};

use aios_files::durable;

/// The configuration's name in `/etc/aios`.
pub const FILE: &str = "config.toml";

/// The name of the last right configuration, in the same folder.
pub const LAST_RIGHT: &str = "config.toml.last-right";

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has mistakes.
    #[error("{path} is not right: {}", told(.problems))]
    Problems {
        /// Which file.
        path: PathBuf,
        /// All mistakes, in the order of the text.
        problems: Vec<Problem>,
    },
}

fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join(" | ")
}

/// Where the configuration that holds came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `config.toml`.
    Present,
    /// The last right one, as `config.toml` is wrong.
    LastRight,
    /// Nothing but the defaults: `config.toml` is wrong, and no other was right before.
    Defaults,
}

/// The configuration that holds, for the service `R`.
#[derive(Debug)]
pub struct InForce<R> {
    config: Config,
    /// Where it came from.
    pub origin: Origin,
    /// What is wrong with `config.toml`.
    pub wrong: Option<Wrong>,
    reader: PhantomData<R>,
}

impl<R: Reader> InForce<R> {
    /// Reads the folder `etc` (`/etc/aios`).
    pub fn read(etc: &Path) -> Self {
        let (config, origin, wrong) = match read(&etc.join(FILE)) {
            Ok((config, _)) => (config, Origin::Present, None),
            Err(wrong) => match read(&etc.join(LAST_RIGHT)) {
                Ok((config, text)) if !text.is_empty() => (config, Origin::LastRight, Some(wrong)),
                _ => (Config::default(), Origin::Defaults, Some(wrong)),
            },
        };
        Self {
            config,
            origin,
            wrong,
            reader: PhantomData,
        }
    }

    /// A table that this service reads. A table whose declaration does not name the service is not
    /// to be had:
    ///
    /// ```compile_fail
    /// use aios_config::{Runtime, reader};
    /// use aios_daemon::InForce;
    /// let config = InForce::<reader::Tools>::read("/etc/aios".as_ref());
    /// let runtime: &Runtime = config.table();
    /// ```
    pub fn table<T: TopTable + ReadBy<R>>(&self) -> &T {
        T::of(&self.config)
    }

    /// What is set in the configuration that holds, and is not in force yet.
    pub fn not_in_force(&self) -> Vec<NotInForce> {
        self.config.not_in_force()
    }

    /// What is wrong, and what holds instead, for the log and for operators.
    pub fn warning(&self) -> Option<String> {
        let wrong = self.wrong.as_ref()?;
        let instead = match self.origin {
            Origin::Present => return None,
            Origin::LastRight => "the last right configuration holds",
            Origin::Defaults => "the defaults hold",
        };
        Some(format!("{instead}: {wrong}"))
    }
}

/// The configuration in this file, and its text; without the file, the defaults, which are no text.
///
/// # Errors
/// Every mistake in it.
pub fn read(path: &Path) -> Result<(Config, String), Wrong> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => {
            return Err(Wrong::Read {
                path: path.to_owned(),
                source,
            });
        }
        Ok(text) => text,
    };
    // Bytes that are no text are as wrong as any other mistake.
    let text = String::from_utf8_lossy(&text).into_owned();
    match aios_config::parse(&text) {
        Ok(config) => Ok((config, text)),
        Err(problems) => Err(Wrong::Problems {
            path: path.to_owned(),
            problems,
        }),
    }
}

/// Keeps the text of `config.toml` as the last right one, if it is right and another than before.
/// Only for root, in the folder `etc`. A power cut leaves the former or the new one.
///
/// # Errors
/// When it cannot be written.
pub fn remember(etc: &Path) -> io::Result<()> {
    let Ok((_, text)) = read(&etc.join(FILE)) else {
        return Ok(());
    };
    let path = etc.join(LAST_RIGHT);
    if std::fs::read_to_string(&path).unwrap_or_default() == text {
        return Ok(());
    }
    // Each service reads its own tables.
    durable::replace_with_mode(&path, text.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_config::{Approval, Risk, Tools, reader};

    #[test]
    fn while_the_file_is_wrong_the_last_right_one_holds_and_else_the_defaults() {
        let etc = tempfile::tempdir().unwrap();
        let most = || {
            let config = InForce::<reader::Tools>::read(etc.path());
            let tools: &Tools = config.table();
            (tools.calls_per_caller_max, config.origin)
        };
        let write = |text: &[u8]| std::fs::write(etc.path().join(FILE), text).unwrap();
        assert_eq!(most(), (16, Origin::Present));
        let wrong: [&[u8]; 5] = [
            b"this is no TOML",
            b"[tools]\ncalls_per_caller_max = 0\n", // once taken by aios-tools: it refused every call
            b"[tools]\ncalls_per_caller_max = 4097\n",
            b"[nobody]\nknows = 1\n",
            b"\xff\xfe",
        ];
        for text in wrong {
            write(text);
            remember(etc.path()).unwrap();
            assert_eq!(most(), (16, Origin::Defaults), "{text:?}");
        }
        write(b"[tools]\ncalls_per_caller_max = 4\n[approval]\nauto_up_to = \"low\"\n");
        remember(etc.path()).unwrap();
        assert_eq!(most(), (4, Origin::Present));
        for text in wrong {
            write(text);
            remember(etc.path()).unwrap();
            assert_eq!(most(), (4, Origin::LastRight), "{text:?}");
        }
        let config = InForce::<reader::Tools>::read(etc.path());
        let approval: &Approval = config.table();
        assert_eq!(approval.auto_up_to, Risk::Low, "stricter than the default");
        let warning = config.warning().unwrap();
        assert!(warning.starts_with("the last right configuration holds: "));
        std::fs::remove_file(etc.path().join(FILE)).unwrap();
        assert_eq!(most(), (16, Origin::Present), "no file is a good one");
    }
}
