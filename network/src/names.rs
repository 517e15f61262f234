//! Name servers: what `/run/resolv.conf` says.

use std::net::IpAddr;

use aios_config::Network;

use crate::lease::Lease;

/// What the C library reads at most (`MAXNS`).
const SERVERS_MAX: usize = 3;

/// Which servers and domains are used: the configured ones, else those that were told.
pub fn choose(network: &Network, leases: &[Lease]) -> (Vec<IpAddr>, Vec<String>) {
    let mut dns = network.dns.clone();
    if dns.is_empty() {
        dns = leases.iter().flat_map(|lease| lease.dns.clone()).collect();
    }
    let mut search = network.search.clone();
    if search.is_empty() {
        search = leases
            .iter()
            .flat_map(|lease| lease.search.clone())
            .collect();
    }
    once(&mut dns);
    once(&mut search);
    dns.truncate(SERVERS_MAX);
    (dns, search)
}

/// resolv.conf(5).
pub fn resolv_conf(dns: &[IpAddr], search: &[String]) -> String {
    let mut text = "# Written by aios-network.\n".to_owned();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    for server in dns {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

/// Time servers that were told, each once.
pub fn time_servers(leases: &[Lease]) -> Vec<String> {
    let mut ntp: Vec<String> = leases.iter().flat_map(|lease| lease.ntp.clone()).collect();
    once(&mut ntp);
    ntp
}

fn once<T: PartialEq + Clone>(list: &mut Vec<T>) {
    let mut seen: Vec<T> = Vec::new();
    list.retain(|item| {
        let new = !seen.contains(item);
        if new {
            seen.push(item.clone());
        }
        new
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_wins_and_nothing_is_there_twice() {
        let lease = |server: &str| Lease {
            dns: vec![server.parse().unwrap()],
            search: vec!["lan".to_owned()],
            ..Lease::default()
        };
        let leases = [lease("192.0.2.1"), lease("2001:db8::1"), lease("192.0.2.1")];
        let (dns, search) = choose(&Network::default(), &leases);
        assert_eq!(
            resolv_conf(&dns, &search),
            "# Written by aios-network.\nsearch lan\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n"
        );
        let own = Network {
            dns: vec!["192.0.2.53".parse().unwrap()],
            ..Network::default()
        };
        assert_eq!(choose(&own, &leases).0, own.dns);
    }
}
