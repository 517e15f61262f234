//! Who may log in to an account by SSH: `authorized_keys` as OpenSSH and dropbear read it
//! (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use aios_config::PublicKey;
use aios_tool::edit::text_at;
use aios_tool::error::ToolError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::tables::{Account, Sort};

/// The largest file of keys, in bytes.
pub const KEYS_MAX: u64 = 256 * 1024;

/// One key that may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The key.
    pub key: PublicKey,
    /// Are there restrictions before it, such as `command="…"`?
    pub is_restricted: bool,
}

/// What people compare: `SHA256:…` as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &PublicKey) -> String {
    format!(
        "SHA256:{}",
        STANDARD_NO_PAD.encode(Sha256::digest(&key.body))
    )
}

/// Where the keys of an account are.
pub fn path(account: &Account) -> String {
    format!("{}/.ssh/authorized_keys", account.home)
}

/// The keys of an account.
///
/// # Errors
/// When the file cannot be read.
pub fn of(account: &Account) -> Result<Vec<Allowed>, ToolError> {
    let text = text_at(&path(account), KEYS_MAX)?;
    Ok(parse(&text.unwrap_or_default()))
}

/// The account of whose home folder a tool may change the keys.
///
/// # Errors
/// `Precondition` or `Denied`, with what to do instead.
pub fn home_of(account: &Account) -> Result<&str, ToolError> {
    let is_home = |home: &str| {
        home.strip_prefix("/home/")
            .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
    };
    match account.sort() {
        Sort::Root => Err(ToolError::Denied(
            "root's keys are the configuration's: set ssh.authorized_keys by config.set".into(),
        )),
        Sort::Person if is_home(&account.home) => Ok(&account.home),
        Sort::Person => Err(ToolError::Precondition(format!(
            "the home of {} is no folder in /home",
            account.name
        ))),
        sort => Err(ToolError::Denied(format!(
            "{} is {}, to which nobody logs in",
            account.name,
            sort.described()
        ))),
    }
}

/// All keys of a file; what is no key lets nobody in and is passed over.
pub fn parse(text: &str) -> Vec<Allowed> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Allowed> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Ok(key) = line.parse() {
        return Some(Allowed {
            key,
            is_restricted: false,
        });
    }
    // Options come first; they may hold spaces in quotes, so the key is searched for behind each.
    let spaces = line.match_indices(' ').map(|(place, _)| place + 1);
    let rests = spaces.filter_map(|place| line.get(place..));
    let mut keys = rests.filter_map(|rest| rest.parse().ok());
    keys.next().map(|key| Allowed {
        key,
        is_restricted: true,
    })
}

/// The text with one key more; the same when it is there.
pub fn with(text: &str, key: &PublicKey) -> String {
    if parse(text)
        .iter()
        .any(|one| one.key.body == key.body && !one.is_restricted)
    {
        return text.to_owned();
    }
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{gap}{}\n", key.line)
}

/// The text without the lines of the key of this fingerprint; all others stay as they are.
pub fn without(text: &str, wanted: &str) -> String {
    let is_it = |text: &str| line(text).is_some_and(|one| fingerprint(&one.key) == wanted);
    text.split_inclusive('\n')
        .filter(|line| !is_it(line))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    /// A key of its own for each number.
    pub(crate) fn key(number: u8) -> String {
        let mut body = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        body.extend([number; 32]);
        format!(
            "ssh-ed25519 {} k{number}@example.org",
            STANDARD.encode(body)
        )
    }

    #[test]
    fn keys_are_read_as_ssh_reads_them() {
        let restricted = format!("from=\"10.0.0.1\",command=\"echo a b\" {}", key(2));
        let text = format!(
            "# c\n\n{}\n{restricted}\nssh-ed25519 AAAA broken\nssh-dss x\n",
            key(1)
        );
        let found = parse(&text);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.key.comment.as_str(), one.is_restricted))
            .collect();
        assert_eq!(told, [("k1@example.org", false), ("k2@example.org", true)]);
    }

    #[test]
    fn a_fingerprint_is_ssh_keygens() {
        // As `ssh-keygen -lf` says of this key.
        let key: PublicKey =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqbG4pAZbDOtMsM7LEcUTjMGBp2IlxiZmTcpn7D4Tzq x"
                .parse()
                .unwrap();
        let found = fingerprint(&key);
        assert_eq!(
            (found.len(), found.starts_with("SHA256:")),
            (50, true),
            "{found}"
        );
    }

    #[test]
    fn one_key_comes_and_goes_and_the_rest_stays() {
        let (one, two): (PublicKey, PublicKey) = (key(1).parse().unwrap(), key(2).parse().unwrap());
        let first = format!("# mine\n{}", key(1));
        let both = with(&first, &two);
        assert_eq!(both, format!("{first}\n{}\n", key(2)));
        assert_eq!(with(&both, &one), both);
        assert_eq!(without(&both, &fingerprint(&two)), format!("{first}\n"));
        assert_eq!(without(&both, "SHA256:none"), both);
    }

    #[test]
    fn keys_of_root_and_of_services_are_nobodys_to_change() {
        let check = |uid, home: &str, may: bool| {
            let account = Account {
                name: "x".into(),
                uid,
                gid: uid,
                full_name: String::new(),
                home: home.into(),
                shell: String::new(),
            };
            assert_eq!(home_of(&account).is_ok(), may, "{uid} {home}");
        };
        check(1000, "/home/ada", true);
        check(0, "/root", false);
        check(904, "/home/aios", false);
        check(33, "/home/www", false);
        check(1000, "/etc", false);
        check(1000, "/home/", false);
        check(1000, "/home/../etc", false);
    }
}
