//! Graphics processors, as sysfs shows them.

use crate::procfs::{line, linked, names, number, printable};

/// Graphics processors of the PCI bus have classes that begin so (PCI Code and ID Assignment,
/// "display controller").
const DISPLAY: &str = "0x03";
/// Makers by their PCI ids.
const MAKERS: [(&str, &str); 7] = [
    ("0x1002", "AMD"),
    ("0x10de", "NVIDIA"),
    ("0x1234", "QEMU"),
    ("0x15ad", "VMware"),
    ("0x1a03", "ASPEED"),
    ("0x1af4", "virtio"),
    ("0x8086", "Intel"),
];

/// One graphics processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Where it is on its bus: `0000:01:00.0`.
    pub address: String,
    /// Its maker, by name where it is known, else by its PCI id.
    pub maker: Option<String>,
    /// Its PCI id: `10de:2330`.
    pub id: Option<String>,
    /// Its driver.
    pub driver: Option<String>,
    /// Its own memory in bytes, where the driver tells.
    pub memory_bytes: Option<u64>,
    /// Its folder in sysfs.
    pub folder: String,
}

/// All that are on the PCI bus, and all others that have a driver for graphics. `sys` is `/sys`.
pub fn cards(sys: &str) -> Vec<Card> {
    let bus = format!("{sys}/bus/pci/devices");
    let is_display = |address: &String| {
        line(&format!("{bus}/{address}/class")).is_some_and(|class| class.starts_with(DISPLAY))
    };
    let on_bus = names(&bus).into_iter().filter(is_display);
    let mut cards: Vec<Card> = on_bus
        .map(|address| card(&address, format!("{bus}/{address}")))
        .collect();
    for name in names(&format!("{sys}/class/drm")) {
        // "card0" is a processor; "card0-DP-1" is a connector of it.
        let is_card = name
            .strip_prefix("card")
            .is_some_and(|number| number.parse::<u32>().is_ok());
        let device = format!("{sys}/class/drm/{name}/device");
        if let (true, Some(address)) = (is_card, linked(&device))
            && !cards.iter().any(|card| card.address == address)
        {
            cards.push(card(&address, device));
        }
    }
    cards
}

fn card(address: &str, folder: String) -> Card {
    let file = |name: &str| line(&format!("{folder}/{name}"));
    let (vendor, device) = (file("vendor"), file("device"));
    let known = |vendor: &String| {
        let known = MAKERS.iter().find(|(id, _)| id == vendor);
        known.map_or_else(|| vendor.clone(), |(_, name)| (*name).to_owned())
    };
    let id = |vendor: &String, device: &String| {
        let digits = |text: &str| text.trim_start_matches("0x").to_owned();
        format!("{}:{}", digits(vendor), digits(device))
    };
    Card {
        address: printable(address),
        maker: vendor.as_ref().map(known),
        id: vendor
            .as_ref()
            .zip(device.as_ref())
            .map(|(vendor, device)| id(vendor, device)),
        driver: linked(&format!("{folder}/driver")),
        memory_bytes: number(&format!("{folder}/mem_info_vram_total")),
        folder,
    }
}

impl Card {
    /// For the operator: `NVIDIA 10de:2330 at 0000:01:00.0`.
    pub fn describe(&self) -> String {
        let words = [self.maker.as_deref(), self.id.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        match words.is_empty() {
            true => format!("graphics at {}", self.address),
            false => format!("{} at {}", words.join(" "), self.address),
        }
    }
}

/// For tests: a sysfs with one AMD card that has a driver, one NVIDIA card without, a network card,
/// and a graphics processor that is on no PCI bus.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn played(sys: &std::path::Path) {
    use std::os::unix::fs::symlink;
    let write = |path: &str, text: &str| {
        let path = sys.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (address, class, vendor, device) in [
        ("0000:01:00.0", "0x030000", "0x1002", "0x744c"),
        ("0000:02:00.0", "0x030200", "0x10de", "0x2330"),
        ("0000:03:00.0", "0x020000", "0x8086", "0x1539"),
    ] {
        let folder = format!("bus/pci/devices/{address}");
        write(&format!("{folder}/class"), class);
        write(&format!("{folder}/vendor"), vendor);
        write(&format!("{folder}/device"), device);
    }
    let amd = "bus/pci/devices/0000:01:00.0";
    write(&format!("{amd}/mem_info_vram_total"), "17163091968\n");
    write(&format!("{amd}/mem_info_vram_used"), "1000000000\n");
    write(&format!("{amd}/gpu_busy_percent"), "42\n");
    write(&format!("{amd}/hwmon/hwmon3/temp1_input"), "51000\n");
    write("bus/pci/drivers/amdgpu/x", "");
    write("devices/platform/gpu.0/x", "");
    write("class/drm/card0/x", "");
    write("class/drm/card1/x", "");
    write("class/drm/card0-DP-1/x", "");
    symlink(
        sys.join("bus/pci/drivers/amdgpu"),
        sys.join(amd).join("driver"),
    )
    .unwrap();
    symlink(sys.join(amd), sys.join("class/drm/card0/device")).unwrap();
    let platform = sys.join("devices/platform/gpu.0");
    symlink(platform, sys.join("class/drm/card1/device")).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_on_the_bus_and_by_their_driver() {
        let folder = tempfile::tempdir().unwrap();
        played(folder.path());
        let found = cards(folder.path().to_str().unwrap());
        let said: Vec<_> = found.iter().map(Card::describe).collect();
        let expected = [
            "AMD 1002:744c at 0000:01:00.0",
            "NVIDIA 10de:2330 at 0000:02:00.0",
            "graphics at gpu.0",
        ];
        assert_eq!(said, expected);
        assert_eq!(found[0].driver.as_deref(), Some("amdgpu"));
        assert_eq!(found[0].memory_bytes, Some(17_163_091_968));
        assert_eq!(found[1].driver, None);
        assert_eq!(cards("/nonexistent"), []);
    }
}
