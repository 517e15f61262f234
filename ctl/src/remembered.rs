//! What was verified last of an appliance's ledger: its signer, size and root
//! hash. A ledger that later does not begin with the same entries was rewritten
//! or cut, however well it is signed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::Global;
use crate::config::Store;
use crate::error::Failure;
use crate::files;
use crate::pki::show::hex;

/// A verified state of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Who signed it.
    pub public_key: [u8; 32],
    /// How many entries it had.
    pub entries: u64,
    /// Their Merkle tree hash.
    pub root_hash: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    public_key: String,
    entries: u64,
    root_hash: String,
}

impl Remembered {
    /// What a report found.
    pub fn of(report: &aios_ledger::Report) -> Self {
        Self {
            public_key: report.public_key,
            entries: report.entries,
            root_hash: report.root_hash,
        }
    }
}

/// Where it is kept: one file per context, and per address when another was named.
pub fn path(store: &Store, global: &Global) -> PathBuf {
    let context = store.context_name(global.context.as_deref());
    let address = global.endpoint.as_deref().unwrap_or_default();
    // Names may hold anything: written in hexadecimal they are plain file names.
    let name = match address {
        "" => hex(context.as_bytes()),
        address => format!("{}-{}", hex(context.as_bytes()), hex(address.as_bytes())),
    };
    store.folder().join("verified").join(format!("{name}.toml"))
}

/// Reads it; `None` when nothing was verified yet.
///
/// # Errors
/// When it is there but not readable: it is not passed over, since that would
/// hide a cut ledger.
pub fn read(path: &Path) -> Result<Option<Remembered>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read(path)?;
    let written: Option<Written> = toml::from_str(&text).ok();
    let remembered = written.and_then(|written| {
        Some(Remembered {
            public_key: aios_ledger::unhex(&written.public_key)?,
            entries: written.entries,
            root_hash: aios_ledger::unhex(&written.root_hash)?,
        })
    });
    match remembered {
        Some(remembered) => Ok(Some(remembered)),
        None => Err(Failure::usage(format!("{} is damaged", path.display()))
            .hint("begin afresh with `aiosctl audit verify --forget`")),
    }
}

/// Writes it.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, remembered: &Remembered) -> Result<(), Failure> {
    let written = Written {
        public_key: hex(&remembered.public_key),
        entries: remembered.entries,
        root_hash: hex(&remembered.root_hash),
    };
    let text = toml::to_string(&written)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
    files::write_private(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_is_remembered_and_damage_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verified/x.toml");
        assert_eq!(read(&path), Ok(None));
        let remembered = Remembered {
            public_key: [7; 32],
            entries: 41,
            root_hash: [9; 32],
        };
        write(&path, &remembered).unwrap();
        assert_eq!(read(&path), Ok(Some(remembered)));
        std::fs::write(&path, "entries = 41").unwrap();
        assert!(read(&path).is_err());
    }
}
