//! The boot image: does its `slot.cfg` ask the kernel for this very root?
//!
//! Both images are signed, so this is no question of trust: it finds a bundle that was
//! put together from two builds, which would not boot.

use std::fs::File;

use ext4_view::Ext4;

use crate::error::Failure;
use crate::within::Within;

/// The kernel in a boot image.
const KERNEL: &str = "/bzImage";
/// Its command line, as the boot loader reads it.
const CONFIGURATION: &str = "/slot.cfg";

/// Checks the boot image of `length` bytes at `at` of a file.
///
/// # Errors
/// When it has no kernel, or would start another root.
pub fn check(file: File, at: u64, length: u64, root_hash: &str) -> Result<(), Failure> {
    let wrong =
        |error: ext4_view::Ext4Error| Failure::BootImage(format!("cannot be read: {error}"));
    let image = Ext4::load(Box::new(Within { file, at, length })).map_err(wrong)?;
    if !image.exists(KERNEL).map_err(wrong)? {
        return Err(Failure::BootImage("has no kernel".to_owned()));
    }
    let text = image.read_to_string(CONFIGURATION).map_err(wrong)?;
    match root_hashes(&text).as_slice() {
        [hash] if *hash == root_hash => Ok(()),
        [hash] => Err(Failure::BootImage(format!(
            "asks for the root {hash}, the bundle has {root_hash}"
        ))),
        several => Err(Failure::BootImage(format!(
            "names {} roots in {CONFIGURATION}, not one",
            several.len()
        ))),
    }
}

/// The root hashes in a verity table: what follows the name of the hash.
fn root_hashes(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text.split([' ', '"', '\'', '\n', '\t']).collect();
    words
        .windows(2)
        .filter(|pair| pair[0] == "sha256")
        .map(|pair| pair[1])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_hash_is_the_word_after_the_algorithm() {
        let table = "linux /bzImage ro \"dm-mod.create=vroot,,,ro,0 8 verity 1 PARTUUID=$root_uuid \
                     PARTUUID=$root_uuid 4096 4096 1 2 sha256 abcd ef01\" quiet\n";
        assert_eq!(root_hashes(table), ["abcd"]);
        assert_eq!(root_hashes(&table.repeat(2)).len(), 2);
        assert!(root_hashes("linux /bzImage ro").is_empty());
    }
}
