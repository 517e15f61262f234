//! Web addresses.

use tonic::transport::Uri;

use super::Kind;
use super::object::{Connect, Host, Named, Object};

/// Addresses of the web.
#[derive(Clone, Copy, Debug)]
pub enum Web {}

/// A web address to fetch from.
pub type Url = Named<Web, Connect>;

impl Object for Web {
    const KIND: Kind = Kind::Url;
    const NAMESPACE: &'static str = "net";

    fn resolve(text: String) -> Result<String, String> {
        address(&text).map(|address| address.to_string())
    }
}

/// An absolute web address without a password in it.
///
/// # Errors
/// Why it is none.
pub fn address(text: &str) -> Result<Uri, String> {
    let address: Uri = text
        .trim()
        .parse()
        .map_err(|_| "is not an address".to_owned())?;
    match (address.scheme_str(), address.authority()) {
        (Some("http" | "https"), Some(host)) if !host.as_str().contains('@') => {
            Host::resolve(bare_host(host.host()).to_owned()).map(|_| address)
        }
        (Some("http" | "https"), Some(_)) => Err("must not hold a user or password".to_owned()),
        _ => Err("must begin with http:// or https://".to_owned()),
    }
}

/// The host without the brackets of an IPv6 address.
pub fn bare_host(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}
