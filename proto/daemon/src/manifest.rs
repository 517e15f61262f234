//! An agent's manifest: `/etc/aios/agents/<name>.toml`.
//!
//! One file says all that the agent may do. The orchestrator reads which tools'
//! tasks it takes, `aios-tools` which capabilities it holds, and PID 1 how its
//! process runs (the `[service]` table, whose schema is in `aios-init`).

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What an agent is for and what it may do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentManifest {
    /// Its name, the same as the file's: `storage`.
    pub name: String,
    /// What it is for, in a sentence, for people.
    pub description: String,
    /// The tools and skills whose tasks it takes: exact names, or `namespace.*`.
    pub tools: Vec<String>,
    /// What it may do: `namespace:action:pattern`.
    pub capabilities: Vec<String>,
    /// How PID 1 runs it; not read here.
    pub service: toml::Table,
}

/// Why the manifests could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file or the folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// What was read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a manifest.
    #[error("{path} is not an agent manifest")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where in it, and why.
        source: Box<toml::de::Error>,
    },
    /// The file's name and the agent's differ.
    #[error("{path} names the agent {name:?}; the file must have the agent's name")]
    Name {
        /// Which file.
        path: PathBuf,
        /// The name in it.
        name: String,
    },
}

impl AgentManifest {
    /// Does it take tasks of this tool or skill?
    pub fn takes(&self, tool: &str) -> bool {
        self.tools
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => tool.starts_with(prefix),
                None => tool == pattern,
            })
    }
}

/// Reads all manifests of a folder, ordered by name.
///
/// # Errors
/// The first file that cannot be read or is no manifest.
pub fn read_all(folder: &Path) -> Result<Vec<AgentManifest>, ManifestError> {
    let read = |path: &Path, source| ManifestError::Read {
        path: path.to_owned(),
        source,
    };
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| read(folder, source))? {
        let path = entry.map_err(|source| read(folder, source))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).map_err(|source| read(&path, source))?;
            manifests.push(parse(&path, &text)?);
        }
    }
    manifests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(manifests)
}

fn parse(path: &Path, text: &str) -> Result<AgentManifest, ManifestError> {
    let manifest: AgentManifest = toml::from_str(text).map_err(|source| ManifestError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    if path
        .file_stem()
        .is_none_or(|stem| stem != manifest.name.as_str())
    {
        return Err(ManifestError::Name {
            path: path.to_owned(),
            name: manifest.name,
        });
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORAGE: &str = "name = \"storage\"\ndescription = \"Files.\"\n\
        tools = [\"fs.*\", \"storage.usage\"]\ncapabilities = [\"fs:read:/*\"]\n[service]\n";

    #[test]
    fn an_agent_takes_what_its_manifest_names() {
        let manifest = parse(Path::new("agents/storage.toml"), STORAGE).unwrap();
        let check = |tool, expected| assert_eq!(manifest.takes(tool), expected, "{tool}");
        check("fs.read", true);
        check("fsx.read", false);
        check("storage.usage", true);
        check("storage.usages", false);
    }

    #[test]
    fn a_file_under_another_name_or_with_an_unknown_key_is_refused() {
        assert!(matches!(
            parse(Path::new("agents/network.toml"), STORAGE),
            Err(ManifestError::Name { .. })
        ));
        let typo = STORAGE.replace("capabilities", "capabilites");
        assert!(matches!(
            parse(Path::new("agents/storage.toml"), &typo),
            Err(ManifestError::Parse { .. })
        ));
    }
}
