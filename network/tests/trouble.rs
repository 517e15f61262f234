//! The daemon in network namespaces, as in `namespaces.rs`, when something goes wrong.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use support::{World, wait_for};

const FIXED: &str =
    "[[network.interface]]\nname = \"eth0\"\naddresses = [\"10.77.0.2/24\"]\nipv6 = \"off\"\n";

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
