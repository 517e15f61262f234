//! `aiosctl pki list` and `aiosctl pki revoke`: which certificates operators have, and taking them back.

use std::path::Path;

use aios_contracts::v1::{GetRevokedRequest, RevokeCertificatesRequest};
use serde_json::json;
use time::OffsetDateTime;

use crate::cli::Global;
use crate::client::Client;
use crate::commands::connect;
use crate::config::Store;
use crate::error::{Exit, Failure};
use crate::files;
use crate::output::{Output, format, table};
use crate::pki::issued::{self, Issued};
use crate::pki::revoked::{self, Revocations, plain};
use crate::pki::{Authority, show};

/// Arguments of `pki revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// A name, which stands for all certificates of that operator, or a serial number; none: the list as it is
    #[arg(value_name = "NAME|SERIAL", required_unless_present = "apply")]
    which: Vec<String>,
    /// Give the list to the appliance of the context: it is in force there at once (admin)
    #[arg(long)]
    apply: bool,
    /// Also a certificate that a context of this machine uses
    #[arg(long)]
    force: bool,
}

pub(super) fn list(folder: &Path, output: Output) -> Result<(), Failure> {
    Authority::open(folder)?;
    let revocations = Revocations::open(folder)?;
    let mut issued = issued::list(folder)?;
    for serial in revocations.serials.keys() {
        if issued.iter().all(|one| plain(&one.serial) != *serial) {
            issued.push(Issued {
                name: String::new(),
                role: String::new(),
                serial: serial.clone(),
                not_after: 0,
            });
        }
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let state = |one: &Issued| match revocations.serials.get(&plain(&one.serial)) {
        Some(since) => format!("revoked {}", format::time(since.unix_timestamp() * 1000)),
        None if one.not_after < now => "over".to_owned(),
        None => format!("until {}", format::time(one.not_after.saturating_mul(1000))),
    };
    let document = issued.iter().map(|one| {
        json!({
            "name": one.name, "role": one.role, "serial": one.serial, "not_after": one.not_after,
            "revoked": revocations.has(&one.serial),
        })
    });
    let document = json!({
        "number": revocations.number, "certificates": document.collect::<Vec<_>>(),
    });
    output.print(&document, || {
        let row = |one: &Issued| {
            let name = match one.name.as_str() {
                "" => "(not known here)".to_owned(),
                name => name.to_owned(),
            };
            [name, one.role.clone(), state(one), one.serial.clone()]
        };
        let rows: Vec<_> = issued.iter().map(row).collect();
        table::table(["NAME", "ROLE", "VALID", "SERIAL"], &rows)
    })
}

pub(super) async fn revoke(
    global: &Global,
    store: &Store,
    folder: &Path,
    output: Output,
    arguments: &Revoke,
) -> Result<(), Failure> {
    let authority = Authority::open(folder)?;
    let kept = Revocations::open(folder)?;
    let serials = chosen(&issued::list(folder)?, &arguments.which)?;
    if !arguments.force {
        not_in_use(store, &serials)?;
    }
    let client = match arguments.apply {
        true => Some(connect(global).await?),
        false => None,
    };
    let known = match &client {
        Some(client) => known_to(client, &authority).await?,
        None => None,
    };
    let wanted = kept.with(&serials, known.as_ref(), OffsetDateTime::now_utc());
    if wanted != kept {
        wanted.keep(&authority)?;
    }
    let path = revoked::path(folder).display().to_string();
    if let Some(client) = &client {
        apply(client, folder).await.map_err(|failure| {
            let what = format!(
                "{path} has them, but the appliance does not: {}",
                failure.what
            );
            Failure::new(failure.exit, what)
                .hint("give it the list with: aiosctl pki revoke --apply")
        })?;
    }
    let added = wanted.serials.len().saturating_sub(kept.serials.len());
    let document = json!({
        "number": wanted.number, "revoked": wanted.serials.len(), "added": added,
        "list": path, "applied": client.is_some(),
    });
    output.print(&document, || {
        let total = wanted.serials.len();
        let list = format!(
            "{added} revoked, {total} in all: list {} in {path}",
            wanted.number
        );
        match client {
            Some(_) => format!("{list}; it is in force on the appliance"),
            None => {
                format!("{list}\ngive it to each node: aiosctl --context NODE pki revoke --apply")
            }
        }
    })
}

/// The serial numbers that names and serial numbers stand for.
fn chosen(issued: &[Issued], which: &[String]) -> Result<Vec<String>, Failure> {
    let mut serials = Vec::new();
    for text in which {
        let named = issued
            .iter()
            .filter(|one| one.name == *text || plain(&one.serial) == plain(text));
        let found: Vec<String> = named.map(|one| one.serial.clone()).collect();
        match found.is_empty() {
            false => serials.extend(found),
            true if revoked::is_serial(text) => serials.push(text.clone()),
            true => {
                let what = format!("no operator {text:?} has a certificate of this authority");
                return Err(Failure::usage(what).hint(
                    "`aiosctl pki list` shows them; serial numbers are in the ledger too (aiosctl audit list)",
                ));
            }
        }
    }
    Ok(serials)
}

/// # Errors
/// When a context of this machine uses one of the certificates.
fn not_in_use(store: &Store, serials: &[String]) -> Result<(), Failure> {
    for (name, context) in &store.config.contexts {
        // Err: it is away or damaged, and cannot be in use.
        let own = files::read(&context.certificate).and_then(|pem| show::read(&pem));
        let is_own = own.is_ok_and(|own| {
            serials
                .iter()
                .any(|serial| plain(serial) == plain(&own.serial))
        });
        if is_own {
            let what = format!(
                "the context {name:?} uses this certificate: it could not connect any more"
            );
            return Err(Failure::usage(what).hint(
                "make another with `aiosctl pki operator`, or revoke it all the same with --force",
            ));
        }
    }
    Ok(())
}

/// The list of this authority that the appliance has.
async fn known_to(client: &Client, authority: &Authority) -> Result<Option<Revocations>, Failure> {
    let answer = client
        .call(client.management().get_revoked(GetRevokedRequest {}))
        .await?;
    let name = show::read(authority.certificate())?.name;
    let ours = answer
        .lists
        .into_iter()
        .find(|list| list.authority.contains(&format!("CN={name}")));
    let now = OffsetDateTime::now_utc();
    Ok(ours.map(|list| Revocations {
        number: list.number,
        serials: list.serials.into_iter().map(|one| (one, now)).collect(),
    }))
}

async fn apply(client: &Client, folder: &Path) -> Result<(), Failure> {
    let path = revoked::path(folder);
    if !path.exists() {
        return Err(Failure::new(Exit::Usage, "no certificate was ever revoked"));
    }
    let request = RevokeCertificatesRequest {
        pem: files::read(&path)?,
    };
    let mut management = client.management();
    client
        .call(management.revoke_certificates(request))
        .await
        .map(drop)
}
