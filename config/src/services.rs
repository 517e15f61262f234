//! The small tables: one per daemon.

use std::net::SocketAddr;

use crate::read::{Choice, Table};

/// `[node]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The host name; without one, that of the certificate.
    pub name: Option<String>,
}

impl Node {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let name = table.string("name");
        if name.as_deref().is_some_and(|name| !is_host_name(name)) {
            table.refuse(
                "name",
                "not a host name: letters, digits, '-' and '.', 1 to 64 of them",
            );
        }
        Self { name }
    }
}

/// Letters, digits, `-` and `.`, at most 64 (hostname(7), Linux's limit).
pub fn is_host_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    name.len() <= 64 && name.chars().all(allowed) && name.split('.').all(label)
}

/// `[management]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// Where the management API listens.
    pub listen: SocketAddr,
}

impl Default for Management {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 9090)),
        }
    }
}

impl Management {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let listen = table.parsed(
            "listen",
            "an address and a port, such as 0.0.0.0:9090 or [::]:9090",
        );
        Self {
            listen: listen.unwrap_or(Self::default().listen),
        }
    }
}

/// How dangerous a tool call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Risk {
    Low,
    Medium,
    High,
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

/// `[approval]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Calls up to this risk run without a person.
    pub auto_up_to: Risk,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            auto_up_to: Risk::High,
        }
    }
}

impl Approval {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        Self {
            auto_up_to: table.choice("auto_up_to").unwrap_or(Risk::High),
        }
    }
}

/// `[tools]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// So many calls of one agent may be under way at the same time.
    pub calls_per_caller_max: u32,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            calls_per_caller_max: 16,
        }
    }
}

impl Tools {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let most = table.number("calls_per_caller_max", 1..=4096);
        Self {
            calls_per_caller_max: most.unwrap_or(Self::default().calls_per_caller_max),
        }
    }
}

/// `[runtime]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Threads per model.
    pub threads: u32,
    /// Tokens that a generative model holds at once.
    pub context_tokens: u32,
    /// Requests that one model takes at once.
    pub queue: u32,
    /// Seconds that a model may take to load.
    pub load_timeout_seconds: u32,
    /// Models without which the appliance does not work.
    pub required: Vec<String>,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            threads: 1,
            context_tokens: 4096,
            queue: 64,
            load_timeout_seconds: 120,
            required: vec!["embedding".to_owned(), "operator".to_owned()],
        }
    }
}

impl Runtime {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let default = Self::default();
        Self {
            threads: table.number("threads", 1..=256).unwrap_or(default.threads),
            context_tokens: table
                .number("context_tokens", 64..=1 << 20)
                .unwrap_or(default.context_tokens),
            queue: table.number("queue", 1..=4096).unwrap_or(default.queue),
            load_timeout_seconds: table
                .number("load_timeout_seconds", 1..=86_400)
                .unwrap_or(default.load_timeout_seconds),
            required: table.strings("required").unwrap_or(default.required),
        }
    }
}

/// `[update]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// A new system is kept when API, model and tools were healthy for so many seconds.
    pub healthy_s: u32,
}

impl Default for Update {
    fn default() -> Self {
        Self { healthy_s: 60 }
    }
}

impl Update {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        Self {
            healthy_s: table.number("healthy_s", 5..=600).unwrap_or(60),
        }
    }
}

/// `[console]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// The status page is shown on serial line and screen.
    pub status_page: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self { status_page: true }
    }
}

impl Console {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        Self {
            status_page: table.boolean("status_page").unwrap_or(true),
        }
    }
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
        let found = Self::ALL.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// What this word means.
    pub fn of(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(one, _)| *one == word);
        found.map(|(_, meaning)| *meaning)
    }
}

/// `[data]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Whether the data partition is encrypted; not said: as it is, on a new node not.
    pub encryption: Option<Encryption>,
}

impl Data {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        Self {
            encryption: table.choice("encryption"),
        }
    }
}
