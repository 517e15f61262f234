//! Whatever is done to a bundle, it is refused with a reason.

#![allow(clippy::unwrap_used, reason = "a test")]

use aios_update::bundle::{
    self, ARCHITECTURE, BUNDLE_MAX, Head, Manifest, Part, Refusal, Verified, Verifier,
};
use aios_update::keys::Keys;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

const BOOT: &[u8] = &[1; 700];
const ROOT: &[u8] = &[2; 3000];

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn manifest() -> Manifest {
    let part = |mut bytes: &[u8]| Part::of(&mut bytes).unwrap();
    Manifest {
        release: 5,
        version: "0.1.0".into(),
        architecture: ARCHITECTURE.into(),
        from_release: 0,
        root_hash: "ab".repeat(32),
        boot: part(BOOT),
        root: part(ROOT),
    }
}

fn bundle() -> Vec<u8> {
    let mut out = Vec::new();
    let size = bundle::write(&mut out, &manifest(), &key(), &mut { BOOT }, &mut { ROOT }).unwrap();
    assert_eq!(size, out.len() as u64);
    out
}

/// Verifies bytes that come in pieces of this size.
fn verify(bytes: &[u8], size: u64, piece: usize) -> Result<Verified, Refusal> {
    let keys = Keys::of(&key());
    let mut verifier = Verifier::new(&keys, size)?;
    bytes
        .chunks(piece)
        .try_for_each(|piece| verifier.push(piece))?;
    verifier.finish()
}

fn whole(bytes: &[u8]) -> Result<Verified, Refusal> {
    verify(bytes, bytes.len() as u64, 4096)
}

#[test]
fn a_bundle_is_taken_however_it_is_cut_into_pieces() {
    let bytes = bundle();
    for piece in [1, 7, 16, 1000, 1 << 20] {
        let verified = verify(&bytes, bytes.len() as u64, piece).unwrap();
        assert_eq!(verified.manifest, manifest());
        let at = |start: u64, length: usize| &bytes[start as usize..][..length];
        assert_eq!(
            (at(verified.boot_at, 700), at(verified.root_at, 3000)),
            (BOOT, ROOT)
        );
    }
}

#[test]
fn each_flipped_bit_is_seen() {
    let bytes = bundle();
    for place in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            assert!(whole(&damaged).is_err(), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn each_truncation_is_seen_and_nothing_may_follow() {
    let bytes = bundle();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert!(
            matches!(whole(cut), Err(Refusal::Short { .. })),
            "{length}: {:?}",
            whole(cut)
        );
        let promised = verify(cut, bytes.len() as u64, 512);
        assert!(
            matches!(promised, Err(Refusal::Short { .. })),
            "{length}: {promised:?}"
        );
    }
    for more in [1, 512, 100_000] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert_eq!(whole(&longer), Err(Refusal::Long(bytes.len() as u64)));
        assert_eq!(
            verify(&longer, bytes.len() as u64, 512),
            Err(Refusal::Long(bytes.len() as u64))
        );
    }
}

#[test]
fn another_key_another_format_and_other_files_are_told_apart() {
    let bytes = bundle();
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: Refusal| {
        let mut changed = bytes.clone();
        change(&mut changed);
        assert_eq!(whole(&changed), Err(expected));
    };
    check(&|bytes| bytes[0] = b'A', Refusal::NotABundle);
    check(
        &|bytes| bytes[..4].copy_from_slice(b"\x7fELF"),
        Refusal::NotABundle,
    );
    check(&|bytes| bytes[8] = 2, Refusal::Format(2));
    check(
        &|bytes| bytes[12..16].copy_from_slice(&[0; 4]),
        Refusal::ManifestLength(0),
    );
    check(
        &|bytes| bytes[12..16].copy_from_slice(&[0xff; 4]),
        Refusal::ManifestLength(u32::MAX),
    );
    check(
        &|bytes| *bytes.last_mut().unwrap() ^= 1,
        Refusal::Damaged("root"),
    );
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let mut theirs = bundle::sign(&manifest(), &stranger).unwrap();
    theirs.extend([BOOT, ROOT].concat());
    assert_eq!(whole(&theirs), Err(Refusal::Signature));
    assert!(matches!(
        verify(&bytes, BUNDLE_MAX + 1, 512),
        Err(Refusal::Long(_))
    ));
}

#[test]
fn a_signature_over_something_else_is_none_over_a_bundle() {
    use ed25519_dalek::Signer;
    // Signed with the right key, but not as a bundle: without the domain.
    let mut bytes = bundle();
    let end = bytes.len() - BOOT.len() - ROOT.len() - bundle::SIGNATURE_LEN;
    let signature = key().sign(&bytes[..end]).to_bytes();
    bytes[end..end + bundle::SIGNATURE_LEN].copy_from_slice(&signature);
    assert_eq!(whole(&bytes), Err(Refusal::Signature));
}

#[test]
fn what_a_manifest_cannot_say_is_not_even_signed() {
    let check = |change: fn(&mut Manifest), expected: &str| {
        let mut manifest = manifest();
        change(&mut manifest);
        let Err(Refusal::Manifest(said)) = bundle::sign(&manifest, &key()) else {
            panic!("{expected}")
        };
        assert!(said.contains(expected), "{said}");
    };
    check(|manifest| manifest.release = 0, "release");
    check(|manifest| manifest.version = "1\u{1b}[2J".into(), "version");
    check(|manifest| manifest.version = "1".repeat(33), "version");
    check(|manifest| manifest.root_hash = "AB".repeat(32), "root_hash");
    check(|manifest| manifest.boot.length = 0, "boot.length");
    check(|manifest| manifest.root.length = u64::MAX, "root.length");
    check(|manifest| manifest.root.sha256.clear(), "root.sha256");
}

#[test]
fn a_look_at_the_beginning_says_what_it_is() {
    let bytes = bundle();
    let head = Head::parse(&bytes).unwrap().unwrap();
    assert_eq!(
        (head.manifest.release, head.bundle_size()),
        (5, bytes.len() as u64)
    );
    assert_eq!(Head::parse(&bytes[..100]), Ok(None));
    assert_eq!(Head::parse(b"#!/bin/sh"), Err(Refusal::NotABundle));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut noise in proptest::collection::vec(any::<u8>(), 0..4096), magic: bool, piece in 1..600usize) {
        if magic && noise.len() >= 16 {
            noise[..8].copy_from_slice(&bundle::MAGIC);
            let length = noise[12];
            noise[8..16].copy_from_slice(&[1, 0, 0, 0, length, 0, 0, 0]);
        }
        prop_assert!(verify(&noise, noise.len() as u64, piece).is_err());
    }
}
