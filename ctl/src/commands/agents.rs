//! `aiosctl agents`

use aios_contracts::v1::ListAgentsRequest;
use serde_json::json;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, table};

pub(super) async fn run(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let agents = client
        .call(api.list_agents(ListAgentsRequest {}))
        .await?
        .agents;
    let document = json!({ "agents": agents.iter().map(json::agent).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 6]> = agents
            .iter()
            .map(|agent| {
                let state = match (agent.connected, agent.doing.is_empty()) {
                    (false, _) => "away".to_owned(),
                    (true, true) => "idle".to_owned(),
                    (true, false) => agent.doing.clone(),
                };
                [
                    agent.name.clone(),
                    state,
                    agent.tasks_done.to_string(),
                    agent.tasks_failed.to_string(),
                    agent.tools.join(" "),
                    agent.description.clone(),
                ]
            })
            .collect();
        table::table(["AGENT", "DOING", "DONE", "FAILED", "TOOLS", "FOR"], &rows)
    })?;
    Ok(Exit::Succeeded)
}
