use super::*;
use crate::plan::{Address, METRIC, Made, Way, plan, resolve};

const SET: &str = "[[network.interface]]\nname = \"eth1\"\naddresses = [\"192.0.2.5/24\"]\nmtu = 1400\n\
                   gateway4 = \"192.0.2.1\"\n";
const UNSET: &str = "[[network.interface]]\nname = \"eth1\"\naddresses = [\"192.0.2.5/24\"]\n";
const GONE: &str = "[[network.interface]]\nname = \"eth0\"\n";

fn link(name: &str, mtu: u32) -> Link {
    Link {
        index: 3,
        name: name.to_owned(),
        hardware: true,
        mtu,
        ipv6: Some(Six {
            disabled: false,
            accepts_routers: true,
        }),
        ..Link::default()
    }
}

/// As we set it up, with an address that was lent to us and the kernel's own.
fn ours(mtu: u32) -> Link {
    let address = |net: &str, ours| Address {
        net: net.parse().unwrap(),
        ours,
    };
    Link {
        up: true,
        ipv6: Some(Six {
            disabled: false,
            accepts_routers: false,
        }),
        addresses: vec![
            address("192.0.2.5/24", true),
            address("192.0.2.77/24", false),
            address("fe80::5/64", false),
        ],
        ..link("eth1", mtu)
    }
}

fn way(ours: bool) -> Way {
    Way {
        index: 3,
        to: "0.0.0.0/0".parse().unwrap(),
        via: "192.0.2.1".parse().unwrap(),
        direct: false,
        metric: METRIC,
        ours,
    }
}

/// One look: what is known after it, and what is done.
fn look(known: &Known, text: &str, links: &[Link], routes: &[Way]) -> (Known, Vec<Action>) {
    let seen = Seen {
        links: links.to_vec(),
        routes: routes.to_vec(),
    };
    let wanted = aios_config::parse(text).unwrap().network.interfaces();
    let wanted = resolve(&wanted, &seen);
    let known = learn(known, &wanted, &seen);
    let actions = plan(&wanted, &seen, &known);
    (known, actions)
}

fn known_from(text: &str, links: &[Link]) -> Known {
    look(&Known::new(), text, links, &[]).0
}

#[test]
fn what_leaves_the_configuration_is_as_it_was_found_and_then_no_more_ours() {
    let found = link("eth1", 1500);
    let known = known_from(SET, std::slice::from_ref(&found));
    let net = |text: &str| text.parse().unwrap();
    let (known, actions) = look(&known, GONE, &[ours(1400)], &[way(true), way(false)]);
    let index = 3;
    let undone = [
        Action::RemoveRoute(way(true)),
        Action::RemoveAddress {
            index,
            net: net("192.0.2.5/24"),
        },
        Action::RemoveAddress {
            index,
            net: net("192.0.2.77/24"),
        },
        Action::Mtu { index, mtu: 1500 },
        Action::Down { index },
        Action::Ipv6 {
            name: "eth1".to_owned(),
            six: found.ipv6.unwrap(),
        },
    ];
    assert_eq!(actions, undone);
    let (known, actions) = look(&known, GONE, std::slice::from_ref(&found), &[]);
    assert_eq!((known, actions), (Known::new(), Vec::new()));
    // What somebody sets on it from now on is not ours to take.
    let (known, actions) = look(&Known::new(), GONE, &[ours(9000)], &[way(true)]);
    assert_eq!((known, actions), (Known::new(), Vec::new()));
}

#[test]
fn an_interface_whose_mac_others_change_is_still_ours() {
    let text = SET.replace("eth1", "lan") + "mac = \"52:54:00:aa:bb:01\"\n";
    let with = |mac: &str, link: Link| Link {
        mac: Some(mac.to_owned()),
        permanent: Some("52:54:00:aa:bb:01".to_owned()),
        name: "lan".to_owned(),
        ..link
    };
    let known = known_from(&text, &[with("52:54:00:aa:bb:01", link("eth1", 1500))]);
    let changed = with("06:00:00:00:00:07", ours(1400));
    let (now, actions) = look(&known, &text, &[changed], &[way(true)]);
    let lent = Action::RemoveAddress {
        index: 3,
        net: "192.0.2.77/24".parse().unwrap(),
    };
    assert_eq!(
        actions,
        [lent],
        "no more than that it is asked for no lease"
    );
    assert!(now.contains_key(&3));
}

#[test]
fn an_interface_that_was_up_before_us_stays_up() {
    let up = Link {
        up: true,
        ..link("eth1", 1500)
    };
    let known = known_from(SET, &[up]);
    let (_, actions) = look(&known, GONE, &[ours(1400)], &[]);
    assert!(!actions.contains(&Action::Down { index: 3 }), "{actions:?}");
}

#[test]
fn a_size_that_is_not_asked_for_any_more_is_the_one_from_before() {
    let mtu = |known: &Known, text: &str, link: Link| {
        let (known, actions) = look(known, text, &[link], &[]);
        let size = actions.into_iter().find_map(|action| match action {
            Action::Mtu { mtu, .. } => Some(mtu),
            _ => None,
        });
        (known, size)
    };
    let (known, size) = mtu(&Known::new(), SET, link("eth1", 1500));
    assert_eq!(size, Some(1400));
    let other = SET.replace("1400", "1300");
    let (known, size) = mtu(&known, &other, ours(1400));
    assert_eq!(size, Some(1300));
    let (known, size) = mtu(&known, UNSET, ours(1300));
    assert_eq!(size, Some(1500), "not the 1400 in between");
    let (known, size) = mtu(&known, UNSET, ours(1500));
    assert_eq!(size, None);
    // Never ours: whoever made it so had a reason.
    assert_eq!(mtu(&known, UNSET, ours(9000)).1, None);
}

#[test]
fn a_vlan_is_never_larger_than_its_parent() {
    let text = |mtu: &str| {
        format!(
            "[[network.interface]]\nname = \"eth1\"\n[[network.interface]]\nname = \"v\"\nvlan = {{ parent = \"eth1\", id = 7 }}\n{mtu}"
        )
    };
    let vlan = |mtu| Link {
        index: 5,
        made: Some(Made::Vlan(3, 7)),
        below: Some(3),
        ..link("v", mtu)
    };
    let known = known_from(&text("mtu = 1300\n"), &[link("eth1", 1500), vlan(1500)]);
    let check = |parent, expected| {
        let (_, actions) = look(&known, &text(""), &[link("eth1", parent), vlan(1300)], &[]);
        let mtu = Action::Mtu {
            index: 5,
            mtu: expected,
        };
        assert!(actions.contains(&mtu), "{parent}: {actions:?}");
    };
    check(1500, 1500);
    check(1400, 1400);
}

#[test]
fn a_vlan_of_others_becomes_as_large_again_as_its_parent_allows() {
    let both = "[[network.interface]]\nname = \"eth1\"\nmtu = 1400\n[[network.interface]]\nname = \"v\"\nmtu = 1300\n";
    let parent = &both[..both.find("[[network.interface]]\nname = \"v\"").unwrap()];
    let vlan = |mtu| Link {
        index: 5,
        below: Some(3),
        hardware: false,
        ..link("v", mtu)
    };
    let known = known_from(both, &[link("eth1", 1500), vlan(1500)]);
    let check = |text, [below, mtu]: [u32; 2], expected: &[(u32, u32)]| {
        let (known, actions) = look(&known, text, &[link("eth1", below), vlan(mtu)], &[]);
        let sizes = actions.iter().filter_map(|action| match action {
            Action::Mtu { index, mtu } => Some((*index, *mtu)),
            _ => None,
        });
        assert_eq!(sizes.collect::<Vec<_>>(), expected);
        known.contains_key(&5)
    };
    assert!(check(parent, [1400, 1300], &[(5, 1400)]));
    assert!(!check(parent, [1400, 1400], &[]), "it is as it can be");
    assert!(check(GONE, [1400, 1300], &[(3, 1500), (5, 1500)]));
    assert!(check(GONE, [1500, 1300], &[(5, 1500)]));
    assert!(!check(GONE, [1500, 1500], &[]));
}

#[test]
fn an_address_that_was_there_before_us_stays() {
    let asks = "[[network.interface]]\nname = \"eth1\"\n";
    let found = Link {
        addresses: ours(1500).addresses[1..].to_vec(), // nobody lent it to us
        ..link("eth1", 1500)
    };
    let known = known_from(asks, std::slice::from_ref(&found));
    let mut now = ours(1500);
    now.addresses.push(Address {
        net: "198.51.100.9/24".parse().unwrap(),
        ours: false,
    });
    let removed = |text: &str| {
        let (_, actions) = look(&known, text, std::slice::from_ref(&now), &[]);
        let nets = actions.into_iter().filter_map(|action| match action {
            Action::RemoveAddress { net, .. } => Some(net.to_string()),
            _ => None,
        });
        nets.collect::<Vec<_>>()
    };
    let (set, there, lent) = ("192.0.2.5/24", "192.0.2.77/24", "198.51.100.9/24");
    assert_eq!(removed(GONE), [set, lent]);
    let bonded = "[[network.interface]]\nname = \"b\"\nbond = { members = [\"eth1\"] }\n";
    assert_eq!(removed(bonded), [set, there, lent], "the bond has them");
    // It is not ours any more when no more than that is there.
    let (known, actions) = look(&known, GONE, &[found], &[]);
    assert_eq!((known, actions), (Known::new(), Vec::new()));
}

#[test]
fn a_new_member_of_a_bond_loses_its_addresses_and_keeps_what_the_bond_needs() {
    let bonded = "[[network.interface]]\nname = \"b\"\nbond = { members = [\"eth1\"] }\n";
    let known = known_from(SET, &[link("eth1", 1500)]);
    let (known, actions) = look(&known, bonded, &[ours(1400)], &[]);
    let is_removal = |action: &&Action| matches!(action, Action::RemoveAddress { .. });
    assert_eq!(actions.iter().filter(is_removal).count(), 2, "{actions:?}");
    let touches = |action: &Action| matches!(action, Action::Down { .. } | Action::Mtu { .. });
    assert!(!actions.iter().any(touches), "{actions:?}");
    // It is known until it is free.
    let (_, actions) = look(&known, GONE, &[ours(1400)], &[]);
    assert!(actions.contains(&Action::Mtu {
        index: 3,
        mtu: 1500
    }));
}

#[test]
fn the_next_daemon_knows_what_this_one_knew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("before.json");
    assert_eq!(read(&path), Known::new());
    let known = known_from(SET, &[link("eth1", 1500)]);
    assert_eq!(known.len(), 1);
    write(&path, &known).unwrap();
    assert_eq!(read(&path), known);
}
