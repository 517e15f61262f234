//! `system.*`: what this system is, and what time it has.

pub mod hostname;
pub mod locale;
pub mod os_info;
mod settings;
pub mod time;
pub mod uptime;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<hostname::HostName>(),
        look::<locale::Locale>(),
        look::<os_info::OsInfo>(),
        look::<time::Time>(),
        look::<uptime::Uptime>(),
    ]
}
