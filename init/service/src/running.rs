//! The mark that the machine runs. The keeper sets it at every start, the end of an orderly run
//! removes it: a mark that is found at the next start says that the last run ended in another way.

use std::io;

/// The file of the mark; it holds the id of the boot.
pub const MARK: &str = "/var/lib/aios/running";

/// Removes the mark: the machine goes down orderly.
///
/// # Errors
/// When the disk does not take it.
pub fn end() -> io::Result<()> {
    std::fs::remove_file(MARK)
}
