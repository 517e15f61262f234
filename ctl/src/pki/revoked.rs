//! The certificates that the authority has taken back: its signed list (an X.509 CRL, RFC 5280), kept
//! beside it as `ca.crl`. Nodes take only a list with a higher number than the one that they have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use super::{Authority, crypto};
use crate::error::Failure;
use crate::files;

/// A CRL must say when the next one is due. Nodes do not look at it: a list holds until a later one comes.
const DUE: Duration = Duration::days(3650);

/// A serial number of a certificate that nothing is known of has at least so many digits: a name that
/// was mistyped is no serial number.
const SERIAL_MIN: usize = 16;

/// What is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Of the list; 0 when there is none.
    pub number: u64,
    /// Since when, by serial number (hexadecimal, without zeros in front).
    pub serials: BTreeMap<String, OffsetDateTime>,
}

/// A serial number as lists of them have it: hexadecimal digits, without colons or zeros in front.
pub fn plain(serial: &str) -> String {
    serial
        .replace(':', "")
        .trim_start_matches('0')
        .to_lowercase()
}

/// Can this be the serial number of a certificate that is not known here?
pub fn is_serial(text: &str) -> bool {
    let digits = plain(text);
    (SERIAL_MIN..=40).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_hexdigit())
}

impl Revocations {
    /// The list in an authority's folder.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = path(folder);
        if !path.exists() {
            return Ok(Self::default());
        }
        let damaged = || {
            Failure::usage(format!("{} is not a list of revoked certificates", path.display()))
                .hint("restore it from a backup; or remove it, and revoke with --apply: the list of the node is taken up")
        };
        let text = files::read(&path)?;
        let der =
            CertificateRevocationListDer::from_pem_slice(text.as_bytes()).map_err(|_| damaged())?;
        let (_, list) = CertificateRevocationList::from_der(&der).map_err(|_| damaged())?;
        let number = list.crl_number().and_then(|number| number.try_into().ok());
        let serials = list.iter_revoked_certificates().map(|one| {
            let since = one.revocation_date.to_datetime();
            (plain(&one.raw_serial_as_string()), since)
        });
        Ok(Self {
            number: number.ok_or_else(damaged)?,
            serials: serials.collect(),
        })
    }

    /// Is this certificate taken back?
    pub fn has(&self, serial: &str) -> bool {
        self.serials.contains_key(&plain(serial))
    }

    /// The list with more certificates, and with what a node knows of (made on another machine, or before
    /// this machine's list was lost). It has the next number if anything was not in it.
    #[must_use]
    pub fn with(&self, serials: &[String], known: Option<&Self>, now: OffsetDateTime) -> Self {
        let mut all = self.serials.clone();
        let elsewhere = known.into_iter().flat_map(|known| known.serials.keys());
        for serial in serials.iter().chain(elsewhere) {
            all.entry(plain(serial)).or_insert(now);
        }
        let known = known.map_or(0, |known| known.number);
        let is_same = all == self.serials && known <= self.number;
        let number = match is_same {
            true => self.number,
            false => self.number.max(known).saturating_add(1),
        };
        Self {
            number,
            serials: all,
        }
    }

    /// Signs the list and keeps it.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn keep(&self, authority: &Authority) -> Result<(), Failure> {
        let revoked = self.serials.iter().map(|(serial, since)| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&bytes(serial)?),
                revocation_time: *since,
                reason_code: None,
                invalidity_date: None,
            })
        });
        let now = OffsetDateTime::now_utc();
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + DUE,
            crl_number: self.number.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, Failure>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let pem = list
            .signed_by(authority.issuer())
            .and_then(|list| list.pem())
            .map_err(crypto)?;
        files::write_private(&path(authority.folder()), pem.as_bytes())
    }
}

/// Where the list is kept.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("ca.crl")
}

fn bytes(serial: &str) -> Result<Vec<u8>, Failure> {
    let even = match serial.len().is_multiple_of(2) {
        true => serial.to_owned(),
        false => format!("0{serial}"),
    };
    let pairs = (0..even.len()).step_by(2).map(|at| {
        let pair = even.get(at..at + 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(|| Failure::usage(format!("{serial:?} is not a serial number")))
    });
    pairs.collect()
}
