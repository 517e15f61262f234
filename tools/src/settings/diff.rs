//! `config.diff`: how the configuration differs from the defaults, or from another one.

use aios_tool::argument::Content;
use aios_tool::prelude::*;
use aios_tool::preview::unified;

use super::get::{Row, rows};

arguments! {
    /// Arguments of `config.diff`.
    pub struct Input {
        /// Another configuration, whole, as TOML: it is checked and compared with the present one.
        /// Without it the present one is compared with the defaults.
        pub toml: Option<Content>,
    }
}

/// The tool `config.diff`.
pub struct Diff;

/// The difference.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The keys that are set now, each with its default.
    pub set: Vec<Row>,
    /// How the other configuration's text differs from the present one's, in the unified format.
    pub diff: String,
    /// What is wrong with the other one; empty: it could be applied.
    pub problems: String,
    /// What applying it would mean for services, and warnings.
    pub consequences: Vec<String>,
}

impl Tool for Diff {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "config.diff",
            "Shows how the node's configuration differs from the defaults, or from another one that is given.",
        )
        .needing("config", "read", "settings")
        .reading_the_machine()
        .example(json!({"toml": "[ssh]\nport = 2222\n"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        if input.toml.is_none() {
            let keys: Vec<&str> = output.set.iter().map(|row| row.key.as_str()).collect();
            return match keys.len() {
                0 => "the configuration is as by default".to_owned(),
                count => format!(
                    "{count} keys are set otherwise than by default or on purpose: {}",
                    keys.join(", ")
                ),
            };
        }
        match (output.problems.as_str(), output.diff.as_str()) {
            ("", "") => "both configurations are the same".to_owned(),
            ("", diff) => {
                let told = format::printable(&output.consequences.join("; "));
                format!("{diff}\n{told}")
            }
            (problems, _) => format!("the other configuration is wrong:\n{problems}"),
        }
    }
}

impl Look for Diff {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let state = super::state(context)?;
        let mut output = Output {
            set: state
                .toml
                .parse()
                .map(|table| rows(&table, None))
                .unwrap_or_default(),
            diff: String::new(),
            problems: String::new(),
            consequences: Vec::new(),
        };
        if let Some(other) = &input.toml {
            let check = super::check(other.as_str(), context)?;
            output.diff = unified(&state.toml, other.as_str(), ["present", "other"]).text;
            output.problems = super::problems(&check);
            output.consequences = check.changes;
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::fake::Daemon;

    #[test]
    fn another_configuration_is_compared_and_checked() {
        let daemon = Daemon::new("[ssh]\nport = 22\n");
        let look = |arguments| daemon.look::<Diff>(arguments).unwrap().summary;
        assert!(look(json!({})).starts_with("1 keys are set"));
        assert_eq!(
            look(json!({"toml": "[ssh]\nport = 22\n"})),
            "both configurations are the same"
        );
        let other = look(json!({"toml": "[ssh]\nport = 2222\n"}));
        assert!(other.contains("-port = 22\n+port = 2222"), "{other}");
        let wrong = look(json!({"toml": "[ssh]\nport = 0\n"}));
        assert!(
            wrong.contains("wrong") && wrong.contains("ssh.port"),
            "{wrong}"
        );
        assert_eq!(daemon.text(), "[ssh]\nport = 22\n");
    }
}
