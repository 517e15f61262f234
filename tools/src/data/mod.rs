//! `data.*`: tables in files: asked by SQL, described, converted.

pub mod convert;
mod database;
pub mod describe;
mod functions;
pub mod query;
mod table;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<query::Query>(),
        look::<describe::Describe>(),
        change::<convert::Act>(),
    ]
}
