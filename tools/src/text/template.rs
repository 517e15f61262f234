//! `text.template`: writes a text that is made of a template and values.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{Schema, SchemaGenerator, json_schema};

use super::whole;
use crate::fs::put::{self, New};
use crate::fs::{WHOLE_MAX, has_content, was_absent};
use aios_tool::argument::{Argument, ReadPath, WritePath};
use aios_tool::file::WRITING;
use aios_tool::prelude::*;

/// Texts by their names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(BTreeMap<String, String>);

impl JsonSchema for Values {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kind = argument::Kind::List.name();
        json_schema!({
            "type": "object",
            "additionalProperties": {"type": "string"},
            argument::KEY: kind,
        })
    }
}

impl Argument for Values {}

/// The tool `text.template`.
pub struct Act;

arguments! {
    /// Arguments of `text.template`.
    pub struct Input {
        /// Absolute path of the template, a text with names in double braces: `Hello {{name}}`.
        pub template: ReadPath,
        /// The value of each name. All names of the template must have one, and no others.
        pub values: Values,
        /// Absolute path of the file that gets the result.
        pub path: WritePath,
    }
}

/// What was written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path of the result.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// It was not there before.
    pub created: bool,
    /// It was set-user-ID or set-group-ID, or had capabilities, and with its new content is not.
    pub privileges_dropped: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "text.template",
            "Fills the {{names}} of a template file with values and writes the result into a file.",
        )
        .example(json!({
            "template": "/srv/templates/site.conf",
            "values": {"host": "example.org", "port": "8080"},
            "path": "/srv/site/site.conf",
        }))
        .risk(Risk::Medium)
        .timeout_ms(30_000)
        .kernel(WRITING)
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let Output { path, size, .. } = output;
        let what = if output.created { "new" } else { "replaced" };
        let dropped = put::dropped(output.privileges_dropped);
        format!(
            "{path} is written from {} with {} values ({}, {what}){dropped}",
            input.template,
            input.values.0.len(),
            format::bytes(*size)
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the file has exactly the template's text with the values in it",
            &["fill", "write", "make"],
        )
        .undone_by(Undo::Files)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        put::foreseen(&input.path, context, New::Whole(input.result()?.as_bytes()))
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        input.result()?;
        put::may_be_written(&input.path)?;
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let result = input.result()?;
        let put = put::put(&input.path, context, New::Whole(result.as_bytes()))?;
        Ok(Output {
            path: input.path.to_string(),
            size: put.size,
            created: put.prior_size.is_none(),
            privileges_dropped: put.privileges_dropped,
        })
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        has_content(&input.path, input.result()?.as_bytes())
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let result = input.result()?;
        let done = has_content(&input.path, result.as_bytes()).is_ok();
        Ok(done.then(|| Output {
            path: input.path.to_string(),
            size: result.len() as u64,
            created: was_absent(interrupted.steps),
            privileges_dropped: false,
        }))
    }
}

impl Input {
    fn result(&self) -> Result<String, ToolError> {
        if self.template.as_str() == self.path.as_str() {
            let why = "path: is the template itself; it would be lost";
            return Err(ToolError::Invalid(why.to_owned()));
        }
        filled(&whole(&self.template)?, &self.values.0)
            .map_err(|why| ToolError::Precondition(format!("{}: {why}", self.template)))
    }
}

/// The template with the values in it. A value is taken as it is: braces in it mean nothing.
///
/// # Errors
/// What is missing, surplus or wrong.
fn filled(template: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut result, mut rest) = (String::new(), template);
    let (mut missing, mut used) = (BTreeSet::new(), BTreeSet::new());
    while let Some((before, after)) = rest.split_once("{{") {
        result.push_str(before);
        let Some((name, behind)) = after.split_once("}}").filter(|(name, _)| is_name(name)) else {
            let line = 1 + template[..template.len() - after.len()]
                .matches('\n')
                .count();
            return Err(format!(
                "line {line}: {{{{ is not followed by a name and }}}}"
            ));
        };
        let name = name.trim();
        match values.get(name) {
            Some(value) => result.push_str(value),
            None => drop(missing.insert(name)),
        }
        used.insert(name);
        rest = behind;
        if result.len() as u64 > WHOLE_MAX {
            return Err(format!(
                "the result would be larger than {}",
                format::bytes(WHOLE_MAX)
            ));
        }
    }
    result.push_str(rest);
    let named = |names: Vec<&str>| format::printable(&names.join(", "));
    if !missing.is_empty() {
        let names = missing.into_iter().collect();
        return Err(format!("it needs values for {}", named(names)));
    }
    let surplus = values
        .keys()
        .map(String::as_str)
        .filter(|name| !used.contains(name));
    let surplus: Vec<&str> = surplus.collect();
    match surplus.is_empty() {
        true => Ok(result),
        false => Err(format!("it has no place for {}", named(surplus))),
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let name = text.trim();
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call_change as call;

    #[test]
    fn every_name_has_a_value_and_every_value_a_place() {
        let check = |template: &str, values: &[(&str, &str)], expected: Result<&str, &str>| {
            let values = values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let found = filled(template, &values.collect());
            assert_eq!(
                found.as_deref().map_err(String::as_str),
                expected,
                "{template}"
            );
        };
        check("plain { } text", &[], Ok("plain { } text"));
        check("{{a}}{{ b }}{{a}}", &[("a", "1"), ("b", "2")], Ok("121"));
        check("{{a}}", &[("a", "{{b}}")], Ok("{{b}}"));
        check(
            "{{a}} {{c}} {{b}}",
            &[("a", "")],
            Err("it needs values for b, c"),
        );
        check(
            "{{a}}",
            &[("a", ""), ("z", "")],
            Err("it has no place for z"),
        );
        check(
            "x\n{{a b}}",
            &[],
            Err("line 2: {{ is not followed by a name and }}"),
        );
        check(
            "{{a",
            &[("a", "1")],
            Err("line 1: {{ is not followed by a name and }}"),
        );
        check(
            "{{}}",
            &[],
            Err("line 1: {{ is not followed by a name and }}"),
        );
    }

    #[test]
    fn what_a_template_makes_is_bounded() {
        let template = "{{a}}".repeat(70_000);
        let values = BTreeMap::from([("a".to_owned(), "x".repeat(1024))]);
        assert!(
            filled(&template, &values)
                .unwrap_err()
                .contains("larger than")
        );
    }

    #[test]
    fn the_result_is_written_and_the_template_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (template, path) = (root.join("t"), root.join("x"));
        std::fs::write(&template, "port {{port}}\n").unwrap();
        let values = json!({"port": "80"});
        let arguments = json!({"template": template, "values": values, "path": path});
        let done = call::<Act>(arguments).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "port 80\n");
        assert!(
            done.summary.ends_with("with 1 values (8 B, new)"),
            "{}",
            done.summary
        );
        let own = json!({"template": template, "values": values, "path": template});
        assert!(
            call::<Act>(own)
                .unwrap_err()
                .to_string()
                .contains("template itself")
        );
        let wrong = json!({"template": template, "values": {"port": 80}, "path": path});
        let error = call::<Act>(wrong).unwrap_err().to_string();
        assert!(
            error.starts_with("values.port: must be a string"),
            "{error}"
        );
    }
}
