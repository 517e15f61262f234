//! `net.*`: interfaces, routes, names, ports and web servers, looked at only.

pub mod check_port;
pub mod dns_lookup;
pub mod http_request;
pub mod interfaces;
pub mod names;
pub mod routes;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry
        .with::<interfaces::Interfaces>()
        .with::<routes::Routes>()
        .with::<check_port::CheckPort>()
        .with::<dns_lookup::DnsLookup>()
        .with::<http_request::HttpRequest>()
}
