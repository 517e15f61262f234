//! `node.toml`: who a node is, what it proves it with, and whom it trusts. `aiosctl pki node` makes
//! it, `aios-provision` installs it.

use serde::Deserialize;

use crate::is_host_name;

/// What a node is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub node: Name,
    /// Its certificates and key.
    pub pki: Pki,
    /// Who may log in for recovery.
    #[serde(default)]
    pub ssh: Ssh,
}

/// The name of a node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// Becomes the host name.
    pub name: String,
    /// When the certificate was issued, Unix seconds; 0: not said. No clock of the node may
    /// be behind it, or its operators' certificates would not be valid yet.
    #[serde(default)]
    pub issued: u64,
}

/// PEM texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pki {
    /// The authority that operators' certificates come from.
    pub ca: String,
    /// This node's certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pki { .. }") // a key must not reach a log
    }
}

/// Recovery by SSH.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Public keys, one per entry.
    #[serde(default)]
    pub authorized_keys: Vec<String>,
}

/// Reads one.
///
/// # Errors
/// What is wrong with it, without its secrets.
pub fn parse(text: &str) -> Result<Node, String> {
    // toml's own text quotes the line, which may be of the key.
    let node: Node = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if !is_host_name(&node.node.name) {
        return Err(format!("{:?} is no host name", node.node.name));
    }
    check_pem("pki.ca", &node.pki.ca, |label| label == "CERTIFICATE")?;
    check_pem("pki.certificate", &node.pki.certificate, |label| {
        label == "CERTIFICATE"
    })?;
    check_pem("pki.key", &node.pki.key, |label| {
        label.ends_with("PRIVATE KEY")
    })?;
    for key in &node.ssh.authorized_keys {
        if key.contains(['\n', '\r', '\0']) {
            return Err("ssh.authorized_keys: one line per key".to_owned());
        }
    }
    Ok(node)
}

/// Is it PEM (RFC 7468): one or more whole blocks with a fitting label?
fn check_pem(what: &str, text: &str, fits: impl Fn(&str) -> bool) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{what}: {why}"));
    let mut label: Option<&str> = None;
    let (mut blocks, mut body) = (0, 0);
    for line in text.lines().map(str::trim_end) {
        let marker = |kind: &str| {
            line.strip_prefix(kind)
                .and_then(|rest| rest.strip_suffix("-----"))
        };
        match (label, marker("-----BEGIN "), marker("-----END ")) {
            (None, Some(begun), _) if fits(begun) => (label, body) = (Some(begun), 0),
            (None, Some(_), _) => return refuse("holds something else than it should"),
            (Some(begun), _, Some(ended)) if begun == ended && body > 0 => {
                label = None;
                blocks += 1;
            }
            (Some(_), None, None) if is_base64(line) => body += 1,
            (None, None, None) if line.is_empty() => {}
            _ => return refuse("is not PEM"),
        }
    }
    match (label, blocks) {
        (None, 1..) => Ok(()),
        _ => refuse("is not whole PEM"),
    }
}

fn is_base64(line: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    !line.is_empty() && line.len() <= 80 && line.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str) -> String {
        format!("-----BEGIN {label}-----\nTUlJQg==\n-----END {label}-----\n")
    }

    fn node(name: &str, ca: &str, key: &str) -> String {
        let certificate = pem("CERTIFICATE");
        format!(
            "[node]\nname = {name:?}\n[pki]\nca = {ca:?}\ncertificate = {certificate:?}\nkey = {key:?}\n"
        )
    }

    #[test]
    fn only_a_whole_and_fitting_node_is_taken() {
        let (certificate, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
        assert!(parse(&node("node-1", &certificate, &key)).is_ok());
        assert!(parse(&node("node-1", &certificate, &pem("EC PRIVATE KEY"))).is_ok());
        let check = |text: String, reason: &str| {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(reason), "{error} lacks {reason}");
        };
        check(node("no de", &certificate, &key), "host name");
        check(node("n", &key, &key), "pki.ca");
        check(node("n", &certificate, &certificate), "pki.key");
        check(node("n", &certificate[..40], &key), "PEM");
        check(node("n", "", &key), "PEM");
        check(
            node("n", &certificate.replace("TUlJQg==", "; rm"), &key),
            "PEM",
        );
        check(node("n", &certificate, &key) + "[extra]\n", "extra");
    }

    #[test]
    fn an_error_never_quotes_the_key() {
        let text = node(
            "n",
            &pem("CERTIFICATE"),
            "-----BEGIN PRIVATE KEY-----\nSECRET",
        );
        assert!(!parse(&text).unwrap_err().contains("SECRET"));
        let broken = text.replace("key =", "key = SECRET");
        assert!(!parse(&broken).unwrap_err().contains("SECRET"));
    }
}
