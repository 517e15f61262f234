//! All tools by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{build, data, fs, git, hw, monitor, net, pkg, process, sec, service, storage, text};
use aios_tool::error::ToolError;
use aios_tool::tool::ErasedTool;

/// The tools that this machine has.
#[derive(Default)]
pub struct Registry {
    tools: BTreeMap<String, Arc<dyn ErasedTool>>,
}

impl Registry {
    /// A registry without tools; tests fill it with their own.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All tools of aiOS. Each namespace has its own.
    pub fn complete() -> Self {
        let namespaces = [
            build::tools,
            data::tools,
            fs::tools,
            git::tools,
            hw::tools,
            monitor::tools,
            net::tools,
            pkg::tools,
            process::tools,
            sec::tools,
            service::tools,
            storage::tools,
            text::tools,
        ];
        namespaces
            .into_iter()
            .flat_map(|tools| tools())
            .fold(Self::empty(), Self::with)
    }

    /// Adds a tool; of two with one name the later stays.
    pub fn with(mut self, tool: Arc<dyn ErasedTool>) -> Self {
        self.tools.insert(tool.spec().name.clone(), tool);
        self
    }

    /// All tools, by name.
    pub fn iter(&self) -> impl Iterator<Item = &dyn ErasedTool> {
        self.tools.values().map(AsRef::as_ref)
    }

    /// The tool of this name.
    ///
    /// # Errors
    /// `NotFound`, naming the nearest ones.
    pub fn find(&self, name: &str) -> Result<Arc<dyn ErasedTool>, ToolError> {
        if let Some(tool) = self.tools.get(name) {
            return Ok(Arc::clone(tool));
        }
        let shown: String = name.chars().take(64).collect();
        Err(ToolError::NotFound(format!(
            "there is no tool {shown:?}; near are {}",
            self.near(&shown).join(", ")
        )))
    }

    /// The three names that differ least.
    fn near(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<_> = self.tools.keys().map(String::as_str).collect();
        names.sort_by_key(|known| strsim::levenshtein(name, known));
        names.truncate(3);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_tool::argument::Kind;
    use serde_json::{Value, json};

    #[test]
    fn an_unknown_tool_is_answered_with_near_names() {
        let registry = Registry::complete();
        let text = registry.find("fs.sta").err().map(|e| e.to_string());
        assert!(
            text.as_deref().is_some_and(|t| t.contains("fs.stat")),
            "{text:?}"
        );
        assert!(registry.find("fs.stat").is_ok());
    }

    #[test]
    fn every_tool_is_declared_completely() {
        for tool in Registry::complete().iter() {
            let spec = tool.spec();
            let schema = tool.input_schema();
            assert_eq!(schema["type"], "object", "{}: input", spec.name);
            assert_eq!(
                schema["additionalProperties"],
                Value::Bool(false),
                "{}: its input must deny unknown fields",
                spec.name
            );
            assert!(spec.name.split_once('.').is_some(), "{}", spec.name);
            assert!(
                spec.description.ends_with('.'),
                "{}: description",
                spec.name
            );
            assert!(!spec.capabilities.is_empty(), "{}: capabilities", spec.name);
            for template in &spec.capabilities {
                assert_eq!(template.splitn(3, ':').count(), 3, "{template}");
            }
            if let Some(effect) = spec.effect() {
                assert!(!effect.post_condition.is_empty(), "{}", spec.name);
                assert!(!effect.verbs.is_empty(), "{}", spec.name);
            }
            let properties = schema["properties"].as_object();
            for (name, property) in properties.into_iter().flatten() {
                let kind = Kind::of(property);
                assert!(kind.is_some(), "{}: {name} has no kind", spec.name);
                assert!(property["description"].is_string(), "{}: {name}", spec.name);
            }
            let hour = 3_600_000;
            assert!((1..=hour).contains(&spec.timeout_ms), "{}", spec.name);
        }
    }

    /// Arguments of a tool in which every path is this one.
    fn arguments(tool: &dyn ErasedTool, path: &str) -> Option<Value> {
        let properties = tool.input_schema()["properties"].as_object()?.clone();
        let kinds = || properties.values().filter_map(Kind::of);
        kinds().find(|kind| *kind == Kind::Path)?;
        let value = |property: &Value| match Kind::of(property) {
            Some(Kind::Path) => path.into(),
            Some(Kind::Bytes | Kind::Count | Kind::Seconds) => 1.into(),
            Some(Kind::List) => json!([]),
            Some(Kind::Url) => "https://example.org/x".into(),
            Some(Kind::Choice) => property["enum"][0].clone(),
            _ => Value::from("x"),
        };
        let values = properties
            .iter()
            .map(|(name, property)| (name.clone(), value(property)));
        Some(values.collect::<serde_json::Map<_, _>>().into())
    }

    #[test]
    fn no_tool_touches_keys_or_passwords_whoever_calls_it() {
        let context = crate::trial::context(std::path::Path::new("/x"));
        let mut tried = Vec::new();
        for tool in Registry::complete().iter() {
            let name = tool.spec().name.as_str();
            // Of a path's file system nothing is told but how full it is.
            let Some(arguments) = arguments(tool, "/etc/aios/pki/node.key") else {
                continue;
            };
            let refused = tool.prepare(arguments, &context).err();
            let denied = matches!(refused, Some(ToolError::Denied(_)));
            assert_eq!(denied, name != "storage.usage", "{name}: {refused:?}");
            tried.push(name.to_owned());
        }
        assert!(tried.len() >= 14, "{tried:?}");
        assert!(tried.contains(&"fs.disk_usage".to_owned()), "{tried:?}");
    }
}
