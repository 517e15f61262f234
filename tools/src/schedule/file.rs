//! A schedule as it is kept: one file, written once, and what each field means. Pure.

use aios_role::Role;
use aios_tool::error::ToolError;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grant::Judged;
use super::order::{Order, OrderedCall};
use super::when::When;
use crate::pipeline::digest;

/// The form of the file that this program writes and reads.
const FORMAT: u32 = 1;
/// How a file's name ends.
pub const ENDING: &str = ".toml";
/// The largest file, in bytes: a call of 32 KiB twice, resolved too, escaped.
pub const SIZE_MAX: u64 = 256 * 1024;
/// An id has so many digits.
pub const ID_LEN: usize = 8;

/// An order that is carried out later.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Eight hexadecimal digits; the file's name.
    pub id: String,
    /// Who ordered it: certificate subject and serial.
    pub by: String,
    /// What they might do when they ordered it; it is done with this role.
    pub role: Role,
    /// When it was ordered, Unix milliseconds.
    pub created_ms: i64,
    /// When it is done, as it is kept.
    pub when_text: String,
    /// When it is done.
    pub when: When,
    /// What is done.
    pub order: Order,
    /// SHA-256 over what was ordered, by whom, and what it would do.
    pub digest: String,
}

/// Does what was ordered still mean the same?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Holds,
    /// It does not, and why: it is not done.
    Void(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    by: String,
    role: String,
    created_ms: i64,
    when: String,
    /// JSON: arguments may hold what TOML cannot (null).
    order: String,
    digest: String,
}

impl Schedule {
    /// The same with the digest of what it is.
    pub fn sealed(self) -> Self {
        Self {
            digest: self.sum(&self.order),
            ..self
        }
    }

    fn sum(&self, order: &Order) -> String {
        digest(&json!({
            "by": self.by, "role": self.role.name(), "when": self.when_text,
            "created_ms": self.created_ms, "order": order,
        }))
    }

    /// Does what was ordered still mean the same? `judged` is what its call would do now; `None` for a
    /// goal in words.
    pub fn standing(&self, judged: Option<&Result<Judged, ToolError>>) -> Standing {
        let void = |why: &str| Standing::Void(why.to_owned());
        let changed = "its file was changed since it was ordered";
        let (call, judged) = match (&self.order, judged) {
            (Order::Goal(_), _) if self.sum(&self.order) == self.digest => return Standing::Holds,
            (Order::Call(call), Some(judged)) => (call, judged),
            _ => return void(changed),
        };
        let Some(grant) = &call.grant else {
            return void(changed);
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err(
                error @ (ToolError::Denied(_) | ToolError::NotFound(_) | ToolError::Invalid(_)),
            ) => {
                return Standing::Void(error.to_string());
            }
            // A file is not there today: the call is made, and fails with that reason.
            Err(_) if self.sum(&self.order) == self.digest => return Standing::Holds,
            Err(_) => return void(changed),
        };
        if let Some(difference) = grant.facts.difference(&judged.facts) {
            return Standing::Void(format!("{}: {difference}", call.tool));
        }
        if let (Some(why), false) = (&judged.asks, grant.asked) {
            return Standing::Void(format!("a person would be asked about it now: {why}"));
        }
        let mut now = call.clone();
        now.grant = now.grant.map(|grant| super::order::Grant {
            facts: judged.facts.clone(),
            ..grant
        });
        match self.sum(&Order::Call(now)) == self.digest {
            true => Standing::Holds,
            false => void(changed),
        }
    }

    /// The call, when it is one.
    pub fn call(&self) -> Option<&OrderedCall> {
        match &self.order {
            Order::Goal(_) => None,
            Order::Call(call) => Some(call),
        }
    }

    /// Is it over once it was done?
    pub fn is_once(&self) -> bool {
        matches!(self.when, When::Once(_))
    }

    /// The text of its file.
    ///
    /// # Errors
    /// `Failed` when it cannot be written.
    pub fn text(&self) -> Result<String, ToolError> {
        let failed =
            |error: String| ToolError::Failed(format!("a schedule cannot be kept: {error}"));
        let file = File {
            format: FORMAT,
            by: self.by.clone(),
            role: self.role.name().to_owned(),
            created_ms: self.created_ms,
            when: self.when_text.clone(),
            order: serde_json::to_string(&self.order).map_err(|error| failed(error.to_string()))?,
            digest: self.digest.clone(),
        };
        toml::to_string(&file).map_err(|error| failed(error.to_string()))
    }

    /// The schedule of this file.
    ///
    /// # Errors
    /// What is wrong with the file, in a clause.
    pub fn parse(name: &str, text: &str, zone: &TimeZone) -> Result<Self, String> {
        let id = name.strip_suffix(ENDING).filter(|id| is_id(id));
        let id = id.ok_or("its name is none of a schedule's")?.to_owned();
        let value: toml::Table = text.parse().map_err(|_| "it is no TOML".to_owned())?;
        match value.get("format").and_then(toml::Value::as_integer) {
            Some(format) if format == i64::from(FORMAT) => {}
            Some(format) => return Err(format!("it has the format {format}, not {FORMAT}")),
            None => return Err("it names no format".to_owned()),
        }
        let file: File = value
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let role = Role::parse(&file.role).ok_or("it names no role")?;
        let order: Order = serde_json::from_str::<Value>(&file.order)
            .and_then(serde_json::from_value)
            .map_err(|_| "its order is none".to_owned())?;
        let when = When::read(&file.when, file.created_ms, zone)?;
        Ok(Self {
            id,
            by: file.by,
            role,
            created_ms: file.created_ms,
            when_text: file.when,
            when,
            order,
            digest: file.digest,
        })
    }
}

/// Is it the id of a schedule?
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LEN
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
