//! `aiosctl tools`

use std::time::Duration;

use aios_contracts::v1::{DescribeToolRequest, ListToolsRequest, PreviewRequest, Tool, ToolCall};
use clap::Subcommand;
use serde_json::{Value, json};

use super::goal;
use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, table};

/// How long a preview may take: of a package, which is fetched and unpacked for it.
const PREVIEW: Duration = Duration::from_secs(600);

/// Arguments of `tools`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all tools
    List,
    /// Show one tool: schemas, capabilities, risk, what it promises
    Describe {
        /// Its name, as fs.write
        name: String,
    },
    /// Show what a call would do; nothing is changed
    Preview {
        /// Its name, as fs.write
        name: String,
        /// Its arguments, a JSON object
        #[arg(default_value = "{}")]
        arguments: String,
    },
    /// Have one tool called, as a goal of that one call
    Call {
        /// Its name, as fs.write
        name: String,
        /// Its arguments, a JSON object
        #[arg(default_value = "{}")]
        arguments: String,
    },
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    match arguments.command {
        Command::List => list(client, output).await,
        Command::Describe { name } => describe(client, output, name).await,
        Command::Preview { name, arguments } => preview(client, output, name, arguments).await,
        Command::Call { name, arguments } => call(client, output, name, arguments).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let tools = client
        .call(api.list_tools(ListToolsRequest {}))
        .await?
        .tools;
    let document = json!({ "tools": tools.iter().map(json::tool).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 5]> = tools
            .iter()
            .map(|tool| {
                [
                    tool.name.clone(),
                    json::risk(tool),
                    effect(tool).to_owned(),
                    tool.capabilities.join(" "),
                    tool.description.clone(),
                ]
            })
            .collect();
        table::table(["TOOL", "RISK", "EFFECT", "NEEDS", "DOES"], &rows)
    })?;
    Ok(Exit::Succeeded)
}

fn effect(tool: &Tool) -> &'static str {
    match (tool.mutating, tool.reversible) {
        (false, _) => "reads",
        (true, true) => "changes, can be undone",
        (true, false) => "changes",
    }
}

async fn describe(client: &Client, output: Output, name: String) -> Result<Exit, Failure> {
    let mut api = client.management();
    let tool = client
        .call(api.describe_tool(DescribeToolRequest { name }))
        .await?;
    output.print(&json::tool(&tool), || {
        let mut text = table::fields(&[
            ("tool", tool.name.clone()),
            ("does", tool.description.clone()),
            ("effect", effect(&tool).to_owned()),
            ("needs", tool.capabilities.join(", ")),
            ("risk", json::risk(&tool)),
            (
                "idempotent",
                if tool.idempotent { "yes" } else { "no" }.to_owned(),
            ),
            ("least role", json::least_role(&tool)),
            ("timeout", format!("{} ms", tool.timeout_ms)),
            ("promises", tool.post_condition.clone()),
        ]);
        text.push_str(&format!("\ninput {}\n", pretty(&tool.input_schema_json)));
        text.push_str(&format!("\noutput {}\n", pretty(&tool.output_schema_json)));
        text
    })?;
    Ok(Exit::Succeeded)
}

fn pretty(schema: &str) -> String {
    let pretty = serde_json::to_string_pretty(&json::embedded(schema));
    escape::text(pretty.as_deref().unwrap_or(schema))
}

async fn preview(
    client: &Client,
    output: Output,
    tool: String,
    arguments_json: String,
) -> Result<Exit, Failure> {
    is_object(&arguments_json)?;
    let request = PreviewRequest {
        tool,
        arguments_json,
        ..PreviewRequest::default()
    };
    let mut api = client.management();
    let found = client
        .call_within(PREVIEW, api.preview_call(request))
        .await?;
    let foreseen = found.preview.unwrap_or_default();
    let document = json!({ "decision": found.decision, "preview": json::preview(&foreseen) });
    output.print(&document, || {
        let decision = escape::line(&found.decision);
        format!("{}{decision}\n", super::preview::text(&foreseen))
    })?;
    Ok(Exit::Succeeded)
}

fn is_object(arguments_json: &str) -> Result<(), Failure> {
    match serde_json::from_str::<Value>(arguments_json) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(Failure::usage("the arguments must be a JSON object")),
        Err(error) => Err(
            Failure::usage(format!("the arguments are not JSON: {error}"))
                .hint(r#"quote them for the shell: '{"path": "/srv"}'"#),
        ),
    }
}

async fn call(
    client: &Client,
    output: Output,
    tool: String,
    arguments_json: String,
) -> Result<Exit, Failure> {
    is_object(&arguments_json)?;
    goal::submit_and_watch(
        client,
        output,
        "",
        Some(ToolCall {
            tool,
            arguments_json,
        }),
    )
    .await
}
