//! What DHCP servers and routers told: written by the role `hook`, which dhcpcd
//! calls with everything in its environment (dhcpcd-run-hooks(8)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::places;

const LEASES: &str = "leases";
const POKE: &str = "poke.sock";

/// What one source told about one interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The interface.
    pub interface: String,
    /// `dhcp4`, `dhcp6` or `ra` (router advertisement).
    pub source: String,
    /// The server or router.
    pub server: Option<IpAddr>,
    /// The address that was lent; for router advertisements, see the interface.
    pub address: Option<IpAddr>,
    /// Seconds from `since` for which it is lent.
    pub seconds: Option<u64>,
    /// Unix time.
    pub since: u64,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
    /// Time servers.
    pub ntp: Vec<String>,
    /// The largest packet, in bytes, as the server has it.
    pub mtu: Option<u32>,
}

/// What an event does to what is known.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// This holds now.
    Holds(Lease),
    /// What this source told no longer holds.
    Gone(&'static str),
    /// Nothing.
    Nothing,
}

/// Reads dhcpcd's environment.
pub fn understand(environment: &BTreeMap<String, String>, now: u64) -> Told {
    let get = |key: &str| environment.get(key).map(String::as_str);
    let reason = get("reason").unwrap_or_default();
    let words = |key: &str| -> Vec<String> {
        let text = get(key).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let (source, prefix) = match reason {
        "BOUND" | "RENEW" | "REBIND" | "REBOOT" | "INFORM" | "TIMEOUT" => ("dhcp4", "new_"),
        "BOUND6" | "RENEW6" | "REBIND6" | "REBOOT6" | "INFORM6" => ("dhcp6", "new_dhcp6_"),
        "ROUTERADVERT" => ("ra", "nd1_"),
        "EXPIRE" | "FAIL" | "NAK" | "RELEASE" | "STOP" => return Told::Gone("dhcp4"),
        "EXPIRE6" | "RELEASE6" | "STOP6" => return Told::Gone("dhcp6"),
        "NOCARRIER" | "DEPARTED" => return Told::Gone(""),
        _ => return Told::Nothing,
    };
    let key = |name: &str| format!("{prefix}{name}");
    let mut lease = Lease {
        interface: get("interface").unwrap_or_default().to_owned(),
        source: source.to_owned(),
        since: now,
        ..Lease::default()
    };
    let mut dns = words(&key(if source == "dhcp4" {
        "domain_name_servers"
    } else {
        "name_servers"
    }));
    lease.search = words(&key("domain_search"));
    match source {
        "dhcp4" => {
            lease.server = get("new_dhcp_server_identifier").and_then(|text| text.parse().ok());
            lease.address = get("new_ip_address").and_then(|text| text.parse().ok());
            lease.seconds = get("new_dhcp_lease_time").and_then(|text| text.parse().ok());
            lease.ntp = words("new_ntp_servers");
            lease.mtu = get("new_interface_mtu").and_then(|text| text.parse().ok());
            if lease.search.is_empty() {
                lease.search = words("new_domain_name");
            }
        }
        "dhcp6" => {
            lease.address = get("new_dhcp6_ia_na1_ia_addr1").and_then(|text| text.parse().ok());
            lease.ntp = words("new_dhcp6_sntp_servers");
        }
        _ => {
            lease.server = get("nd1_from").and_then(|text| text.parse().ok());
            for index in 1..=4 {
                dns.extend(words(&format!("nd1_rdnss{index}_servers")));
                lease
                    .search
                    .extend(words(&format!("nd1_dnssl{index}_search")));
            }
        }
    }
    // What comes from a network is data: addresses are parsed, names are checked.
    lease.dns = dns.iter().filter_map(|text| text.parse().ok()).collect();
    lease.search.retain(|name| aios_config::is_host_name(name));
    lease
        .ntp
        .retain(|text| text.parse::<aios_config::TimeServer>().is_ok());
    Told::Holds(lease)
}

/// The `hook` role; `home` is where the hook lies: our folder at run time.
///
/// # Errors
/// When what was told cannot be kept.
pub fn hook(home: &Path) -> anyhow::Result<()> {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let folder = home.join(LEASES);
    std::fs::create_dir_all(&folder)?;
    let interface = environment.get("interface").cloned().unwrap_or_default();
    let path = |source: &str| folder.join(format!("{}.{source}", interface.replace('/', "_")));
    match understand(&environment, now.map_or(0, |now| now.as_secs())) {
        Told::Holds(lease) => {
            let text = serde_json::to_string(&lease)?;
            places::put(&path(&lease.source), &text)?;
        }
        Told::Gone(gone) => {
            for source in ["dhcp4", "dhcp6", "ra"] {
                if gone.is_empty() || gone == source {
                    let _ = std::fs::remove_file(path(source)); // It may not be there.
                }
            }
        }
        Told::Nothing => return Ok(()),
    }
    // Err: the daemon is being restarted, and will look by itself.
    let _ = UnixDatagram::unbound()?.send_to(b"lease", home.join(POKE));
    Ok(())
}

/// Where leases are.
pub fn folder() -> PathBuf {
    places::folder().join(LEASES)
}

/// The socket on which the daemon is told that there is something new.
pub fn poke() -> PathBuf {
    places::folder().join(POKE)
}

/// All that is told now, by interface and source.
pub fn read(folder: &Path) -> Vec<Lease> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok());
    texts
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Told {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        understand(&pairs.collect(), 7)
    }

    #[test]
    fn a_lease_is_read_and_what_is_no_address_or_name_in_it_is_left_out() {
        let Told::Holds(lease) = told(&[
            ("reason", "BOUND"),
            ("interface", "eth0"),
            ("new_ip_address", "192.0.2.9"),
            ("new_dhcp_lease_time", "3600"),
            ("new_dhcp_server_identifier", "192.0.2.1"),
            ("new_domain_name_servers", "192.0.2.1 nonsense 192.0.2.2"),
            ("new_domain_name", "example.org a;b"),
            ("new_ntp_servers", "192.0.2.3 $(reboot)"),
            ("new_interface_mtu", "9000"),
        ]) else {
            panic!("no lease")
        };
        assert_eq!(lease.address, "192.0.2.9".parse().ok());
        assert_eq!(lease.dns.len(), 2);
        assert_eq!(lease.search, ["example.org"]);
        assert_eq!(lease.ntp, ["192.0.2.3"]);
        assert_eq!(lease.mtu, Some(9000));
        assert_eq!((lease.seconds, lease.since), (Some(3600), 7));
    }

    #[test]
    fn router_advertisements_name_servers_and_ends_are_ends() {
        let Told::Holds(lease) = told(&[
            ("reason", "ROUTERADVERT"),
            ("interface", "eth0"),
            ("nd1_from", "fe80::1"),
            ("nd1_rdnss1_servers", "2001:db8::53"),
            ("nd1_dnssl1_search", "example.org"),
        ]) else {
            panic!("no lease")
        };
        assert_eq!((lease.dns.len(), lease.search.len()), (1, 1));
        assert_eq!(told(&[("reason", "EXPIRE")]), Told::Gone("dhcp4"));
        assert_eq!(told(&[("reason", "NOCARRIER")]), Told::Gone(""));
        assert_eq!(told(&[("reason", "PREINIT")]), Told::Nothing);
    }
}
