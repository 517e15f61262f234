//! The daemon in network namespaces of its own, against a real kernel, nft, dhcpcd and
//! dnsmasq. Needs root and these programs.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use support::{FIXED, World, can_make, has_programs, wait_for};

#[test]
fn a_fixed_address_survives_reloads_and_only_the_management_port_is_open() {
    let Some(world) = World::new("fix", &["nft"]) else {
        return;
    };
    let mut daemon = world.daemon(FIXED);
    // The firewall stands before there is any interface at all.
    wait_for("the firewall", || {
        world.state().is_some_and(|state| state.firewall)
    });
    let rules = world.inside(&["nft", "list", "table", "inet", "aios"]);
    assert!(rules.contains("policy drop"), "{rules}");
    // Hot-plug.
    world.plug();
    wait_for("the address", || world.address().is_some());
    let _listeners = [9090, 9091].map(|port| world.listen(port));
    let mut stream = world.connect(9090).expect("9090 is open");
    assert!(world.connect(9091).is_none(), "9091 is open to strangers");

    // A second address and another mtu: the first one's connections go on.
    world.configure(
        &format!("{FIXED}mtu = 1400\n")
            .replace("\"10.77.0.2/24\"", "\"10.77.0.2/24\", \"10.77.0.3/24\""),
    );
    daemon.hangup();
    wait_for("the second address", || {
        world
            .interface()
            .is_some_and(|eth0| eth0.addresses.len() == 2 && eth0.mtu == 1400)
    });
    stream.write_all(b"ping").unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"ping");

    // A mistake changes nothing, and is told.
    world.configure("[[network.interface]]\nname = \"eth0\"\nadresses = []\n");
    daemon.hangup();
    wait_for("the mistake", || {
        world.state().is_some_and(|state| {
            state
                .problems
                .iter()
                .any(|text| text.contains("did you mean \"addresses\""))
        })
    });
    assert_eq!(world.interface().unwrap().addresses.len(), 2);

    // The second address goes, a rule opens the other port; then a restart touches nothing.
    let open = format!("{FIXED}[[firewall.input]]\nport = 9091\n");
    world.configure(&open);
    daemon.hangup();
    wait_for("one address", || {
        world
            .interface()
            .is_some_and(|eth0| eth0.addresses.len() == 1)
    });
    assert!(world.connect(9091).is_some(), "the rule opens 9091");
    drop(daemon);
    let before = world.inside(&["ip", "-o", "address", "show", "eth0"]);
    let _daemon = world.daemon(&open);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(
        world.inside(&["ip", "-o", "address", "show", "eth0"]),
        before
    );
}

/// What the operator opened is open after a restart; no rule closes the management port; a file that
/// is wrong changes nothing and is told.
#[test]
fn the_operators_rules_hold_after_a_restart_and_never_close_the_management_port() {
    let Some(world) = World::new("ops", &["nft"]) else {
        return;
    };
    std::fs::write(world.operators_rules(), "allow tcp 9091\n").unwrap();
    let mut daemon = world.daemon(FIXED);
    world.plug();
    wait_for("the address", || world.address().is_some());
    let _listeners = [9090, 9091, 22].map(|port| world.listen(port));
    assert!(world.connect(9091).is_some(), "the rule opens 9091");

    std::fs::write(world.operators_rules(), "allow tcp 9091 please\n").unwrap();
    daemon.hangup();
    wait_for("the mistake", || world.has_problem("\"please\""));
    assert!(world.connect(9091).is_some(), "a mistake changes nothing");

    std::fs::write(
        world.operators_rules(),
        "deny any\nallow tcp 9091\nallow tcp 22\n",
    )
    .unwrap();
    daemon.hangup();
    wait_for("9091 to be closed", || world.connect(9091).is_none());
    assert!(world.connect(9090).is_some(), "9090 was closed by a rule");

    std::fs::write(world.operators_rules(), "allow tcp 1-65535\n").unwrap();
    daemon.hangup();
    wait_for("9091 to be open", || world.connect(9091).is_some());
    assert!(world.connect(22).is_none(), "SSH was opened by a rule");
}

#[test]
fn one_source_holds_only_so_many_connections_to_the_management_port() {
    let Some(world) = World::new("many", &["nft"]) else {
        return;
    };
    let _daemon = world.daemon(FIXED);
    world.plug();
    wait_for("the address", || world.address().is_some());
    world.listen(9090);
    let held: Vec<_> = (0..140).map_while(|_| world.connect(9090)).collect();
    assert_eq!(held.len(), 128);
    drop(held);
    wait_for("a connection after the others", || {
        world.connect(9090).is_some()
    });
}

#[test]
fn what_leaves_the_configuration_leaves_its_interface_also_over_a_restart() {
    let Some(world) = World::new("gone", &["nft"]) else {
        return;
    };
    let set = format!(
        "{FIXED}mtu = 1400\ngateway4 = \"10.77.0.1\"\nroutes = [{{ to = \"10.99.0.0/16\", via = \"10.77.0.1\" }}]\n"
    );
    let mut daemon = world.daemon(&set);
    world.plug();
    let routes = || world.inside(&["ip", "route", "show", "dev", "eth0"]);
    wait_for("the routes", || routes().contains("10.99.0.0/16"));
    assert_eq!(world.interface().map(|eth0| eth0.mtu), Some(1400));

    world.configure(FIXED);
    daemon.hangup();
    wait_for("the size and the routes from before", || {
        world.interface().is_some_and(|eth0| eth0.mtu == 1500) && !routes().contains("via")
    });
    world.configure(&set);
    daemon.hangup();
    wait_for("the routes again", || routes().contains("10.99.0.0/16"));

    drop(daemon);
    let _daemon = world.daemon("[[network.interface]]\nname = \"eth9\"\n");
    wait_for("an interface as it was found", || {
        world.interface().is_some_and(|eth0| {
            !eth0.configured && !eth0.up && eth0.mtu == 1500 && eth0.addresses.is_empty()
        })
    });
    assert_eq!(routes(), "");
}

#[test]
fn dhcp_and_router_advertisements_give_addresses_routes_names_and_time_servers() {
    let _alone = support::alone_with_dhcpcd();
    let Some(world) = World::new("dhcp", &["nft", "dhcpcd", "dnsmasq"]) else {
        return;
    };
    let mut daemon = world.daemon("[[network.interface]]\nname = \"eth0\"\n");
    world.plug();
    let _server = world.outside_in_background(&[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        "--interface=peer",
        "--bind-interfaces",
        "--leasefile-ro",
        "--enable-ra",
        "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,1h",
        "--dhcp-range=fd77::,ra-only",
        "--dhcp-option=option:dns-server,10.77.0.53",
        "--dhcp-option=option:ntp-server,10.77.0.1",
        "--dhcp-option=option:domain-search,lan.example",
    ]);
    wait_for("a lease", || {
        world
            .state()
            .is_some_and(|state| !state.dns.is_empty() && !state.ntp.is_empty())
    });
    let eth0 = world.interface().unwrap();
    let lent = |net: &&ipnet::IpNet| {
        net.to_string().starts_with("10.77.0.5") || net.to_string().starts_with("10.77.0.60")
    };
    assert!(eth0.addresses.iter().any(|net| lent(&net)), "{eth0:#?}");
    assert!(
        eth0.gateways.contains(&"10.77.0.1".parse().unwrap()),
        "{eth0:#?}"
    );
    let names = std::fs::read_to_string(world.resolv_conf()).unwrap();
    assert!(
        names.contains("search lan.example\nnameserver 10.77.0.53\n"),
        "{names}"
    );
    assert_eq!(world.state().unwrap().ntp, ["10.77.0.1"]);
    wait_for("an address by SLAAC", || {
        world.interface().is_some_and(|eth0| {
            eth0.addresses
                .iter()
                .any(|net| net.to_string().starts_with("fd77:"))
        })
    });

    // What was lent goes with the interface that it was lent for.
    world.configure("[[network.interface]]\nname = \"eth9\"\n");
    daemon.hangup();
    wait_for("an interface that nobody uses", || {
        world.state().is_some_and(|state| {
            let told = !state.dns.is_empty() || !state.ntp.is_empty();
            let eth0 = state.interfaces.first();
            !told && eth0.is_some_and(|eth0| !eth0.up && eth0.addresses.is_empty())
        })
    });
}

#[test]
fn a_size_of_packets_by_dhcp_is_no_larger_than_the_card_s_and_no_nonsense() {
    let _alone = support::alone_with_dhcpcd();
    // Without a size of its own, a route has the card's.
    for (offered, expected) in [("9000", None), ("68", None), ("1400", Some(" mtu 1400"))] {
        let Some(world) = World::new("mtu", &["nft", "dhcpcd", "dnsmasq"]) else {
            return;
        };
        let _daemon = world.daemon("[[network.interface]]\nname = \"eth0\"\nipv6 = \"off\"\n");
        world.plug();
        let option = format!("--dhcp-option-force=26,{offered}");
        let _server = world.outside_in_background(&[
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--user=root",
            "--pid-file=",
            "--interface=peer",
            "--bind-interfaces",
            "--leasefile-ro",
            "--dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,1h",
            &option,
        ]);
        let routes = || world.inside(&["ip", "route", "show", "default"]);
        let is_right = || {
            let routes = routes();
            let is_size_right = match expected {
                Some(size) => routes.contains(size),
                None => !routes.contains(" mtu "),
            };
            routes.contains("default via") && is_size_right
        };
        wait_for(&format!("a right route with {offered} offered"), is_right);
        // It stays so, and the client is not started again and again.
        std::thread::sleep(Duration::from_secs(2));
        let before = world.clients();
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(world.clients(), before, "{offered}");
        assert!(is_right(), "{offered}: {}", routes());
    }
}

#[test]
fn a_router_outside_of_the_network_is_reached_on_the_link() {
    let Some(world) = World::new("direct", &["nft"]) else {
        return;
    };
    let text = "[[network.interface]]\nname = \"eth0\"\naddresses = [\"203.0.113.7/32\", \
                \"2001:db8::7/128\"]\ngateway4 = \"172.31.1.1\"\ngateway6 = \"2001:db8:1::1\"\n";
    let mut daemon = world.daemon(text);
    world.plug();
    let routes = |six: &str| world.inside(&["ip", six, "route", "show", "default"]);
    wait_for("the routers", || {
        routes("-4").contains("via 172.31.1.1 dev eth0")
            && routes("-6").contains("via 2001:db8:1::1 dev eth0")
    });
    let looked = world.state().map(|state| state.problems);
    assert_eq!(looked, Some(Vec::new()));
    // It goes as it came.
    world.configure(FIXED);
    daemon.hangup();
    wait_for("no router", || {
        routes("-4").is_empty() && routes("-6").is_empty()
    });
}

#[test]
fn a_vlan_is_made_on_its_parent() {
    let Some(world) = World::new("vlan", &["nft"]) else {
        return;
    };
    if !can_make("vlan") {
        return;
    }
    world.plug();
    let _daemon = world.daemon(
        "[[network.interface]]\nname = \"eth0\"\ndhcp4 = false\nipv6 = \"off\"\n[[network.interface]]\nname = \"v7\"\nvlan = { parent = \"eth0\", id = 7 }\naddresses = [\"10.78.0.2/24\"]\nipv6 = \"off\"\n",
    );
    wait_for("the VLAN's address", || {
        world
            .inside(&["ip", "-d", "address", "show", "v7"])
            .contains("10.78.0.2/24")
    });
    assert!(
        world
            .inside(&["ip", "-d", "link", "show", "v7"])
            .contains("id 7")
    );
}

#[test]
fn a_bond_takes_its_members() {
    let Some(world) = World::new("bond", &["nft"]) else {
        return;
    };
    if !can_make("bond") {
        return;
    }
    world.plug();
    let _daemon = world.daemon(
        "[[network.interface]]\nname = \"bond7\"\nbond = { members = [\"eth0\"] }\naddresses = [\"10.77.0.2/24\"]\nipv6 = \"off\"\n",
    );
    wait_for("the bond's address", || {
        world
            .inside(&["ip", "address", "show", "bond7"])
            .contains("10.77.0.2/24")
    });
    assert!(
        world
            .inside(&["ip", "link", "show", "eth0"])
            .contains("master bond7")
    );
}

/// Every ruleset that the schema's reference leads to is one that nft takes.
#[test]
fn nft_takes_the_rulesets() {
    if !has_programs(&["nft"]) {
        return;
    }
    for name in ["default", "reference"] {
        let path = format!("{}/tests/{name}.nft", env!("CARGO_MANIFEST_DIR"));
        let output = std::process::Command::new("unshare")
            .args(["--net", "nft", "-c", "-f", &path])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    }
}
