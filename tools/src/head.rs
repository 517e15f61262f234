//! What the ledger says of itself to whoever notes it in a second place.

use std::sync::LazyLock;

use aios_contracts::v1::{AuditHead, AuditHeadRequest};
use aios_ledger::{Expected, Ledger, hex, unhex, verify_while};
use aios_tool::error::ToolError;

/// Tells this process from the one before it: the open files of the ledger are the same for its life.
static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{} {}", std::process::id(), aios_files::clock::now_ms()));

/// How many entries are durable, and whether the first ones are those that are known, if that is asked.
/// That reads every byte, for as long as `is_asked`.
///
/// # Errors
/// When the disk refuses; `Invalid` when the known root hash is none.
pub fn head(
    ledger: &Ledger,
    request: &AuditHeadRequest,
    is_asked: &dyn Fn() -> bool,
) -> Result<AuditHead, ToolError> {
    let unreadable = |error: aios_ledger::Error| ToolError::Unavailable(error.to_string());
    let head = ledger.checkpoint().map_err(unreadable)?;
    let differs = match request.known_root_hash.as_str() {
        "" => String::new(),
        root => {
            let root = unhex(root).ok_or_else(|| {
                ToolError::Invalid("known_root_hash: not a SHA-256 in hexadecimal".to_owned())
            })?;
            let expected = Expected {
                public_key: Some(ledger.public_key()),
                remembered: vec![(request.known_size, root)],
            };
            let export = ledger.export().map_err(unreadable)?;
            let report = verify_while(&export, &expected, is_asked);
            report.map(|report| report.detail).unwrap_or_default()
        }
    };
    Ok(AuditHead {
        size: head.size,
        root_hash: hex(&head.root),
        public_key: hex(&ledger.public_key()),
        differs,
        process: PROCESS.clone(),
    })
}
