//! `aiosctl audit`: reads the ledger, copies it, and verifies the copy here.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aios_contracts::v1::{
    AcceptAuditRequest, AuditEntry, ExportAuditRequest, ListAuditRequest, VerifyAuditRequest,
};
use aios_ledger::Expected;
use clap::Subcommand;
use serde_json::json;

use super::connect;
use crate::cli::Global;
use crate::client::Client;
use crate::config::Store;
use crate::error::{Exit, Failure};
use crate::output::{Output, escape, format, table};
use crate::remembered::{self, Remembered};
use crate::{files, json};

/// An export of more files than this is not a ledger.
const FILES_MAX: usize = 10_000;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List entries, the newest last
    List(ListArguments),
    /// Verify that nothing in the ledger was changed, removed or cut off
    Verify(VerifyArguments),
    /// Take the ledger as it is now as the known one, after the appliance said that it was replaced (admin)
    Accept,
    /// Copy the ledger into a new folder, to be verified anywhere
    Export {
        /// A folder that is empty or not there
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: u32,
    /// Only of this actor, as agent:storage
    #[arg(long, default_value = "")]
    actor: String,
    /// Only of this tool
    #[arg(long, default_value = "")]
    tool: String,
    /// Only of this goal
    #[arg(long, default_value = "")]
    goal: String,
}

#[derive(Debug, clap::Args)]
struct VerifyArguments {
    /// Verify a copy in this folder, without an appliance
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// The key that must have signed it, in hexadecimal
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
    /// Forget what was verified before: the appliance was installed anew
    #[arg(long, conflicts_with = "dir")]
    forget: bool,
}

pub(super) async fn run(
    global: &Global,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    match arguments.command {
        Command::List(arguments) => list(&connect(global).await?, output, arguments).await,
        Command::Verify(arguments) => match &arguments.dir {
            Some(folder) => verify_copy(output, folder, &arguments),
            None => verify_appliance(global, output, &arguments).await,
        },
        Command::Accept => accept(&connect(global).await?, output).await,
        Command::Export { folder } => {
            let bytes = export(&connect(global).await?, &folder).await?;
            let folder = folder.display().to_string();
            output.print(&json!({ "folder": folder, "bytes": bytes }), || {
                format!(
                    "copied {} into {folder}; verify it with `aiosctl audit verify --dir {folder}`",
                    format::bytes(bytes)
                )
            })?;
            Ok(Exit::Succeeded)
        }
    }
}

async fn accept(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let head = client.call(api.accept_audit(AcceptAuditRequest {})).await?;
    let document = json!({
        "entries": head.size, "root_hash": head.root_hash, "public_key": head.public_key,
    });
    output.print(&document, || {
        format!(
            "the ledger of {} entries is the known one now; it is signed by {}\n\
             this machine still remembers the former one: aiosctl audit verify --forget",
            head.size, head.public_key
        )
    })?;
    Ok(Exit::Succeeded)
}

async fn list(client: &Client, output: Output, arguments: ListArguments) -> Result<Exit, Failure> {
    let request = ListAuditRequest {
        limit: arguments.limit,
        actor: arguments.actor,
        tool: arguments.tool,
        goal_id: arguments.goal,
        since_ms: 0,
    };
    let mut entries = client
        .call(client.management().list_audit(request))
        .await?
        .entries;
    entries.sort_by_key(|entry| entry.index);
    let document = json!({ "entries": entries.iter().map(json::audit).collect::<Vec<_>>() });
    output.print(&document, || {
        let rows: Vec<[String; 7]> = entries.iter().map(row).collect();
        table::table(
            ["ENTRY", "TIME", "KIND", "ACTOR", "TOOL", "OUTCOME", "FOR"],
            &rows,
        )
    })?;
    Ok(Exit::Succeeded)
}

fn row(entry: &AuditEntry) -> [String; 7] {
    let outcome = if entry.outcome.is_empty() {
        &entry.decision
    } else {
        &entry.outcome
    };
    [
        entry.index.to_string(),
        format::time(entry.time_ms),
        entry.kind.clone(),
        entry.actor.clone(),
        entry.tool.clone(),
        outcome.clone(),
        entry.on_behalf_of.clone(),
    ]
}

/// What the verification of the copy found, and what the appliance says of itself.
struct Verdict {
    intact: bool,
    entries: u64,
    root_hash: String,
    public_key: String,
    details: Vec<String>,
}

impl Verdict {
    fn of(report: &aios_ledger::Report) -> Self {
        Self {
            intact: report.intact,
            entries: report.entries,
            root_hash: aios_ledger::hex(&report.root_hash),
            public_key: aios_ledger::hex(&report.public_key),
            details: Some(report.detail.clone())
                .filter(|detail| !detail.is_empty())
                .into_iter()
                .collect(),
        }
    }

    fn print(&self, output: Output) -> Result<Exit, Failure> {
        let document = json!({
            "intact": self.intact, "entries": self.entries, "root_hash": self.root_hash,
            "public_key": self.public_key, "details": self.details,
        });
        output.print(&document, || {
            let mut rows = vec![
                (
                    "ledger",
                    if self.intact { "intact" } else { "NOT INTACT" }.to_owned(),
                ),
                ("entries", self.entries.to_string()),
                ("root", self.root_hash.clone()),
                ("signed by", self.public_key.clone()),
            ];
            rows.extend(self.details.iter().map(|detail| ("wrong", detail.clone())));
            table::fields(&rows)
        })?;
        Ok(if self.intact {
            Exit::Succeeded
        } else {
            Exit::Failed
        })
    }
}

fn verify_copy(
    output: Output,
    folder: &Path,
    arguments: &VerifyArguments,
) -> Result<Exit, Failure> {
    let expected = Expected {
        public_key: public_key(arguments)?,
        remembered: Vec::new(),
    };
    Verdict::of(&aios_ledger::verify(folder, &expected)).print(output)
}

fn public_key(arguments: &VerifyArguments) -> Result<Option<[u8; 32]>, Failure> {
    let Some(text) = &arguments.public_key else {
        return Ok(None);
    };
    let key = aios_ledger::unhex(text);
    key.map(Some)
        .ok_or_else(|| Failure::usage("the public key must be 64 hexadecimal digits"))
}

async fn verify_appliance(
    global: &Global,
    output: Output,
    arguments: &VerifyArguments,
) -> Result<Exit, Failure> {
    let store = Store::open(global.config.as_deref())?;
    let memory = remembered::path(&store, global);
    let known = if arguments.forget {
        None
    } else {
        remembered::read(&memory)?
    };
    let client = connect(global).await?;
    // The copy is of its own time: what is appended meanwhile is not in it.
    files::private_folder(store.folder())?;
    let copy = tempfile::Builder::new()
        .prefix("audit-")
        .tempdir_in(store.folder())
        .map_err(|error| files::failure("make a folder in", store.folder(), &error))?;
    export(&client, copy.path()).await?;
    let expected = Expected {
        public_key: public_key(arguments)?.or(known.as_ref().map(|known| known.public_key)),
        remembered: known
            .iter()
            .map(|known| (known.entries, known.root_hash))
            .collect(),
    };
    let report = aios_ledger::verify(copy.path(), &expected);
    let mut verdict = Verdict::of(&report);
    let itself = client
        .call(client.management().verify_audit(VerifyAuditRequest {}))
        .await?;
    if !itself.intact {
        verdict.intact = false;
        verdict
            .details
            .push(format!("the appliance itself says: {}", itself.detail));
    }
    if verdict.intact {
        remembered::write(&memory, &Remembered::of(&report))?;
    } else if known.is_some_and(|known| known.public_key != report.public_key) {
        verdict.details.push(
            "if the appliance was installed anew, run this with --forget to begin afresh"
                .to_owned(),
        );
    }
    verdict.print(output)
}

/// Copies the ledger into a folder; returns how many bytes it has.
async fn export(client: &Client, folder: &Path) -> Result<u64, Failure> {
    files::private_folder(folder)?;
    let mut inside =
        fs::read_dir(folder).map_err(|error| files::failure("read", folder, &error))?;
    if inside.next().is_some() {
        let what = format!("{} is not empty", folder.display());
        return Err(Failure::usage(what).hint("name a folder that is empty or not there"));
    }
    let mut stream = client
        .call(client.management().export_audit(ExportAuditRequest {}))
        .await?;
    let mut open: BTreeMap<String, File> = BTreeMap::new();
    let mut bytes = 0;
    while let Some(piece) = stream
        .message()
        .await
        .map_err(|status| client.failure(&status))?
    {
        if !open.contains_key(&piece.path) {
            if open.len() >= FILES_MAX {
                return Err(Failure::failed("the appliance sends too many files"));
            }
            open.insert(piece.path.clone(), create(folder, &piece.path)?);
        }
        if let Some(file) = open.get_mut(&piece.path) {
            let written = file.write_all(&piece.data);
            written.map_err(|error| files::failure("write into", folder, &error))?;
        }
        bytes += piece.data.len() as u64;
    }
    Ok(bytes)
}

fn create(folder: &Path, relative: &str) -> Result<File, Failure> {
    let path = files::inside(folder, relative).ok_or_else(|| {
        let name = escape::line(relative);
        Failure::failed(format!(
            "the appliance sends a file of a forbidden name: {name}"
        ))
    })?;
    if let Some(parent) = path.parent() {
        files::private_folder(parent)?;
    }
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    created.map_err(|error| files::failure("make", &path, &error))
}
