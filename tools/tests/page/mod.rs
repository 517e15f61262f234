//! `docs/tools.md`, made from what the tools declare.

use aios_tool::spec::{Least, Spec, Undo};
use aios_tool::tool::ErasedTool;
use aios_tools::registry::Registry;
use serde_json::Value;

const HEAD: &str = "\
# The tools

Made from the code by `cargo run -p aios-tools --example tools > docs/tools.md`; a test (`tools/tests/reference.rs`) fails when
they differ. `aiosctl tools describe NAME` shows one with its schemas, `aiosctl tools preview NAME ARGUMENTS` what a call of a
changing tool would do. How a tool is made: [tools/README.md](../tools/README.md).

In the column *undo*, `files` and `change set` bring files back byte for byte, `call` makes another call, and `no` says that an act
stays done. *Needs* are the capabilities of whoever calls; `{path}` stands for the argument of that name, resolved.
";

/// The whole page.
pub fn page() -> String {
    let registry = Registry::complete();
    let tools: Vec<&dyn ErasedTool> = registry.iter().collect();
    let changing = tools.iter().filter(|tool| tool.spec().changes()).count();
    let undone = tools.iter().filter(|tool| tool.spec().is_reversible());
    let mut page = format!(
        "{HEAD}\n{} tools: {} look, {changing} change something, {} of these can be undone. Every change has a preview.\n",
        tools.len(),
        tools.len() - changing,
        undone.count()
    );
    let mut namespace = "";
    for tool in &tools {
        let of = tool.spec().name.split('.').next().unwrap_or_default();
        if of != namespace {
            namespace = of;
            page.push_str(&overview(of, &tools));
        }
        page.push_str(&described(*tool));
    }
    page
}

/// The tools of a namespace, a line each.
fn overview(namespace: &str, tools: &[&dyn ErasedTool]) -> String {
    let mut text = format!(
        "\n## {namespace}\n\n| tool | effect | undo | risk | for | needs |\n|---|---|---|---|---|---|\n"
    );
    let prefix = format!("{namespace}.");
    for tool in tools
        .iter()
        .filter(|tool| tool.spec().name.starts_with(&prefix))
    {
        let spec = tool.spec();
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            spec.name,
            if spec.changes() { "changes" } else { "looks" },
            undo(spec),
            spec.risk.word(),
            least(spec.least),
            spec.capabilities
                .iter()
                .map(|capability| format!("`{capability}`"))
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    text
}

fn undo(spec: &Spec) -> &'static str {
    match spec.effect().map(|effect| effect.undo) {
        None => "",
        Some(Undo::Impossible) => "no",
        Some(Undo::Files) => "files",
        Some(Undo::ChangeSet) => "change set",
        Some(Undo::Call) => "call",
    }
}

fn least(least: Least) -> &'static str {
    match least {
        Least::Operator => "operators",
        Least::Admin => "admins",
        Least::AdminForOwn => "operators; admins for aiOS's own",
    }
}

/// One tool: what it does, its arguments, what holds afterwards.
fn described(tool: &dyn ErasedTool) -> String {
    let spec = tool.spec();
    let mut text = format!("\n### `{}`\n\n{}\n", spec.name, spec.description);
    let schema = tool.input_schema();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let optional = match required.contains(&name.as_str()) {
            true => "",
            false => ", optional",
        };
        let kind = property["x-aios-kind"].as_str().unwrap_or("value");
        let means = property["description"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "- `{name}` ({kind}{optional}): {}\n",
            means.replace('\n', " ")
        ));
    }
    if let Some(effect) = spec.effect() {
        text.push_str(&format!("\nAfterwards: {}.", effect.post_condition));
        if !effect.idempotent {
            text.push_str(" Twice is more than once.");
        }
        text.push('\n');
    }
    if spec
        .example
        .as_object()
        .is_some_and(|example| !example.is_empty())
    {
        text.push_str(&format!(
            "\n```\naiosctl tools call {} '{}'\n```\n",
            spec.name, spec.example
        ));
    }
    text
}
