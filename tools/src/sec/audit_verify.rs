//! `sec.audit_verify`: is every byte of the audit log as it was signed?

use aios_ledger::{Ledger, hex};

use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

use crate::verification;

/// The tool `sec.audit_verify`.
pub struct AuditVerify;

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Is everything as it was signed?
    pub intact: bool,
    /// Number of entries read.
    pub entries: u64,
    /// Hash of all of them, in hex.
    pub root_hash: String,
    /// What is wrong, and where.
    pub detail: String,
    /// Public key of the signer, in hex.
    pub public_key: String,
}

impl Tool for AuditVerify {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.audit_verify",
            "Checks that nothing in the audit log was changed or removed.",
        )
        .needing("sec", "read", "audit")
        .timeout_ms(120_000)
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let Output {
            entries,
            root_hash,
            detail,
            ..
        } = output;
        match output.intact {
            true => format!("the audit log is intact: {entries} entries, root hash {root_hash}"),
            false => format!("the audit log is NOT intact: {detail}"),
        }
    }
}

impl Look for AuditVerify {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let report = verification::report_here(context.part::<Ledger>()?)?;
        Ok(Output {
            intact: report.intact,
            entries: report.entries,
            root_hash: hex(&report.root_hash),
            detail: report.detail,
            public_key: hex(&report.public_key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn an_empty_log_is_intact_with_the_hash_of_nothing() {
        let done = call::<AuditVerify>(json!({})).unwrap();
        assert_eq!(
            done.summary,
            "the audit log is intact: 0 entries, root hash \
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
