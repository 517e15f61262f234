//! `aiosctl pki`: makes and reads certificates. Works without an appliance.

use std::path::{Path, PathBuf};

use aios_role::Role;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::json;

use super::pki_revoke;
use crate::cli::Global;
use crate::config::{self, Store};
use crate::error::{Exit, Failure};
use crate::files;
use crate::output::{Output, format, table};
use crate::pki::{Authority, issued, node, operator, show};

/// Arguments of `pki`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the authority is kept [default: `pki` beside the configuration file]
    #[arg(long, global = true, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the certificate authority
    Init,
    /// Make a node's certificate and its provisioning file node.toml
    Node(NodeArguments),
    /// Make an operator's certificate, and a context that uses it
    Operator(OperatorArguments),
    /// List operators' certificates, and which are revoked
    List,
    /// Take certificates back: signs the authority's list of them, and gives it to the appliance
    Revoke(pki_revoke::Revoke),
    /// Show what a certificate says
    Show {
        /// A certificate in PEM
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct NodeArguments {
    /// Its host name
    name: String,
    /// An address or host name at which it will be reached; may be repeated
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Days until the certificate expires
    #[arg(long, default_value_t = node::NODE_DAYS)]
    days: u32,
    /// A file of SSH public keys that may log in for recovery
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// Where to write node.toml [default: nodes/NAME/node.toml in the authority's folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct OperatorArguments {
    /// Who it is for
    name: String,
    /// What the holder may do
    #[arg(long, value_parser = role_parser())]
    role: Role,
    /// Days until the certificate expires
    #[arg(long, default_value_t = operator::OPERATOR_DAYS)]
    days: u32,
    /// Only make the certificate; leave the contexts as they are
    #[arg(long)]
    no_context: bool,
}

fn role_parser() -> impl clap::builder::TypedValueParser<Value = Role> {
    let names = PossibleValuesParser::new(Role::ALL.map(Role::name));
    names.try_map(|name| Role::parse(&name).ok_or("there is no such role"))
}

pub(super) async fn run(
    global: &Global,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let store = Store::open(global.config.as_deref())?;
    let folder = match arguments.dir {
        Some(folder) => {
            std::path::absolute(&folder).map_err(|error| files::failure("find", &folder, &error))?
        }
        None => store.folder().join("pki"),
    };
    match arguments.command {
        Command::Init => init(&folder, output)?,
        Command::Node(arguments) => provision(&folder, output, arguments)?,
        Command::Operator(arguments) => enrol(global, store, &folder, output, &arguments)?,
        Command::List => pki_revoke::list(&folder, output)?,
        Command::Revoke(arguments) => {
            pki_revoke::revoke(global, &store, &folder, output, &arguments).await?;
        }
        Command::Show { file } => print_certificate(&file, output)?,
    }
    Ok(Exit::Succeeded)
}

fn init(folder: &Path, output: Output) -> Result<(), Failure> {
    let authority = Authority::create(folder)?;
    let path = authority.certificate_path().display().to_string();
    let summary = show::read(authority.certificate())?;
    output.print(&json!({ "ca": path, "name": summary.name }), || {
        format!(
            "made the authority {} in {}\nkeep {} safe: who has it can become any operator",
            summary.name,
            folder.display(),
            folder.join("ca.key").display()
        )
    })
}

fn provision(folder: &Path, output: Output, arguments: NodeArguments) -> Result<(), Failure> {
    let authority = Authority::open(folder)?;
    let ssh_keys = match &arguments.ssh_key {
        Some(file) => ssh_keys(file)?,
        None => Vec::new(),
    };
    let NodeArguments {
        name,
        addresses,
        days,
        ..
    } = arguments;
    let file = node::provision(&authority, &name, &addresses, days, ssh_keys)?;
    let text = toml::to_string_pretty(&file)
        .map_err(|error| Failure::failed(format!("cannot write node.toml: {error}")))?;
    let path = arguments
        .output
        .unwrap_or_else(|| folder.join("nodes").join(&name).join("node.toml"));
    files::write_private(&path, text.as_bytes())?;
    let path = path.display().to_string();
    output.print(&json!({ "node": name, "provisioning": path }), || {
        format!("made {path}\nit holds the node's private key: give it to that node alone")
    })
}

fn ssh_keys(file: &Path) -> Result<Vec<String>, Failure> {
    let text = files::read(file)?;
    if text.contains("PRIVATE KEY") {
        return Err(
            Failure::usage(format!("{} is a private key", file.display()))
                .hint("name the public key, often the same file with .pub"),
        );
    }
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

fn enrol(
    global: &Global,
    mut store: Store,
    folder: &Path,
    output: Output,
    arguments: &OperatorArguments,
) -> Result<(), Failure> {
    let authority = Authority::open(folder)?;
    let OperatorArguments {
        name, role, days, ..
    } = arguments;
    let credentials = operator::issue(&authority, name, *role, *days)?;
    let file = |ending| {
        authority
            .folder()
            .join("operators")
            .join(format!("{name}.{ending}"))
    };
    let (certificate, key) = (file("crt"), file("key"));
    files::write_private(&key, credentials.key.as_bytes())?;
    files::write_private(&certificate, credentials.certificate.as_bytes())?;
    issued::add(folder, &show::read(&credentials.certificate)?)?;
    let mut context_name = None;
    if !arguments.no_context {
        let context = config::Context {
            endpoint: endpoint(global, &store)?,
            ca: authority.certificate_path(),
            certificate: certificate.clone(),
            key,
        };
        let name = store.context_name(global.context.as_deref()).to_owned();
        store.config.contexts.insert(name.clone(), context);
        store.config.context.clone_from(&name);
        store.save()?;
        context_name = Some(name);
    }
    let document = json!({
        "operator": name, "role": role.to_string(),
        "certificate": certificate, "context": context_name,
    });
    output.print(&document, || {
        let made = format!("made {} for {name} as {role}", certificate.display());
        match &context_name {
            Some(context) => format!("{made}; the context {context:?} uses it"),
            None => made,
        }
    })
}

/// The endpoint named on the command line, else the context's, else this machine.
fn endpoint(global: &Global, store: &Store) -> Result<String, Failure> {
    if let Some(endpoint) = &global.endpoint {
        return config::endpoint(endpoint);
    }
    let name = store.context_name(global.context.as_deref());
    let known = store.config.contexts.get(name);
    Ok(known.map_or_else(config::default_endpoint, |context| context.endpoint.clone()))
}

fn print_certificate(file: &Path, output: Output) -> Result<(), Failure> {
    let summary = show::read(&files::read(file)?)
        .map_err(|failure| Failure::usage(format!("{}: {}", file.display(), failure.what)))?;
    let document = json!(summary);
    output.print(&document, || {
        table::fields(&[
            ("name", summary.name.clone()),
            ("role", summary.role.clone()),
            ("issuer", summary.issuer.clone()),
            ("serial", summary.serial.clone()),
            (
                "valid from",
                format::time(summary.not_before.saturating_mul(1000)),
            ),
            (
                "valid until",
                format::time(summary.not_after.saturating_mul(1000)),
            ),
            (
                "authority",
                if summary.authority { "yes" } else { "no" }.to_owned(),
            ),
            ("usage", summary.usages.join(", ")),
            ("names", summary.names.join(", ")),
            ("sha256", summary.fingerprint.clone()),
        ])
    })
}
