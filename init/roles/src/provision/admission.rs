//! What a node takes that has an identity already. Pure.

use aios_config::node::Node;
use aios_maintenance::check;
use rustls_pki_types::UnixTime;

/// May it be installed? `authority`: this node's own, PEM; none on a new node, which takes any.
///
/// # Errors
/// Why not.
pub fn of_node(node: Node, authority: Option<&str>) -> Result<Node, String> {
    match authority {
        None => Ok(node),
        Some(authority) => check::is_of(&node, authority, UnixTime::now()).map(|()| node),
    }
}

/// May a configuration from this source be put in place? A new node takes any. Another one takes it
/// only beside a `node.toml` that was admitted: it can say who may log in.
///
/// # Errors
/// Why not.
pub fn of_config<E>(
    source: &str,
    has_identity: bool,
    node: &Option<(&str, Result<Node, E>)>,
) -> Result<(), String> {
    match node {
        _ if !has_identity => Ok(()),
        Some((beside, Ok(_))) if *beside == source => Ok(()),
        _ => Err(
            "config.toml: this node has an identity, and takes a configuration only with a \
             node.toml of its own authority beside it; else by aiosctl config apply"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_config::node;

    fn node() -> Node {
        Node {
            node: node::Name {
                name: "web-1".to_owned(),
                issued: 0,
            },
            pki: node::Pki {
                ca: String::new(),
                certificate: String::new(),
                key: String::new(),
            },
            ssh: node::Ssh::default(),
        }
    }

    #[test]
    fn a_configuration_comes_with_an_identity_or_to_a_node_that_has_none() {
        let stick = "the partition AIOS-CONFIG";
        let check = |node: Option<(&str, Result<Node, ()>)>, new: bool, provisioned: bool| {
            assert_eq!(of_config(stick, false, &node).is_ok(), new, "{node:?}");
            assert_eq!(
                of_config(stick, true, &node).is_ok(),
                provisioned,
                "{node:?}"
            );
        };
        check(None, true, false);
        check(Some((stick, Ok(node()))), true, true);
        check(Some((stick, Err(()))), true, false);
        check(Some(("fw_cfg", Ok(node()))), true, false);
    }

    #[test]
    fn an_authority_that_cannot_be_read_admits_nobody() {
        assert!(of_node(node(), None).is_ok());
        assert!(of_node(node(), Some("")).is_err());
    }
}
