//! Why a TPM did not do what it was asked, in words where a person can do something about it.

use std::io;

/// Why a TPM did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none, or it is gone.
    #[error("no TPM 2.0 answers: {0}")]
    Device(#[from] io::Error),
    /// It refused. TPM_RC (Part 2, 6.6).
    #[error("the TPM refuses {command} with {code:#x}{}", meaning(*.code))]
    Refused {
        /// What it was asked.
        command: String,
        /// Its code.
        code: u32,
    },
    /// It said something else than it was asked.
    #[error("the TPM's answer to {0} makes no sense")]
    Nonsense(String),
}

/// The codes that a person can do something about; of those with a parameter's number, their kind.
fn meaning(code: u32) -> &'static str {
    match code {
        0x99D => ": PCR 7 is not what it was when the disk was encrypted",
        0x9A2 | 0x98E => ": its owner has set a password",
        0x921 => ": it is locked after too many wrong passwords",
        _ if code & 0xBF == 0x9F => ": the key is another TPM's",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_a_person_can_act_on_is_explained() {
        let check = |code, expected: &str| {
            let command = "Unseal".to_owned();
            let text = Error::Refused { command, code }.to_string();
            assert!(text.contains(expected), "{text}");
        };
        check(0x99D, "PCR 7 is not what it was");
        check(0x1DF, "another TPM's");
        check(0x9A2, "password");
        check(0x921, "locked");
        check(0x101, "refuses Unseal with 0x101");
    }
}
