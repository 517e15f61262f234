//! `install.toml`: the answers of somebody who is not there. Pure.
//!
//! ```toml
//! serial = "S4EVNX0R"     # or disk = "/dev/nvme0n1", or both
//! erase = true
//! then = "off"            # or "reboot"
//! ```
//!
//! **Whatever is not clear is an error, and nothing is touched.**

use serde::Deserialize;

use super::dialog::Offer;

/// What was answered in advance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The disk, by the kernel's name.
    disk: Option<String>,
    /// The disk, by its maker's number.
    serial: Option<String>,
    /// May everything on it be erased?
    #[serde(default)]
    erase: bool,
    /// What follows.
    #[serde(default)]
    pub then: Then,
}

/// What follows an installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The machine is powered off, so that the medium can be taken out.
    #[default]
    Off,
    /// It starts again. If the medium comes first then, it installs again.
    Reboot,
}

/// Reads the text.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn parse(text: &str) -> Result<Answers, String> {
    let answers: Answers = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .map_or(0, |before| before.matches('\n').count())
                + 1
        });
        format!("line {line}: {}", error.message().replace('\n', " "))
    })?;
    let given =
        |value: &Option<String>| value.as_ref().is_some_and(|value| !value.trim().is_empty());
    if !given(&answers.disk) && !given(&answers.serial) {
        return Err("it names no disk: write disk = \"/dev/…\" or serial = \"…\"".to_owned());
    }
    if !answers.erase {
        return Err("it does not allow to erase the disk: write erase = true".to_owned());
    }
    Ok(answers)
}

impl Answers {
    /// The one disk that is meant.
    ///
    /// # Errors
    /// None is, or more than one, or one that cannot be had; and what to do.
    pub fn choose<'a>(&self, offers: &'a [Offer]) -> Result<&'a Offer, String> {
        let wanted = self.wanted();
        let matches: Vec<&Offer> = offers
            .iter()
            .filter(|offer| {
                let disk = &offer.disk;
                let named = |name: &String| name.strip_prefix("/dev/") == Some(disk.name.as_str());
                let numbered = |serial: &String| serial.trim() == disk.serial;
                self.disk.as_ref().is_none_or(named) && self.serial.as_ref().is_none_or(numbered)
            })
            .collect();
        match matches.as_slice() {
            [one] => match &one.refusal {
                None => Ok(one),
                Some(why) => Err(format!("{wanted} is {}: {why}", one.disk.name)),
            },
            [] => Err(format!(
                "there is no disk {wanted}; there are: {}",
                offers
                    .iter()
                    .map(Offer::short)
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            several => Err(format!(
                "{} disks are {wanted} ({}); name one by both disk and serial",
                several.len(),
                several
                    .iter()
                    .map(|offer| offer.short())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
    }

    fn wanted(&self) -> String {
        let disk = self.disk.as_ref().map(|disk| format!("{disk:?}"));
        let serial = self
            .serial
            .as_ref()
            .map(|serial| format!("with serial {serial:?}"));
        [disk, serial]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disks::Disk;
    use proptest::prelude::*;

    fn offers() -> Vec<Offer> {
        let offer = |name: &str, serial: &str, refusal: Option<&str>| Offer {
            disk: Disk {
                name: name.into(),
                serial: serial.into(),
                ..Disk::default()
            },
            refusal: refusal.map(str::to_owned),
            ..Offer::default()
        };
        vec![
            offer("sda", "STICK", Some("this medium")),
            offer("sdb", "", Some("too small")),
            offer("vda", "TWIN", None),
            offer("vdb", "TWIN", None),
            offer("nvme0n1", "ONE", None),
        ]
    }

    #[test]
    fn exactly_one_disk_or_an_error_that_says_what_to_do() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let offers = offers();
            let answers = parse(&format!("erase = true\n{text}"));
            let chosen = answers.and_then(|answers| answers.choose(&offers).cloned());
            match (&chosen, expected) {
                (Ok(offer), Ok(name)) => assert_eq!(offer.disk.name, name, "{text}"),
                (Err(said), Err(part)) => assert!(said.contains(part), "{text}: {said}"),
                _ => panic!("{text}: {chosen:?}"),
            }
        };
        check("disk = \"/dev/vda\"", Ok("vda"));
        check("serial = \"ONE\"", Ok("nvme0n1"));
        check("disk = \"/dev/vdb\"\nserial = \"TWIN\"", Ok("vdb"));
        check(
            "serial = \"TWIN\"",
            Err("2 disks are with serial \"TWIN\" (vda"),
        );
        check("disk = \"/dev/sda\"", Err("this medium"));
        check("serial = \"STICK\"", Err("this medium"));
        check("disk = \"/dev/sdb\"", Err("too small"));
        check(
            "disk = \"/dev/sdz\"",
            Err("no disk \"/dev/sdz\"; there are: sda"),
        );
        check("disk = \"vda\"", Err("no disk"));
        check("disk = \"/dev/vda\"\nserial = \"ONE\"", Err("no disk"));
        check("disk = \"/dev/../dev/vda\"", Err("no disk"));
        check("serial = \"\"", Err("names no disk"));
        check("", Err("names no disk"));
    }

    #[test]
    fn what_is_not_said_clearly_is_refused() {
        let check = |text: &str, part: &str| {
            let said = parse(text).unwrap_err();
            assert!(
                said.contains(part) && !said.contains('\n'),
                "{text}: {said}"
            );
        };
        check("disk = \"/dev/vda\"", "write erase = true");
        check("disk = \"/dev/vda\"\nerase = false", "write erase = true");
        check("disk = \"/dev/vda\"\nerase = \"yes\"", "line 2");
        check("disk = \"/dev/vda\"\nerase = true\nforce = true", "line 3");
        check("disk = [\"/dev/vda\"]\nerase = true", "line 1");
        check("then = \"halt\"", "line 1");
        check("disk", "line 1");
    }

    proptest! {
        #[test]
        fn garbage_chooses_nothing(text in "\\PC{0,200}") {
            let chosen = parse(&text).and_then(|answers| answers.choose(&offers()).cloned());
            prop_assert!(chosen.is_err());
        }
    }
}
