//! dm-verity: the hash tree behind the root file system, and the table that
//! makes the kernel check every block against it.

use std::path::Path;
use std::process::Command;

use aios_disk::layout::SECTOR;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::exec;

/// Bytes of a block, of data and of hashes; what dm-verity, squashfs and the
/// page cache have in common.
const BLOCK: u64 = 4096;

/// Not secret and always the same, so that the same files give the same root hash.
const SALT: &str = "61694f5320726f6f742066696c652073797374656d2073616c742c20763100aa";
const UUID: &str = "a105a105-0000-4000-8000-000000000001";

/// A sealed image: squashfs, followed by its hash tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verity {
    /// The hash that vouches for every byte of the data.
    pub root_hash: String,
    /// Blocks of data; the tree's superblock is the block after them.
    pub data_blocks: u64,
}

impl Verity {
    /// Appends the hash tree to `image`.
    ///
    /// # Errors
    /// When veritysetup fails or says no root hash.
    pub fn seal(image: &Path) -> Result<Self> {
        let length = std::fs::metadata(image)?.len().next_multiple_of(BLOCK);
        std::fs::File::options()
            .write(true)
            .open(image)?
            .set_len(length)?;
        let data_blocks = length / BLOCK;
        let output = exec::output(
            Command::new("/usr/sbin/veritysetup")
                .arg("format")
                .args([image, image])
                .args(["--hash", "sha256", "--salt", SALT, "--uuid", UUID])
                .arg(format!("--data-block-size={BLOCK}"))
                .arg(format!("--hash-block-size={BLOCK}"))
                .arg(format!("--data-blocks={data_blocks}"))
                .arg(format!("--hash-offset={length}")),
        )?;
        let root_hash = root_hash(&output)
            .context("veritysetup says no root hash")?
            .to_owned();
        Ok(Self {
            root_hash,
            data_blocks,
        })
    }

    /// The value of the kernel's parameter `dm-mod.create`, for the image on `device`
    /// (a path, or `PARTUUID=…`).
    pub fn device_table(&self, device: &str) -> String {
        let (blocks, hash) = (self.data_blocks, &self.root_hash);
        let sectors = blocks * (BLOCK / SECTOR);
        let tree = blocks + 1;
        format!(
            "vroot,,,ro,0 {sectors} verity 1 {device} {device} {BLOCK} {BLOCK} {blocks} {tree} \
             sha256 {hash} {SALT}"
        )
    }
}

fn root_hash(output: &str) -> Option<&str> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("Root hash:"))?
        .trim();
    (line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_dm_init_reads() {
        let verity = Verity {
            root_hash: "ab".repeat(32),
            data_blocks: 10,
        };
        let hash = "ab".repeat(32);
        assert_eq!(
            verity.device_table("/dev/vda"),
            format!(
                "vroot,,,ro,0 80 verity 1 /dev/vda /dev/vda 4096 4096 10 11 sha256 {hash} {SALT}"
            )
        );
    }

    #[test]
    fn only_a_whole_hash_is_a_root_hash() {
        let hash = "0f".repeat(32);
        let cases = [
            (
                format!("UUID: x\nRoot hash:      \t{hash}\n"),
                Some(hash.as_str()),
            ),
            ("Root hash: 0f0f".to_owned(), None),
            ("nothing".to_owned(), None),
        ];
        for (output, expected) in &cases {
            assert_eq!(root_hash(output), *expected, "{output}");
        }
    }
}
