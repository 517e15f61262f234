//! dhcpcd: DHCPv4, DHCPv6 and router advertisements, for all interfaces in one
//! process. It follows links and hot-plug by itself.

use std::path::Path;

use aios_config::{Interface, Ipv6};

/// The executable.
pub const DHCPCD: &str = "/usr/sbin/dhcpcd";

/// dhcpcd.conf(5) for these interfaces, whose names are the kernel's; `None` when none
/// of them asks anybody.
pub fn configuration(interfaces: &[Interface], hook: &Path, host_name: &str) -> Option<String> {
    let dynamic: Vec<&Interface> = interfaces.iter().filter(|i| i.is_dynamic()).collect();
    if dynamic.is_empty() {
        return None;
    }
    let names: Vec<&str> = dynamic.iter().map(|i| i.name.as_str()).collect();
    let mut lines = vec![
        "# Written by aios-network.".to_owned(),
        format!("allowinterfaces {}", names.join(" ")),
        format!("script {}", hook.display()),
        // A restart of the client is no end of the connection.
        "persistent".to_owned(),
        // For ever, and without the waits that are meant for a campus after a power cut.
        "timeout 0".to_owned(),
        "nodelay".to_owned(),
        "noarp".to_owned(),
        "noipv4ll".to_owned(),
        "nodev".to_owned(),
        "duid".to_owned(),
        "slaac private".to_owned(),
        "option domain_name_servers, domain_name, domain_search, ntp_servers".to_owned(),
        "option classless_static_routes, interface_mtu, rapid_commit".to_owned(),
        "option dhcp6_name_servers, dhcp6_domain_search, dhcp6_sntp_servers".to_owned(),
        "require dhcp_server_identifier".to_owned(),
    ];
    if !host_name.is_empty() {
        lines.push(format!("hostname {host_name}"));
    }
    for interface in dynamic {
        lines.push(format!("interface {}", interface.name));
        if !interface.dhcp4 {
            lines.push("  noipv4".to_owned());
        }
        if interface.ipv6 != Ipv6::Auto {
            lines.push("  noipv6".to_owned());
        }
        if interface.gateway4.is_some() || interface.gateway6.is_some() {
            lines.push("  nogateway".to_owned());
        }
    }
    lines.push(String::new());
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_interfaces_that_ask_are_named_and_only_for_what_they_ask() {
        let hook = Path::new("/run/hook");
        let auto = Interface::automatic("eth0");
        let fixed = Interface {
            dhcp4: false,
            ipv6: Ipv6::Static,
            ..Interface::automatic("eth1")
        };
        assert_eq!(configuration(std::slice::from_ref(&fixed), hook, "n"), None);
        let four = Interface {
            ipv6: Ipv6::Off,
            ..Interface::automatic("eth2")
        };
        let text = configuration(&[auto, fixed, four], hook, "node").unwrap();
        assert!(
            text.contains("allowinterfaces eth0 eth2\nscript /run/hook\n"),
            "{text}"
        );
        assert!(
            text.contains("hostname node\ninterface eth0\ninterface eth2\n  noipv6\n"),
            "{text}"
        );
    }
}
