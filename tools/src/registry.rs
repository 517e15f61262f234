//! All tools by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::ToolError;
use crate::tool::{Erased, ErasedTool, Tool};
use crate::{fs, hw, monitor, net, pkg, process, sec, service, storage, text};

/// The tools that this machine has.
#[derive(Default)]
pub struct Registry {
    tools: BTreeMap<&'static str, Arc<dyn ErasedTool>>,
}

impl Registry {
    /// A registry without tools; tests fill it with their own.
    pub fn empty() -> Self {
        Self::default()
    }

    /// All tools of aiOS. Each namespace adds its own.
    pub fn complete() -> Self {
        let namespaces = [
            fs::register,
            hw::register,
            monitor::register,
            net::register,
            pkg::register,
            process::register,
            sec::register,
            service::register,
            storage::register,
            text::register,
        ];
        namespaces
            .into_iter()
            .fold(Self::empty(), |registry, add| add(registry))
    }

    /// Adds a tool; of two with one name the later stays.
    pub fn with<T: Tool>(mut self) -> Self {
        let tool = Erased::<T>::default();
        self.tools.insert(T::SPEC.name, Arc::new(tool));
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
    fn near(&self, name: &str) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tools.keys().copied().collect();
        names.sort_by_key(|known| distance(name, known));
        names.truncate(3);
        names
    }
}

/// How many characters must be inserted, removed or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
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
            for template in spec.capabilities {
                assert_eq!(template.splitn(3, ':').count(), 3, "{template}");
            }
            assert!(!spec.post_condition.is_empty(), "{}", spec.name);
            assert!((1..=600_000).contains(&spec.timeout_ms), "{}", spec.name);
            assert!(spec.mutating || !spec.reversible, "{}", spec.name);
        }
    }
}
