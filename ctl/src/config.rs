//! The operator's configuration: one file, several contexts, one per appliance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::files;

/// Names the configuration file in the environment.
pub const CONFIG_VARIABLE: &str = "AIOSCTL_CONFIG";

/// The management API's port.
const DEFAULT_PORT: u16 = 9090;

/// The context of whoever never named one.
pub const DEFAULT_CONTEXT: &str = "default";

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The context in use when none is named.
    #[serde(default)]
    pub context: String,
    /// By name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// An appliance, and who we are to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// `https://HOST:PORT`
    #[serde(default = "default_endpoint")]
    pub endpoint: String,
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The operator's certificate.
    pub certificate: PathBuf,
    /// The operator's key.
    pub key: PathBuf,
}

/// Where an appliance is that was started on this machine.
pub fn default_endpoint() -> String {
    format!("https://127.0.0.1:{DEFAULT_PORT}")
}

/// The configuration file and what it says.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    /// What it says; empty when there is no file yet.
    pub config: Config,
}

impl Store {
    /// Opens the file named on the command line, else in the environment, else
    /// `~/.config/aios/config.toml`.
    ///
    /// # Errors
    /// When it is there but cannot be read or is not valid.
    pub fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => default_path()?,
        };
        let path =
            std::path::absolute(&path).map_err(|error| files::failure("find", &path, &error))?;
        let config = if path.exists() {
            toml::from_str(&files::read(&path)?).map_err(|error| {
                Failure::usage(format!("{} is not valid: {error}", path.display()))
            })?
        } else {
            Config::default()
        };
        Ok(Self { path, config })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the file: also where the authority and what was verified are kept.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<(), Failure> {
        let text = toml::to_string_pretty(&self.config)
            .map_err(|error| Failure::failed(format!("cannot write the configuration: {error}")))?;
        files::write_private(&self.path, text.as_bytes())
    }

    /// The name of the context to use: the one asked for, else the current one.
    pub fn context_name<'a>(&'a self, asked: Option<&'a str>) -> &'a str {
        match asked {
            Some(name) => name,
            None if self.config.context.is_empty() => DEFAULT_CONTEXT,
            None => &self.config.context,
        }
    }

    /// The context to use.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn context(&self, asked: Option<&str>) -> Result<(&str, &Context), Failure> {
        let name = self.context_name(asked);
        match self.config.contexts.get_key_value(name) {
            Some((name, context)) => Ok((name, context)),
            None => Err(Failure::usage(format!(
                "there is no context {name:?} in {}",
                self.path.display()
            ))
            .hint("make one with `aiosctl pki operator NAME --role admin`, or see `aiosctl config show`")),
        }
    }
}

fn default_path() -> Result<PathBuf, Failure> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = folder("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| folder("HOME").map(|home| PathBuf::from(home).join(".config")));
    base.map(|base| base.join("aios/config.toml"))
        .ok_or_else(|| {
            Failure::usage("HOME is not set, so there is no place for the configuration")
                .hint(format!("name the file with --config or {CONFIG_VARIABLE}"))
        })
}

/// An endpoint as people write it (`host`, `host:port`, a URL) in its full form.
///
/// # Errors
/// When it is not an https address.
pub fn endpoint(text: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::usage(format!("{text:?} is not an endpoint"))
            .hint("write HOST, HOST:PORT or https://HOST:PORT")
    };
    let authority = match text.split_once("://") {
        Some(("https", rest)) => rest.trim_end_matches('/'),
        Some(_) => return Err(wrong()),
        None => text,
    };
    let authority: tonic::codegen::http::uri::Authority = authority.parse().map_err(|_| wrong())?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let host = authority.host();
    let port = match authority.as_str().strip_prefix(host) {
        Some("") => DEFAULT_PORT,
        Some(rest) => {
            let digits = rest.strip_prefix(':').ok_or_else(wrong)?;
            digits.parse().map_err(|_| wrong())?
        }
        None => return Err(wrong()),
    };
    Ok(format!("https://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_completed_or_refused() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(endpoint(text).ok().as_deref(), expected, "{text:?}");
        };
        check("10.0.0.7", Some("https://10.0.0.7:9090"));
        check("node:19090", Some("https://node:19090"));
        check("https://[::1]:1/", Some("https://[::1]:1"));
        check("http://node", None);
        check("node:99999", None);
        check("node:", None);
        check("u@node", None);
        check("", None);
        check("a b", None);
    }

    #[test]
    fn what_is_saved_is_read_again_and_an_unknown_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c/config.toml");
        let mut store = Store::open(Some(&path)).unwrap();
        assert!(store.context(None).is_err());
        let context = Context {
            endpoint: default_endpoint(),
            ca: "/a".into(),
            certificate: "/b".into(),
            key: "/c".into(),
        };
        store.config.contexts.insert("lab".into(), context.clone());
        store.config.context = "lab".into();
        store.save().unwrap();
        let again = Store::open(Some(&path)).unwrap();
        assert_eq!(again.context(None).unwrap(), ("lab", &context));
        assert!(again.context(Some("other")).is_err());
        std::fs::write(&path, "contxt = 'x'").unwrap();
        assert_eq!(
            Store::open(Some(&path)).unwrap_err().exit,
            crate::error::Exit::Usage
        );
    }
}
