//! Which `node.toml` a node takes that has an identity already: one of its own authority.
#![allow(clippy::unwrap_used)] // helpers of tests, outside of #[test]

use aios_config::node::Node;
use aios_maintenance::check;
use aiosctl::pki::{Authority, node, operator};
use rustls_pki_types::UnixTime;

fn given(authority: &Authority, days: u32) -> Node {
    let node = node::provision(authority, "web-1", &[], days, Vec::new()).unwrap();
    aios_config::node::parse(&toml::to_string(&node).unwrap()).unwrap()
}

fn later(days: u64) -> UnixTime {
    let now = UnixTime::now().as_secs();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(now + days * 86_400))
}

#[test]
fn only_who_has_a_key_that_the_nodes_authority_signed_takes_a_node_over() {
    let folder = tempfile::tempdir().unwrap();
    let authority = |name: &str| Authority::create(&folder.path().join(name)).unwrap();
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let (own, other) = (given(&ours, 10), given(&theirs, 10));
    let is_of = |node: &Node, days| check::is_of(node, &own.pki.ca, later(days));
    assert_eq!(is_of(&own, 0), Ok(()));
    assert_eq!(
        is_of(&given(&ours, 10), 0),
        Ok(()),
        "a new certificate of the same authority"
    );
    assert_eq!(is_of(&own, 20), Ok(()), "it is out of date, and still ours");
    let refused = |node: &Node, reason: &str| {
        for days in [0, 20, 10_000] {
            let why = is_of(node, days).unwrap_err();
            assert!(why.contains(reason), "{why} lacks {reason}");
        }
    };
    refused(&other, "not this node's");
    // What everybody can see: the authority's certificate and the node's own.
    let mut stranger = given(&theirs, 10);
    stranger.pki.ca.clone_from(&own.pki.ca);
    refused(&stranger, "pki.certificate");
    stranger.pki.certificate.clone_from(&own.pki.certificate);
    refused(&stranger, "do not fit together");
    // A second authority beside ours.
    let mut both = given(&ours, 10);
    both.pki.ca.push_str(&other.pki.ca);
    refused(&both, "not this node's");
    // Any operator has a certificate of the authority's, and its key.
    let viewer = operator::issue(&ours, "eve", aios_role::Role::Viewer, 10).unwrap();
    let mut viewers = given(&ours, 10);
    viewers.pki.certificate = viewer.certificate;
    viewers.pki.key = viewer.key;
    refused(&viewers, "pki.certificate");
}
