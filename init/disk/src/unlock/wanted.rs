//! Whether the data partition is to be encrypted, as the operator said.

use std::path::Path;

use aios_config::Encryption;

use crate::sources::{self, For};

/// The configuration in force, on a data partition that is mounted.
const IN_FORCE: &str = "/data/overlay/upper/etc/aios/config.toml";

/// What the configuration asks for that comes with the node; none when it does not say.
///
/// # Errors
/// It is wrong, and may well ask for encryption.
pub fn given() -> Result<Option<Encryption>, String> {
    match sources::find(For::Disk).config {
        Some((source, text)) => read(&text).map_err(|error| format!("{source}: {error}")),
        None => Ok(None),
    }
}

/// What the configuration in force asks for.
pub fn in_force() -> Option<Encryption> {
    let text = std::fs::read_to_string(Path::new(IN_FORCE)).ok()?;
    read(&text).ok()?
}

/// A text that is wrong and speaks of encryption must not lead to a disk without it.
fn read(text: &str) -> Result<Option<Encryption>, String> {
    let problems = match aios_config::parse(text) {
        Ok(config) => return Ok(config.data.encryption),
        Err(problems) => problems,
    };
    let speaks = ["[data]", "encryption", "tpm2", "passphrase"];
    if !speaks.iter().any(|word| text.contains(word)) {
        return Ok(None);
    }
    let first = problems.first().map(ToString::to_string);
    let first = first.unwrap_or_default();
    Err(format!(
        "config.toml is wrong ({first}): it seems to ask for encryption"
    ))
}

/// What a factory reset makes: what the configuration in force says, else the one that comes with
/// the node, else as it was. An encrypted disk never becomes a plain one; none: it stays plain.
///
/// # Errors
/// Those of `given`, which may wait for a stick and is asked only if it matters.
pub fn after_reset(
    in_force: Option<Encryption>,
    given: impl FnOnce() -> Result<Option<Encryption>, String>,
    is: Encryption,
) -> Result<Option<Encryption>, String> {
    let counts =
        |encryption: &Encryption| is == Encryption::None || *encryption != Encryption::None;
    let wanted = match in_force.filter(counts) {
        Some(wanted) => wanted,
        None => given()?.filter(counts).unwrap_or(is),
    };
    Ok(Some(wanted).filter(|wanted| *wanted != Encryption::None))
}

/// What is not as it is wanted; none when it is.
pub fn difference(wanted: Option<Encryption>, is: Encryption) -> Option<String> {
    let wanted = wanted.filter(|wanted| *wanted != Encryption::None && *wanted != is)?;
    let wanted = wanted.word();
    Some(match is {
        Encryption::None => format!("[data] encryption asks for {wanted}; it is not encrypted"),
        is => format!("[data] encryption asks for {wanted}; it is {}", is.word()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encryption::{None as Plain, Passphrase, Tpm2};

    #[test]
    fn a_wrong_configuration_that_may_ask_for_encryption_is_not_passed_over() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("[data]\nencryption = \"tpm2\""), Ok(Some(Tpm2)));
        assert_eq!(read("[data]\nencryption = \"none\""), Ok(Some(Plain)));
        assert_eq!(
            read("[ssh]\nprot = 1"),
            Ok(None),
            "provision says what is wrong"
        );
        for text in [
            "[data]\nencrpytion = true",
            "[data]\nencryption = \"luks\"",
            "data = \"tpm2\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reset_disk_is_as_it_was_wanted_last_and_never_less_encrypted() {
        let check = |in_force, given, is, expected| {
            let made = after_reset(in_force, || Ok(given), is).unwrap();
            assert_eq!(made, expected, "{in_force:?} {given:?} {is:?}");
        };
        check(None, None, Plain, None);
        check(None, Some(Tpm2), Plain, Some(Tpm2));
        check(Some(Plain), Some(Tpm2), Plain, None);
        check(Some(Tpm2), None, Plain, Some(Tpm2));
        check(None, None, Tpm2, Some(Tpm2));
        check(Some(Plain), None, Tpm2, Some(Tpm2));
        check(Some(Plain), Some(Plain), Passphrase, Some(Passphrase));
        check(Some(Passphrase), Some(Tpm2), Tpm2, Some(Passphrase));
        // What comes with the node is looked for where nothing else answers.
        let wrong = || Err("wrong".to_owned());
        assert_eq!(after_reset(Some(Tpm2), wrong, Plain), Ok(Some(Tpm2)));
        assert_eq!(after_reset(Some(Plain), wrong, Plain), Ok(None));
        assert!(after_reset(Some(Plain), wrong, Tpm2).is_err());
        assert!(after_reset(None, wrong, Tpm2).is_err());
    }

    #[test]
    fn only_less_than_what_is_wanted_is_a_difference() {
        assert_eq!(difference(None, Plain), None);
        assert_eq!(difference(None, Tpm2), None);
        assert_eq!(difference(Some(Plain), Tpm2), None);
        assert_eq!(difference(Some(Tpm2), Tpm2), None);
        assert!(difference(Some(Tpm2), Plain).is_some_and(|text| text.contains("not encrypted")));
        assert!(difference(Some(Tpm2), Passphrase).is_some());
    }
}
