//! Arguments that are numbers, with their bounds in the type.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::object::Action;
use super::{ACCESS, Argument, KEY, Kind};
use crate::demand::Collector;
use crate::error::ToolError;

/// The largest process id of Linux (PID_MAX_LIMIT of 64-bit systems).
const PID_MAX: u32 = 4_194_304;

/// A whole number from `LEAST` to `MOST`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole<const LEAST: i64, const MOST: i64>(i64);

impl<const LEAST: i64, const MOST: i64> Whole<LEAST, MOST> {
    /// The number, brought into the bounds.
    pub const fn of(number: i64) -> Self {
        if number < LEAST {
            Self(LEAST)
        } else if number > MOST {
            Self(MOST)
        } else {
            Self(number)
        }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number as a count of things; a negative one is none.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        bounded(i64::deserialize(from)?, LEAST, MOST).map(Self)
    }
}

impl<const LEAST: i64, const MOST: i64> JsonSchema for Whole<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{LEAST}_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(Kind::Count, LEAST, MOST)
    }
}

impl<const LEAST: i64, const MOST: i64> Argument for Whole<LEAST, MOST> {}

/// A span of time from `LEAST` to `MOST` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Seconds<const LEAST: i64, const MOST: i64>(i64);

impl<const LEAST: i64, const MOST: i64> Seconds<LEAST, MOST> {
    /// So many seconds, brought into the bounds.
    pub const fn of(seconds: i64) -> Self {
        Self(Whole::<LEAST, MOST>::of(seconds).get())
    }

    /// The span.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.unsigned_abs())
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Seconds<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        bounded(i64::deserialize(from)?, LEAST.max(0), MOST).map(Self)
    }
}

impl<const LEAST: i64, const MOST: i64> JsonSchema for Seconds<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Seconds_{LEAST}_{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(Kind::Seconds, LEAST.max(0), MOST)
    }
}

impl<const LEAST: i64, const MOST: i64> Argument for Seconds<LEAST, MOST> {}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// The size.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, KEY: Kind::Bytes.name()})
    }
}

impl Argument for Bytes {}

/// A TCP port. Beside a host, both are one object of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Port(u16);

impl Port {
    /// The port's number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl JsonSchema for Port {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(Kind::Port, 1, i64::from(u16::MAX))
    }
}

impl Argument for Port {
    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        to.port(self.0.to_string());
        Ok(())
    }

    fn template(name: &str, to: &mut Collector) {
        to.port(format!("{{{name}}}"));
    }
}

/// A port of this node whose packets are let in or refused, and which of both.
pub struct OwnPort<A> {
    port: u16,
    action: PhantomData<fn() -> A>,
}

impl<A> OwnPort<A> {
    /// The port's number.
    pub const fn get(&self) -> u16 {
        self.port
    }
}

impl<A> Clone for OwnPort<A> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<A> fmt::Debug for OwnPort<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnPort({})", self.port)
    }
}

impl<A> Serialize for OwnPort<A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.port.serialize(to)
    }
}

impl<'de, A> Deserialize<'de> for OwnPort<A> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let port = bounded(i64::deserialize(from)?, 1, i64::from(u16::MAX))?;
        Ok(Self {
            port: u16::try_from(port).map_err(D::Error::custom)?,
            action: PhantomData,
        })
    }
}

impl<A: Action> JsonSchema for OwnPort<A> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OwnPort_{}", A::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(Kind::Port, 1, i64::from(u16::MAX))
    }
}

impl<A: Action> Argument for OwnPort<A> {
    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        to.need("firewall", A::NAME, &self.port.to_string());
        Ok(())
    }

    fn template(name: &str, to: &mut Collector) {
        to.need("firewall", A::NAME, &format!("{{{name}}}"));
    }
}

/// A process, by its id, and what is done to it.
pub struct Pid<A> {
    pid: u32,
    action: PhantomData<fn() -> A>,
}

impl<A> Pid<A> {
    /// The process id.
    pub const fn get(&self) -> u32 {
        self.pid
    }
}

impl<A> fmt::Debug for Pid<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({})", self.pid)
    }
}

impl<A> Serialize for Pid<A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.pid.serialize(to)
    }
}

impl<'de, A> Deserialize<'de> for Pid<A> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pid = bounded(i64::deserialize(from)?, 1, i64::from(PID_MAX))?;
        Ok(Self {
            pid: u32::try_from(pid).map_err(D::Error::custom)?,
            action: PhantomData,
        })
    }
}

impl<A: Action> JsonSchema for Pid<A> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Pid_{}", A::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = whole(Kind::Pid, 1, i64::from(PID_MAX));
        schema.insert(ACCESS.to_owned(), A::ACCESS.name().into());
        schema
    }
}

/// Which process is looked at, its tool's own need says (`process:read:info`); to do something to a
/// process, the caller must hold a capability for that very process.
impl<A: Action> Argument for Pid<A> {
    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        if Self::is_needful() {
            to.need("process", A::NAME, &self.pid.to_string());
        }
        Ok(())
    }

    fn template(name: &str, to: &mut Collector) {
        if Self::is_needful() {
            to.need("process", A::NAME, &format!("{{{name}}}"));
        }
    }

    fn is_needful() -> bool {
        A::ACCESS == super::Access::Change
    }
}

fn bounded<E: serde::de::Error>(number: i64, least: i64, most: i64) -> Result<i64, E> {
    match (least..=most).contains(&number) {
        true => Ok(number),
        false => Err(E::custom(format!("must be from {least} to {most}"))),
    }
}

fn whole(kind: Kind, least: i64, most: i64) -> Schema {
    json_schema!({"type": "integer", "minimum": least, "maximum": most, KEY: kind.name()})
}
