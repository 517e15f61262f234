//! Host names: what is one, and which addresses it has.
//!
//! Names are resolved by a library and not by libc: the executables are static.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{ResolveError, TokioResolver};

use aios_tool::context::Context;
use aios_tool::error::ToolError;

/// How long one name server gets to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is asked.
const ATTEMPTS: usize = 2;
/// The addresses of a host, by the system's name servers.
///
/// # Errors
/// `Precondition` when the name has none, `Unavailable` when no server answers.
pub fn lookup(host: &str, context: &Context) -> Result<Vec<IpAddr>, ToolError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let (config, options) = read_system_conf().map_err(|error| {
        ToolError::Precondition(format!("/etc/resolv.conf names no name servers: {error}"))
    })?;
    lookup_with(config, options, host, context)
}

/// The same, by given name servers.
///
/// # Errors
/// As [`lookup`].
pub fn lookup_with(
    config: ResolverConfig,
    mut options: ResolverOpts,
    host: &str,
    context: &Context,
) -> Result<Vec<IpAddr>, ToolError> {
    options.timeout = SERVER_TIMEOUT;
    options.attempts = ATTEMPTS;
    context.block_on(async {
        let provider = TokioConnectionProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        let answer = builder.build().lookup_ip(host).await;
        answer
            .map(|found| found.iter().collect())
            .map_err(|error| refusal(host, &error))
    })
}

fn refusal(host: &str, error: &ResolveError) -> ToolError {
    if error.is_nx_domain() {
        return ToolError::Precondition(format!("there is no host {host}"));
    }
    if error.is_no_records_found() {
        return ToolError::Precondition(format!("{host} has no address"));
    }
    ToolError::Unavailable(format!("no name server answers for {host}: {error}"))
}
