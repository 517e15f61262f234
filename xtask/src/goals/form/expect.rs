//! What must hold after a goal.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::super::pattern::Pattern;
use super::{Running, Step};

/// What must hold after the goal; all of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    pub state: State,
    pub answer_all: Vec<Pattern>,
    pub answer_any: Vec<Pattern>,
    pub answer_none: Vec<Pattern>,
    /// At most so many characters.
    pub answer_max: Option<usize>,
    pub truth: Option<Truth>,
    pub files: Files,
    pub unchanged: Vec<String>,
    pub tools_allowed: Option<Vec<String>>,
    pub after_undo: Option<AfterUndo>,
    pub service: BTreeMap<String, Running>,
    pub restarted: Vec<String>,
    pub not_restarted: Vec<String>,
    pub packages: BTreeMap<String, bool>,
    pub enabled: BTreeMap<String, bool>,
    pub users: BTreeMap<String, bool>,
    pub http: OneOrMany<Get>,
    pub listening: BTreeMap<String, bool>,
    pub firewall: Firewall,
    pub wait_s: u64,
    pub after: Vec<Step>,
    pub archive: BTreeMap<String, BTreeMap<String, String>>,
    pub archive_lacks: BTreeMap<String, Vec<String>>,
    pub holds: OneOrMany<Holds>,
    pub ssh_keys: BTreeMap<String, Keys>,
    pub git_log: BTreeMap<String, String>,
    pub address: BTreeMap<String, Vec<String>>,
    pub hostname: Option<String>,
    // Forms that this tester cannot judge: a goal with one is never called right.
    pub schedule: Option<Value>,
    pub schedule_absent: Option<Value>,
    pub alert: Option<Value>,
    pub no_alert: Option<Value>,
    pub certificate: Option<Value>,
    pub route: Option<Value>,
    pub name_servers: Option<Value>,
    pub containers: Option<Value>,
}

/// By path.
pub type Files = BTreeMap<String, FileExpect>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Succeeded,
    NotSucceeded,
    #[default]
    Any,
}

/// A value that the tester reads from the machine when the goal has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Truth {
    #[serde(rename = "hostname")]
    Hostname,
    #[serde(rename = "kernel_release")]
    KernelRelease,
    #[serde(rename = "os_pretty_name")]
    OsPrettyName,
    #[serde(rename = "pid1_name")]
    Pid1Name,
    #[serde(rename = "root_fs_type")]
    RootFsType,
    #[serde(rename = "cpu_count")]
    CpuCount,
    #[serde(rename = "mem_total")]
    MemTotal,
    #[serde(rename = "uptime")]
    Uptime,
    #[serde(rename = "listening_9090")]
    Listening9090,
}

/// What must be so of one path.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileExpect {
    pub exists: Option<bool>,
    pub content: Option<String>,
    pub contains: Option<String>,
    pub lacks: Option<String>,
    pub target: Option<String>,
    pub kind: Option<Kind>,
    pub json: Option<Value>,
    pub max_chars: Option<usize>,
    /// Octal, as `0644`.
    pub mode: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    File,
    Directory,
    Symlink,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterUndo {
    pub files: Files,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    pub url: String,
    #[serde(default)]
    pub host: Option<String>,
    pub contains: String,
}

/// Packets that the active rules let in or not.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Firewall {
    pub allow: Vec<Incoming>,
    pub deny: Vec<Incoming>,
    pub deny_out: Vec<Outgoing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    pub port: u16,
    #[serde(default)]
    pub proto: Protocol,
    /// An address, or `any`: no particular one.
    pub from: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    pub port: u16,
    #[serde(default)]
    pub proto: Protocol,
    pub to: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    pub under: String,
    pub text: String,
}

/// Keys that may log in, and keys that may not.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    pub has: Vec<String>,
    pub has_not: Vec<String>,
}

/// One, or a list.
#[derive(Debug)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    pub fn all(&self) -> &[T] {
        &self.0
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(source)?;
        let all = match value.is_array() {
            true => serde_json::from_value(value),
            false => serde_json::from_value(value).map(|one| vec![one]),
        };
        all.map(Self).map_err(de::Error::custom)
    }
}

impl Firewall {
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty() && self.deny_out.is_empty()
    }
}

impl Expect {
    /// The keys that this tester cannot judge.
    pub fn not_judged(&self) -> Vec<&'static str> {
        let keys = [
            ("schedule", &self.schedule),
            ("schedule_absent", &self.schedule_absent),
            ("alert", &self.alert),
            ("no_alert", &self.no_alert),
            ("certificate", &self.certificate),
            ("route", &self.route),
            ("name_servers", &self.name_servers),
            ("containers", &self.containers),
        ];
        keys.into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| key)
            .collect()
    }
}
