//! `aiosctl config`: how this machine reaches appliances (its contexts), and, in
//! [`super::node_config`], the configuration of the appliance itself.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::cli::Global;
use crate::commands::{connect, node_config};
use crate::config::{self, Store};
use crate::error::{Exit, Failure};
use crate::output::{Output, table};

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply a config.toml to the appliance, or provision a node in maintenance mode
    Apply(node_config::Apply),
    /// Keep the configuration that the appliance tries
    Confirm,
    /// Print the appliance's own configuration (config.toml)
    Get,
    #[command(flatten)]
    Local(Local),
}

#[derive(Debug, Subcommand)]
enum Local {
    /// Show this machine's contexts: which appliances it reaches, and how
    Show,
    /// Print where this machine's configuration file is
    Path,
    /// Change a value of this machine's contexts
    #[command(subcommand)]
    Set(Set),
}

#[derive(Debug, Subcommand)]
enum Set {
    /// The address of the context's appliance: HOST, HOST:PORT or a URL
    Endpoint {
        /// The address
        address: String,
    },
    /// The context to use from now on
    Context {
        /// Its name
        name: String,
    },
    /// The context's certificates, made elsewhere; the context is made if needed
    Credentials {
        /// The authority's certificate
        #[arg(long)]
        ca: PathBuf,
        /// The operator's certificate
        #[arg(long)]
        certificate: PathBuf,
        /// The operator's key
        #[arg(long)]
        key: PathBuf,
    },
}

pub(super) async fn run(
    global: &Global,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let command = match arguments.command {
        Command::Apply(arguments) => return node_config::apply(global, output, arguments).await,
        Command::Confirm => return node_config::confirm(&connect(global).await?, output).await,
        Command::Get => return node_config::get(&connect(global).await?, output).await,
        Command::Local(command) => command,
    };
    let mut store = Store::open(global.config.as_deref())?;
    match command {
        Local::Show => show(&store, output)?,
        Local::Path => {
            let path = store.path().display().to_string();
            output.print(&json!({ "path": path }), || path.clone())?;
        }
        Local::Set(set) => {
            let asked = global.context.as_deref();
            apply(&mut store, asked, set)?;
            store.save()?;
            let path = store.path().display().to_string();
            output.print(&json!({ "path": path }), || format!("written: {path}"))?;
        }
    }
    Ok(Exit::Succeeded)
}

fn apply(store: &mut Store, asked: Option<&str>, set: Set) -> Result<(), Failure> {
    match set {
        Set::Endpoint { address } => {
            let endpoint = config::endpoint(&address)?;
            let name = store.context(asked)?.0.to_owned();
            if let Some(context) = store.config.contexts.get_mut(&name) {
                context.endpoint = endpoint;
            }
        }
        Set::Context { name } => {
            store.context(Some(&name))?;
            store.config.context = name;
        }
        Set::Credentials {
            ca,
            certificate,
            key,
        } => {
            let name = store.context_name(asked).to_owned();
            let known = store.config.contexts.get(&name);
            let endpoint =
                known.map_or_else(config::default_endpoint, |known| known.endpoint.clone());
            let absolute = |path: PathBuf| {
                std::fs::canonicalize(&path)
                    .map_err(|error| crate::files::failure("find", &path, &error))
            };
            let context = config::Context {
                endpoint,
                ca: absolute(ca)?,
                certificate: absolute(certificate)?,
                key: absolute(key)?,
            };
            store.config.contexts.insert(name, context);
        }
    }
    Ok(())
}

fn show(store: &Store, output: Output) -> Result<(), Failure> {
    let current = store.context_name(None);
    let document = json!({
        "path": store.path(),
        "context": current,
        "contexts": store.config.contexts,
    });
    output.print(&document, || {
        let rows: Vec<[String; 4]> = store
            .config
            .contexts
            .iter()
            .map(|(name, context)| {
                [
                    if name == current { "*" } else { "" }.to_owned(),
                    name.clone(),
                    context.endpoint.clone(),
                    context.certificate.display().to_string(),
                ]
            })
            .collect();
        table::table(["", "CONTEXT", "ENDPOINT", "CERTIFICATE"], &rows)
    })
}
