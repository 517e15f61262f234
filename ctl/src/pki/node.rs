//! A node's certificate, and the provisioning file that carries it there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use serde::{Deserialize, Serialize};

use super::{Authority, Credentials, NODE_SERVER_NAME, parameters};
use crate::error::Failure;

/// How long a node's certificate is valid by default, in days.
pub const NODE_DAYS: u32 = 825;

/// The provisioning file `node.toml`, which `aios-provision` installs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provisioning {
    /// Who the machine is.
    pub node: Node,
    /// What it proves it with, and whom it trusts.
    pub pki: Pki,
    /// Who may log in for recovery.
    pub ssh: Ssh,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its host name.
    pub name: String,
    /// When its certificate was issued, Unix seconds: no clock of the node may be behind it,
    /// or the certificates that it is to check would not be valid yet.
    #[serde(default)]
    pub issued: u64,
}

/// `[pki]`, all PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pki {
    /// The authority that signs operators.
    pub ca: String,
    /// The node's certificate.
    pub certificate: String,
    /// The node's private key.
    pub key: String,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pki(not shown)") // it holds a private key
    }
}

/// `[ssh]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Lines of an OpenSSH `authorized_keys` file; empty: no SSH.
    pub authorized_keys: Vec<String>,
}

/// Issues a node's certificate and puts together its provisioning file.
///
/// # Errors
/// When the name is no host name or an address is none.
pub fn provision(
    authority: &Authority,
    name: &str,
    addresses: &[String],
    days: u32,
    authorized_keys: Vec<String>,
) -> Result<Provisioning, Failure> {
    check_host_name(name)?;
    let Credentials { certificate, key } = issue(authority, name, addresses, days)?;
    Ok(Provisioning {
        node: Node {
            name: name.to_owned(),
            issued: u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0),
        },
        pki: Pki {
            ca: authority.certificate().to_owned(),
            certificate,
            key,
        },
        ssh: Ssh { authorized_keys },
    })
}

fn issue(
    authority: &Authority,
    name: &str,
    addresses: &[String],
    days: u32,
) -> Result<Credentials, Failure> {
    let mut parameters = parameters(name, days)?;
    parameters.subject_alt_names = vec![
        dns(NODE_SERVER_NAME)?,
        dns(name)?,
        dns("localhost")?,
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    for address in addresses {
        let name = match address.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => {
                address.split('.').try_for_each(check_host_name)?;
                dns(address)?
            }
        };
        if !parameters.subject_alt_names.contains(&name) {
            parameters.subject_alt_names.push(name);
        }
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    authority.issue(&parameters)
}

fn dns(name: &str) -> Result<SanType, Failure> {
    name.try_into()
        .map(SanType::DnsName)
        .map_err(|_| Failure::usage(format!("{name:?} is not a host name")))
}

/// A host name's label, by RFC 1123: what `/etc/hostname` and certificates take.
fn check_host_name(name: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&name.len())
        && name.chars().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        return Ok(());
    }
    Err(
        Failure::usage(format!("{name:?} is not a host name or address"))
            .hint("use lower-case letters, digits and '-', at most 63"),
    )
}
