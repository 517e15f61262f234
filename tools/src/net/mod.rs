//! `net.*`: interfaces, routes, names, ports and web servers, looked at only.

pub mod check_port;
pub mod dns_lookup;
pub mod http_request;
pub mod interfaces;
pub mod names;
pub(crate) mod reach;
pub mod routes;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<interfaces::Interfaces>(),
        look::<routes::Routes>(),
        look::<check_port::CheckPort>(),
        look::<dns_lookup::DnsLookup>(),
        look::<http_request::HttpRequest>(),
    ]
}
