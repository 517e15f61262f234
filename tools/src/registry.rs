//! All tools by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    build, data, firewall, fs, git, hw, monitor, net, pkg, process, schedule, sec, service,
    settings, storage, system, text, user, web,
};
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
            firewall::tools,
            fs::tools,
            git::tools,
            hw::tools,
            monitor::tools,
            net::tools,
            pkg::tools,
            process::tools,
            schedule::tools,
            sec::tools,
            service::tools,
            settings::tools,
            storage::tools,
            system::tools,
            text::tools,
            user::tools,
            web::tools,
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
    use aios_tool::schema;
    use serde_json::Value;

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

    #[test]
    fn the_example_of_every_tool_is_a_call_of_it() {
        for tool in Registry::complete().iter() {
            let (name, example) = (&tool.spec().name, &tool.spec().example);
            let accepted = schema::check(tool.input_schema(), example);
            assert_eq!(accepted, Ok(()), "{name}: {example}");
            let needs_one = tool.input_schema()["required"]
                .as_array()
                .is_some_and(|arguments| !arguments.is_empty());
            let shows_one = example.as_object().is_some_and(|shown| !shown.is_empty());
            assert!(shows_one || !needs_one, "{name}: it has no example");
        }
    }

    /// The example of a tool, with this path for every path that it takes.
    fn arguments(tool: &dyn ErasedTool, path: &str) -> Option<Value> {
        let properties = tool.input_schema()["properties"].as_object()?;
        let is_path = |property: &Value| Kind::of(property) == Some(Kind::Path);
        let paths: Vec<_> = properties.iter().filter(|one| is_path(one.1)).collect();
        let mut arguments = tool.spec().example.as_object()?.clone();
        for (name, _) in &paths {
            arguments.insert((*name).clone(), path.into());
        }
        (!paths.is_empty()).then(|| arguments.into())
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
        assert!(tried.len() >= 22, "{tried:?}");
        assert!(tried.contains(&"fs.disk_usage".to_owned()), "{tried:?}");
    }
}
