//! `net.*`: interfaces, routes, names, ports, connections and web servers.

pub mod check_port;
pub mod client;
pub mod connections;
pub mod dns_lookup;
pub mod download;
pub mod http_request;
pub mod interfaces;
pub mod listen_check;
pub mod names;
pub mod ping;
pub mod reach;
pub mod routes;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<interfaces::Interfaces>(),
        look::<routes::Routes>(),
        look::<check_port::CheckPort>(),
        look::<connections::Connections>(),
        look::<dns_lookup::DnsLookup>(),
        change::<download::Download>(),
        look::<http_request::HttpRequest>(),
        look::<listen_check::ListenCheck>(),
        look::<ping::Ping>(),
    ]
}
