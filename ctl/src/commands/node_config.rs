//! `aiosctl config apply|confirm|get`: the configuration of the appliance itself.

use std::path::{Path, PathBuf};

use aios_proto::v1::{
    ApplyConfigRequest, ConfigCheck, ConfigProblem, ConfigState, ConfirmConfigRequest,
    GetConfigRequest, ValidateConfigRequest,
};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::client::Client;
use crate::commands::connect;
use crate::error::{Exit, Failure};
use crate::maintenance;
use crate::output::Output;

/// Arguments of `config apply`.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// config.toml; with --fingerprint the node's node.toml
    file: PathBuf,
    /// Only say what is wrong and what would change
    #[arg(long, conflicts_with_all = ["tried", "fingerprint"])]
    dry_run: bool,
    /// Go back by itself after so long (60s, 5m) unless `config confirm` comes first
    #[arg(long = "try", value_name = "TIME", value_parser = trial_time, conflicts_with = "fingerprint")]
    tried: Option<u32>,
    /// Provision a node in maintenance mode, whose console shows this (SHA256:…)
    #[arg(long, value_name = "SHA256:HEX")]
    fingerprint: Option<String>,
    /// With --fingerprint: a config.toml that goes with it
    #[arg(long, value_name = "FILE", requires = "fingerprint")]
    with_config: Option<PathBuf>,
}

/// Seconds, as `60`, `60s` or `5m`.
fn trial_time(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number
        .parse::<u32>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 10..=600) => Ok(seconds),
        _ => Err("10 to 600 seconds, as 60s or 5m".to_owned()),
    }
}

pub(super) async fn apply(
    global: &Global,
    output: Output,
    arguments: Apply,
) -> Result<Exit, Failure> {
    let toml = read(&arguments.file)?;
    if let Some(fingerprint) = &arguments.fingerprint {
        let config = arguments.with_config.as_deref().map(read).transpose()?;
        let name =
            maintenance::provision(global, fingerprint, toml, config.unwrap_or_default()).await?;
        let text =
            || format!("provisioned as {name}; it takes its port within seconds: aiosctl status");
        output.print(&json!({ "provisioned": name }), text)?;
        return Ok(Exit::Succeeded);
    }
    let client = connect(global).await?;
    let request = ValidateConfigRequest { toml: toml.clone() };
    let found = client
        .call(client.management().validate_config(request))
        .await?;
    if !found.problems.is_empty() {
        return Err(wrong(&arguments.file, &found.problems));
    }
    if arguments.dry_run {
        output.print(&shown(&found), || format!("good; {}", effects(&found)))?;
        return Ok(Exit::Succeeded);
    }
    let request = ApplyConfigRequest {
        toml,
        try_seconds: arguments.tried.unwrap_or(0),
        ..ApplyConfigRequest::default()
    };
    let applied = client
        .call(client.management().apply_config(request))
        .await?;
    output.print(&shown(&applied), || match &applied.trial {
        None => format!("applied; {}", effects(&applied)),
        Some(trial) => format!(
            "tried for {} s; {}\nkeep it with: aiosctl config confirm (with --endpoint if the address is \
             a new one); otherwise it goes back by itself",
            trial.seconds_left,
            effects(&applied)
        ),
    })?;
    Ok(Exit::Succeeded)
}

pub(super) async fn confirm(client: &Client, output: Output) -> Result<Exit, Failure> {
    let request = ConfirmConfigRequest::default();
    let state = client
        .call(client.management().confirm_config(request))
        .await?;
    output.print(&state_shown(&state), || "confirmed: it stays".to_owned())?;
    Ok(Exit::Succeeded)
}

pub(super) async fn get(client: &Client, output: Output) -> Result<Exit, Failure> {
    let state = client
        .call(client.management().get_config(GetConfigRequest {}))
        .await?;
    output.print(&state_shown(&state), || {
        let mut text = state.toml.clone();
        if let Some(trial) = &state.trial {
            text.push_str(&format!(
                "\n# tried by {}; goes back in {} s unless confirmed\n",
                trial.by, trial.seconds_left
            ));
        }
        crate::output::escape::text(&text)
    })?;
    Ok(Exit::Succeeded)
}

fn read(path: &Path) -> Result<String, Failure> {
    crate::files::read(path)
}

fn effects(check: &ConfigCheck) -> String {
    let mut text = match check.changes.as_slice() {
        [] => "no service is concerned".to_owned(),
        changes => changes.join(", "),
    };
    for key in &check.not_in_force {
        text.push_str(&format!("\n{key}"));
    }
    text
}

/// All that is wrong, as a compiler would say it.
fn wrong(path: &Path, problems: &[ConfigProblem]) -> Failure {
    let line = |problem: &ConfigProblem| {
        let mut text = format!("{}:{}: ", path.display(), problem.line);
        if !problem.key.is_empty() {
            text.push_str(&format!("{}: ", problem.key));
        }
        text.push_str(&problem.text);
        if !problem.suggestion.is_empty() {
            text.push_str(&format!("; {}", problem.suggestion));
        }
        text
    };
    let lines: Vec<String> = problems.iter().map(line).collect();
    Failure::usage(lines.join("\n")).hint("nothing was changed")
}

fn shown(check: &ConfigCheck) -> Value {
    json!({
        "sha256": check.sha256, "changes": check.changes, "restarts": check.restarts,
        "not_in_force": check.not_in_force,
        "trial": check.trial.as_ref().map(|trial| json!({
            "id": trial.id, "seconds_left": trial.seconds_left,
        })),
    })
}

fn state_shown(state: &ConfigState) -> Value {
    json!({
        "toml": state.toml, "sha256": state.sha256, "last_change": state.last_change,
        "trial": state.trial.as_ref().map(|trial| json!({
            "id": trial.id, "by": trial.by, "seconds_left": trial.seconds_left,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trials_time_is_read_in_seconds_or_minutes() {
        let check =
            |text, expected: Option<u32>| assert_eq!(trial_time(text).ok(), expected, "{text}");
        check("60s", Some(60));
        check("60", Some(60));
        check("5m", Some(300));
        check("9", None);
        check("11m", None);
        check("4294967295m", None);
        check("soon", None);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_was_meant() {
        let problem = ConfigProblem {
            line: 3,
            key: "tools.calls".into(),
            text: "not known".into(),
            suggestion: "calls_per_caller_max is".into(),
        };
        let failure = wrong(Path::new("c.toml"), &[problem]);
        let text = failure.to_string();
        assert!(
            text.contains("c.toml:3: tools.calls: not known; calls_per_caller_max is"),
            "{text}"
        );
    }
}
