//! Arguments that are several values of one type.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Argument, KEY, Kind};
use crate::context::Context;
use crate::demand::Collector;
use crate::error::ToolError;

/// At most `MOST` values; each is resolved, guarded and demanded like one alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> List<T, MOST> {
    /// All values.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: JsonSchema, const MOST: usize> JsonSchema for List<T, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List_{MOST}_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": T::json_schema(generator),
            "maxItems": MOST,
            KEY: Kind::List.name(),
        })
    }
}

impl<T: Argument, const MOST: usize> Argument for List<T, MOST> {
    fn resolve(&mut self, name: &str, context: &Context) -> Result<(), ToolError> {
        if self.0.len() > MOST {
            return Err(ToolError::Invalid(format!(
                "{name}: has {} values, more than {MOST}",
                self.0.len()
            )));
        }
        let mut values = self.0.iter_mut();
        values.try_for_each(|value| value.resolve(name, context))
    }

    fn guard(&mut self, context: &Context) -> Result<(), ToolError> {
        self.0.iter_mut().try_for_each(|value| value.guard(context))
    }

    fn demand(&self, name: &str, to: &mut Collector) -> Result<(), ToolError> {
        self.0.iter().try_for_each(|value| value.demand(name, to))
    }

    fn template(name: &str, to: &mut Collector) {
        T::template(name, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argument::{ReadPath, Text};

    #[test]
    fn each_value_of_a_list_is_resolved_and_guarded() {
        let folder = tempfile::tempdir().unwrap();
        let context = crate::context::alone(folder.path());
        let check = |paths: &[&str], allowed| {
            let paths = serde_json::to_value(paths).unwrap();
            let mut list: List<ReadPath, 2> = serde_json::from_value(paths).unwrap();
            let checked = list.resolve("paths", &context);
            let checked = checked.and_then(|()| list.guard(&context));
            assert_eq!(checked.is_ok(), allowed, "{list:?}: {checked:?}");
        };
        check(&[], true);
        check(&["/etc/hosts", "/etc/passwd"], true);
        check(&["/etc/hosts", "/etc/aios/pki/node.key"], false);
        check(&["/a", "/b", "/c"], false);
        let schema = crate::schema::of::<List<Text, 3>>();
        assert_eq!(schema["maxItems"], 3);
        assert_eq!(Kind::of(&schema), Some(Kind::List));
    }
}
