//! The operators' certificates that the authority has made and that are not over: a file beside it, so
//! that a name stands for all of them and not only for the last.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::show::Summary;
use crate::error::Failure;
use crate::files;

/// In the authority's folder: a JSON object a line.
const FILE: &str = "issued.jsonl";

/// An operator's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Common name.
    pub name: String,
    /// Organizational unit.
    pub role: String,
    /// Hexadecimal.
    pub serial: String,
    /// Unix time, seconds.
    pub not_after: i64,
}

impl From<&Summary> for Issued {
    fn from(summary: &Summary) -> Self {
        Self {
            name: summary.name.clone(),
            role: summary.role.clone(),
            serial: summary.serial.clone(),
            not_after: summary.not_after,
        }
    }
}

/// Adds a certificate, and leaves out those that are over.
///
/// # Errors
/// When the file cannot be read or written.
pub fn add(folder: &Path, certificate: &Summary) -> Result<(), Failure> {
    let mut all = list(folder)?;
    all.retain(|one| one.serial != certificate.serial);
    all.push(certificate.into());
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let lines = all.iter().filter(|one| one.not_after >= now).map(|one| {
        serde_json::to_string(one)
            .map(|line| line + "\n")
            .map_err(|error| Failure::failed(format!("cannot write {FILE}: {error}")))
    });
    let text = lines.collect::<Result<String, _>>()?;
    files::write_private(&folder.join(FILE), text.as_bytes())
}

/// All of them. Those of an authority that is older than the file are in the operators' own files.
///
/// # Errors
/// When a file cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Issued>, Failure> {
    let path = folder.join(FILE);
    let mut all = Vec::new();
    if path.exists() {
        for line in files::read(&path)?.lines() {
            let issued: Issued = serde_json::from_str(line).map_err(|error| {
                Failure::usage(format!("{} is damaged: {error}", path.display()))
                    .hint("restore it from a backup, or remove it")
            })?;
            all.push(issued);
        }
    }
    let operators = folder.join("operators");
    let entries = std::fs::read_dir(&operators).into_iter().flatten();
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_some_and(|ending| ending == "crt") {
            let issued = Issued::from(&super::show::read(&files::read(&path)?)?);
            if all.iter().all(|one| one.serial != issued.serial) {
                all.push(issued);
            }
        }
    }
    Ok(all)
}
