//! The conversation with who installs: what is shown, and what a typed line means. Pure.

use super::contents::Contents;
use super::disks::{Disk, size};

/// A disk, as offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What it is.
    pub disk: Disk,
    /// What is on it.
    pub contents: Contents,
    /// Why it cannot be chosen, if it cannot.
    pub refusal: Option<String>,
}

impl Offer {
    /// `vda (4.0 GiB virtio, serial X)`
    pub fn short(&self) -> String {
        let disk = &self.disk;
        let mut said = format!("{} ({} {}", disk.name, size(disk.sectors), disk.bus);
        if !disk.model.is_empty() {
            said += &format!(", {}", disk.model);
        }
        if !disk.serial.is_empty() {
            said += &format!(", serial {}", disk.serial);
        }
        said + ")"
    }

    /// What is on it, one thing a line.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.contents.system.clone());
        if self.contents.parts.is_empty() {
            lines.push(format!("no partitions; {}", self.contents.whole));
        }
        for part in &self.contents.parts {
            let name = match part.name.is_empty() {
                true => String::new(),
                false => format!(" \"{}\"", part.name),
            };
            let size = size(part.sectors);
            lines.push(format!(
                "partition {}{name}, {size}: {}",
                part.number, part.holds
            ));
        }
        lines
    }
}

/// All disks, and what to type.
pub fn list(offers: &[Offer]) -> String {
    let mut text = String::new();
    let (may, may_not): (Vec<_>, Vec<_>) = offers.iter().partition(|offer| offer.refusal.is_none());
    if may.is_empty() {
        text += "There is no disk in this machine that aiOS can be installed on.\n";
    } else {
        text += "aiOS can be installed on:\n";
    }
    for offer in &may {
        text += &format!("  {}\n", offer.short());
        for line in offer.lines() {
            text += &format!("      {line}\n");
        }
    }
    for offer in &may_not {
        let why = offer.refusal.as_deref().unwrap_or_default();
        text += &format!("  not on {}: {why}\n", offer.short());
    }
    text + "\nType the disk's name; or list, off, reboot.\n"
}

/// What is about to happen, named.
pub fn warning(offer: &Offer) -> String {
    let mut text = format!("\nEVERYTHING on {} WILL BE ERASED:\n", offer.short());
    for line in offer.lines() {
        text += &format!("    {line}\n");
    }
    let name = &offer.disk.name;
    text + &format!("Type {name} once more to erase it. Anything else: nothing is erased.\n")
}

/// Where the conversation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Which disk?
    Which,
    /// Really this one? It was shown so.
    Really(Box<Offer>),
}

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Show the disks again, after saying this.
    List(String),
    /// Ask for confirmation.
    Confirm(Box<Offer>),
    /// Erase and install.
    Install(Box<Offer>),
    /// Power off.
    Off,
    /// Reboot.
    Reboot,
}

/// Understands a line. `offers` are the disks as they are now.
pub fn understand(asked: &Asked, line: &str, offers: &[Offer]) -> Meant {
    let line = line.trim();
    let name = line.strip_prefix("/dev/").unwrap_or(line);
    let offer = offers.iter().find(|offer| offer.disk.name == name);
    match (asked, offer) {
        (Asked::Really(shown), _) if name != shown.disk.name => {
            Meant::List("Nothing was erased.\n\n".to_owned())
        }
        (Asked::Really(shown), now) => match now == Some(shown.as_ref()) {
            true => Meant::Install(shown.clone()),
            false => Meant::List(format!(
                "Nothing was erased: {name} is not what it was when it was shown.\n\n"
            )),
        },
        (Asked::Which, Some(offer)) => match &offer.refusal {
            None => Meant::Confirm(Box::new(offer.clone())),
            Some(why) => Meant::List(format!("Not on {name}: {why}.\n\n")),
        },
        (Asked::Which, None) => match line {
            "off" => Meant::Off,
            "reboot" => Meant::Reboot,
            "" | "list" => Meant::List(String::new()),
            _ => Meant::List("There is no such disk. Nothing was erased.\n\n".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::Part;
    use proptest::prelude::*;

    fn offers() -> Vec<Offer> {
        let disk = |name: &str| Disk {
            name: name.into(),
            sectors: 1 << 23,
            bus: "virtio",
            serial: "S1".into(),
            ..Disk::default()
        };
        vec![
            Offer {
                disk: disk("sda"),
                refusal: Some("this medium".into()),
                ..Offer::default()
            },
            Offer {
                disk: disk("vda"),
                contents: Contents {
                    parts: vec![Part {
                        number: 1,
                        sectors: 2048 * 100,
                        name: "precious".into(),
                        holds: "ext4 \"photos\"".into(),
                        ..Part::default()
                    }],
                    system: Some("aiOS, node web-1".into()),
                    ..Contents::default()
                },
                ..Offer::default()
            },
        ]
    }

    #[test]
    fn only_the_same_name_twice_erases() {
        let offers = offers();
        let vda = || Box::new(offers[1].clone());
        let nothing = |text: &str| Meant::List(text.to_owned());
        let really = Asked::Really(vda());
        for (asked, line, expected) in [
            (&Asked::Which, "vda", Meant::Confirm(vda())),
            (&Asked::Which, " /dev/vda\r", Meant::Confirm(vda())),
            (
                &Asked::Which,
                "sda",
                nothing("Not on sda: this medium.\n\n"),
            ),
            (&Asked::Which, "off", Meant::Off),
            (&Asked::Which, "reboot", Meant::Reboot),
            (&Asked::Which, "", nothing("")),
            (&really, "vda", Meant::Install(vda())),
            (&really, "/dev/vda", Meant::Install(vda())),
        ] {
            assert_eq!(
                understand(asked, line, &offers),
                expected,
                "{asked:?} {line:?}"
            );
        }
        for line in [
            "", "yes", "y", "sda", "vdb", "VDA", "vda vda", "off", "reboot",
        ] {
            let meant = understand(&really, line, &offers);
            assert_eq!(meant, nothing("Nothing was erased.\n\n"), "{line}");
        }
    }

    #[test]
    fn a_disk_that_was_exchanged_meanwhile_is_not_erased() {
        let shown = Asked::Really(Box::new(offers()[1].clone()));
        type Change = dyn Fn(&mut Vec<Offer>);
        let changes: [&Change; 4] = [
            &|offers| offers[1].disk.serial = "S2".into(),
            &|offers| offers[1].contents.parts.clear(),
            &|offers| offers[1].refusal = Some("too small".into()),
            &|offers| offers.truncate(1),
        ];
        for (nth, change) in changes.iter().enumerate() {
            let mut now = offers();
            change(&mut now);
            let meant = understand(&shown, "vda", &now);
            assert!(
                matches!(meant, Meant::List(said) if said.contains("Nothing was erased")),
                "{nth}"
            );
        }
    }

    #[test]
    fn what_will_be_erased_is_named() {
        let offers = offers();
        let said = list(&offers) + &warning(&offers[1]);
        for part in [
            "  vda (4.0 GiB virtio, serial S1)\n      aiOS, node web-1\n",
            "not on sda (4.0 GiB virtio, serial S1): this medium",
            "partition 1 \"precious\", 100 MiB: ext4 \"photos\"",
            "EVERYTHING on vda (4.0 GiB virtio, serial S1) WILL BE ERASED",
        ] {
            assert!(said.contains(part), "{part:?} in {said}");
        }
        assert!(list(&offers[..1]).starts_with("There is no disk"));
    }

    proptest! {
        #[test]
        fn garbage_erases_nothing(line in "\\PC{0,40}") {
            let offers = offers();
            let really = Asked::Really(Box::new(offers[1].clone()));
            let meant = understand(&really, &line, &offers);
            let said = line.trim();
            prop_assume!(said != "vda" && said != "/dev/vda");
            prop_assert_eq!(meant, Meant::List("Nothing was erased.\n\n".to_owned()));
            prop_assert!(!matches!(understand(&Asked::Which, &line, &offers), Meant::Install(_)));
        }
    }
}
