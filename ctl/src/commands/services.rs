//! `aiosctl services`

use aios_contracts::v1::{ListServicesRequest, Service, ServiceRequest};
use clap::Subcommand;
use serde_json::json;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, format, table};

/// Arguments of `services`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all services (also when nothing is said)
    List,
    /// Start a service
    Start { name: String },
    /// Stop a service; it stays stopped until started or the next boot
    Stop { name: String },
    /// Stop a service and start it again
    Restart { name: String },
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let mut api = client.management();
    let request = |name| ServiceRequest { name };
    let service = match arguments.command {
        None | Some(Command::List) => {
            let services = client
                .call(api.list_services(ListServicesRequest {}))
                .await?
                .services;
            print_all(output, &services)?;
            return Ok(Exit::Succeeded);
        }
        Some(Command::Start { name }) => client.call(api.start_service(request(name))).await?,
        Some(Command::Stop { name }) => client.call(api.stop_service(request(name))).await?,
        Some(Command::Restart { name }) => client.call(api.restart_service(request(name))).await?,
    };
    output.print(&json::service(&service), || {
        table::fields(&[
            ("service", service.name.clone()),
            ("state", json::service_state(&service)),
            ("pid", service.pid.to_string()),
            ("restarts", service.restarts.to_string()),
        ])
    })?;
    Ok(Exit::Succeeded)
}

fn print_all(output: Output, services: &[Service]) -> Result<(), Failure> {
    let document = json!({ "services": services.iter().map(json::service).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 8]> = services.iter().map(row).collect();
        let headings = [
            "SERVICE",
            "STATE",
            "PHASE",
            "PID",
            "MEMORY",
            "RESTARTS",
            "LAST EXIT",
            "FOR",
        ];
        table::table(headings, &rows)
    })
}

fn row(service: &Service) -> [String; 8] {
    let or_dash = |there: bool, text: String| if there { text } else { "-".to_owned() };
    [
        service.name.clone(),
        json::service_state(service),
        service.phase.to_string(),
        or_dash(service.pid != 0, service.pid.to_string()),
        or_dash(
            service.memory_bytes != 0,
            format::bytes(service.memory_bytes),
        ),
        service.restarts.to_string(),
        or_dash(!service.last_exit.is_empty(), service.last_exit.clone()),
        service.description.clone(),
    ]
}
