//! GRUB's environment block: the one thing that the boot loader and we both write.
//!
//! 1024 bytes: a signature line, lines `name=value` in which a backslash protects the
//! next character, and `#` up to the end. Format: GRUB's manual, "Environment block",
//! and its `grub-core/lib/envblk.c`.
//!
//! **A block is replaced in one write, and all that decides is in its first sector**:
//! disks write sectors of 512 bytes whole, so a power cut leaves the old block or the
//! new one. [`Environment::encode`] puts the variables named by the caller first and
//! refuses when they do not end within that sector.

use aios_disk::layout::SECTOR_LENGTH;

/// Bytes of a block.
pub const LENGTH: usize = 1024;

/// Where it begins on its partition. GRUB writes to files only; so the partition is a
/// tar archive with one, whose content follows a header of this length.
pub const OFFSET: u64 = 512;

const SIGNATURE: &str = "# GRUB Environment Block\n";

/// Why a block cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not a block at all.
    #[error("the boot loader's environment block is damaged: {0}")]
    Damaged(&'static str),
    /// The variables do not fit.
    #[error("the boot loader's environment block is full: {0}")]
    Full(&'static str),
}

/// The variables of a block, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Reads a block.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(block: &[u8]) -> Result<Self, BlockError> {
        if block.len() != LENGTH {
            return Err(BlockError::Damaged("it has not 1024 bytes"));
        }
        let Some(mut rest) = block.strip_prefix(SIGNATURE.as_bytes()) else {
            return Err(BlockError::Damaged("it does not begin as one"));
        };
        let mut found = Self::default();
        while let Some((&first, _)) = rest.split_first() {
            let (line, after) = next_line(rest);
            // Padding and comments begin with #.
            if first != b'#'
                && let Some(at) = line.iter().position(|&byte| byte == b'=')
            {
                let text = |bytes: &[u8]| {
                    String::from_utf8(bytes.to_vec())
                        .map_err(|_| BlockError::Damaged("a variable is no text"))
                };
                found.set(&text(&line[..at])?, &text(&unescaped(&line[at + 1..]))?);
            }
            rest = after;
        }
        Ok(found)
    }

    /// Makes a block, with the variables `leading` in front.
    ///
    /// # Errors
    /// When they do not fit, or the leading ones not into the first sector.
    pub fn encode(&self, leading: &[&str]) -> Result<[u8; LENGTH], BlockError> {
        let mut text = SIGNATURE.to_owned();
        let leads = |pair: &&(String, String)| leading.contains(&pair.0.as_str());
        let named = leading
            .iter()
            .filter_map(|name| self.0.iter().find(|(own, _)| own == name));
        named.for_each(|pair| put(&mut text, pair));
        if text.len() > SECTOR_LENGTH {
            return Err(BlockError::Full(
                "the slots' variables do not fit into its first sector",
            ));
        }
        self.0
            .iter()
            .filter(|pair| !leads(pair))
            .for_each(|pair| put(&mut text, pair));
        if text.len() > LENGTH {
            return Err(BlockError::Full("the variables do not fit"));
        }
        let mut block = [b'#'; LENGTH];
        block[..text.len()].copy_from_slice(text.as_bytes());
        Ok(block)
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| own != name);
    }
}

fn put(text: &mut String, (name, value): &(String, String)) {
    text.push_str(name);
    text.push('=');
    for sign in value.chars() {
        if matches!(sign, '\\' | '\n') {
            text.push('\\');
        }
        text.push(sign);
    }
    text.push('\n');
}

/// A line without its end, and what follows it. A protected line end is none.
fn next_line(rest: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'\n' => return (&rest[..at], &rest[at + 1..]),
            _ => at += 1,
        }
    }
    (rest, &[])
}

fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = value.iter();
    let mut found = Vec::with_capacity(value.len());
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => found.extend(bytes.next()),
            _ => found.push(byte),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made by `grub-editenv` 2.06: create, set first=a tries_a=3 menu='two words' path='a\b'.
    const GRUBS: &str = "# GRUB Environment Block\n\
        # WARNING: Do not edit this file by tools other than grub-editenv!!!\n\
        first=a\ntries_a=3\nmenu=two words\npath=a\\\\b\n";

    fn block(text: &str) -> Vec<u8> {
        let mut block = text.as_bytes().to_vec();
        block.resize(LENGTH, b'#');
        block
    }

    #[test]
    fn what_grub_wrote_is_read_and_what_is_unknown_is_kept() {
        let mut read = Environment::decode(&block(GRUBS)).unwrap();
        assert_eq!(read.get("first"), Some("a"));
        assert_eq!(read.get("path"), Some("a\\b"));
        read.set("first", "b");
        let again = read.encode(&["tries_a", "first"]).unwrap();
        let text = String::from_utf8(again.to_vec()).unwrap();
        let expected =
            "# GRUB Environment Block\ntries_a=3\nfirst=b\nmenu=two words\npath=a\\\\b\n#";
        assert!(text.starts_with(expected), "{text}");
        assert!(text[expected.len()..].bytes().all(|byte| byte == b'#'));
    }

    #[test]
    fn damage_is_told_and_a_full_block_is_refused() {
        for wrong in [
            vec![],
            vec![0; LENGTH],
            block("# GRUB Environment"),
            block(GRUBS)[1..].to_vec(),
        ] {
            assert!(matches!(
                Environment::decode(&wrong),
                Err(BlockError::Damaged(_))
            ));
        }
        let mut environment = Environment::default();
        environment.set("long", &"x".repeat(600));
        assert!(environment.encode(&[]).is_ok());
        assert!(
            matches!(environment.encode(&["long"]), Err(BlockError::Full(_))),
            "beyond the first sector"
        );
        environment.set("longer", &"x".repeat(600));
        assert!(matches!(environment.encode(&[]), Err(BlockError::Full(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values in proptest::collection::btree_map("[a-z_]{1,12}", "[ -~\n\\\\é]{0,20}", 0..12)) {
            let mut environment = Environment::default();
            values.iter().for_each(|(name, value)| environment.set(name, value));
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            if let Ok(block) = environment.encode(&names) {
                prop_assert_eq!(Environment::decode(&block).unwrap(), environment);
            }
        }

        #[test]
        fn no_block_makes_it_panic(mut noise in proptest::collection::vec(any::<u8>(), LENGTH), whole: bool) {
            if whole {
                noise[..SIGNATURE.len()].copy_from_slice(SIGNATURE.as_bytes());
            }
            if let Ok(read) = Environment::decode(&noise) {
                drop(read.encode(&["first"]));
            }
        }
    }
}
