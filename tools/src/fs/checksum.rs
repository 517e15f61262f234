//! `fs.checksum`: what a file's content is, in a few digits.

use std::io::Read as _;

use md5::Md5;
use rustix::fs::FileType;
use sha2::{Digest, Sha256, Sha512};

use aios_tool::argument::{ReadPath, Text};
use aios_tool::file::READING;
use aios_tool::file::state::hex;
use aios_tool::prelude::*;

/// So much is read at once, in bytes; between two reads the deadline is looked at.
const PIECE: usize = 1024 * 1024;

choices! {
    /// How the digest is made.
    pub enum Algorithm {
        /// SHA-256 (FIPS 180-4).
        Sha256 = "sha256",
        /// SHA-512 (FIPS 180-4).
        Sha512 = "sha512",
        /// MD5 (RFC 1321): tells damage, not deceit.
        Md5 = "md5",
    }
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
            Self::Md5 => "MD5",
        }
    }

    /// How many hexadecimal digits its digests have.
    const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
            Self::Md5 => 32,
        }
    }
}

/// The tool `fs.checksum`.
pub struct Act;

arguments! {
    /// Arguments of `fs.checksum`.
    pub struct Input {
        /// Absolute path of the file.
        pub path: ReadPath,
        /// `sha256` (if absent), `sha512` or `md5`.
        pub algorithm: Option<Algorithm>,
        /// The digest that it should have, in hexadecimal digits.
        pub expected: Option<Text>,
    }
}

/// The digest.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// How it was made: `SHA-256`.
    pub algorithm: String,
    /// The digest, in lower-case hexadecimal digits.
    pub digest: String,
    /// So many bytes were read.
    pub size: u64,
    /// Is it the expected one? Absent when none was given.
    pub matches: Option<bool>,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.checksum",
            "Computes the SHA-256, SHA-512 or MD5 of a file and compares it with an expected one.",
        )
        .example(json!({"path": "/srv/image.iso", "algorithm": "sha256"}))
        .timeout_ms(300_000)
        .kernel(READING)
    }

    fn complete(input: &mut Input) {
        input.algorithm.get_or_insert(Algorithm::Sha256);
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let (Some(expected), Some(algorithm)) = (&input.expected, input.algorithm) else {
            return Ok(());
        };
        input.expected = Some(Text::of(digest_of(expected.as_str(), algorithm)?));
        Ok(())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            path,
            algorithm,
            digest,
            ..
        } = output;
        let verdict = match output.matches {
            None => "",
            Some(true) => ", as expected",
            Some(false) => ", which is NOT the expected one",
        };
        let size = format::bytes(output.size);
        format!("{algorithm} of {path} ({size}): {digest}{verdict}")
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        match FileType::from_raw_mode(place.existing()?.st_mode) {
            FileType::RegularFile => {}
            kind => {
                let kind = file::kind_name(kind);
                return Err(ToolError::Precondition(format!(
                    "{} is a {kind}",
                    input.path
                )));
            }
        }
        let file = place.open_content()?;
        let algorithm = *argument::defaulted(&input.algorithm)?;
        let (digest, size) = match algorithm {
            Algorithm::Sha256 => digest::<Sha256>(file, input, context)?,
            Algorithm::Sha512 => digest::<Sha512>(file, input, context)?,
            Algorithm::Md5 => digest::<Md5>(file, input, context)?,
        };
        Ok(Output {
            path: input.path.to_string(),
            algorithm: algorithm.name().to_owned(),
            matches: input
                .expected
                .as_ref()
                .map(|expected| expected.as_str() == digest),
            digest,
            size,
        })
    }
}

/// The digest of all that is in a file, and how much that was.
fn digest<D: Digest>(
    mut file: std::fs::File,
    input: &Input,
    context: &Context,
) -> Result<(String, u64), ToolError> {
    let (mut digest, mut size) = (D::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        if context.remaining().is_zero() {
            return Err(ToolError::Deadline(format!(
                "{} is too large: {} could be read in time",
                input.path,
                format::bytes(size)
            )));
        }
        let read = file
            .read(&mut piece)
            .map_err(|error| ToolError::io(&input.path, error))?;
        if read == 0 {
            return Ok((hex(&digest.finalize()), size));
        }
        digest.update(&piece[..read]);
        size += read as u64;
    }
}

/// An expected digest in the form in which they are made.
fn digest_of(text: &str, algorithm: Algorithm) -> Result<String, ToolError> {
    let text = text.trim().to_ascii_lowercase();
    let digits = algorithm.digits();
    match text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err(ToolError::Invalid(format!(
            "expected: a digest of {} has {digits} hexadecimal digits",
            algorithm.name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn digests_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let check = |algorithm: &str, expected: &str| {
            let arguments = json!({"path": path, "algorithm": algorithm, "expected": expected});
            let done = call::<Act>(arguments).unwrap();
            assert_eq!(done.output["matches"], true, "{}", done.summary);
        };
        // FIPS 180-4 and RFC 1321, examples for "abc".
        check("md5", "900150983cd24fb0d6963f7d28e17f72");
        check(
            "sha256",
            "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        );
        check(
            "sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
        let other = json!({"path": path, "expected": "0".repeat(64)});
        let done = call::<Act>(other).unwrap();
        assert!(
            done.summary.ends_with("NOT the expected one"),
            "{}",
            done.summary
        );
        let short = call::<Act>(json!({"path": path, "expected": "ab"})).unwrap_err();
        assert!(
            short.to_string().contains("64 hexadecimal digits"),
            "{short}"
        );
        let folder = call::<Act>(json!({"path": path.parent()})).unwrap_err();
        assert!(folder.to_string().ends_with("is a directory"), "{folder}");
    }
}
