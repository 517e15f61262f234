//! What is on the page: from files that every account may read, and from what was asked.

use std::path::Path;

use super::asked::Asked;
use aios_service::places;

/// What is on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of aiOS.
    pub version: String,
    /// The host's.
    pub name: String,
    /// Ready, or what is missing.
    pub state: String,
    /// Which of the two systems runs.
    pub slot: String,
    /// Who stopped the agents.
    pub manual: Option<String>,
    /// Interface and address.
    pub addresses: Vec<String>,
    /// What the fingerprint is of.
    pub fingerprint_of: &'static str,
    /// `SHA256:…`
    pub fingerprint: String,
    /// The newest last.
    pub errors: Vec<String>,
}

impl Facts {
    /// As they are now.
    pub fn gather(asked: &Asked) -> Self {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let line = |path: &Path| read(path).lines().next().unwrap_or_default().to_owned();
        let maintenance = line(&places::run_dir().join(aios_maintenance::FINGERPRINT));
        let (fingerprint_of, fingerprint) = match maintenance.is_empty() {
            true => (
                "certificate",
                certificate(&read(&places::etc_dir().join("pki/node.crt"))),
            ),
            false => ("MAINTENANCE", maintenance),
        };
        let manual = line(&places::run_dir().join("orchestrator/manual-mode"));
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: line(Path::new("/proc/sys/kernel/hostname")),
            state: asked.state.clone(),
            slot: slot(&read(Path::new("/proc/cmdline"))),
            manual: (!manual.is_empty()).then_some(manual),
            addresses: addresses(),
            fingerprint_of,
            fingerprint,
            errors: asked.errors.clone(),
        }
    }
}

/// `a` or `b`, from `aios.slot=` on the kernel's command line.
fn slot(command_line: &str) -> String {
    let words = command_line.split_whitespace();
    let mut slots = words.filter_map(|word| word.strip_prefix("aios.slot="));
    slots.next_back().unwrap_or_default().to_owned()
}

/// The fingerprint of the first certificate, as `aiosctl pki show` has it.
fn certificate(pem: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    let Ok(der) = base64::engine::general_purpose::STANDARD.decode(body) else {
        return String::new();
    };
    if der.is_empty() {
        return String::new();
    }
    let digits: Vec<String> = sha2::Sha256::digest(&der)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("SHA256:{}", digits.concat())
}

/// Those of interfaces but the loopback, link-local ones left out.
fn addresses() -> Vec<String> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let shown = all.filter_map(|one| {
        let address = one.address?;
        let ip: std::net::IpAddr = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => v4.ip().into(),
            (_, Some(v6)) if v6.ip().segments()[0] & 0xffc0 != 0xfe80 => v6.ip().into(),
            _ => return None,
        };
        (!ip.is_loopback()).then(|| format!("{} {ip}", one.interface_name))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_is_on_the_command_line_or_nowhere() {
        assert_eq!(slot("root=/dev/dm-0 aios.slot=b quiet"), "b");
        assert_eq!(slot("quiet"), "");
    }

    #[test]
    fn a_certificates_fingerprint_is_of_its_bytes() {
        let pem = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        let expected = "SHA256:039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";
        assert_eq!(certificate(pem), expected);
        assert_eq!(certificate(""), "");
    }
}
