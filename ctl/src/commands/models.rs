//! `aiosctl models`

use aios_contracts::v1::ListModelsRequest;
use serde_json::json;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, format, table};

pub(super) async fn run(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let models = client
        .call(api.list_models(ListModelsRequest {}))
        .await?
        .models;
    let document = json!({ "models": models.iter().map(json::model).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 6]> = models
            .iter()
            .map(|model| {
                [
                    model.name.clone(),
                    json::model_state(model),
                    model.architecture.clone(),
                    format::bytes(model.size_bytes),
                    if model.generates { "text" } else { "vectors" }.to_owned(),
                    model.error.clone(),
                ]
            })
            .collect();
        table::table(
            ["MODEL", "STATE", "ARCHITECTURE", "SIZE", "GIVES", "ERROR"],
            &rows,
        )
    })?;
    Ok(Exit::Succeeded)
}
