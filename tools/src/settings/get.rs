//! `config.get`: what the configuration says.

use aios_config::Config;
use aios_tool::argument::{self, SettingName, Text};
use aios_tool::prelude::*;
use toml::Table;

use super::text;

/// So many keys are repeated in the summary.
const SHOWN: usize = 20;
/// The longest value in a summary, in characters.
const VALUE_MAX: usize = 120;

arguments! {
    /// Arguments of `config.get`.
    pub struct Input {
        /// A key (`network.dns`) or a table (`network`), with all below it. Default: all that is set.
        pub key: Option<Text>,
    }
}

/// The tool `config.get`.
pub struct Get;

/// One key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its name with its table.
    pub key: String,
    /// Its value as TOML; absent when it is not set.
    pub value: Option<String>,
    /// What holds when it is not set, in words.
    pub default: String,
    /// What it is for.
    pub meaning: String,
    /// Which values it takes, in words.
    pub values: String,
    /// What else is to be known: that it is not in force yet, or another name of a key.
    pub note: String,
}

/// The keys.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Those that were asked for, in the order of the documentation.
    pub keys: Vec<Row>,
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

impl Tool for Get {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "config.get",
            "Shows what the node's configuration says: one key, a table, or all that is set.",
        )
        .needing("config", "read", "settings")
        .reading_the_machine()
        .example(json!({"key": "network.dns"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        match &input.key {
            Some(key) if rows(&Table::new(), Some(key.as_str())).is_empty() => {
                Err(unknown(key.as_str()))
            }
            _ => Ok(()),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let one = |row: &Row| {
            let note = match row.note.as_str() {
                "" => String::new(),
                note => format!("; {note}"),
            };
            match &row.value {
                Some(value) => {
                    let value: String = format::printable(value).chars().take(VALUE_MAX).collect();
                    format!("{} = {value}{note}", row.key)
                }
                None => format!("{} is not set ({}){note}", row.key, row.default),
            }
        };
        match output.keys.len() {
            0 => "nothing is set: all defaults hold".to_owned(),
            count => {
                let mut lines: Vec<String> = output.keys.iter().take(SHOWN).map(one).collect();
                if count > SHOWN {
                    lines.push(format!("and {} more", count - SHOWN));
                }
                lines.join("\n")
            }
        }
    }
}

impl Look for Get {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let state = super::state(context)?;
        let table = state.toml.parse::<Table>().map_err(|error| {
            ToolError::Precondition(format!("{} is not TOML: {}", super::FILE, error.message()))
        })?;
        Ok(Output {
            keys: rows(&table, input.key.as_ref().map(Text::as_str)),
            sha256: state.sha256,
        })
    }
}

/// The keys that were asked for; without a question, those that are set.
pub(super) fn rows(table: &Table, asked: Option<&str>) -> Vec<Row> {
    let is_asked = |path: &str| match asked {
        None => text::find(table, path).is_some(),
        Some(asked) => path
            .strip_prefix(asked)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
    };
    let keys = Config::keys()
        .into_iter()
        .filter(|key| is_asked(&key.path()));
    keys.map(|key| Row {
        value: text::find(table, &key.path()).map(ToString::to_string),
        key: key.path(),
        note: super::note(&key),
        default: key.default,
        meaning: key.meaning,
        values: key.values,
    })
    .collect()
}

/// There is no such key; which is near?
pub(super) fn unknown(name: &str) -> ToolError {
    let keys: Vec<String> = Config::keys().iter().map(aios_config::Key::path).collect();
    let near = keys.iter().min_by_key(|key| strsim::levenshtein(key, name));
    ToolError::Invalid(format!(
        "key: there is no {:?} in the configuration; near is {}",
        format::printable(name),
        near.map_or("", String::as_str)
    ))
}

/// A key that may be set, by its name.
pub(super) fn settable(name: &SettingName<argument::Set>) -> Result<(), ToolError> {
    super::known(name.as_str())
        .map(drop)
        .ok_or_else(|| unknown(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::fake::Daemon;

    #[test]
    fn a_key_a_table_or_all_that_is_set_is_shown() {
        let daemon = Daemon::new("[ssh]\nport = 2222\n");
        let look = |arguments| daemon.look::<Get>(arguments).unwrap();
        assert_eq!(look(json!({})).summary, "ssh.port = 2222");
        assert_eq!(look(json!({"key": "ssh.port"})).summary, "ssh.port = 2222");
        let table = look(json!({"key": "ssh"}));
        assert_eq!(table.output["keys"].as_array().unwrap().len(), 2);
        assert!(
            table.summary.contains("ssh.authorized_keys is not set"),
            "{}",
            table.summary
        );
        let refused = daemon.look::<Get>(json!({"key": "ssh.prot"})).unwrap_err();
        assert!(
            refused.to_string().contains("near is ssh.port"),
            "{refused}"
        );
        assert_eq!(
            Daemon::new("").look::<Get>(json!({})).unwrap().summary,
            "nothing is set: all defaults hold"
        );
    }
}
