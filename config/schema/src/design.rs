//! The tables of the design page: an operator who read that page writes them.
//!
//! Some keys are other names of keys of ours, some say what holds on every node, and some wait for a
//! part of aiOS that is still to come. Those are checked like any other key, and are told as not in
//! force yet ([`NotInForce`](crate::NotInForce)).

use std::fmt;
use std::str::FromStr;

use crate::form::{Boolean, decimal, inner, number, one_of, only, optional, parsed, text, word};
use crate::services::{Autonomy, HOST_NAME, host_name};
use crate::table::table;

table! {
    /// `[system]`: the node as a whole.
    System = "system", in system, read by [Everyone];

    /// The host name.
    hostname: Option<String> = None, optional(text(HOST_NAME, host_name)),
        same as "node.name";
    /// The least severe lines that daemons log.
    log_level: Option<String> = None, optional(one_of(&["error", "warn", "info", "debug"])),
        default "\"info\"";
    /// How much happens without a person.
    autonomy_level: Option<Autonomy> = None, optional(word()),
        same as "approval.autonomy";
}

/// Where the operator's own models lie.
const MODELS: &str = "/var/lib/aios/models";

/// The databases of `aios-memory`.
const WORKING: &str = "/var/lib/aios/memory/working.db";
const LONGTERM: &str = "/var/lib/aios/memory/longterm.db";

table! {
    /// `[models]`: which models answer.
    Models = "models", in models, read by [];

    /// What runs models.
    runtime: Option<String> = None, optional(one_of(&["llama-cpp"])),
        default "\"llama-cpp\"", always "nothing else runs models";
    /// Where models lie.
    model_dir: Option<String> = None, optional(text(PATH, path)),
        default "\"/var/lib/aios/models\"", pending "another folder of models",
        holds Some(MODELS.to_owned());
    /// `[models.operational]`: the model that is always there.
    operational: Operational = Operational::default(), inner();
    /// `[models.tactical]`: the model that is loaded when it is needed.
    tactical: Tactical = Tactical::default(), inner();
}

table! {
    /// `[models.operational]`: the model that is always there.
    Operational = "models.operational", read by [];

    /// Its file in the folder of models.
    name: Option<String> = None, optional(text(FILE_NAME, file_name)),
        default "the built-in operator model", pending "the choice of the operational model";
    /// It stays in memory.
    always_loaded: Option<bool> = None, optional(Boolean),
        default "true", pending "the choice of the operational model", holds Some(true);
    /// Tokens of one answer.
    max_tokens: Option<u32> = None, optional(number(1..=131_072)),
        default "as much as an act needs", pending "the choice of the operational model";
    /// How freely it answers.
    temperature: Option<f64> = None, optional(decimal(0.0..=2.0)),
        default "0: the likeliest answer", pending "the choice of the operational model",
        holds Some(0.0);
}

table! {
    /// `[models.tactical]`: the model that is loaded when it is needed.
    Tactical = "models.tactical", read by [];

    /// Its file in the folder of models.
    name: Option<String> = None, optional(text(FILE_NAME, file_name)),
        default "none", pending "the tactical level";
    /// It is loaded when it is asked.
    load_on_demand: Option<bool> = None, optional(Boolean),
        default "true", pending "the tactical level";
    /// Tokens of one answer.
    max_tokens: Option<u32> = None, optional(number(1..=131_072)),
        default "2048", pending "the tactical level";
    /// How freely it answers.
    temperature: Option<f64> = None, optional(decimal(0.0..=2.0)),
        default "0.3", pending "the tactical level";
    /// It leaves the memory when nobody has asked it for so long.
    unload_after_idle: Option<Interval> = None,
        optional(parsed("a time, such as 30s, 5m or 1h")),
        default "\"5m\"", pending "the tactical level";
}

table! {
    /// `[api]`: models of others, over the network.
    Api = "api", in api, read by [];

    /// `[api.claude]`: the first choice.
    claude: Claude = Claude::default(), inner();
    /// `[api.openai]`: the second one.
    openai: Openai = Openai::default(), inner();
}

table! {
    /// `[api.claude]`: the first choice.
    Claude = "api.claude", read by [];

    /// The model's name.
    model: Option<String> = None, optional(text("a model's name", any)),
        default "none", pending "the gateway";
    /// Tokens of one answer.
    max_tokens: Option<u32> = None, optional(number(1..=1_000_000)),
        default "4096", pending "the gateway";
    /// US dollars that may be spent in a month.
    monthly_budget_usd: Option<f64> = None, optional(decimal(0.0..=1_000_000.0)),
        default "none may be spent", pending "the gateway";
    /// Requests in a minute.
    rate_limit_rpm: Option<u32> = None, optional(number(1..=100_000)),
        default "50", pending "the gateway";
}

table! {
    /// `[api.openai]`: the second choice.
    Openai = "api.openai", read by [];

    /// The model's name.
    model: Option<String> = None, optional(text("a model's name", any)),
        default "none", pending "the gateway";
    /// Tokens of one answer.
    max_tokens: Option<u32> = None, optional(number(1..=1_000_000)),
        default "4096", pending "the gateway";
    /// US dollars that may be spent in a month.
    monthly_budget_usd: Option<f64> = None, optional(decimal(0.0..=1_000_000.0)),
        default "none may be spent", pending "the gateway";
    /// Asked only when the first choice is not to be had.
    fallback_only: Option<bool> = None, optional(Boolean),
        default "true", pending "the gateway";
}

table! {
    /// `[memory]`: what is remembered, and where.
    Memory = "memory", in memory, read by [];

    /// Events that are kept at hand.
    operational_max_entries: Option<u32> = None, optional(number(100..=1_000_000)),
        default "1000", pending "a memory of another size", holds Some(1000);
    /// The database of goals and tasks.
    working_db: Option<String> = None, optional(text(PATH, path)),
        default "\"/var/lib/aios/memory/working.db\"", pending "databases in another place",
        holds Some(WORKING.to_owned());
    /// The database of what was learned.
    longterm_db: Option<String> = None, optional(text(PATH, path)),
        default "\"/var/lib/aios/memory/longterm.db\"", pending "databases in another place",
        holds Some(LONGTERM.to_owned());
    /// Where vectors are kept.
    vector_db: Option<String> = None, optional(text(PATH, path)),
        default "in the database of what was learned", pending "a database of vectors";
}

table! {
    /// `[security]`: what protects the node.
    Security = "security", in security, read by [];

    /// Agents have no capability that their manifest does not grant.
    capability_mode: Option<String> = None, optional(one_of(&["strict"])),
        default "\"strict\"", always "there is no other mode";
    /// Every tool call is in the ledger.
    audit_all_tool_calls: Option<bool> = None,
        optional(only(true, "a call that is not in the ledger is not made")),
        default "true", always "a call that is not in the ledger is not made";
    /// Code that is not aiOS's own runs in a sandbox.
    sandbox_untrusted: Option<bool> = None, optional(Boolean),
        default "true", pending "plug-ins";
    /// Security updates of packages are installed by themselves.
    auto_patch: Option<bool> = None, optional(Boolean),
        default "false", pending "updates of packages", holds Some(false);
}

const PATH: &str = "an absolute path";

fn path(text: &str) -> Option<String> {
    let odd = text.chars().any(char::is_control) || text.split('/').any(|part| part == "..");
    (text.starts_with('/') && !odd).then(|| text.to_owned())
}

const FILE_NAME: &str = "a file's name, without a folder";

fn file_name(text: &str) -> Option<String> {
    let odd = text.contains('/') || text.chars().any(char::is_control);
    (!odd && !text.is_empty() && !text.starts_with('.')).then(|| text.to_owned())
}

fn any(text: &str) -> Option<String> {
    let odd = text.is_empty() || text.chars().any(char::is_control);
    (!odd).then(|| text.to_owned())
}

/// A span of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Seconds.
    pub seconds: u32,
}

impl FromStr for Interval {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, unit) = text
            .split_at_checked(text.len().wrapping_sub(1))
            .ok_or(())?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(()),
        };
        let is_number = number.chars().all(|c| c.is_ascii_digit());
        let number: u32 = number.parse().map_err(|_| ())?;
        let seconds = number.checked_mul(unit).filter(|_| is_number).ok_or(())?;
        Ok(Self { seconds })
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}
