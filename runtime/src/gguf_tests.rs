//! A file that lies about itself is refused with the lie named, and never read past its end.

use super::*;

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn number(out: &mut Vec<u8>, key: &str, value: u32) {
    text(out, key);
    out.extend(4_u32.to_le_bytes());
    out.extend(value.to_le_bytes());
}

/// A header of one F32 tensor of `length` elements, with 64 bytes of data behind it.
fn file(length: u64, offset: u64) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend(1_u64.to_le_bytes());
    out.extend(4_u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8_u32.to_le_bytes());
    text(&mut out, "llama");
    number(&mut out, "llama.context_length", 64);
    number(&mut out, "llama.embedding_length", 8);
    number(&mut out, "llama.block_count", 1);
    text(&mut out, "t");
    out.extend(1_u32.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.resize(out.len().next_multiple_of(32) + 64, 0);
    out
}

fn check(bytes: &[u8]) -> Result<Summary, GgufError> {
    read(bytes, bytes.len() as u64)
}

#[test]
fn a_sound_file_says_what_it_is() {
    let summary = check(&file(16, 0)).unwrap();
    assert_eq!(summary.architecture, "llama");
    assert_eq!((summary.context_length, summary.embedding_length), (64, 8));
    assert!(summary.generates);
}

#[test]
fn a_tensor_outside_of_the_file_is_refused() {
    for (length, offset) in [
        (17, 0),
        (16, 32),
        (8, u64::MAX - 31),
        (u64::MAX / 4, 0),
        (0, 0),
    ] {
        let error = check(&file(length, offset)).unwrap_err().to_string();
        assert!(error.contains("\"t\""), "{length} at {offset}: {error}");
    }
    assert!(check(&file(8, 16)).is_err(), "not aligned");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = file(16, 0);
    for length in 0..whole.len() {
        assert!(check(&whole[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn no_flipped_byte_of_the_header_makes_it_panic_or_read_on() {
    let whole = file(16, 0);
    for position in 0..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = value;
            drop(check(&bytes)); // any answer will do; it must come
        }
    }
}

#[test]
fn absurd_counts_are_refused_before_anything_is_reserved_for_them() {
    let mut bytes = file(16, 0);
    bytes[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(check(&bytes).is_err());
    bytes = file(16, 0);
    bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(check(&bytes).is_err());
}
