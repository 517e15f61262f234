//! `[ssh]`: recovery by SSH.

use std::str::FromStr;

use base64::Engine;

use crate::read::Table;

/// `[ssh]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Port of the SSH server, which only listens when there is a key.
    pub port: u16,
    /// Who may log in. `None`: those of `node.toml`. An empty list: nobody.
    pub authorized_keys: Option<Vec<String>>,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            port: 22,
            authorized_keys: None,
        }
    }
}

impl Ssh {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let keys: Option<Vec<Key>> = table.parsed_list(
            "authorized_keys",
            "a whole public key, such as \"ssh-ed25519 AAAA… name\" (one line, no options)",
        );
        Self {
            port: table.number("port", 1..=65_535).unwrap_or(22),
            authorized_keys: keys.map(|keys| keys.into_iter().map(|key| key.0).collect()),
        }
    }
}

/// A public key in one line, as OpenSSH writes it.
struct Key(String);

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const KINDS: [&str; 4] = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-"];
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let (kind, body) = words.next().zip(words.next()).ok_or(())?;
        let body = base64::engine::general_purpose::STANDARD
            .decode(body)
            .map_err(|_| ())?;
        // RFC 4253, 6.6: the body begins with the length of its kind, and its kind.
        let length = u32::try_from(kind.len()).map_err(|_| ())?.to_be_bytes();
        let whole = body
            .strip_prefix(&length)
            .and_then(|rest| rest.strip_prefix(kind.as_bytes()))
            .is_some_and(|rest| rest.len() > 32);
        let one_line = !text.chars().any(char::is_control);
        (KINDS.iter().any(|known| kind.starts_with(known)) && whole && one_line)
            .then(|| Self(text.trim().to_owned()))
            .ok_or(())
    }
}
