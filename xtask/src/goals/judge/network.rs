//! What the machine lets in, answers, and is called.

use std::net::AddrParseError;

use serde_json::Value;

use super::super::files::beginning;
use super::super::form::{Expect, Incoming, Protocol};
use super::super::packet::{self, Fate, Packet, Way};
use super::{About, Judgement, Scene};

/// Addresses of no particular machine, which no goal names (RFC 5737, RFC 3849).
const ANYBODY: [&str; 2] = ["203.0.113.77", "2001:db8:77::77"];

pub(super) fn network(expect: &Expect, scene: &Scene, found: &mut Judgement) {
    let live = scene.live;
    for (port, wanted) in &expect.listening {
        let Ok(number) = port.parse() else { continue };
        found.check("listening", live.listens(number), |found, listens| {
            if listens != *wanted {
                let what = if *wanted { "nothing" } else { "something" };
                found.fault(About::Machine, format!("{what} listens on port {port}"));
            }
        });
    }
    for request in expect.http.all() {
        let fault = match live.get(request) {
            Ok((status, _)) if status >= 400 => Some(format!("answers {status}")),
            Ok((_, body)) if !body.contains(&request.contains) => {
                Some(format!("lacks {:?}", beginning(&request.contains)))
            }
            Ok(_) => None,
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(fault) = fault {
            found.fault(About::Machine, format!("{} {fault}", request.url));
        }
    }
    for (interface, wanted) in &expect.address {
        found.check("address", live.addresses(interface), |found, mut is| {
            let mut wanted = wanted.clone();
            is.sort();
            wanted.sort();
            if is != wanted {
                found.fault(About::Machine, format!("{interface} has {is:?}"));
            }
        });
    }
    if let Some(wanted) = &expect.hostname {
        found.check("hostname", live.hostname(), |found, is| {
            if is != *wanted {
                found.fault(About::Machine, format!("the host name is {is}"));
            }
        });
    }
    if !expect.firewall.is_empty() {
        found.check("firewall", live.rules(), |found, rules| {
            firewall(expect, &rules, found)
        });
    }
}

fn firewall(expect: &Expect, rules: &Value, found: &mut Judgement) {
    let firewall = &expect.firewall;
    let incoming = |one: &Incoming| (Way::In, one.proto, one.from.clone(), one.port);
    let wanted = firewall
        .allow
        .iter()
        .map(|one| (incoming(one), Fate::Accepted))
        .chain(
            firewall
                .deny
                .iter()
                .map(|one| (incoming(one), Fate::Dropped)),
        )
        .chain(firewall.deny_out.iter().map(|one| {
            let packet = (Way::Out, one.proto, one.to.clone(), one.port);
            (packet, Fate::Dropped)
        }));
    for ((way, protocol, peer, port), wanted) in wanted {
        for packet in packets(way, protocol, &peer, port, wanted) {
            let Ok(packet) = packet else {
                found
                    .unjudged
                    .push(format!("firewall: {peer:?} is no address"));
                continue;
            };
            let (is, shown) = (packet::fate(rules, &packet), shown(&packet));
            match is {
                Fate::Unknown => found.unjudged.push(format!(
                    "firewall: the rules for {shown} cannot be followed"
                )),
                is if is != wanted => {
                    let is = if is == Fate::Accepted {
                        "let through"
                    } else {
                        "refused"
                    };
                    found.fault(About::Machine, format!("{shown} is {is}"));
                }
                _ => {}
            }
        }
    }
}

/// The packets to try. Refused means for both families; let in means for IPv4, which every operator has.
fn packets(
    way: Way,
    protocol: Protocol,
    peer: &str,
    port: u16,
    wanted: Fate,
) -> Vec<Result<Packet, AddrParseError>> {
    let peers = match (peer, wanted) {
        ("any", Fate::Accepted) => &ANYBODY[..1],
        ("any", _) => &ANYBODY[..],
        _ => &[peer][..],
    };
    let packet = |peer: &&str| {
        Ok(Packet {
            way,
            protocol,
            peer: peer.parse()?,
            port,
        })
    };
    peers.iter().map(packet).collect()
}

fn shown(packet: &Packet) -> String {
    let preposition = match packet.way {
        Way::In => "from",
        Way::Out => "to",
    };
    let protocol = match packet.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    };
    format!(
        "{protocol} port {} {preposition} {}",
        packet.port, packet.peer
    )
}
