//! Where something is fetched from: an address of the web, or a folder of this machine.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ACCESS, Access, Argument, KEY, Kind, ReadTree, Url};
use crate::context::Context;
use crate::demand::Collector;
use crate::error::ToolError;

/// A web address, or the absolute path of a folder; the call needs what it would need for either.
#[derive(Debug)]
pub enum Origin {
    /// Of the web.
    Web(Url),
    /// Of this machine.
    Folder(ReadTree),
}

impl Origin {
    /// As it was written, or resolved.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Web(url) => url.as_str(),
            Self::Folder(path) => path.as_str(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let path = text.strip_prefix("file://").unwrap_or(&text);
        Ok(match path.starts_with('/') {
            true => Self::Folder(ReadTree::of(path)),
            false => Self::Web(Url::of(&text)),
        })
    }
}

impl JsonSchema for Origin {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Origin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", KEY: Kind::Url.name(), ACCESS: Access::Read.name()})
    }
}

impl Argument for Origin {
    fn resolve(&mut self, name: &str, context: &Context) -> Result<(), ToolError> {
        match self {
            Self::Web(url) => url.resolve(name, context),
            Self::Folder(path) => path.resolve(name, context),
        }
    }

    fn guard(&mut self, context: &Context) -> Result<(), ToolError> {
        match self {
            Self::Web(url) => url.guard(context),
            Self::Folder(path) => path.guard(context),
        }
    }

    fn demand(&self, name: &str, to: &mut Collector) -> Result<(), ToolError> {
        match self {
            Self::Web(url) => url.demand(name, to),
            Self::Folder(path) => path.demand(name, to),
        }
    }

    fn template(name: &str, to: &mut Collector) {
        Url::template(name, to);
    }

    fn is_needful() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::Need;

    #[test]
    fn an_origin_is_an_address_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::context::alone(folder.path());
        let check = |text: &str, expected: Option<&str>| {
            let mut origin: Origin = serde_json::from_value(text.into()).unwrap();
            let checked = origin.resolve("source", &context);
            let checked = checked.and_then(|()| origin.guard(&context));
            let mut to = Collector::new(Vec::new(), false);
            let needs = checked.and_then(|()| origin.demand("source", &mut to));
            let needs = needs.map(|()| to.finish().needs);
            let first = needs.as_ref().ok().and_then(|needs| needs.first());
            let shown = first.map(Need::to_string);
            assert_eq!(shown.as_deref(), expected, "{text}: {needs:?}");
        };
        check(
            "https://example.org/x.git",
            Some("net:connect:https://example.org/x.git"),
        );
        check("/srv/../srv/x", Some("fs:read:/srv/x"));
        check("file:///srv/x", Some("fs:read:/srv/x"));
        check("ssh://example.org/x", None);
        check("git@example.org:x", None);
        check("ext::sh -c true", None);
        check("/etc/aios/pki", None);
    }
}
