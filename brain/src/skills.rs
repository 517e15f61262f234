//! Skills: procedures with parameters, each a TOML file (the format is in `brain/README.md`).
//!
//! A skill says nothing that a chain of tool calls could not; each of its steps
//! is a call like any other, checked, audited and verified as such.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BrainError;

/// A procedure that the operator model can name as it names a tool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// `skill.<name of the file>`.
    pub name: String,
    /// What it achieves, in a sentence.
    pub description: String,
    /// What must be known to do it.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its calls, in order.
    pub steps: Vec<Step>,
}

/// What a skill must be told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// How a span of the goal becomes a value.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// What it is, in a sentence.
    pub description: String,
}

/// The type of a skill's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// An absolute path.
    Path,
    /// A text that is written as it is.
    Content,
    /// Any other text.
    Text,
    /// A TCP or UDP port.
    Port,
    /// A whole number.
    Number,
}

/// One call of a skill.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The tool.
    pub tool: String,
    /// Constants, or texts in which `{parameter}` is replaced.
    pub arguments: BTreeMap<String, Value>,
}

/// One call of an expanded skill.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Its arguments: a JSON object.
    pub arguments: Value,
}

/// Why a skill cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SkillError {
    /// A template names what the skill does not have.
    #[error("{{{0}}} is not a parameter of the skill, or its filter is unknown")]
    Unknown(String),
    /// A template's brace has no partner.
    #[error("a brace without partner in {0:?}; write {{{{ or }}}} for a brace")]
    Brace(String),
    /// A value for a parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(String),
    /// A parameter is in no step, or a name is wrong.
    #[error("{0}")]
    Shape(String),
}

impl Skill {
    /// Reads every `*.toml` of the folder, by name.
    pub fn load_dir(dir: &Path) -> Result<Vec<Self>, BrainError> {
        let unreadable = |source| BrainError::Read {
            path: dir.to_owned(),
            source,
        };
        let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(unreadable)?;
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        paths.sort();
        paths.iter().map(|path| Self::load(path)).collect()
    }

    /// Reads one skill and checks it.
    pub fn load(path: &Path) -> Result<Self, BrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| BrainError::Read {
            path: path.to_owned(),
            source,
        })?;
        let bad = |detail| BrainError::Format {
            path: path.to_owned(),
            detail,
        };
        let skill: Self = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if skill.name != format!("skill.{stem}") {
            return Err(bad(format!(
                "it is called {:?}; its file asks for skill.{stem}",
                skill.name
            )));
        }
        skill.check().map_err(|e| bad(e.to_string()))?;
        Ok(skill)
    }

    /// Every template is legal, every parameter is used, and there is a step.
    fn check(&self) -> Result<(), SkillError> {
        if self.steps.is_empty() {
            return Err(SkillError::Shape("it has no steps".into()));
        }
        let mut used = BTreeSet::new();
        for text in self
            .steps
            .iter()
            .flat_map(|step| step.arguments.values())
            .filter_map(Value::as_str)
        {
            fill(text, |name| {
                used.insert(name.to_owned());
                self.parameters.contains_key(name).then(String::new)
            })?;
        }
        match self.parameters.keys().find(|name| !used.contains(*name)) {
            Some(name) => Err(SkillError::Shape(format!(
                "the parameter {name} is in no step"
            ))),
            None => Ok(()),
        }
    }

    /// Its calls, with the parameters' values in place.
    pub fn expand(&self, values: &BTreeMap<String, String>) -> Result<Vec<Call>, SkillError> {
        if let Some(name) = self
            .parameters
            .keys()
            .find(|name| !values.contains_key(*name))
        {
            return Err(SkillError::Missing(name.clone()));
        }
        self.steps
            .iter()
            .map(|step| {
                let argument = |(name, value): (&String, &Value)| {
                    let value = match value {
                        Value::String(text) => fill(text, |name| values.get(name).cloned())?.into(),
                        constant => constant.clone(),
                    };
                    Ok((name.clone(), value))
                };
                let arguments = step
                    .arguments
                    .iter()
                    .map(argument)
                    .collect::<Result<_, _>>()?;
                Ok(Call {
                    tool: step.tool.clone(),
                    arguments: Value::Object(arguments),
                })
            })
            .collect()
    }
}

/// Replaces `{name}` and `{name|html}`; `{{` and `}}` are braces. What comes
/// out of a value is never read as a template again.
fn fill(
    template: &str,
    mut value: impl FnMut(&str) -> Option<String>,
) -> Result<String, SkillError> {
    let unpaired = || SkillError::Brace(template.to_owned());
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            out.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let (inner, after) = rest
            .strip_prefix('{')
            .and_then(|r| r.split_once('}'))
            .ok_or_else(unpaired)?;
        let unknown = || SkillError::Unknown(inner.to_owned());
        match inner.split_once('|') {
            None => out.push_str(&value(inner).ok_or_else(unknown)?),
            Some((name, "html")) => out.push_str(&html(&value(name).ok_or_else(unknown)?)),
            Some(_) => return Err(unknown()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The text as HTML shows it.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String, SkillError> {
        fill(template, |name| (name == "a").then(|| "<{a}>".to_owned()))
    }

    #[test]
    fn templates_are_filled_once() {
        for (template, expected) in [
            ("", ""),
            ("x{a}y", "x<{a}>y"),
            ("{a|html}", "&lt;{a}&gt;"),
            ("{{a}} {{", "{a} {"),
            ("é{a}é", "é<{a}>é"),
        ] {
            assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn broken_templates_are_refused() {
        for template in [
            "{",
            "}",
            "{a",
            "a}",
            "{b}",
            "{a|shell}",
            "{}",
            "{a|html|html}",
        ] {
            assert!(filled(template).is_err(), "{template}");
        }
    }

    #[test]
    fn the_skills_of_this_repository_load_and_expand() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
        let skills = Skill::load_dir(&dir).unwrap();
        let page = skills
            .iter()
            .find(|skill| skill.name == "skill.web_page")
            .unwrap();
        let mut values = BTreeMap::from([("directory".to_owned(), "/srv/www".to_owned())]);
        assert_eq!(
            page.expand(&values),
            Err(SkillError::Missing("content".into()))
        );
        values.insert("content".into(), "a < b".into());
        let calls = page.expand(&values).unwrap();
        assert_eq!(calls[0].tool, "fs.mkdir");
        assert_eq!(calls[0].arguments["path"], "/srv/www");
        assert_eq!(calls[1].arguments["path"], "/srv/www/index.html");
        assert!(
            calls[1].arguments["content"]
                .as_str()
                .unwrap()
                .contains("a &lt; b")
        );
    }

    #[test]
    fn a_skill_that_cannot_work_is_refused_when_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let check = |body: &str| {
            let path = dir.path().join("x.toml");
            std::fs::write(&path, body).unwrap();
            Skill::load(&path).is_ok()
        };
        let head = "name = 'skill.x'\ndescription = ''\n";
        let parameter = "[parameters.p]\ntype = 'text'\ndescription = ''\n";
        let step =
            |text: &str| format!("[[steps]]\ntool = 't'\narguments = {{ a = '{text}', n = 1 }}\n");
        assert!(check(&format!("{head}{parameter}{}", step("{p}"))));
        assert!(!check(&format!("{head}{parameter}{}", step("{q}"))));
        assert!(!check(&format!("{head}{parameter}{}", step("unused"))));
        assert!(!check(&format!("{head}{parameter}steps = []")));
        assert!(!check(&format!(
            "name = 'skill.y'\ndescription = ''\n{parameter}{}",
            step("{p}")
        )));
        assert!(!check("{"));
    }
}
