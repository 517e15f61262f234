//! Arguments that are texts, and name no object of a capability: what is looked for or written.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Argument, KEY, Kind};
use crate::file::name;

/// A sort of texts.
pub trait Sort: 'static {
    /// What an argument of this sort stands for.
    const KIND: Kind;
    /// The shortest, in characters.
    const LEAST: usize;
    /// The longest, in characters; the arguments of a call together have their own limit.
    const MOST: Option<usize>;
}

/// A text of this sort.
pub struct Words<S> {
    text: String,
    sort: PhantomData<fn() -> S>,
}

impl<S> Words<S> {
    /// This text.
    pub fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            sort: PhantomData,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl LinkTarget {
    /// What the link says, as the kernel knows it.
    pub fn to_path(&self) -> PathBuf {
        name::decode(&self.text)
    }
}

impl<S> fmt::Display for Words<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<S> fmt::Debug for Words<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl<S> Serialize for Words<S> {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        self.text.serialize(to)
    }
}

impl<'de, S> Deserialize<'de> for Words<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::of)
    }
}

impl<S: Sort> JsonSchema for Words<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        S::KIND.name().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "string", KEY: S::KIND.name()});
        if S::LEAST > 0 {
            schema.insert("minLength".to_owned(), S::LEAST.into());
        }
        if let Some(most) = S::MOST {
            schema.insert("maxLength".to_owned(), most.into());
        }
        schema
    }
}

impl<S: Sort> Argument for Words<S> {}

macro_rules! sorts {
    ($($(#[$doc:meta])* $name:ident, $sort:ident: $kind:ident, $least:literal, $most:expr;)*) => {$(
        /// The sort of these texts.
        #[derive(Clone, Copy, Debug)]
        pub enum $sort {}

        impl Sort for $sort {
            const KIND: Kind = Kind::$kind;
            const LEAST: usize = $least;
            const MOST: Option<usize> = $most;
        }

        $(#[$doc])*
        pub type $name = Words<$sort>;
    )*};
}

sorts! {
    /// A text that is written as it is; it may be empty.
    Content, ContentSort: Content, 0, None;
    /// Any text for which there is no better type.
    Text, TextSort: Text, 1, None;
    /// What the name of a file must be like: `*` is any run of characters, `?` is one.
    Pattern, PatternSort: Pattern, 1, Some(255); // NAME_MAX of Linux
    /// What a symbolic link says. Nothing at it is touched: whoever follows the link later is
    /// guarded then.
    LinkTarget, LinkTargetSort: Target, 1, Some(4095); // PATH_MAX of Linux
    /// An agent by its domain (`storage`), by which entries are chosen.
    AgentName, AgentSort: Agent, 1, None;
    /// An address or a network of other machines (`10.0.0.0/8`), by which packets are chosen.
    Network, NetworkSort: Host, 2, Some(43); // the longest IPv6 network
    /// What a content is recognised by: a SHA-256 in hex digits.
    Digest, DigestSort: Text, 64, Some(64);
    /// A network interface, by which traffic is chosen.
    InterfaceName, InterfaceSort: Interface, 1, None;
    /// A process by its name, by which it is found.
    ProcessName, ProcessSort: Process, 1, None;
    /// A moment as people say it: `2 hours`, `yesterday`, `2026-01-31`.
    Moment, MomentSort: Moment, 1, None;
}
