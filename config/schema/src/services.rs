//! The small tables: one per daemon.

use std::net::SocketAddr;

use crate::form::{Boolean, list, number, optional, parsed, text, word};
use crate::read::Choice;
use crate::table::table;

/// Letters, digits, `-` and `.`, at most 64 (hostname(7), Linux's limit).
pub fn is_host_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    name.len() <= 64 && name.chars().all(allowed) && name.split('.').all(label)
}

pub(crate) const HOST_NAME: &str = "a host name: letters, digits, '-' and '.', 1 to 64 of them";

pub(crate) fn host_name(text: &str) -> Option<String> {
    is_host_name(text).then(|| text.to_owned())
}

table! {
    /// `[node]`: who the node is.
    Node = "node", in node, read by [Provision, Network];

    /// The host name; DHCP servers are told it too.
    name: Option<String> = None, optional(text(HOST_NAME, host_name)),
        default "the name in the node's certificate";
}

table! {
    /// `[management]`: where operators connect.
    Management = "management", in management, read by [Network, Orchestrator, Maintenance];

    /// Where the management API listens; `[::]:9090` for IPv4 and IPv6.
    listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 9090)),
        parsed("an address and a port, such as 0.0.0.0:9090 or [::]:9090");
}

/// How much harm a call of a tool can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Looks only, or its effect is trivially undone.
    Low,
    /// Changes something that can be undone.
    Medium,
    /// Interrupts a service or loses something that is hard to get back.
    High,
    /// Can make the machine unreachable or unbootable.
    Critical,
}

impl Choice for Risk {
    const ALL: &'static [(&'static str, Self)] = &[
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("critical", Self::Critical),
    ];
}

impl Risk {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        word_of(self)
    }
}

/// How much happens without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autonomy {
    /// Changes up to the risk `auto_up_to`.
    Full,
    /// Changes up to the risk medium, or up to `auto_up_to` if that is less.
    Supervised,
    /// No change.
    Manual,
}

impl Choice for Autonomy {
    const ALL: &'static [(&'static str, Self)] = &[
        ("full", Self::Full),
        ("supervised", Self::Supervised),
        ("manual", Self::Manual),
    ];
}

impl Autonomy {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        word_of(self)
    }
}

/// The word that a choice has in the configuration.
fn word_of<T: Choice + PartialEq + Copy + 'static>(choice: T) -> &'static str {
    let found = T::ALL.iter().find(|(_, one)| *one == choice);
    found.map_or("", |(word, _)| word)
}

/// Which changes an entry of `allow`, `ask` or `never` is about: `pkg.*`, `fs.delete fs:write:/srv/*`.
/// `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The tools, as a pattern.
    pub tool: String,
    /// What a call needs, as a pattern of a capability; without one, whatever it needs.
    pub object: Option<String>,
}

const ABOUT: &str = "a tool, and perhaps a capability: \"pkg.*\", \"fs.delete fs:write:/srv/*\"";

impl std::str::FromStr for About {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (tool, object) = match text.split_once(' ') {
            Some((tool, object)) => (tool, Some(object)),
            None => (text, None),
        };
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.*".contains(c);
        let is_tool = !tool.is_empty() && tool.chars().all(letter);
        let is_object = object.is_none_or(|object| {
            let parts: Vec<&str> = object.splitn(3, ':').collect();
            parts.len() == 3 && parts.iter().all(|part| !part.is_empty())
        });
        if !is_tool || !is_object || text.chars().any(char::is_control) {
            return Err(());
        }
        Ok(Self {
            tool: tool.to_owned(),
            object: object.map(str::to_owned),
        })
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{} {object}", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

fn about(text: &str) -> Option<About> {
    text.parse().ok()
}

table! {
    /// `[approval]`: which changes that agents make run without a person. Of the rest a person is shown
    /// what they would do, and asked.
    Approval = "approval", in approval, read by [Tools];

    /// Changes by tools up to this risk run without a person.
    auto_up_to: Risk = Risk::High, word();
    /// How much happens without a person: "full" is all up to `auto_up_to`, "supervised" nothing above the
    /// risk medium, "manual" no change.
    autonomy: Autonomy = Autonomy::Full, word();
    /// Changes that run without a person, whatever their risk.
    allow: Vec<About> = Vec::new(), list(text(ABOUT, about));
    /// Changes for which a person is asked, whatever their risk. Comes before `allow`.
    ask: Vec<About> = Vec::new(), list(text(ABOUT, about));
    /// Changes that no agent makes. Comes before `ask`.
    never: Vec<About> = Vec::new(), list(text(ABOUT, about));
    /// Seconds for which a person may think about it; then it is refused.
    wait_s: u32 = 86_400, number(10..=2_592_000);
}

table! {
    /// `[tools]`: what agents may have done and put on record.
    Tools = "tools", in tools, read by [Tools];

    /// Calls of one agent that may be under way at the same time, hung ones counted.
    calls_per_caller_max: u32 = 16, number(1..=4096);
    /// Calls of one agent in a second, over a while; four times as many at once. More are refused.
    calls_per_second_max: u32 = 500, number(1..=100_000);
    /// MiB of the audit log that one agent may fill in a day (UTC). Then its calls are refused until the
    /// next day, or until `aios-tools` restarts.
    ledger_mib_per_day_max: u32 = 128, number(1..=1_000_000);
    /// Days for which executions keep what undoes them: deleted files and replaced contents. Then it is
    /// dropped, which is on record.
    undo_keep_days: u32 = 30, number(1..=36_500);
}

table! {
    /// `[runtime]`: models.
    Runtime = "runtime", in runtime, read by [Runtime];

    /// Threads per model. One is best for the built-in models: threads spin at their barriers and
    /// starve each other.
    threads: u32 = 1, number(1..=256);
    /// Tokens that a generative model holds at once, over all its streams.
    context_tokens: u32 = 4096, number(64..=1 << 20);
    /// Requests that one model takes at once, running and waiting.
    queue: u32 = 64, number(1..=4096);
    /// Seconds that a model may take to load and to answer its test prompt.
    load_timeout_seconds: u32 = 120, number(1..=86_400);
    /// Models without which the appliance does not work.
    required: Vec<String> = vec!["embedding".to_owned(), "operator".to_owned()],
        list(text("a model's name", |text| Some(text.to_owned())));
}

table! {
    /// `[update]`: when a new system counts as good.
    Update = "update", in update, read by [Orchestrator];

    /// Seconds that management API, models and tools must be healthy without a break before the
    /// running slot is kept.
    healthy_s: u32 = 60, number(5..=600);
}

table! {
    /// `[console]`: the status page.
    Console = "console", in console, read by [Console];

    /// Shows the status page on the serial line and the screen.
    status_page: bool = true, Boolean;
}

/// How the data partition is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// As it is.
    None,
    /// The key is in a TPM 2.0.
    Tpm2,
    /// A person types the passphrase at each start.
    Passphrase,
}

impl Choice for Encryption {
    const ALL: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("tpm2", Self::Tpm2),
        ("passphrase", Self::Passphrase),
    ];
}

impl Encryption {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        word_of(self)
    }

    /// What this word means.
    pub fn of(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(one, _)| *one == word);
        found.map(|(_, meaning)| *meaning)
    }
}

table! {
    /// `[data]`: how the data partition is kept.
    Data = "data", in data, read by [Keeper, Init];

    /// Whether the data partition is encrypted: the key is in a TPM 2.0, or a person types the
    /// passphrase at each start. Counts when the data partition is made: at the first boot, and after
    /// a factory reset.
    encryption: Option<Encryption> = None, optional(word()),
        default "as it is; on a new node none";
}
