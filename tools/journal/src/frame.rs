//! A record on the disk: a head of 32 bytes, the bytes, and zeros up to the next multiple of eight.

use sha2::{Digest, Sha256};

/// A record's head: age (8 bytes), sequence number (8), length (4), zeros (4), checksum (8).
/// Numbers are little-endian.
pub const HEAD: usize = 32;

/// Which filling of a half a record belongs to.
///
/// Halves are filled over and over, so that what lies behind the newest record is older. It is told
/// apart by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filling {
    /// Counts the fillings of one age; the first thing that orders two halves.
    pub sequence: u64,
    /// Drawn by lot when a journal was opened or cleared.
    pub age: u64,
}

/// The bytes that a record takes on the disk.
pub fn size(record: usize) -> usize {
    HEAD + record.next_multiple_of(8)
}

/// Appends a record as it stands on the disk.
pub fn write(to: &mut Vec<u8>, filling: Filling, record: &[u8]) {
    let end = to.len() + size(record.len());
    to.extend_from_slice(&filling.age.to_le_bytes());
    to.extend_from_slice(&filling.sequence.to_le_bytes());
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&u64::from(length).to_le_bytes());
    to.extend_from_slice(&checksum(filling, record));
    to.extend_from_slice(record);
    to.resize(end, 0);
}

/// The bytes that a record takes whose head this is; nothing says yet that the head is right.
pub fn size_by_head(head: &[u8; HEAD]) -> Option<usize> {
    let (_, length) = head.split_at(16);
    let (length, _) = number(length)?;
    let padded = usize::try_from(length).ok()?.checked_next_multiple_of(8)?;
    padded.checked_add(HEAD)
}

/// The record at the beginning of these bytes, to which filling it belongs, and what follows it.
/// `None` where there is no whole record.
pub fn read(bytes: &[u8]) -> Option<(Filling, &[u8], &[u8])> {
    let (age, rest) = number(bytes)?;
    let (sequence, rest) = number(rest)?;
    let (length, rest) = number(rest)?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(length).ok()?;
    let (record, _) = rest.split_at_checked(length)?;
    let filling = Filling { sequence, age };
    let whole = sequence > 0 && checksum(filling, record) == *sum;
    let next = rest.get(length.checked_next_multiple_of(8)?..)?;
    whole.then_some((filling, record, next))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

fn checksum(filling: Filling, record: &[u8]) -> [u8; 8] {
    let digest = Sha256::new()
        .chain_update(filling.age.to_le_bytes())
        .chain_update(filling.sequence.to_le_bytes())
        .chain_update((record.len() as u64).to_le_bytes())
        .chain_update(record)
        .finalize();
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest[..8]);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_no_changed_byte_passes(
            record in proptest::collection::vec(any::<u8>(), 0..60),
            place in 0_usize..200,
        ) {
            let filling = Filling { sequence: 3, age: 9 };
            let mut bytes = Vec::new();
            write(&mut bytes, filling, &record);
            prop_assert_eq!(bytes.len(), size(record.len()));
            bytes.extend_from_slice(b"next");
            let read_back = read(&bytes);
            prop_assert_eq!(read_back, Some((filling, record.as_slice(), b"next".as_slice())));
            let place = place % (HEAD + record.len());
            bytes[place] ^= 1;
            prop_assert_eq!(read(&bytes).map(|(.., record, _)| record.to_vec()), None);
            prop_assert!(read(&bytes[..HEAD + record.len() - 1]).is_none());
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(read(&[0; 64]), None);
    }
}
