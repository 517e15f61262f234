//! The command line, as data: names, help and parsing in one place.
//! Each group's own arguments are beside what they do, in [`crate::commands`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::commands::{
    approvals, audit, completions, config, emergency, goal, logs, mcp, pki, power, schedules,
    services, storage, tools, undo, update,
};

const AFTER_HELP: &str = "\
Exit codes: 0 done or goal succeeded, 1 failed, 2 wrong use or configuration,
3 cannot connect, 4 refused (no permission), 5 timed out.

First steps on a new appliance:
  aiosctl pki init
  aiosctl pki node NAME --address ADDRESS     # makes NAME's node.toml
  aiosctl pki operator YOU --role admin       # makes your certificate and context
  aiosctl config set endpoint ADDRESS
  aiosctl status";

/// Commands an aiOS appliance.
#[derive(Debug, Parser)]
#[command(name = "aiosctl", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// Options that all commands take.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that all commands take.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Print JSON: one document, or one object per line for what goes on (logs)
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration file [default: ~/.config/aios/config.toml]
    #[arg(long, global = true, value_name = "FILE", env = crate::config::CONFIG_VARIABLE)]
    pub config: Option<PathBuf>,
    /// Which appliance: a context of the configuration
    #[arg(long, global = true, value_name = "NAME", env = "AIOSCTL_CONTEXT")]
    pub context: Option<String>,
    /// Address of the appliance, instead of the context's: HOST, HOST:PORT or a URL
    #[arg(long, global = true, value_name = "ADDRESS", env = "AIOSCTL_ENDPOINT")]
    pub endpoint: Option<String>,
    /// How long to wait, in seconds [default: 30; for goals 600]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The appliance's configuration (apply, confirm, get), and how this machine reaches appliances
    Config(config::Arguments),
    /// Make and read certificates: authority, nodes, operators
    Pki(pki::Arguments),
    /// How the appliance is
    Status,
    /// How the last boot went: phases and times
    Boot,
    /// The degraded modes: what is missing, what that means, what is tried
    Degraded {
        /// Also those that are not so now
        #[arg(long)]
        all: bool,
    },
    /// What the running image is made of (SPDX)
    Sbom {
        /// A table of packages, versions and licences
        #[arg(long)]
        summary: bool,
    },
    /// State goals and see what became of them
    Goal(goal::Arguments),
    /// The agents and what they are doing
    Agents,
    /// The tools that agents have
    Tools(tools::Arguments),
    /// Serve the appliance's tools to an MCP client over standard input and output
    Mcp(mcp::Arguments),
    /// The models in the model runtime
    Models,
    /// The audit ledger: read, verify, export
    Audit(audit::Arguments),
    /// What waits for a person: see what it would do, allow it, deny it
    Approvals(approvals::Arguments),
    /// What is to be done later: list it, order it, delete it, have it done now
    Schedules(schedules::Arguments),
    /// Undo an execution, or all of a goal
    Undo(undo::Arguments),
    /// Give back room on the disk that is kept for undo
    Storage(storage::Arguments),
    /// Stop all agents at once (manual mode), or let them go on
    Emergency(emergency::Arguments),
    /// What services and the kernel logged
    Logs(logs::Arguments),
    /// The services and their state
    Services(services::Arguments),
    /// Restart the machine in good order
    Reboot(power::Arguments),
    /// Power the machine off in good order
    Shutdown(power::Arguments),
    /// Install a signed update into the slot that does not run, and restart into it
    Update(update::Update),
    /// Go back to the other slot, and restart into it
    Rollback(update::Rollback),
    /// The two slots: what runs, what boots next, what is proven
    Slots,
    /// Erase what the machine was given and has learned, and reboot it as new
    FactoryReset(power::ResetArguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("seconds, more than 0 and at most 86400".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// An argument as the README shows it: `FILE`, `[--dir FOLDER]`, `[WORD …]`.
    fn shown(argument: &clap::Arg) -> String {
        let name = match (argument.get_long(), argument.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => String::new(),
        };
        let values = argument.get_value_names().unwrap_or_default();
        let values = values.iter().map(|value| value.to_string());
        let takes = argument.get_action().takes_values();
        let many = argument
            .get_num_args()
            .is_some_and(|count| takes && count.max_values() > 1);
        let parts = std::iter::once(name)
            .chain(values.filter(|_| takes))
            .chain(many.then(|| "…".to_owned()));
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        let text = parts.join(" ");
        if argument.is_required_set() {
            text
        } else {
            format!("[{text}]")
        }
    }

    /// Adds a row for each command that does something by itself.
    fn add_rows(rows: &mut String, above: &str, command: &clap::Command) {
        for command in command.get_subcommands() {
            if command.get_name() == "help" {
                continue;
            }
            let path = format!("{above}{} ", command.get_name());
            if !command.is_subcommand_required_set() {
                let arguments = command.get_arguments();
                let own = arguments
                    .filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
                let own: Vec<String> = own.map(shown).collect();
                let usage = format!("{path}{}", own.join(" "));
                let about = command.get_about().map(ToString::to_string);
                *rows += &format!("| `{}` | {} |\n", usage.trim(), about.unwrap_or_default());
            }
            add_rows(rows, &path, command);
        }
    }

    #[test]
    fn the_readme_lists_every_command_with_its_arguments() {
        let mut command = Cli::command();
        command.build();
        let mut table = "| command | what |\n|---|---|\n".to_owned();
        add_rows(&mut table, "", &command);
        table.push('\n');
        let readme = include_str!("../README.md");
        assert!(readme.contains(&table), "ctl/README.md must hold:\n{table}");
    }

    #[test]
    fn every_command_of_the_manual_parses() {
        let check = |line: &str, expected: bool| {
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert_eq!(parsed.is_ok(), expected, "{line}");
        };
        for line in [
            "aiosctl status --json",
            "aiosctl --timeout 0.5 boot",
            "aiosctl goal run check disk usage --no-wait",
            "aiosctl goal list",
            "aiosctl goal cancel 0190ab",
            "aiosctl tools call fs.read {}",
            "aiosctl tools preview fs.write {}",
            "aiosctl mcp",
            "aiosctl mcp --read-only --only fs.* --only monitor.*",
            "aiosctl approvals",
            "aiosctl approvals show 0190",
            "aiosctl approvals allow 0190 --always --reason seen",
            "aiosctl approvals deny 0190 --reason no",
            "aiosctl approvals forget pkg.install pkg:install:nginx",
            "aiosctl schedules",
            "aiosctl schedules show 0123",
            "aiosctl schedules create hourly check disk usage",
            "aiosctl schedules create x --call fs.stat {}",
            "aiosctl schedules delete 0123abcd",
            "aiosctl schedules run 0123abcd",
            "aiosctl audit verify --dir /x",
            "aiosctl undo --goal 0190ab",
            "aiosctl undo e1 --reason mistake",
            "aiosctl storage reclaim --older-than 7d --dry-run",
            "aiosctl storage reclaim --all",
            "aiosctl logs memory -f -n 5 --level error",
            "aiosctl services",
            "aiosctl services restart memory",
            "aiosctl shutdown --wait",
            "aiosctl emergency stop --reason fire",
            "aiosctl emergency resume --cancel-goals",
            "aiosctl emergency status",
            "aiosctl update --image x.bundle --no-reboot",
            "aiosctl rollback",
            "aiosctl slots",
            "aiosctl pki operator ann --role viewer --days 3",
            "aiosctl pki revoke ann 0123456789abcdef --apply",
            "aiosctl pki revoke --apply",
            "aiosctl config set endpoint node:9090",
            "aiosctl config show",
            "aiosctl config get",
            "aiosctl config apply c.toml --dry-run",
            "aiosctl config apply c.toml --try 60s",
            "aiosctl config apply n.toml --fingerprint SHA256:00 --endpoint n",
            "aiosctl config confirm --endpoint new",
            "aiosctl completions bash",
        ] {
            check(line, true);
        }
        check("aiosctl config apply c.toml --try 5s", false);
        check("aiosctl config apply c.toml --dry-run --try 60s", false);
        check("aiosctl undo", false);
        check("aiosctl storage reclaim --all --older-than 7d", false);
        check("aiosctl undo x --goal y", false);
        check("aiosctl goal run", false);
        check("aiosctl update x.bundle", false);
        check("aiosctl pki operator ann --role root", false);
        check("aiosctl pki revoke", false);
        check("aiosctl status --timeout -1", false);
    }
}
