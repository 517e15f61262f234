//! `aiosctl sbom`

use aios_contracts::v1::GetSbomRequest;
use serde_json::Value;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::{Output, table};

pub(super) async fn run(client: &Client, output: Output, summary: bool) -> Result<Exit, Failure> {
    let mut api = client.management();
    let text = client
        .call(api.get_sbom(GetSbomRequest {}))
        .await?
        .spdx_json;
    let document: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("the node's SBOM is damaged: {error}")))?;
    output.print(&document, || match summary {
        true => packages(&document),
        false => format!("{document:#}\n"),
    })?;
    Ok(Exit::Succeeded)
}

fn packages(document: &Value) -> String {
    let word = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let packages = document["packages"].as_array().into_iter().flatten();
    let rows: Vec<[String; 3]> = packages
        .map(|package| ["name", "versionInfo", "licenseDeclared"].map(|key| word(package, key)))
        .collect();
    table::table(["package", "version", "licence"], &rows)
}
