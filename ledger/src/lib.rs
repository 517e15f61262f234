//! The append-only audit log: a Merkle tree with signed checkpoints.
//!
//! 1. **What was acknowledged stays.** [`Ledger::append`] returns when its entry and
//!    a signed checkpoint over it are on the disk. Callers that wait at the same
//!    time share one `fdatasync`.
//! 2. **Nothing changes unnoticed.** The tree is RFC 6962's; every byte of the log
//!    is covered by the last checkpoint's signature: entries by the root hash,
//!    older checkpoints by a chain of digests. [`verify()`] needs the files alone.
//! 3. **A cut tail shows.** The newest durable checkpoint also stands in a second
//!    file, and whoever remembers a size and a root can have them checked.
//! 4. **A power cut costs only what nobody was promised.** Opening cuts a torn last
//!    group, and says so in an entry. Anything else that is damaged is refused:
//!    the ledger fails closed.
//!
//! On disk (`<dir>/log`): a header line with the public key, then frames
//! ([`frame`]) of entries (JSON) and checkpoints (signed notes). `<dir>/checkpoint`:
//! the newest durable note and where it ends in the log, in one sector.
//!
//! What must not live here: what the entries mean; that is `aios-tools`.

mod append;
mod checkpoint;
mod entry;
mod error;
pub mod frame;
mod key;
mod layout;
mod open;
mod read;
mod reserve;
pub mod tree;
mod verify;
mod view;
mod writer;

pub use append::Ledger;
pub use checkpoint::Checkpoint;
pub use entry::{ENTRY_MAX, Entry};
pub use error::Error;
pub use layout::Export;
pub use read::Newest;
pub use reserve::RESERVE;
pub use tree::{Frontier, Hash};
pub use verify::{Expected, Report, verify, verify_while};
pub use view::View;

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        text
    })
}

/// 32 bytes from 64 hexadecimal digits: a root hash or a public key.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    (hex(&bytes) == text.to_ascii_lowercase()).then_some(bytes)
}
