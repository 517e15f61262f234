//! `sec.*`: what was done here and by whom, and whether that record is whole.

pub mod audit_query;
pub mod audit_verify;
pub mod since;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry
        .with::<audit_query::AuditQuery>()
        .with::<audit_verify::AuditVerify>()
}
