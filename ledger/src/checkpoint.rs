//! Checkpoints: signed notes in the format of C2SP `signed-note` and `tlog-checkpoint`.
//!
//! The text is: origin, size, root hash (base64), and two extension lines,
//! `previous` (digest of the checkpoint record before it, so that the last
//! signature covers them all) and `durable` (how many entries were on the disk
//! for certain when it was signed).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::tree::{Frontier, Hash};

/// A checkpoint. Whoever keeps size and root can later have it checked that the
/// ledger still begins with the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of entries.
    pub size: u64,
    /// Their Merkle tree hash.
    pub root: Hash,
    /// Digest of the checkpoint record before; zeros for the first.
    pub previous: Hash,
    /// How many entries were certainly on the disk when it was signed.
    pub durable: u64,
}

/// The name in a note's first line and before its signature: it tells keys apart.
pub(crate) fn origin(key: &VerifyingKey) -> String {
    format!("aios-ledger/{}", &crate::hex(key.as_bytes())[..16])
}

/// Key id of a signed note: SHA-256 of name, line feed, algorithm (1: Ed25519), key.
fn key_id(key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(origin(key))
        .chain_update(b"\n\x01")
        .chain_update(key.as_bytes())
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl Checkpoint {
    fn text(&self, origin: &str) -> String {
        format!(
            "{origin}\n{}\n{}\nprevious {}\ndurable {}\n",
            self.size,
            STANDARD.encode(self.root),
            STANDARD.encode(self.previous),
            self.durable
        )
    }

    /// The signed note.
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        let public = key.verifying_key();
        let origin = origin(&public);
        let text = self.text(&origin);
        let mut signature = key_id(&public).to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {origin} {}\n", STANDARD.encode(signature))
    }

    /// Reads a note without checking its signature, and gives its text. Only the one spelling that
    /// [`Checkpoint::sign`] produces is accepted. `origin` is the key's.
    pub(crate) fn parse<'n>(note: &'n str, origin: &str) -> Option<(Self, &'n str)> {
        let rest = note.strip_prefix(origin)?.strip_prefix('\n')?;
        let (size, rest) = number(rest)?;
        let (root, rest) = hash(rest)?;
        let (previous, rest) = hash(rest.strip_prefix("previous ")?)?;
        let (durable, rest) = number(rest.strip_prefix("durable ")?)?;
        let checkpoint = Self {
            size,
            root,
            previous,
            durable,
        };
        Some((checkpoint, note.strip_suffix(rest)?))
    }

    /// Reads a note and checks its signature.
    pub(crate) fn verify(note: &str, key: &VerifyingKey) -> Option<Self> {
        let origin = origin(key);
        let (checkpoint, text) = Self::parse(note, &origin)?;
        let signature = note
            .strip_prefix(text)?
            .strip_prefix("\n\u{2014} ")?
            .strip_prefix(origin.as_str())?
            .strip_prefix(' ')?
            .strip_suffix('\n')?;
        let signature: [u8; 68] = STANDARD.decode(signature).ok()?.try_into().ok()?;
        let (id, signature) = signature.split_at(4);
        let signature = Signature::from_slice(signature).ok()?;
        let valid = key.verify_strict(text.as_bytes(), &signature).is_ok();
        (id == key_id(key) && valid).then_some(checkpoint)
    }
}

/// A number's line in its one spelling, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let digits = line.bytes().all(|byte| byte.is_ascii_digit());
    let spelled = digits && (line == "0" || !line.starts_with('0'));
    Some((line.parse().ok().filter(|_| spelled)?, rest))
}

/// A hash's line, and what follows it. Base64 of 32 bytes has one spelling.
fn hash(text: &str) -> Option<(Hash, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let mut bytes = [0; 33];
    let length = STANDARD.decode_slice(line, &mut bytes).ok()?;
    Some((bytes.get(..length)?.try_into().ok()?, rest))
}

/// A checkpoint record's payload: the note's length, the note, and the tree's
/// frontier, with which a restart goes on without reading all entries. The
/// frontier needs no signature: its root must be the note's.
pub(crate) fn encode(note: &str, frontier: &Frontier) -> Vec<u8> {
    let mut payload = (note.len() as u16).to_le_bytes().to_vec();
    payload.extend_from_slice(note.as_bytes());
    for subtree in frontier.subtrees() {
        payload.extend_from_slice(subtree);
    }
    payload
}

/// Reads a checkpoint record: the note and the frontier's bytes.
pub(crate) fn decode(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<2>()?;
    let (note, frontier) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(note).ok()?, frontier))
}

/// The frontier of a checkpoint record, when it is the one of that tree.
pub(crate) fn frontier(checkpoint: &Checkpoint, bytes: &[u8]) -> Option<Frontier> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let frontier = Frontier::from_parts(checkpoint.size, hashes.to_vec())?;
    (rest.is_empty() && frontier.root() == checkpoint.root).then_some(frontier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (SigningKey, Checkpoint) {
        let checkpoint = Checkpoint {
            size: 7,
            root: [3; 32],
            previous: [4; 32],
            durable: 5,
        };
        (SigningKey::from_bytes(&[9; 32]), checkpoint)
    }

    #[test]
    fn a_note_reads_back_and_every_changed_byte_is_refused() {
        let (key, checkpoint) = example();
        let note = checkpoint.sign(&key);
        assert_eq!(
            Checkpoint::verify(&note, &key.verifying_key()),
            Some(checkpoint)
        );
        for index in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[index] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                let read = Checkpoint::verify(&changed, &key.verifying_key());
                assert_eq!(read, None, "byte {index}");
            }
        }
    }

    #[test]
    fn a_note_of_another_key_is_refused() {
        let (key, checkpoint) = example();
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert_eq!(Checkpoint::verify(&checkpoint.sign(&key), &other), None);
    }

    #[test]
    fn a_note_fits_the_sector_that_is_overwritten_in_place() {
        let (key, mut checkpoint) = example();
        checkpoint.size = u64::MAX;
        checkpoint.durable = u64::MAX;
        assert!(checkpoint.sign(&key).len() + "end 18446744073709551615\n".len() <= 512);
    }
}
