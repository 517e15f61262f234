//! `[ssh]`: recovery by SSH.

use std::str::FromStr;

use base64::Engine;

use crate::form::{list, number, optional, text};
use crate::table::table;

table! {
    /// `[ssh]`: recovery by SSH.
    Ssh = "ssh", in ssh, read by [Network, Ssh];

    /// Port of the SSH server, which only listens when there is a key.
    port: u16 = 22, number(1..=65_535);
    /// Who may log in. An empty list: nobody.
    authorized_keys: Option<Vec<String>> = None,
        optional(list(text(KEY, |text| text.parse().ok().map(|key: PublicKey| key.line)))),
        default "the keys of node.toml";
}

const KEY: &str = "a whole public key, such as \"ssh-ed25519 AAAA… name\" (one line, no options)";

/// A public key in one line, as OpenSSH writes it: `ssh-ed25519 AAAA… name`, without options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The whole line, without spaces around it.
    pub line: String,
    /// Its kind: `ssh-ed25519`.
    pub kind: String,
    /// The key in its binary form (RFC 4253, 6.6).
    pub body: Vec<u8>,
    /// What is written behind it: mostly whose key it is.
    pub comment: String,
}

impl PublicKey {
    /// How the kinds begin that SSH knows.
    pub const KINDS: [&str; 4] = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-"];
}

impl FromStr for PublicKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.chars().any(char::is_control) {
            return Err(());
        }
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let (kind, body) = words.next().zip(words.next()).ok_or(())?;
        let body = base64::engine::general_purpose::STANDARD
            .decode(body)
            .map_err(|_| ())?;
        // RFC 4253, 6.6: the body begins with the length of its kind, and its kind.
        let length = u32::try_from(kind.len()).map_err(|_| ())?.to_be_bytes();
        let is_whole = body
            .strip_prefix(&length)
            .and_then(|rest| rest.strip_prefix(kind.as_bytes()))
            .is_some_and(|rest| rest.len() > 32);
        if !is_whole || !Self::KINDS.iter().any(|known| kind.starts_with(known)) {
            return Err(());
        }
        Ok(Self {
            line: text.trim().to_owned(),
            kind: kind.to_owned(),
            body,
            comment: words.collect::<Vec<_>>().join(" "),
        })
    }
}
