//! Verification of a bundle that comes in pieces, without effects of its own.

use sha2::{Digest, Sha256};

use super::{
    BUNDLE_MAX, FORMAT, HEADER_LEN, MAGIC, MANIFEST_MAX, Manifest, Refusal, SIGNATURE_LEN, hex,
    signed,
};
use crate::keys::Keys;

/// The beginning of a bundle, up to its images. Not verified: for a look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Where the images begin.
    pub length: u64,
}

impl Head {
    /// The most bytes that [`Head::parse`] can need.
    pub const MAX: usize = HEADER_LEN + MANIFEST_MAX + SIGNATURE_LEN;

    /// Reads the beginning of a bundle; `None`: more bytes are needed. The
    /// signature is not looked at.
    ///
    /// # Errors
    /// When it cannot be the beginning of a bundle.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Refusal> {
        let Some(length) = length_of(bytes)? else {
            return Ok(None);
        };
        if bytes.len() < length {
            return Ok(None);
        }
        let manifest = Manifest::parse(&bytes[HEADER_LEN..length - SIGNATURE_LEN])?;
        Ok(Some(Self {
            manifest,
            length: length as u64,
        }))
    }

    /// Bytes of the whole bundle.
    pub fn bundle_size(&self) -> u64 {
        self.length + self.manifest.boot.length + self.manifest.root.length
    }
}

/// How long the beginning is, by its header; `None`: more bytes are needed.
fn length_of(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let magic = bytes.len().min(MAGIC.len());
    if bytes[..magic] != MAGIC[..magic] {
        return Err(Refusal::NotABundle);
    }
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (format, manifest) = (word(8), word(12));
    if format != FORMAT {
        return Err(Refusal::Format(format));
    }
    match manifest as usize {
        length @ 1..=MANIFEST_MAX => Ok(Some(HEADER_LEN + length + SIGNATURE_LEN)),
        _ => Err(Refusal::ManifestLength(manifest)),
    }
}

/// A bundle all of which was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Where the boot image begins, bytes.
    pub boot_at: u64,
    /// Where the root image begins, bytes.
    pub root_at: u64,
}

/// Verifies a bundle piece by piece; keeps no more of it than [`Head::MAX`] bytes.
pub struct Verifier<'a> {
    keys: &'a Keys,
    size: u64,
    received: u64,
    beginning: Vec<u8>,
    head: Option<Head>,
    part: usize,
    left: u64,
    hash: Sha256,
}

impl<'a> Verifier<'a> {
    /// For a bundle of `size` bytes, signed by one of `keys`.
    ///
    /// # Errors
    /// When no bundle has this size.
    pub fn new(keys: &'a Keys, size: u64) -> Result<Self, Refusal> {
        match size {
            0..=HEADER => Err(Refusal::Short {
                have: size,
                want: HEADER + 1,
            }),
            _ if size > BUNDLE_MAX => Err(Refusal::Long(BUNDLE_MAX)),
            _ => Ok(Self {
                keys,
                size,
                received: 0,
                beginning: Vec::new(),
                head: None,
                part: 0,
                left: 0,
                hash: Sha256::new(),
            }),
        }
    }

    /// What the bundle says about itself, once its signature was verified.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.head.as_ref().map(|head| &head.manifest)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// As soon as it is certain that this is no bundle of ours.
    pub fn push(&mut self, mut data: &[u8]) -> Result<(), Refusal> {
        self.received += data.len() as u64;
        if self.received > self.size {
            return Err(Refusal::Long(self.size));
        }
        if self.head.is_none() {
            let taken = data.len().min(Head::MAX - self.beginning.len());
            self.beginning.extend_from_slice(&data[..taken]);
            let Some(used) = self.open()? else {
                return Ok(());
            };
            // What was kept beyond the head belongs to the images.
            let kept = std::mem::take(&mut self.beginning);
            self.images(&kept[used..])?;
            data = &data[taken..];
        }
        self.images(data)
    }

    /// The end: all of it must have come.
    ///
    /// # Errors
    /// When it is cut short or damaged.
    pub fn finish(self) -> Result<Verified, Refusal> {
        let short = Refusal::Short {
            have: self.received,
            want: self.size,
        };
        let Some(head) = self.head else {
            return Err(short);
        };
        if self.received != self.size || self.part < head.manifest.parts().len() {
            return Err(short);
        }
        Ok(Verified {
            boot_at: head.length,
            root_at: head.length + head.manifest.boot.length,
            manifest: head.manifest,
        })
    }

    /// Verifies the beginning once it is all there; how many bytes it has. The
    /// signature comes before the manifest is even read.
    fn open(&mut self) -> Result<Option<usize>, Refusal> {
        let Some(length) = length_of(&self.beginning)? else {
            return Ok(None);
        };
        if self.beginning.len() < length {
            return Ok(None);
        }
        let (head, signature) = self.beginning[..length].split_at(length - SIGNATURE_LEN);
        if !self.keys.verify(&signed(head), signature) {
            return Err(Refusal::Signature);
        }
        let head = Head::parse(&self.beginning)?.ok_or(Refusal::NotABundle)?;
        let size = head.bundle_size();
        if size > self.size {
            return Err(Refusal::Short {
                have: self.size,
                want: size,
            });
        }
        if size < self.size {
            return Err(Refusal::Long(size));
        }
        self.left = head.manifest.boot.length;
        self.head = Some(head);
        Ok(Some(length))
    }

    fn images(&mut self, mut data: &[u8]) -> Result<(), Refusal> {
        let Some(head) = &self.head else {
            return Ok(());
        };
        let parts = head.manifest.parts();
        while !data.is_empty() {
            let Some((name, part)) = parts.get(self.part) else {
                return Err(Refusal::Long(self.size));
            };
            let taken = data
                .len()
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.hash.update(&data[..taken]);
            self.left -= taken as u64;
            data = &data[taken..];
            if self.left == 0 {
                if hex(&self.hash.finalize_reset()) != part.sha256 {
                    return Err(Refusal::Damaged(name));
                }
                self.part += 1;
                self.left = parts.get(self.part).map_or(0, |(_, part)| part.length);
            }
        }
        Ok(())
    }
}

const HEADER: u64 = HEADER_LEN as u64;
