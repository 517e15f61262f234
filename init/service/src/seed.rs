//! The entropy seed: what the random generator knew at the last end (or within the
//! last hour) is given to it again at boot.
//!
//! 1. **A seed is used once**: it is replaced, durably, before it is credited. The
//!    new one comes from a generator that has the old one mixed in.
//! 2. **Credited only on the machine that saved it** (by its DMI product UUID):
//!    two copies of one disk would else start with the same "random" numbers. What
//!    is not credited is mixed in all the same, which never harms.
//! 3. An image holds no seed. Without one Linux gathers its own within a second.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use aios_files::durable;

/// Where it is kept (mode 0600).
const PATH: &str = "/var/lib/aios/seed";
/// 256 bits: what the kernel's generator holds.
const LENGTH: usize = 32;
const UUID: &str = "/sys/class/dmi/id/product_uuid";

mod call {
    // linux/random.h: struct rand_pool_info with room for a seed.
    #[repr(C)]
    pub struct Pool {
        pub entropy_bits: i32,
        pub length: i32,
        pub seed: [u8; super::LENGTH],
    }
    // RNDADDENTROPY: its number has the size of two integers, not of what follows.
    nix::ioctl_write_ptr_bad!(add_entropy, nix::request_code_write!(b'R', 3, 8), Pool);
}

/// At boot. Returns what was done, for the log.
///
/// # Errors
/// When the seed cannot be replaced; it is then not credited.
pub fn load() -> io::Result<&'static str> {
    load_from(Path::new(PATH), &machine())
}

fn load_from(path: &Path, machine: &str) -> io::Result<&'static str> {
    let Some((seed, saved_on)) = std::fs::read(path).ok().and_then(|bytes| parse(&bytes)) else {
        save_to(path, machine)?;
        return Ok("there was no entropy seed");
    };
    let mut random = OpenOptions::new().write(true).open("/dev/urandom")?;
    random.write_all(&seed)?;
    save_to(path, machine)?;
    if machine.is_empty() || saved_on != machine {
        return Ok("the entropy seed is another machine's: not credited");
    }
    let pool = call::Pool {
        entropy_bits: 8 * LENGTH as i32,
        length: LENGTH as i32,
        seed,
    };
    // SAFETY: `Pool` has the layout that the call reads, with `length` bytes of
    // seed in it. Needed: only this call credits entropy.
    #[allow(unsafe_code)]
    let credited = unsafe { call::add_entropy(random.as_raw_fd(), &raw const pool) };
    credited.map_err(io::Error::from)?;
    Ok("the entropy seed is credited")
}

/// Saves what the generator gives now, in place of the old seed.
///
/// # Errors
/// When the disk does not take it.
pub fn save() -> io::Result<()> {
    save_to(Path::new(PATH), &machine())
}

fn save_to(path: &Path, machine: &str) -> io::Result<()> {
    let mut content = vec![0_u8; LENGTH];
    // Never waits: before the generator is ready it still has the old seed mixed in.
    std::fs::File::open("/dev/urandom")?.read_exact(&mut content)?;
    content.extend(machine.as_bytes());
    durable::replace(path, &content)
}

fn machine() -> String {
    let text = std::fs::read_to_string(UUID).unwrap_or_default();
    text.trim().to_owned()
}

/// A seed, and the machine that saved it.
fn parse(bytes: &[u8]) -> Option<([u8; LENGTH], String)> {
    let (seed, machine) = bytes.split_first_chunk::<LENGTH>()?;
    Some((*seed, String::from_utf8(machine.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_replaced_before_it_is_used_and_belongs_to_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let said = load_from(&path, "machine-a").unwrap();
        assert_eq!(said, "there was no entropy seed");
        let first = std::fs::read(&path).unwrap();
        assert_eq!(parse(&first).unwrap().1, "machine-a");
        let said = load_from(&path, "machine-b").unwrap();
        assert!(said.contains("not credited"), "{said}");
        let second = std::fs::read(&path).unwrap();
        assert_ne!(first[..LENGTH], second[..LENGTH]);
        std::fs::write(&path, "short").unwrap();
        assert_eq!(load_from(&path, "").unwrap(), "there was no entropy seed");
    }

    #[test]
    fn a_seed_that_cannot_be_replaced_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        std::fs::write(&path, [1_u8; LENGTH]).unwrap();
        // A folder in the way of the new one.
        std::fs::create_dir_all(folder.path().join("seed.new/x")).unwrap();
        assert!(load_from(&path, "").is_err());
    }
}
