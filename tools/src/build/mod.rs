//! `build.run` and `test.run`: a workspace is built or tested by the program that its files ask for
//! ([`project`]), in a sandbox without network.

mod counts;
mod project;
pub mod run;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change};

/// The tools of these namespaces.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        change::<run::Run<run::Build>>(),
        change::<run::Run<run::Test>>(),
    ]
}
