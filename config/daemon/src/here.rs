//! What the machine is like that the configuration is for; for warnings only.

use std::net::{IpAddr, TcpListener};
use std::path::Path;

use aios_config::{Card, Here};

/// The kernel's number of Ethernet (`ARPHRD_ETHER`).
const ETHERNET: &str = "1";

/// Looks.
pub fn look() -> Here {
    Here {
        cards: cards(Path::new("/sys/class/net")),
        has: has_address,
    }
}

/// Ethernet with hardware behind it, in the kernel's order.
fn cards(folder: &Path) -> Vec<Card> {
    let read = |path: &Path, key: &str| {
        let text = std::fs::read_to_string(path.join(key)).unwrap_or_default();
        text.trim().to_owned()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u32, Card)> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let is_card = read(&path, "type") == ETHERNET && path.join("device").exists();
            let card = Card {
                name: entry.file_name().to_str()?.to_owned(),
                mac: read(&path, "address"),
            };
            let index = read(&path, "ifindex").parse().ok()?;
            is_card.then_some((index, card))
        })
        .collect();
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, card)| card).collect()
}

/// Only an address of the machine's own can be bound.
fn has_address(address: IpAddr) -> bool {
    TcpListener::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_hardware_in_the_kernels_order() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str, kind: &str, index: &str, has_device: bool| {
            let folder = root.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            for (key, text) in [
                ("type", kind),
                ("ifindex", index),
                ("address", "52:54:00:00:00:01"),
            ] {
                std::fs::write(folder.join(key), format!("{text}\n")).unwrap();
            }
            if has_device {
                std::fs::create_dir(folder.join("device")).unwrap();
            }
        };
        make("a", "1", "10", true);
        make("b", "1", "2", true);
        make("br0", "1", "1", false);
        make("wwan0", "519", "3", true);
        let names: Vec<String> = cards(root.path())
            .into_iter()
            .map(|card| card.name)
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert!(has_address([127, 0, 0, 1].into()));
        assert!(!has_address([192, 0, 2, 55].into()));
    }
}
