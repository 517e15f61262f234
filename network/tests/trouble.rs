//! The daemon in network namespaces, as in `namespaces.rs`, when something goes wrong.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use support::{FIXED, World, wait_for};

#[test]
fn what_could_not_be_kept_for_the_next_daemon_is_a_problem_until_it_is_kept() {
    let Some(world) = World::new("keep", &["nft"]) else {
        return;
    };
    let path = world.kept("before.json");
    std::fs::create_dir_all(&path).unwrap(); // No file comes where a folder is.
    let _daemon = world.daemon(FIXED);
    world.plug();
    wait_for("the address", || world.address().is_some());
    wait_for("the problem", || {
        world.has_problem("forgotten at a restart")
    });
    std::fs::remove_dir(&path).unwrap();
    wait_for("what eth0 was", || path.is_file());
    wait_for("the end of the problem", || {
        !world.has_problem("forgotten at a restart")
    });
}

#[test]
fn a_configuration_that_is_wrong_at_the_start_changes_nothing_either() {
    let Some(world) = World::new("wrong", &["nft"]) else {
        return;
    };
    let rule = "[[firewall.input]]\nport = 9091\n";
    let right = format!("{FIXED}mtu = 1400\ngateway4 = \"10.77.0.1\"\n{rule}");
    let daemon = world.daemon(&right);
    world.plug();
    let is_set = || {
        world.interface().is_some_and(|eth0| {
            let all = (eth0.up, eth0.mtu, eth0.addresses.len(), eth0.gateways.len());
            all == (true, 1400, 1, 1)
        })
    };
    wait_for("eth0 as configured", is_set);
    drop(daemon);

    let wrong = "[[network.interface]]\nname = \"eth0\"\nadresses = []\n";
    let restart = || {
        std::fs::remove_file(world.state_file()).unwrap(); // The last daemon's.
        let daemon = world.daemon(wrong);
        wait_for("the mistake", || world.has_problem("adresses"));
        assert!(is_set(), "{:#?}", world.interface());
        let rules = world.inside(&["nft", "list", "table", "inet", "aios"]);
        assert!(rules.contains("9091"), "{rules}");
        daemon
    };
    drop(restart());
    // A daemon that read nothing right leaves to the next what it was left.
    let mut daemon = restart();
    world.configure(FIXED);
    daemon.hangup();
    wait_for("a configuration that is right again", || {
        world
            .interface()
            .is_some_and(|eth0| eth0.gateways.is_empty() && !world.has_problem("adresses"))
    });
}

#[test]
fn a_step_that_another_one_made_needless_is_no_failure() {
    let Some(world) = World::new("second", &["nft"]) else {
        return;
    };
    // The second one goes with the first.
    let keep = "echo 0 | tee /proc/sys/net/ipv4/conf/*/promote_secondaries";
    world.plug();
    world.inside(&["sh", "-c", keep]);
    let two = FIXED.replace("\"10.77.0.2/24\"", "\"10.77.0.2/24\", \"10.77.0.3/24\"");
    let mut daemon = world.daemon(&two);
    let addresses = || world.interface().map(|eth0| eth0.addresses.len());
    wait_for("both addresses", || addresses() == Some(2));
    world.configure("[[network.interface]]\nname = \"eth9\"\n");
    daemon.hangup();
    let mut state = None;
    wait_for("neither address", || {
        state = world.state();
        let eth0 = state.as_ref().and_then(|state| state.interfaces.first());
        eth0.is_some_and(|eth0| eth0.addresses.is_empty())
    });
    assert_eq!(state.unwrap().problems, Vec::<String>::new());
}
