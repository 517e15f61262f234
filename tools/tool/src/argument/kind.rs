//! What an argument stands for, as its schema tells it to planners, forms and models.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The keyword of a property's schema that holds its [`Kind`].
pub const KEY: &str = "x-aios-kind";
/// The keyword of a property's schema that holds its [`Access`], when it names an object.
pub const ACCESS: &str = "x-aios-access";
/// The keyword of an input's schema that holds the verbs of a change.
pub const VERBS: &str = "x-aios-verbs";

/// What an argument stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An absolute path.
    Path,
    /// What a symbolic link says: a path, absolute or not.
    Target,
    /// A text that is written as it is.
    Content,
    /// A service of PID 1.
    Service,
    /// An agent, by its domain.
    Agent,
    /// The name of a process.
    Process,
    /// A process id.
    Pid,
    /// A signal's name.
    Signal,
    /// A TCP or UDP port.
    Port,
    /// A host name or an IP address.
    Host,
    /// A web address.
    Url,
    /// A network interface.
    Interface,
    /// A package.
    Package,
    /// An account of this machine.
    Account,
    /// A group of accounts.
    Group,
    /// A key of the node's configuration: `network.dns`.
    Setting,
    /// A moment: `yesterday`, `2 hours`, a date.
    Moment,
    /// What a name must be like, with `*` and `?`.
    Pattern,
    /// A span of time in seconds.
    Seconds,
    /// A size in bytes.
    Bytes,
    /// A whole number.
    Count,
    /// Any number.
    Number,
    /// Yes or no.
    Flag,
    /// One of a few words.
    Choice,
    /// Several values.
    List,
    /// Any other text.
    Text,
}

/// What a call does with the object that an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It looks at the object.
    Read,
    /// It changes the object.
    Change,
}

impl Kind {
    /// The word for it in schemas.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Target => "target",
            Self::Content => "content",
            Self::Service => "service",
            Self::Agent => "agent",
            Self::Process => "process",
            Self::Pid => "pid",
            Self::Signal => "signal",
            Self::Port => "port",
            Self::Host => "host",
            Self::Url => "url",
            Self::Interface => "interface",
            Self::Package => "package",
            Self::Account => "account",
            Self::Group => "group",
            Self::Setting => "setting",
            Self::Moment => "moment",
            Self::Pattern => "pattern",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Number => "number",
            Self::Flag => "flag",
            Self::Choice => "choice",
            Self::List => "list",
            Self::Text => "text",
        }
    }

    /// The kind that a property's schema tells, if it tells one that is known.
    pub fn of(property: &Value) -> Option<Self> {
        Self::of_schema(property.as_object()?)
    }

    /// The same, of a schema's keywords.
    pub(crate) fn of_schema(schema: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(schema.get(KEY)?).ok()
    }
}

impl Access {
    /// The word for it in schemas.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
        }
    }

    /// The access that a property's schema tells, if any.
    pub fn of(property: &Value) -> Option<Self> {
        Self::deserialize(property.get(ACCESS)?).ok()
    }
}
