//! Bonds and VLANs of a booted appliance, seen from the other end of its cables.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use aios_qemu::{Options, Way};
use anyhow::{bail, ensure};
use serde_json::json;
use support::{Appliance, POWER_OFF_LIMIT, eventually};

/// A VLAN on a bond of two cables; the management port stays on a third one.
const BONDED: &str = r#"
[[network.interface]]
name = "first"

[[network.interface]]
name = "bond0"
dhcp4 = false
ipv6 = "off"
bond = { mode = "active-backup", members = ["eth1", "eth2"] }

[[network.interface]]
name = "storage"
ipv6 = "off"
addresses = ["10.42.0.1/24"]
vlan = { parent = "bond0", id = 42 }
"#;

/// The same machine without them.
const PLAIN: &str = "[[network.interface]]\nname = \"first\"\n";

const APPLIANCE: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 1);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 9);
const NEIGHBOUR_MAC: Mac = [2, 0, 0, 0, 0, 9];
const TAG: u16 = 42;

/// Emulated: the kernel's answer takes milliseconds, the appliance's decisions a second.
const LISTENS: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_vlan_on_a_bond_answers_its_neighbours_over_the_cable_that_is_left() {
    let mut cables = Vec::new();
    let mut appliance = Appliance::boot_with(Way::Vm, |options| {
        options.config = Some(BONDED.to_owned());
        cables = ["leg1", "leg2"]
            .map(|name| Cable::plug(options, name))
            .into();
    });
    let answered_on = |asked: usize| {
        eventually(SOON, || match ask(&cables, asked, TAG)?[..] {
            [only] if (only.cable, only.tag) == (asked, Some(TAG)) => Ok(only.mac),
            ref other => bail!("asked on cable {asked}: {other:?}"),
        })
    };

    let bond = answered_on(0).unwrap();
    let wrong_vlan = ask(&cables, 0, TAG + 1).unwrap();
    assert_eq!(wrong_vlan, [], "another VLAN's packets are taken");
    let spare = ask(&cables, 1, TAG).unwrap();
    assert_eq!(spare, [], "the spare cable's packets are taken");

    let mut panel = appliance.machine.panel().unwrap();
    let down = json!({ "name": "leg1", "up": false });
    panel.execute("set_link", down).unwrap();
    let after = answered_on(1).unwrap();
    assert_eq!(bond, after, "neighbours have to learn another address");

    let file = appliance.folder().join("plain.toml");
    std::fs::write(&file, PLAIN).unwrap();
    let ctl = appliance.machine.ctl();
    ctl.run(&["config", "apply", file.to_str().unwrap()])
        .unwrap();
    eventually(SOON, || {
        for cable in [1, 1, 1] {
            ensure!(ask(&cables, cable, TAG)?.is_empty(), "it is still there");
        }
        let network = appliance.service("network");
        let status = network["status"].as_str().unwrap_or_default();
        let plain = status.contains("10.0.2.15") && !status.contains("10.42.0.1");
        ensure!(plain, "{network:#}");
        Ok(())
    })
    .unwrap();
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
}

type Mac = [u8; 6];

/// The far end of a network cable: an Ethernet frame per datagram.
struct Cable {
    ours: UnixDatagram,
    qemus: PathBuf,
}

impl Cable {
    /// Adds an interface to the machine; the cable that it is on.
    fn plug(options: &mut Options, name: &str) -> Self {
        // QEMU's current folder is this one: its paths are short.
        let [near, far] = ["near", "far"].map(|end| format!("{name}.{end}"));
        let cable = format!(
            "dgram,id={name},local.type=unix,local.path={near},remote.type=unix,remote.path={far}"
        );
        let device = format!("virtio-net-pci,netdev={name},romfile=");
        let words = ["-netdev", &cable, "-device", &device];
        let more = &mut options.hardware.more_arguments;
        more.extend(words.map(str::to_owned));
        let ours = UnixDatagram::bind(options.folder.join(far)).unwrap();
        ours.set_nonblocking(true).unwrap();
        let qemus = options.folder.join(near);
        Self { ours, qemus }
    }
}

/// An answer: on which cable, with which tag, whose address.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reply {
    cable: usize,
    tag: Option<u16>,
    mac: Mac,
}

/// Asks on one cable and VLAN who has the appliance's address; all that answers in time, on
/// whatever cable.
fn ask(cables: &[Cable], on: usize, tag: u16) -> io::Result<Vec<Reply>> {
    let mut replies = Vec::new();
    let mut frame = [0; 2048];
    let mut collect = |into: &mut Vec<Reply>| -> io::Result<()> {
        for (cable, end) in cables.iter().enumerate() {
            loop {
                match end.ours.recv(&mut frame) {
                    Ok(length) => into.extend(reply(&frame[..length], cable)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    };
    collect(&mut Vec::new())?; // late answers to what was asked before
    cables[on].ours.send_to(&request(tag), &cables[on].qemus)?;
    let end = Instant::now() + LISTENS;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
        collect(&mut replies)?;
    }
    Ok(replies)
}

/// ARP for IPv4 over Ethernet, as a request's and a reply's first bytes (RFC 826).
const ARP: [u8; 7] = [0, 1, 8, 0, 6, 4, 0];

/// Destination, source, IEEE 802.1Q tag, then ARP to the end.
fn request(tag: u16) -> Vec<u8> {
    let tag = tag.to_be_bytes();
    let nobody = [0; 6];
    [
        &[0xff; 6][..],
        &NEIGHBOUR_MAC,
        &[0x81, 0, tag[0], tag[1], 8, 6],
        &ARP,
        &[1],
        &NEIGHBOUR_MAC,
        &NEIGHBOUR.octets(),
        &nobody,
        &APPLIANCE.octets(),
    ]
    .concat()
}

/// What the frame says about the appliance's address, if it does.
fn reply(frame: &[u8], cable: usize) -> Option<Reply> {
    let (addresses, rest) = frame.split_at_checked(12)?;
    let (tag, rest) = match rest {
        [0x81, 0, high, low, rest @ ..] => (Some(u16::from_be_bytes([*high, *low])), rest),
        rest => (None, rest),
    };
    let arp = rest.strip_prefix(&[8, 6])?;
    let is_reply = arp.starts_with(&ARP) && arp.get(7) == Some(&2);
    let is_its = arp.get(14..18) == Some(&APPLIANCE.octets());
    let is_to_us = addresses[..6] == NEIGHBOUR_MAC;
    let mac = arp.get(8..14)?.try_into().ok()?;
    (is_reply && is_its && is_to_us).then_some(Reply { cable, tag, mac })
}
