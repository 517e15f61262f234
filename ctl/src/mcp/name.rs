//! Names of tools, to MCP clients and back.
//!
//! The registry's names are words with dots between them: `fs.disk_usage`. Many clients, and the
//! models behind them, take only letters, digits, `_` and `-`, at most 64 of them. No registry name
//! has a `-`, so `fs-disk_usage` stands for one name and no other.

/// The longest name that clients commonly take, in bytes.
const NAME_MAX: usize = 64;

/// The name under which a client sees the tool; `None` when it cannot have one.
pub fn to_client(tool: &str) -> Option<String> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let fits = tool.len() <= NAME_MAX && tool.split('.').all(is_word);
    fits.then(|| tool.replace('.', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry's name of what a client calls so.
    fn to_registry(name: &str) -> String {
        name.replace('-', ".")
    }

    #[test]
    fn a_name_is_told_so_that_every_client_takes_it_and_it_can_be_told_back() {
        let check = |tool: &str, expected: Option<&str>| {
            let name = to_client(tool);
            assert_eq!(name.as_deref(), expected, "{tool:?}");
            if let Some(name) = name {
                assert_eq!(to_registry(&name), tool);
            }
        };
        check("fs.read", Some("fs-read"));
        check("fs.disk_usage", Some("fs-disk_usage"));
        check("hw.usb.list", Some("hw-usb-list"));
        check("echo", Some("echo"));
        check(&"a".repeat(64), Some(&"a".repeat(64)));
        // Each of these could be taken for another name, or breaks a client.
        for hostile in [
            "",
            ".",
            "fs.",
            ".read",
            "fs..read",
            "fs-read",
            "fs.re ad",
            "fs.\u{1b}",
            "fs.é",
            "fs/read",
            &"a".repeat(65),
        ] {
            check(hostile, None);
        }
    }
}
