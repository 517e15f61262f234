//! `sec.*`: what was done here and by whom, and whether that record is whole.

pub mod audit_query;
pub mod audit_verify;
pub mod grant;
pub mod grants;
pub mod lent;
pub mod revoke;
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
    ]
}
