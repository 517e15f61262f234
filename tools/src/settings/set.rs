//! `config.set`: gives one key of the configuration a value, or takes it out.

use aios_contracts::v1::ConfigCheck;
use aios_tool::argument::{self, SettingName, Text};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::InverseCall;
use toml::{Table, Value};

use super::{get, text};

/// What is said of a key that is not set. A text of this value has quotes in TOML.
const UNSET: &str = "unset";
/// The longest value, in bytes.
const VALUE_MAX: usize = 16 * 1024;

arguments! {
    /// Arguments of `config.set`.
    pub struct Input {
        /// The key with its table: `network.dns`. `config.get` shows which there are.
        pub key: SettingName<argument::Set>,
        /// Its value as TOML (`8080`, `true`, `["192.0.2.1"]`) or a text without quotes, at most 16 KiB.
        /// Without it the key is taken out, and its default holds.
        pub value: Option<Text>,
        /// The value that it must have until now, as TOML; `unset`: it must not be set. When it has another,
        /// nothing is changed. Default: whatever it has.
        pub instead_of: Option<Text>,
    }
}

/// The tool `config.set`.
pub struct Set;

/// What became of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The key.
    pub key: String,
    /// Its value before, as TOML; absent when it was not set.
    pub before: Option<String>,
    /// Its value now; absent when its default holds.
    pub after: Option<String>,
    /// Which services are told or restarted for it, and warnings, for people.
    pub consequences: Vec<String>,
    /// Keys that are set and that nothing reads yet, and why.
    pub not_in_force: Vec<String>,
}

/// A change of the configuration, worked out and checked by the daemon.
struct Ordered {
    before: Option<Value>,
    present: String,
    sha256: String,
    made: String,
    check: ConfigCheck,
}

impl Input {
    fn wanted(&self) -> Option<Value> {
        self.value.as_ref().map(|value| text::value(value.as_str()))
    }

    /// Is this the value that it was to replace? What is so already replaces nothing.
    fn may_replace(&self, now: Option<&Value>) -> Result<(), ToolError> {
        let Some(expected) = &self.instead_of else {
            return Ok(());
        };
        let expected = match expected.as_str() {
            UNSET => None,
            text => Some(text::value(text)),
        };
        if now == expected.as_ref() || now == self.wanted().as_ref() {
            return Ok(());
        }
        Err(ToolError::Precondition(format!(
            "{} was changed since: it is {}, no longer {}; setting it would lose that",
            self.key,
            format::printable(&shown(now)),
            format::printable(&shown(expected.as_ref()))
        )))
    }
}

fn worked_out(input: &Input, context: &Context) -> Result<Ordered, ToolError> {
    let state = super::state(context)?;
    super::is_whole(&state)?;
    let before = value_now(&state.toml, input.key.as_str());
    input.may_replace(before.as_ref())?;
    let made = text::with(&state.toml, input.key.as_str(), input.wanted().as_ref())
        .map_err(ToolError::Precondition)?;
    let check = super::check(&made, context)?;
    if !check.problems.is_empty() {
        return Err(ToolError::Precondition(super::problems(&check)));
    }
    Ok(Ordered {
        before,
        present: state.toml,
        sha256: state.sha256,
        made,
        check,
    })
}

fn value_now(toml: &str, key: &str) -> Option<Value> {
    let table = toml.parse::<Table>().ok()?;
    text::find(&table, key).cloned()
}

/// A value in a sentence.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not set".to_owned(), ToString::to_string)
}

fn output(input: &Input, before: Option<&Value>, check: ConfigCheck) -> Output {
    let text = |value: &Value| value.to_string();
    Output {
        key: input.key.to_string(),
        before: before.map(text),
        after: input.wanted().as_ref().map(text),
        consequences: check.changes,
        not_in_force: check.not_in_force,
    }
}

impl Tool for Set {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "config.set",
            "Gives one key of the node's configuration a value, or takes it out so that its default holds.",
        )
        .risk(Risk::High)
        .least(Least::Admin)
        .timeout_ms(30_000)
        // Each change is made of the whole file.
        .needing("config", "write", "settings")
        .reading_the_machine()
        .example(json!({"key": "network.dns", "value": "[\"192.0.2.53\"]"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        if input
            .value
            .as_ref()
            .is_some_and(|value| value.as_str().len() > VALUE_MAX)
        {
            return Err(ToolError::Invalid(format!(
                "value: has at most {VALUE_MAX} bytes"
            )));
        }
        get::settable(&input.key)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            key, before, after, ..
        } = output;
        if before == after {
            return format!("{key} was so already");
        }
        let now = match after {
            Some(value) => format!("{key} is {}", format::printable(value)),
            None => format!("{key} is not set, its default holds"),
        };
        let before = match before {
            Some(value) => format!("it was {}", format::printable(value)),
            None => "it was not set".to_owned(),
        };
        let mut text = format!("{now}; {before}");
        for more in output.consequences.iter().chain(&output.not_in_force) {
            text = format!("{text}; {}", format::printable(more));
        }
        text
    }
}

impl Change for Set {
    fn effect() -> Effect {
        Effect::of(
            "the configuration in effect has the value",
            &["set", "change", "configure"],
        )
        .undone_by(Undo::Call)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let change = worked_out(input, context)?;
        if change.made == change.present {
            return Ok(Preview::default());
        }
        let key = format!("setting {}", input.key);
        let one = Foreseen::of(
            key,
            &shown(change.before.as_ref()),
            &shown(input.wanted().as_ref()),
        )
        .with_content(change.present.as_bytes(), change.made.as_bytes());
        let told = change.check.changes.iter();
        let told = told.map(|text| Foreseen::of(format::printable(text), "", ""));
        Ok(Preview::from(one).with(told))
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        let before = value_now(&super::state(context)?.toml, input.key.as_str());
        if before == input.wanted() {
            return Ok(());
        }
        // Only what this call set is taken back, not what somebody set after it.
        let set = input.wanted().map(|value| value.to_string());
        let mut arguments = json!({ "key": input.key, "instead_of": set.unwrap_or(UNSET.into()) });
        if let Some(before) = &before {
            arguments["value"] = before.to_string().into();
        }
        capture.call(InverseCall {
            tool: "config.set".to_owned(),
            arguments,
            undone: format!("{} is {} again", input.key, shown(before.as_ref())),
        });
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let change = worked_out(input, context)?;
        let before = change.before.as_ref();
        if change.made == change.present {
            return Ok(output(input, before, ConfigCheck::default()));
        }
        let applied = super::apply(change.made, &change.sha256, context)?;
        Ok(output(input, before, applied))
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        let now = value_now(&super::state(context)?.toml, input.key.as_str());
        match now == input.wanted() {
            true => Ok(()),
            false => Err(ToolError::Unverified(format!(
                "{} is {}",
                input.key,
                shown(now.as_ref())
            ))),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let now = value_now(&super::state(context)?.toml, input.key.as_str());
        if now != input.wanted() || interrupted.steps.is_empty() {
            return Ok(None);
        }
        Ok(Some(output(input, None, ConfigCheck::default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::fake::Daemon;

    #[test]
    fn a_key_is_set_and_taken_back_through_the_daemon() {
        let text = "# mine\n[ssh]\nport = 22\n";
        let daemon = Daemon::new(text);
        let order = json!({"key": "ssh.port", "value": "2222"});
        let foreseen = daemon.preview::<Set>(order.clone()).unwrap();
        assert_eq!(foreseen.changes[0].object, "setting ssh.port");
        assert!(
            foreseen.changes[0].diff.contains("+port = 2222"),
            "{foreseen:?}"
        );
        let undo = daemon.inverse::<Set>(order.clone());
        let done = daemon.change::<Set>(order).unwrap();
        assert!(
            done.summary.starts_with("ssh.port is 2222; it was 22"),
            "{}",
            done.summary
        );
        assert_eq!(daemon.text(), text.replace("22", "2222"));
        daemon.change::<Set>(undo).unwrap();
        assert_eq!(daemon.text(), text);
        let unset = json!({"key": "node.name", "value": "web-1"});
        let undo = daemon.inverse::<Set>(unset.clone());
        assert_eq!(undo, json!({"key": "node.name", "instead_of": "\"web-1\""}));
        daemon.change::<Set>(unset).unwrap();
        daemon.change::<Set>(undo).unwrap();
        assert_eq!(daemon.text(), text);
    }

    #[test]
    fn an_undo_does_not_lose_what_was_set_since() {
        let daemon = Daemon::new("[ssh]\nport = 22\n");
        let order = |value: &str| json!({"key": "ssh.port", "value": value});
        let undo = daemon.inverse::<Set>(order("2222"));
        daemon.change::<Set>(order("2222")).unwrap();
        daemon.change::<Set>(order("3333")).unwrap();
        let lost = daemon.change::<Set>(undo.clone()).unwrap_err();
        let text = lost.to_string();
        assert!(matches!(lost, ToolError::Precondition(_)), "{text}");
        assert!(
            text.contains("changed since: it is 3333, no longer 2222"),
            "{text}"
        );
        assert_eq!(daemon.text(), "[ssh]\nport = 3333\n");
        daemon.change::<Set>(order("2222")).unwrap();
        daemon.change::<Set>(undo.clone()).unwrap();
        assert_eq!(daemon.text(), "[ssh]\nport = 22\n");
        // Repeated, as after a crash, there is nothing to do.
        daemon.change::<Set>(undo).unwrap();
        let unset = daemon.inverse::<Set>(json!({"key": "ssh.port"}));
        assert_eq!(
            unset,
            json!({"key": "ssh.port", "instead_of": "unset", "value": "22"})
        );
        let lost =
            daemon.change::<Set>(json!({"key": "ssh.port", "instead_of": "unset", "value": "1"}));
        assert!(lost.unwrap_err().to_string().contains("no longer not set"));
    }

    #[test]
    fn what_the_daemon_refuses_is_not_set_and_the_reason_is_told() {
        let daemon = Daemon::new("");
        let refused = daemon.change::<Set>(json!({"key": "ssh.port", "value": "0"}));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("ssh.port"), "{text}");
        let refused = daemon.change::<Set>(json!({"key": "ssh.none", "value": "0"}));
        assert!(matches!(refused, Err(ToolError::Invalid(_))), "{refused:?}");
        assert_eq!(daemon.text(), "");
        let set = || aios_tool::tool::change::<Set>();
        let needs = crate::trial::needs(set().as_ref(), json!({"key": "ssh.port"})).unwrap();
        assert_eq!(needs, ["config:write:settings", "config:set:ssh.port"]);
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        let daemon = Daemon::new("[ssh]\nport = 22\n");
        let order = json!({"key": "ssh.port", "value": "22"});
        assert_eq!(
            daemon.preview::<Set>(order.clone()).unwrap(),
            Preview::default()
        );
        let done = daemon.change::<Set>(order).unwrap();
        assert_eq!(done.summary, "ssh.port was so already");
        assert_eq!(daemon.applied(), 0);
    }
}
