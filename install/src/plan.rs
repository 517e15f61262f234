//! What is written where on the target. Pure.
//!
//! The layout is the medium's own: every partition starts on the target where it starts on
//! the medium (GRUB's first stage counts on it), and the data partition takes the rest.

use aios_disk::gpt::{Entry, last_usable};
use aios_disk::layout::{self, CONFIG, DATA, ENVIRONMENT, SECTOR};
use aios_update::environment::{Environment, LENGTH};
use aios_update::slots::VARIABLES;

/// The data partition has at least as much as on an image: 1 GiB.
pub const DATA_MIN: u64 = 1 << 30;

/// Of a slot that starts empty, so much is overwritten: whatever was there is no file system then.
const HEAD: u64 = 1 << 20;

/// No partition that is copied is longer.
const COPY_MAX: u64 = 2 << 30;

/// The environment's block in its partition.
pub const BLOCK_AT: usize = aios_update::environment::OFFSET as usize;

/// What is copied: the boot loader, and the first slot.
const COPIED: [&str; 4] = [layout::BIOS, layout::ESP, layout::BOOT_A, layout::ROOT_A];
/// What starts empty: the second slot.
const EMPTY: [&str; 2] = [layout::BOOT_B, layout::ROOT_B];

/// What a piece of the target gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// What is there on the medium.
    Copy,
    /// The same, with a new environment block in it.
    Environment,
    /// Zeros.
    Zero,
}

/// A piece of the target, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The partition's name.
    pub name: String,
    /// Where it begins, here and on the medium.
    pub at: u64,
    /// How long it is.
    pub length: u64,
    /// What it gets.
    pub what: What,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The target's partitions.
    pub entries: Vec<Entry>,
    /// What is written into them, in this order.
    pub pieces: Vec<Piece>,
    /// The data partition, in bytes: where it begins, and its length.
    pub data: (u64, u64),
    /// Sectors of the target.
    pub sectors: u64,
}

/// Sectors that a disk must have for what is on this medium.
///
/// # Errors
/// The medium has not what is to be installed.
pub fn needed(medium: &[Entry]) -> Result<u64, String> {
    let data = one(medium, DATA)?;
    // The data, and what lies behind the last whole mebibyte at the disk's end.
    Ok(data.first + (DATA_MIN + HEAD) / SECTOR)
}

/// Plans it for a disk of so many sectors. `guid` makes identities.
///
/// # Errors
/// The medium has not what is to be installed, or the disk is too small.
pub fn plan(
    medium: &[Entry],
    sectors: u64,
    guid: &mut dyn FnMut() -> [u8; 16],
) -> Result<Plan, String> {
    let bytes = |sectors: u64| sectors * SECTOR;
    if sectors < needed(medium)? {
        return Err("the disk is too small".to_owned());
    }
    let data = one(medium, DATA)?;
    let mut pieces = Vec::new();
    let mut entries = Vec::new();
    let mut add = |entry: &Entry, what: What| {
        if entry.first >= data.first || bytes(entry.sectors()) > COPY_MAX {
            return Err(format!(
                "the partition {} is not where it should be",
                entry.name
            ));
        }
        let whole = bytes(entry.sectors());
        pieces.push(Piece {
            name: entry.name.clone(),
            at: bytes(entry.first),
            length: if what == What::Zero {
                whole.min(HEAD)
            } else {
                whole
            },
            what,
        });
        entries.push(Entry {
            guid: guid(),
            ..entry.clone()
        });
        Ok(())
    };
    for name in COPIED {
        add(one(medium, name)?, What::Copy)?;
    }
    add(one(medium, ENVIRONMENT)?, What::Environment)?;
    for name in EMPTY {
        add(one(medium, name)?, What::Zero)?;
    }
    if medium.iter().any(|entry| entry.name == CONFIG) {
        add(one(medium, CONFIG)?, What::Copy)?;
    }
    let last = last_usable(sectors).ok_or("the disk is too small")?;
    let data = Entry {
        guid: guid(),
        last,
        ..data.clone()
    };
    let place = (bytes(data.first), bytes(data.sectors()));
    entries.push(data);
    entries.sort_by_key(|entry| entry.first);
    pieces.sort_by_key(|piece| piece.at);
    Ok(Plan {
        entries,
        pieces,
        data: place,
        sectors,
    })
}

/// The one partition of this name.
fn one<'a>(medium: &'a [Entry], name: &str) -> Result<&'a Entry, String> {
    let mut found = medium.iter().filter(|entry| entry.name == name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("this medium has no partition {name}")),
        _ => Err(format!("this medium has more than one partition {name}")),
    }
}

/// The boot loader's environment of a new disk, from the medium's: the first slot with three
/// tries, nothing proven; what is known of releases stays.
///
/// # Errors
/// The medium's is damaged.
pub fn environment(medium: &[u8]) -> Result<[u8; LENGTH], String> {
    let block = medium.get(BLOCK_AT..BLOCK_AT + LENGTH).unwrap_or_default();
    let mut environment = Environment::decode(block).map_err(|error| error.to_string())?;
    environment.remove("install");
    for name in ["release_b", "version_b"] {
        environment.remove(name);
    }
    for (name, value) in [
        ("first", "a"),
        ("tries_a", "3"),
        ("ok_a", "0"),
        ("tries_b", "0"),
        ("ok_b", "0"),
    ] {
        environment.set(name, value);
    }
    environment
        .encode(&VARIABLES)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 2048;

    /// As `xtask` lays an installer out: name, number, MiB.
    fn medium() -> Vec<Entry> {
        let mut at = MIB;
        let table = [
            ("bios", 1, 1),
            ("esp", 2, 40),
            ("grubenv", 3, 1),
            ("boot-a", 4, 16),
            ("root-a", 5, 192),
            ("boot-b", 6, 16),
            ("root-b", 7, 192),
            (DATA, 8, 1),
        ];
        let entry = |(name, number, mib): (&str, usize, u64)| {
            let first = at;
            at += mib * MIB;
            Entry {
                number,
                kind: [number as u8; 16],
                guid: [0; 16],
                first,
                last: at - 1,
                attributes: 0,
                name: name.to_owned(),
            }
        };
        table.into_iter().map(entry).collect()
    }

    fn planned(medium: &[Entry], sectors: u64) -> Result<Plan, String> {
        let mut next = 0;
        plan(medium, sectors, &mut || {
            next += 1;
            [next; 16]
        })
    }

    #[test]
    fn everything_starts_where_it_was_and_data_fills_the_disk() {
        let medium = medium();
        let disk = 4096 * MIB + 77;
        let plan = planned(&medium, disk).unwrap();
        assert_eq!(plan.entries.len(), medium.len());
        for (new, old) in plan.entries.iter().zip(&medium) {
            assert_eq!(
                (new.number, &new.name, new.kind, new.first),
                (old.number, &old.name, old.kind, old.first)
            );
            assert_ne!(new.guid, old.guid, "{}", new.name);
        }
        let data = plan.entries.last().unwrap();
        assert_eq!((data.last + 1) % MIB, 0);
        assert!(data.last + 33 < disk && data.last + 33 + 2 * MIB > disk);
        assert_eq!(plan.data, (data.first * 512, data.sectors() * 512));
        let whats: Vec<(&str, What)> = plan
            .pieces
            .iter()
            .map(|piece| (piece.name.as_str(), piece.what))
            .collect();
        assert_eq!(
            whats,
            [
                ("bios", What::Copy),
                ("esp", What::Copy),
                ("grubenv", What::Environment),
                ("boot-a", What::Copy),
                ("root-a", What::Copy),
                ("boot-b", What::Zero),
                ("root-b", What::Zero),
            ]
        );
        let end = plan
            .pieces
            .iter()
            .map(|piece| piece.at + piece.length)
            .max();
        assert!(
            end.unwrap() <= plan.data.0,
            "nothing is written into the data partition"
        );
    }

    #[test]
    fn a_node_that_is_on_the_medium_comes_along() {
        let mut medium = medium();
        let data = medium.pop().unwrap();
        let config = Entry {
            number: 9,
            last: data.first + 4 * MIB - 1,
            name: CONFIG.to_owned(),
            ..data.clone()
        };
        let data = Entry {
            first: config.last + 1,
            last: config.last + MIB,
            ..data
        };
        medium.extend([config, data]);
        let plan = planned(&medium, 4096 * MIB).unwrap();
        let piece = plan.pieces.last().unwrap();
        assert_eq!((piece.name.as_str(), piece.what), (CONFIG, What::Copy));
        assert_eq!(plan.data.0, piece.at + piece.length);
    }

    #[test]
    fn the_smallest_disk_that_is_taken_has_room_and_one_sector_less_is_refused() {
        let medium = medium();
        let smallest = needed(&medium).unwrap();
        assert!(planned(&medium, smallest).unwrap().data.1 >= DATA_MIN);
        assert!(planned(&medium, smallest - 1).is_err());
        assert!(planned(&medium, 0).is_err());
    }

    #[test]
    fn a_medium_that_is_not_ours_is_refused() {
        type Change = dyn Fn(&mut Vec<Entry>);
        let changes: [(&str, &Change); 5] = [
            ("no partition root-a", &|all| {
                all.retain(|entry| entry.name != "root-a")
            }),
            ("no partition aios-data", &|all| all.truncate(7)),
            ("more than one partition boot-a", &|all| {
                all[6].name = "boot-a".into()
            }),
            ("no partition aios-data", &|all| all.clear()),
            ("not where it should be", &|all| {
                all[4].last = all[4].first + (3 << 21);
            }),
        ];
        for (reason, change) in changes {
            let mut medium = medium();
            change(&mut medium);
            let said = planned(&medium, 1 << 40).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn the_new_environment_installs_nothing_and_has_all_tries() {
        let mut environment = Environment::default();
        for (name, value) in [
            ("first", "b"),
            ("tries_a", "0"),
            ("ok_a", "1"),
            ("install", "1"),
            ("floor", "77"),
            ("release_a", "88"),
            ("release_b", "99"),
        ] {
            environment.set(name, value);
        }
        let mut partition = vec![7; BLOCK_AT];
        partition.extend(environment.encode(&[]).unwrap());
        let new = Environment::decode(&super::environment(&partition).unwrap()).unwrap();
        for (name, value) in [
            ("first", Some("a")),
            ("tries_a", Some("3")),
            ("ok_a", Some("0")),
            ("install", None),
            ("floor", Some("77")),
            ("release_a", Some("88")),
            ("release_b", None),
        ] {
            assert_eq!(new.get(name), value, "{name}");
        }
        assert!(super::environment(&partition[1..]).is_err());
        assert!(super::environment(&[]).is_err());
    }
}
