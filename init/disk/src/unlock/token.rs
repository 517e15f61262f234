//! What the TPM sealed, kept as a token in the LUKS2 header itself (LUKS2 on-disk format
//! specification, 3.5): a disk needs nothing beside it but the TPM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::tpm::Sealed;

/// Tokens of ours; cryptsetup keeps those that it does not know.
const TYPE: &str = "aios-tpm2";
/// What the key is bound to, for people: the policy itself is in the sealed object.
const PCRS: &str = "sha256:7";

#[derive(Serialize, Deserialize)]
struct Token {
    #[serde(rename = "type")]
    kind: String,
    keyslots: Vec<String>,
    pcrs: String,
    private: String,
    public: String,
}

/// The token that says how key slot `slot` is opened.
pub fn write(sealed: &Sealed, slot: &str) -> String {
    let token = Token {
        kind: TYPE.to_owned(),
        keyslots: vec![slot.to_owned()],
        pcrs: PCRS.to_owned(),
        private: STANDARD.encode(&sealed.private),
        public: STANDARD.encode(&sealed.public),
    };
    // Err: not for a structure of texts.
    serde_json::to_string(&token).unwrap_or_default()
}

/// What a token holds; none when it is not ours.
pub fn read(text: &str) -> Option<Sealed> {
    let token: Token = serde_json::from_str(text).ok()?;
    let bytes = |text: &str| STANDARD.decode(text).ok();
    let sealed = Sealed {
        private: bytes(&token.private)?,
        public: bytes(&token.public)?,
    };
    (token.kind == TYPE).then_some(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_anothers_is_not_ours() {
        let sealed = Sealed {
            private: vec![1, 2, 3],
            public: vec![0xff; 100],
        };
        let text = write(&sealed, "0");
        assert_eq!(read(&text), Some(sealed));
        for text in [
            text.replace(TYPE, "systemd-tpm2"),
            text.replace("AQID", "?"),
            String::new(),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }
}
