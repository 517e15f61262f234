//! Certificates that the node's authority has taken back: its signed list (an X.509 CRL, RFC 5280), kept
//! in the orchestrator's folder and in force for new connections and for those that are open.
//!
//! A list has a number, and a lower one never replaces a higher one: whoever has an old list cannot give a
//! stolen certificate back its rights. When the list's `nextUpdate` is over it stays in force. A list that
//! lapsed would let stolen certificates in, and one that shut everybody out would lock the operators out.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use tokio::sync::{Mutex, watch};
use tonic::Status;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::peer::Peer;
use super::tls;

/// The file in the orchestrator's folder: a list of each authority, PEM.
const FILE: &str = "revoked.pem";

/// An open connection whose certificate is taken back has this time for answers under way, and gets
/// no new ones: an admin who takes back their own certificate hears that it was done.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The certificates that one authority has taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The authority's name, DER: serial numbers are unique for each authority only.
    issuer: Vec<u8>,
    /// The authority's name, for people.
    pub authority: String,
    /// Rises with each list of the authority.
    pub number: u64,
    /// Serial numbers, hexadecimal.
    pub serials: BTreeSet<String>,
    pem: String,
}

/// Why a list is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read, or its signature does not fit.
    #[error("this is not a list of revoked certificates: {0}")]
    Damaged(String),
    /// Another authority made it.
    #[error("the list is of {0}, which is not this node's authority")]
    Foreign(String),
    /// A later one is in force.
    #[error(
        "the list has number {given}; number {in_force} is in force, and only a higher one replaces it"
    )]
    Older {
        /// The number of the list that was given.
        given: u64,
        /// The number of the list in force.
        in_force: u64,
    },
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Damaged(_) | Refused::Foreign(_) => Self::invalid_argument(text),
            Refused::Older { .. } => Self::failed_precondition(text),
        }
    }
}

impl List {
    /// The one list in this text, if one of these authorities signed it.
    ///
    /// # Errors
    /// When it is damaged, or another's.
    pub fn read(pem: &str, authorities: &[CertificateDer<'_>]) -> Result<Self, Refused> {
        let damaged = |what: &str| Refused::Damaged(what.to_owned());
        let mut blocks = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes());
        let (Some(Ok(der)), None) = (blocks.next(), blocks.next()) else {
            return Err(damaged("there must be one block of PEM (X509 CRL)"));
        };
        let Ok(([], list)) = CertificateRevocationList::from_der(&der) else {
            return Err(damaged("it cannot be read"));
        };
        let issuer = list.issuer();
        let signers = authorities.iter().filter_map(|authority| {
            let (_, certificate) = X509Certificate::from_der(authority).ok()?;
            let is_issuer = certificate.subject().as_raw() == issuer.as_raw();
            is_issuer.then(|| list.verify_signature(certificate.public_key()))
        });
        let verified: Vec<_> = signers.collect();
        if verified.is_empty() {
            return Err(Refused::Foreign(issuer.to_string()));
        }
        if verified.iter().all(Result::is_err) {
            return Err(damaged("its signature is wrong"));
        }
        if list.extensions().iter().any(|one| one.critical) {
            return Err(damaged("it is only a part of a list, or has another scope"));
        }
        let number = list.crl_number().and_then(|number| number.try_into().ok());
        Ok(Self {
            issuer: issuer.as_raw().to_owned(),
            authority: issuer.to_string(),
            number: number.ok_or_else(|| damaged("it has no number"))?,
            serials: list
                .iter_revoked_certificates()
                .map(|one| plain(&one.raw_serial_as_string()))
                .collect(),
            pem: format!("{}\n", pem.trim()),
        })
    }

    /// Does this list replace the one in force? Not when it is the same.
    ///
    /// # Errors
    /// When the one in force is a later one.
    fn replaces(&self, in_force: Option<&Self>) -> Result<bool, Refused> {
        match in_force {
            Some(known) if self.pem == known.pem => Ok(false),
            Some(known) if self.number <= known.number => Err(Refused::Older {
                given: self.number,
                in_force: known.number,
            }),
            _ => Ok(true),
        }
    }

    fn has(&self, issuer: &[u8], serial: &str) -> bool {
        self.issuer == issuer && self.serials.contains(&plain(serial))
    }
}

/// A serial number without what only its encoding has: colons and zeros in front.
fn plain(serial: &str) -> String {
    serial
        .replace(':', "")
        .trim_start_matches('0')
        .to_lowercase()
}

/// The lists in force; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Revoked(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    pki: PathBuf,
    in_force: watch::Sender<Vec<List>>,
    /// What of the kept file cannot be read.
    trouble: watch::Sender<Option<String>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Revoked {
    /// The lists that are kept in the folder `state`, of the authorities of the folder `pki`. None is in
    /// force before [`Revoked::load`].
    pub fn new(state: &Path, pki: &Path) -> Self {
        Self(Arc::new(Inner {
            file: state.join(FILE),
            pki: pki.to_owned(),
            in_force: watch::Sender::default(),
            trouble: watch::Sender::default(),
            changing: Mutex::default(),
        }))
    }

    /// Reads the lists that are kept. Those of former authorities are left out: their certificates are
    /// refused anyway.
    ///
    /// # Errors
    /// When the node has no certificates yet.
    pub fn load(&self) -> anyhow::Result<()> {
        let authorities = tls::authorities(&self.0.pki)?;
        let kept = match std::fs::read_to_string(&self.0.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            kept => kept,
        };
        let (lists, trouble) = match kept {
            Ok(text) => kept_lists(&text, &authorities),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(trouble) = &trouble {
            tracing::error!("{}: {trouble}", self.0.file.display());
        }
        self.0.in_force.send_replace(lists);
        self.0.trouble.send_replace(trouble);
        Ok(())
    }

    /// Puts a list in force and keeps it; `record` is asked before. Nothing happens when it is in force.
    ///
    /// # Errors
    /// As [`Refused`] says; what `record` says; `INTERNAL` when it cannot be kept: it is not in force then.
    pub async fn apply<R>(&self, pem: &str, record: impl FnOnce(String) -> R) -> Result<(), Status>
    where
        R: Future<Output = Result<(), Status>>,
    {
        let _changing = self.0.changing.lock().await;
        let authorities = tls::authorities(&self.0.pki)
            .map_err(|error| Status::internal(format!("{error:#}")))?;
        let list = List::read(pem, &authorities)?;
        let mut lists = self.lists();
        let known = lists.iter().position(|one| one.issuer == list.issuer);
        if !list.replaces(known.and_then(|known| lists.get(known)))? {
            return Ok(());
        }
        let order = format!(
            "list {} of {}: {} certificates",
            list.number,
            list.authority,
            list.serials.len()
        );
        record(order).await?;
        lists.retain(|one| one.issuer != list.issuer);
        lists.push(list);
        let text: String = lists.iter().map(|one| one.pem.as_str()).collect();
        let file = self.0.file.clone();
        let kept = tokio::task::spawn_blocking(move || {
            aios_files::durable::replace(&file, text.as_bytes())
        });
        kept.await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| Status::internal(format!("the list cannot be kept: {error}")))?;
        self.0.in_force.send_replace(lists);
        self.0.trouble.send_replace(None);
        Ok(())
    }

    /// The lists in force.
    pub fn lists(&self) -> Vec<List> {
        self.0.in_force.borrow().clone()
    }

    /// Why a list that was kept is not in force, if one is not.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.borrow().clone()
    }

    /// Is the certificate of this authority (its name, DER) with this serial number taken back?
    pub fn has(&self, issuer: &[u8], serial: &str) -> bool {
        let lists = self.0.in_force.borrow();
        lists.iter().any(|list| list.has(issuer, serial))
    }

    /// Is the certificate of this operator, as [`Peer::name`] tells it, taken back?
    pub fn has_named(&self, name: &str) -> bool {
        let lists = self.0.in_force.borrow();
        let mut serials = lists.iter().flat_map(|list| &list.serials);
        serials.any(|serial| Peer::serial_in(name).is_some_and(|named| plain(named) == *serial))
    }

    /// # Errors
    /// `UNAUTHENTICATED` when the certificate of this peer is taken back.
    pub fn check(&self, peer: &Peer) -> Result<(), Status> {
        if !self.has(&peer.issuer, &peer.serial) {
            return Ok(());
        }
        Err(Status::unauthenticated(format!(
            "the certificate of {} is revoked",
            peer.name()
        )))
    }

    /// Ready when a connection of this peer must end because its certificate is taken back.
    pub async fn ends(&self, peer: &Peer) {
        let mut in_force = self.0.in_force.subscribe();
        let has = |lists: &Vec<List>| lists.iter().any(|one| one.has(&peer.issuer, &peer.serial));
        if in_force.wait_for(has).await.is_err() {
            std::future::pending::<()>().await; // the process ends
        }
        tokio::time::sleep(LAST_ANSWERS).await;
    }
}

/// The lists in a kept file, and what is wrong with the others.
fn kept_lists(text: &str, authorities: &[CertificateDer<'_>]) -> (Vec<List>, Option<String>) {
    const END: &str = "-----END X509 CRL-----";
    let mut lists = Vec::new();
    let mut trouble = None;
    for block in text.split_inclusive(END) {
        if block.trim().is_empty() {
            continue;
        }
        match List::read(block, authorities) {
            Ok(list) => lists.push(list),
            Err(Refused::Foreign(authority)) => {
                tracing::info!(
                    "a list of {authority} is left out: it is not the authority any more"
                );
            }
            Err(wrong) => trouble = Some(wrong.to_string()),
        }
    }
    (lists, trouble)
}

#[cfg(test)]
#[path = "revoked_tests.rs"]
mod tests;
