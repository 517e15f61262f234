use super::*;

fn wanted(text: &str) -> Vec<Interface> {
    aios_config::parse(text).unwrap().network.interfaces()
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        hardware: true,
        mtu: 1500,
        ipv6: Some(Six {
            disabled: false,
            accepts_routers: false,
        }),
        up: true,
        carrier: true,
        ..Link::default()
    }
}

fn address(net: &str, ours: bool) -> Address {
    Address {
        net: net.parse().unwrap(),
        ours,
    }
}

fn seen(links: &[Link]) -> Seen {
    Seen {
        links: links.to_vec(),
        routes: Vec::new(),
    }
}

fn planned(text: &str, seen: &Seen) -> Vec<Action> {
    plan(&resolve(&wanted(text), seen), seen, &Known::new())
}

const FIXED: &str = "[[network.interface]]\nname = \"eth0\"\naddresses = [\"192.0.2.5/24\"]\n";

#[test]
fn by_default_the_first_hardware_is_brought_up_and_nothing_else() {
    assert_eq!(planned("", &seen(&[])), []);
    let mut eth0 = link(3, "eth0");
    eth0.up = false;
    let mut bridge = link(2, "br0");
    bridge.hardware = false;
    let all = seen(&[bridge, eth0, link(4, "eth1")]);
    assert_eq!(planned("", &all), [Action::Up { index: 3 }]);
}

#[test]
fn what_is_as_wanted_is_not_touched() {
    let mut eth0 = link(2, "eth0");
    eth0.addresses = vec![address("192.0.2.5/24", true), address("fe80::5/64", false)];
    assert_eq!(planned(FIXED, &seen(&[eth0])), []);
}

#[test]
fn only_what_changed_changes() {
    let mut eth0 = link(2, "eth0");
    eth0.addresses = vec![address("192.0.2.5/24", true), address("192.0.2.6/24", true)];
    let mut all = seen(&[eth0]);
    let way = |via: &str| Way {
        index: 2,
        to: "0.0.0.0/0".parse().unwrap(),
        via: via.parse().unwrap(),
        direct: false,
        metric: METRIC,
        ours: true,
    };
    all.routes = vec![
        way("192.0.2.1"),
        Way {
            ours: false,
            ..way("192.0.2.3")
        },
    ];
    let text = format!("{FIXED}gateway4 = \"192.0.2.2\"\n");
    assert_eq!(
        planned(&text, &all),
        [
            Action::RemoveAddress {
                index: 2,
                net: "192.0.2.6/24".parse().unwrap()
            },
            Action::RemoveRoute(way("192.0.2.1")),
            Action::AddRoute(way("192.0.2.2")),
        ]
    );
}

#[test]
fn a_router_of_a_single_address_is_reached_on_the_link() {
    let check = |text: &str, expected: bool| {
        let text = format!("[[network.interface]]\nname = \"eth0\"\n{text}\n");
        let actions = planned(&text, &seen(&[link(2, "eth0")]));
        let routes: Vec<bool> = actions
            .iter()
            .filter_map(|action| match action {
                Action::AddRoute(way) => Some(way.direct),
                _ => None,
            })
            .collect();
        assert_eq!(routes, [expected], "{text}");
    };
    check(
        "addresses = [\"203.0.113.7/32\"]\ngateway4 = \"172.31.1.1\"",
        true,
    );
    check(
        "addresses = [\"2001:db8::7/128\"]\ngateway6 = \"2001:db8:1::1\"",
        true,
    );
    check(
        "addresses = [\"2001:db8::7/128\"]\ngateway6 = \"fe80::1\"",
        false,
    );
    check(
        "addresses = [\"192.0.2.7/24\"]\ngateway4 = \"192.0.2.1\"",
        false,
    );
}

#[test]
fn a_lent_address_goes_when_nobody_is_asked_any_more_and_not_before() {
    let mut eth0 = link(2, "eth0");
    eth0.addresses = vec![address("192.0.2.77/24", false)];
    let all = seen(&[eth0]);
    assert_eq!(planned("", &all), []);
    let gone = Action::RemoveAddress {
        index: 2,
        net: "192.0.2.77/24".parse().unwrap(),
    };
    assert!(planned(FIXED, &all).contains(&gone));
}

#[test]
fn an_interface_of_others_is_left_alone_when_a_bond_or_vlan_should_have_its_name() {
    let text = "[[network.interface]]\nname = \"bond0\"\naddresses = [\"192.0.2.5/24\"]\nbond = { members = [\"eth1\"] }\n";
    let mut anothers = link(3, "bond0");
    anothers.hardware = false;
    let mut ours = anothers.clone();
    ours.made = Some(Made::Bond(BondMode::ActiveBackup));
    for (bond, acts) in [(anothers, false), (ours, true)] {
        let seen = seen(&[bond]);
        assert_eq!(!planned(text, &seen).is_empty(), acts);
        let taken = taken(&resolve(&wanted(text), &seen), &seen);
        assert_eq!(taken.is_empty(), acts, "{taken:?}");
    }
}

#[test]
fn a_vlan_waits_for_its_parent_and_is_made_anew_when_its_tag_changes() {
    let text = "[[network.interface]]\nname = \"first\"\n[[network.interface]]\nname = \"v\"\nvlan = { parent = \"first\", id = 7 }\n";
    assert_eq!(planned(text, &seen(&[])), []);
    let make = Action::AddVlan {
        name: "v".to_owned(),
        parent: 2,
        id: 7,
    };
    assert_eq!(planned(text, &seen(&[link(2, "eth0")])), [make]);
    let vlan = |tag| Link {
        made: Some(Made::Vlan(2, tag)),
        hardware: false,
        ..link(5, "v")
    };
    assert_eq!(planned(text, &seen(&[link(2, "eth0"), vlan(7)])), []);
    assert_eq!(
        planned(text, &seen(&[link(2, "eth0"), vlan(8)])),
        [Action::Delete { index: 5 }]
    );
    assert_eq!(
        planned("", &seen(&[link(2, "eth0"), vlan(7)])),
        [Action::Delete { index: 5 }]
    );
}

#[test]
fn a_bond_takes_its_members_listed_or_not_and_lets_them_go() {
    let text = "[[network.interface]]\nname = \"b\"\nbond = { members = [\"eth0\", \"eth1\"] }\n[[network.interface]]\nname = \"eth1\"\n";
    let (eth0, eth1) = (link(2, "eth0"), link(3, "eth1"));
    let made = Action::AddBond {
        name: "b".to_owned(),
        mode: BondMode::ActiveBackup,
    };
    assert!(planned(text, &seen(&[eth0.clone(), eth1.clone()])).contains(&made));
    let bond = Link {
        made: Some(Made::Bond(BondMode::ActiveBackup)),
        hardware: false,
        ..link(9, "b")
    };
    let actions = planned(text, &seen(&[eth0, eth1.clone(), bond]));
    for index in [2, 3] {
        assert!(
            actions.contains(&Action::Enslave {
                index,
                controller: Some(9)
            }),
            "{actions:?}"
        );
    }
    let member = Link {
        controller: Some(9),
        ..eth1
    };
    let free = Action::Enslave {
        index: 3,
        controller: None,
    };
    let alone = "[[network.interface]]\nname = \"eth1\"\n";
    let all = seen(std::slice::from_ref(&member));
    assert_eq!(planned(alone, &all), std::slice::from_ref(&free));
    let bond = |made| Link {
        made,
        hardware: false,
        ..link(9, "b")
    };
    let without = "[[network.interface]]\nname = \"b\"\nbond = { members = [\"eth0\"] }\n";
    let mode = Made::Bond(BondMode::ActiveBackup);
    let ours = seen(&[member.clone(), bond(Some(mode))]);
    assert_eq!(planned(without, &ours), [free]);
    let others = "[[network.interface]]\nname = \"eth0\"\n";
    assert_eq!(planned(others, &seen(&[member, bond(None)])), []);
}

#[test]
fn hardware_is_found_by_its_address_and_named() {
    let text = "[[network.interface]]\nname = \"lan\"\nmac = \"52:54:00:AA:bb:01\"\n";
    let mut eth1 = link(3, "eth1");
    eth1.mac = Some("52:54:00:aa:bb:01".to_owned());
    let rename = Action::Rename {
        index: 3,
        to: "lan".to_owned(),
    };
    assert_eq!(planned(text, &seen(&[link(2, "eth0"), eth1])), [rename]);
}

#[test]
fn hardware_is_known_by_the_address_that_it_came_with() {
    let (one, two) = ("52:54:00:aa:bb:01", "52:54:00:aa:bb:02");
    let lan = |name: &str, mac: &str| {
        format!("[[network.interface]]\nname = \"{name}\"\nmac = \"{mac}\"\n")
    };
    let text = "[[network.interface]]\nname = \"b\"\nbond = { members = [\"lan0\", \"lan1\"] }\n"
        .to_owned()
        + &lan("lan0", one)
        + &lan("lan1", two);
    let bond = Link {
        made: Some(Made::Bond(BondMode::ActiveBackup)),
        hardware: false,
        mac: Some(one.to_owned()),
        ..link(9, "b")
    };
    // The bond gave the second the address of the first, which stands behind it.
    let member = |index, name, permanent: Option<&str>| Link {
        mac: Some(one.to_owned()),
        permanent: permanent.map(str::to_owned),
        controller: Some(9),
        ipv6: None,
        ..link(index, name)
    };
    let second = member(2, "lan1", Some(two));
    for first in [Some(one), None] {
        let all = seen(&[second.clone(), member(3, "lan0", first), bond.clone()]);
        assert_eq!(planned(&text, &all), [], "{first:?}");
    }
    // Who has the address now is not who came with it, whichever is first.
    let lent = Link {
        mac: Some(two.to_owned()),
        ..link(1, "tap0")
    };
    let all = seen(&[lent, second.clone(), member(3, "lan0", Some(one)), bond]);
    assert_eq!(planned(&text, &all), []);
}

#[test]
fn without_ipv6_the_kernel_has_none() {
    let text = "[[network.interface]]\nname = \"eth0\"\nipv6 = \"off\"\n";
    let six = Six {
        disabled: true,
        accepts_routers: false,
    };
    let off = Action::Ipv6 {
        name: "eth0".to_owned(),
        six,
    };
    assert_eq!(planned(text, &seen(&[link(2, "eth0")])), [off]);
}
