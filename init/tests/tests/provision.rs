//! A node that has an identity, and a medium that says it is another's.

// The tests sleep; there is no executor to block. Helpers of tests fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::path::Path;

use aios_files::unrecorded;
use aiosctl::pki::Authority;
use aiosctl::pki::node::{Provisioning, provision};
use support::Boot;

/// Puts the medium where a container's runtime does, which lies in the layer as `/given`.
const GIVE: &str = "phase = 1\nready = \"oneshot\"\nrestart = \"never\"\n\
    command = [\"/bin/cp\", \"-r\", \"/given\", \"/run/provision\"]\n";
const PROVISION: &str = "phase = 1\nready = \"oneshot\"\nrestart = \"never\"\n\
    after = [\"give\"]\noutput = \"console\"\ncommand = [\"FOLDER/aios-provision\"]\n";

/// A node with the identity `own`, and a medium with `given` and a configuration.
fn boot(own: &Provisioning, given: &Provisioning) -> Option<Boot> {
    let layer = |upper: &Path| {
        let (pki, medium) = (upper.join("etc/aios/pki"), upper.join("given"));
        for folder in [&pki, &medium] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(pki.join("ca.crt"), &own.pki.ca).unwrap();
        std::fs::write(pki.join("node.crt"), &own.pki.certificate).unwrap();
        std::fs::write(pki.join("node.key"), &own.pki.key).unwrap();
        let given = toml::to_string(given).unwrap();
        std::fs::write(medium.join("node.toml"), given).unwrap();
        let config = "[ssh]\nauthorized_keys = [\"ssh-ed25519 AAAA stranger\"]\n";
        std::fs::write(medium.join("config.toml"), config).unwrap();
    };
    Boot::start_sealed(&[("give", GIVE), ("provision", PROVISION)], layer)
}

/// The identity that the node has, and what happened and is to be put on record.
fn became(boot: &Boot) -> (String, Vec<String>) {
    let pki = boot.seen("/etc/aios/pki");
    let text = |name: &str| std::fs::read_to_string(pki.join(name)).unwrap();
    let state = boot.seen("/var/lib/aios");
    let waiting = unrecorded::waiting(&state).unwrap();
    let kinds = waiting
        .iter()
        .map(|path| unrecorded::read(path).unwrap().kind);
    (
        text("ca.crt") + &text("node.crt") + &text("node.key"),
        kinds.collect(),
    )
}

fn text(node: &Provisioning) -> String {
    let pki = &node.pki;
    pki.ca.clone() + &pki.certificate + &pki.key
}

#[test]
fn a_medium_of_another_authority_takes_no_node_over() {
    let folder = tempfile::tempdir().unwrap();
    let issue = |authority: &str| {
        let authority = Authority::create(&folder.path().join(authority)).unwrap();
        let issue = |name| provision(&authority, name, &[], 10, vec!["ssh-rsa A".to_owned()]);
        (issue("web-1").unwrap(), issue("web-2").unwrap())
    };
    let ((own, renewed), (theirs, _)) = (issue("ours"), issue("theirs"));
    let Some(taken) = boot(&own, &theirs) else {
        return;
    };
    let line = taken.wait_for_line("aios: NOT TAKEN OVER: node.toml from /run/provision/node.toml");
    assert!(line.contains("factory-reset"), "{line}");
    taken.wait_for_line("aios: CONFIGURATION REFUSED: ");
    taken.wait_for_line("aios: READY after");
    let (identity, record) = became(&taken);
    assert!(identity == text(&own), "it is another's now");
    assert_eq!(record, ["node.refused", "config.refused"]);
    for file in ["pki/ssh_keys", "config.toml"] {
        assert!(!taken.seen("/etc/aios").join(file).exists(), "{file}");
    }
    // A certificate of the same authority is a new one for this node.
    let renewing = boot(&own, &renewed).unwrap();
    renewing.wait_for_line("aios: provisioned as web-2 from /run/provision/node.toml");
    renewing.wait_for_line("aios: READY after");
    let (identity, record) = became(&renewing);
    assert!(identity == text(&renewed));
    assert_eq!(record[0], "node.provisioned");
}
