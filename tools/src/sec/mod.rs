//! `sec.*`: the audit log, the rights of agents, and a look for weak spots of the machine: open ports,
//! files that anybody may write to, files of packages that were changed.

pub mod audit_query;
pub mod audit_verify;
pub mod file_integrity;
pub mod grant;
pub mod grants;
pub mod lent;
pub mod permissions;
pub mod revoke;
pub mod scan;
pub mod since;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<audit_query::AuditQuery>(),
        look::<audit_verify::AuditVerify>(),
        change::<grant::Grant>(),
        look::<grants::Grants>(),
        change::<revoke::Revoke>(),
        look::<permissions::Permissions>(),
        look::<scan::Scan>(),
        look::<file_integrity::FileIntegrity>(),
    ]
}
