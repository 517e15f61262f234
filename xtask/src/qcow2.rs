//! Writes qcow2 version 3 (QEMU, docs/interop/qcow2.rst): the same disk, without its
//! empty clusters. Made here because `qemu-img` may be newer than the QEMU beside it, and
//! installing it may replace that.
//!
//! Layout, in clusters: header, refcount table, refcount blocks, L1 table, L2 tables, data.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries in a cluster of 8-byte offsets.
const OFFSETS: u64 = CLUSTER / 8;
/// Entries in a cluster of 16-bit reference counts.
const COUNTS: u64 = CLUSTER / 2;
/// "This cluster is referenced once": set in L1 and L2 entries.
const COPIED: u64 = 1 << 63;
const HEADER_LENGTH: u32 = 104;

/// Where everything is, as cluster numbers.
struct Plan {
    /// For each cluster of the disk: is there anything in it?
    used: Vec<bool>,
    refcount_blocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
    end: u64,
}

fn plan(used: Vec<bool>) -> Result<Plan> {
    let l2_tables = (used.len() as u64).div_ceil(OFFSETS);
    ensure!(
        l2_tables <= OFFSETS,
        "the disk is too big for one L1 cluster"
    );
    let data_clusters = used.iter().filter(|used| **used).count() as u64;
    let mut blocks = 1;
    loop {
        let end = 3 + blocks + l2_tables + data_clusters;
        if end.div_ceil(COUNTS) <= blocks {
            let l1 = 2 + blocks;
            return Ok(Plan {
                used,
                refcount_blocks: blocks,
                l1,
                l2: l1 + 1,
                data: l1 + 1 + l2_tables,
                end,
            });
        }
        blocks += 1;
    }
}

/// Writes the raw disk image `from` as `to`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(from: &Path, to: &Path) -> Result<()> {
    let disk = File::open(from).with_context(|| from.display().to_string())?;
    let size = disk.metadata()?.len();
    let mut buffer = vec![0; CLUSTER as usize];
    let mut used = Vec::new();
    for cluster in 0..size.div_ceil(CLUSTER) {
        read(&disk, size, cluster, &mut buffer)?;
        used.push(buffer.iter().any(|byte| *byte != 0));
    }
    let plan = plan(used)?;
    let image = File::create(to).with_context(|| to.display().to_string())?;
    image.set_len(plan.end * CLUSTER)?;
    image.write_all_at(&header(size, &plan), 0)?;
    for block in 0..plan.refcount_blocks {
        put(&image, CLUSTER + block * 8, (2 + block) * CLUSTER)?;
    }
    let counts = [0_u8, 1].repeat(usize::try_from(plan.end)?);
    image.write_all_at(&counts, 2 * CLUSTER)?;
    for table in 0..plan.data - plan.l2 {
        let entry = ((plan.l2 + table) * CLUSTER) | COPIED;
        put(&image, plan.l1 * CLUSTER + table * 8, entry)?;
    }
    let used = (0_u64..).zip(&plan.used).filter(|(_, used)| **used);
    for (place, (cluster, _)) in (plan.data..).zip(used) {
        read(&disk, size, cluster, &mut buffer)?;
        image.write_all_at(&buffer, place * CLUSTER)?;
        let entry = plan.l2 * CLUSTER + cluster * 8;
        put(&image, entry, (place * CLUSTER) | COPIED)?;
    }
    Ok(image.sync_all()?)
}

fn put(image: &File, at: u64, value: u64) -> Result<()> {
    Ok(image.write_all_at(&value.to_be_bytes(), at)?)
}

/// A cluster of the disk; the last one is filled up with zeros.
fn read(disk: &File, size: u64, cluster: u64, into: &mut [u8]) -> Result<()> {
    let length = usize::try_from((size - cluster * CLUSTER).min(CLUSTER))?;
    into[length..].fill(0);
    Ok(disk.read_exact_at(&mut into[..length], cluster * CLUSTER)?)
}

fn header(size: u64, plan: &Plan) -> Vec<u8> {
    let tables = u32::try_from(plan.data - plan.l2).unwrap_or(u32::MAX);
    let high = |value: u64| (value >> 32) as u32;
    let low = |value: u64| (value & 0xffff_ffff) as u32;
    let l1 = plan.l1 * CLUSTER;
    let words = [
        [3, 0, 0, 0],                             // version; no backing file
        [CLUSTER_BITS, high(size), low(size), 0], // not encrypted
        [tables, high(l1), low(l1), 0],           // L1, where the refcounts are
        [low(CLUSTER), 1, 0, 0],                  // one cluster; no snapshots
        [0, 0, 0, 0],                             // no feature bits
        [0, 0, 0, 4],                             // 16-bit reference counts
        [HEADER_LENGTH, 0, 0, 0],
    ];
    let bytes = words
        .iter()
        .flatten()
        .flat_map(|word: &u32| word.to_be_bytes());
    b"QFI\xfb"
        .iter()
        .copied()
        .chain(bytes)
        .take(HEADER_LENGTH as usize)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a disk back as the specification says.
    fn read_back(image: &[u8]) -> Vec<u8> {
        let long = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
        let word = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap());
        assert_eq!((&image[..4], word(4), word(20)), (&b"QFI\xfb"[..], 3, 16));
        assert_eq!((word(96), word(100)), (4, 104));
        let offset = |at: u64| (long(at as usize) & 0x00ff_ffff_ffff_fe00) as usize;
        let size = long(24);
        let mut disk = vec![0; size.next_multiple_of(CLUSTER) as usize];
        let mut referenced = vec![0_usize, 1, long(40) as usize / CLUSTER as usize];
        for cluster in 0..size.div_ceil(CLUSTER) {
            let l2 = offset(long(40) + cluster / OFFSETS * 8);
            referenced.push(l2 / CLUSTER as usize);
            let data = offset(l2 as u64 + cluster % OFFSETS * 8);
            if data != 0 {
                referenced.push(data / CLUSTER as usize);
                let at = (cluster * CLUSTER) as usize;
                disk[at..at + CLUSTER as usize].copy_from_slice(&image[data..][..CLUSTER as usize]);
            }
        }
        let counts = offset(long(48));
        referenced.push(counts / CLUSTER as usize);
        for cluster in 0..image.len() / CLUSTER as usize {
            let count = u16::from_be_bytes(image[counts + 2 * cluster..][..2].try_into().unwrap());
            assert_eq!(
                count == 1,
                referenced.contains(&cluster),
                "cluster {cluster}"
            );
        }
        disk.truncate(size as usize);
        disk
    }

    #[test]
    fn what_is_written_reads_back_and_emptiness_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let (raw, image) = (folder.path().join("raw"), folder.path().join("qcow2"));
        // More than one L2 table covers, and not a whole number of clusters.
        let size = OFFSETS * CLUSTER + 5 * CLUSTER + 512;
        let disk = File::create(&raw).unwrap();
        disk.set_len(size).unwrap();
        for at in [0, 3 * CLUSTER + 7, OFFSETS * CLUSTER + 1, size - 4] {
            disk.write_all_at(b"aios", at).unwrap();
        }
        write(&raw, &image).unwrap();
        let image = std::fs::read(image).unwrap();
        assert!(image.len() as u64 <= 12 * CLUSTER, "{}", image.len());
        assert!(read_back(&image) == std::fs::read(&raw).unwrap());
    }
}
