//! `hw.network`: the network cards.

use crate::procfs::{line, linked, names, number, printable};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `hw.network`.
pub struct Network;

/// A network card.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Its interface: `eth0`.
    pub interface: String,
    /// Its hardware address (MAC).
    pub hardware_address: Option<String>,
    /// Its driver.
    pub driver: Option<String>,
    /// Speed of the link in Mbit/s; absent without a link, and where the driver does not tell.
    pub speed_mbit: Option<u64>,
    /// `full` or `half`, as for the speed.
    pub duplex: Option<String>,
    /// Is there a link (a cable that leads somewhere, a radio network)? Absent while it is down.
    pub link: Option<bool>,
}

/// The network cards.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By interface; interfaces without a device (loopback, bridges, tunnels) are none.
    pub cards: Vec<Card>,
}

impl Tool for Network {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "hw.network",
            "Lists the network cards with their drivers, speeds and hardware addresses.",
        )
        .needing("hw", "read", "network")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |card: &Card| {
            let link = match (card.link, card.speed_mbit) {
                (Some(true), Some(speed)) => format!("link with {speed} Mbit/s"),
                (Some(true), None) => "link, its speed is not told".to_owned(),
                (Some(false), _) => "no link".to_owned(),
                (None, _) => "down".to_owned(),
            };
            let driver = card.driver.as_deref().unwrap_or("unknown");
            let address = card.hardware_address.as_deref().unwrap_or("unknown");
            format!(
                "{}: {link}, driver {driver}, address {address}",
                card.interface
            )
        };
        match output.cards.is_empty() {
            true => "no network card can be seen".to_owned(),
            false => output.cards.iter().map(one).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Look for Network {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        Ok(Output {
            cards: cards("/sys"),
        })
    }
}

fn cards(sys: &str) -> Vec<Card> {
    let folder = format!("{sys}/class/net");
    names(&folder)
        .iter()
        .filter_map(|name| card(name, &format!("{folder}/{name}")))
        .collect()
}

/// `None` when there is no device behind it.
fn card(name: &str, folder: &str) -> Option<Card> {
    std::path::Path::new(folder)
        .join("device")
        .exists()
        .then_some(())?;
    let file = |file: &str| line(&format!("{folder}/{file}"));
    // Without a link the kernel answers -1 or an error.
    let speed = number::<i64>(&format!("{folder}/speed")).filter(|speed| *speed > 0);
    Some(Card {
        interface: printable(name),
        hardware_address: file("address"),
        driver: linked(&format!("{folder}/device/driver")),
        speed_mbit: speed.and_then(|speed| u64::try_from(speed).ok()),
        duplex: file("duplex").filter(|duplex| duplex != "unknown"),
        link: file("carrier").map(|carrier| carrier == "1"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn cards_are_told_from_interfaces_without_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join("class/net").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("eth0/device/x", "");
        write("eth0/address", "52:54:00:12:34:56\n");
        write("eth0/speed", "1000\n");
        write("eth0/duplex", "full\n");
        write("eth0/carrier", "1\n");
        write("eth1/device/x", "");
        write("eth1/speed", "-1\n");
        write("eth1/carrier", "0\n");
        write("eth2/device/x", "");
        write("lo/address", "00:00:00:00:00:00\n");
        write("drivers/igb/x", "");
        let drivers = folder.path().join("class/net/drivers/igb");
        let link = folder.path().join("class/net/eth0/device/driver");
        std::os::unix::fs::symlink(drivers, link).unwrap();
        let output = Output {
            cards: cards(folder.path().to_str().unwrap()),
        };
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let expected = "eth0: link with 1000 Mbit/s, driver igb, address 52:54:00:12:34:56\n\
                        eth1: no link, driver unknown, address unknown\n\
                        eth2: down, driver unknown, address unknown";
        assert_eq!(Network::summarize(&input, &output), expected);
        assert_eq!(cards("/nonexistent"), []);
        call::<Network>(json!({})).unwrap();
    }
}
