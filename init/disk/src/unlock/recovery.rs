//! The recovery key: what opens the disk when the TPM does not. 40 letters of RFC 4648's
//! base32 alphabet, 200 random bits, in groups that a person can copy.

use std::io;

/// No 0, 1, 8, 9: they look like O, I, B, g.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LETTERS: usize = 40;
const GROUP: usize = 5;

/// A new one.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn new() -> io::Result<String> {
    let random: [u8; LETTERS] = super::random()?;
    // 32 letters: five bits of each byte, all letters as likely.
    #[allow(
        clippy::indexing_slicing,
        reason = "five bits are at most 31, and there are 32 letters; a wrong letter would be a wrong key"
    )]
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte & 31)]);
    Ok(grouped(random.iter().map(letter)))
}

/// What a person typed, as [`new`] wrote it; none when it is no recovery key.
pub fn typed(text: &str) -> Option<String> {
    let letter = |c: char| match c.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        c => c,
    };
    let letters: Vec<char> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(letter)
        .collect();
    let known = |c: &char| u8::try_from(*c).is_ok_and(|byte| ALPHABET.contains(&byte));
    (letters.len() == LETTERS && letters.iter().all(known)).then(|| grouped(letters.into_iter()))
}

fn grouped(letters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    for (at, letter) in letters.enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_understood_however_it_is_typed() {
        let key = new().unwrap();
        assert_eq!(key.len(), 47, "{key}");
        assert_ne!(key, new().unwrap());
        for text in [
            key.clone(),
            key.to_lowercase(),
            key.replace('-', ""),
            format!("  {} ", key.replace('-', " ")),
            key.replace('O', "0").replace('I', "1").replace('B', "8"),
        ] {
            assert_eq!(typed(&text).as_ref(), Some(&key), "{text}");
        }
        for text in [
            "",
            "secret",
            &key[1..],
            &format!("{key}A"),
            &key.replace('-', "?"),
        ] {
            assert_eq!(typed(text), None, "{text}");
        }
    }
}
