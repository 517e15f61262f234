//! How pages are fetched: which addresses, which redirects, how long.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Method, Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

use super::names;
use aios_tool::argument::bare_host;
use aios_tool::prelude::*;

/// So many redirects are followed.
const REDIRECTS_MAX: u32 = 5;
/// As many addresses of a host as the client takes.
const ADDRESSES_MAX: usize = 16;

/// Says why an address is not connected to; `None` when it may be.
pub type Refusal = fn(IpAddr) -> Option<&'static str>;

/// Opens a page: the address that answered, after redirects on the same host, and its answer, whose
/// body is not read yet. The whole takes at most `timeout`, reading included.
///
/// # Errors
/// `Denied` when no address of the host may be connected to; `Deadline`; `Precondition` when there is
/// no answer, or a redirect elsewhere.
pub fn open(
    url: &str,
    method: Method,
    timeout: Duration,
    context: &Context,
    refusal: Refusal,
) -> Result<(Uri, Answer), ToolError> {
    let asked = url;
    let mut url = parse(asked)?;
    for _ in 0..=REDIRECTS_MAX {
        let answer = request(&url, &method, timeout, context, refusal)?;
        match redirect(&url, &answer)? {
            Some(next) => url = next,
            None => return Ok((url, answer)),
        }
    }
    Err(ToolError::Precondition(format!(
        "{asked}: more than {REDIRECTS_MAX} redirects"
    )))
}

/// The addresses of a host that may be connected to. They are looked up once for each request, and
/// the client gets exactly these: a name that has another address a moment later leads nowhere else.
pub(crate) fn addresses(
    url: &Uri,
    context: &Context,
    refusal: Refusal,
) -> Result<Vec<IpAddr>, ToolError> {
    let mut addresses = names::lookup(bare_host(url.host().unwrap_or_default()), context)?;
    let mut refused = None;
    addresses.retain(|address| match refusal(*address) {
        None => true,
        Some(why) => {
            refused = Some((*address, why));
            false
        }
    });
    match refused {
        Some((address, why)) if addresses.is_empty() => Err(ToolError::Denied(format!(
            "{url} is not fetched: {address} is {why}"
        ))),
        _ => Ok(addresses),
    }
}

fn parse(text: &str) -> Result<Uri, ToolError> {
    argument::address(text).map_err(|why| ToolError::Invalid(format!("url: {why}")))
}

/// What a server answers.
pub type Answer = ureq::http::Response<Body>;

/// One request, to addresses that were looked up and checked here.
fn request(
    url: &Uri,
    method: &Method,
    timeout: Duration,
    context: &Context,
    refusal: Refusal,
) -> Result<Answer, ToolError> {
    let addresses = addresses(url, context, refusal)?;
    let config = Config::builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent("aios-tools")
        .timeout_global(Some(timeout.min(context.remaining())))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Fixed(addresses));
    let request = Request::builder()
        .method(method.clone())
        .uri(url.clone())
        .body(());
    let request = request.map_err(|error| ToolError::Invalid(format!("url: {error}")))?;
    agent.run(request).map_err(|error| match error {
        ureq::Error::Timeout(_) => ToolError::Deadline(format!("{url} did not answer in time")),
        error => ToolError::Precondition(format!("{url} cannot be fetched: {error}")),
    })
}

/// Where the answer sends the caller: only to the same scheme, host and port, and only to an absolute
/// address or path.
fn redirect(from: &Uri, answer: &Answer) -> Result<Option<Uri>, ToolError> {
    let location = answer
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok());
    let (true, Some(location)) = (answer.status().is_redirection(), location) else {
        return Ok(None);
    };
    let refuse =
        || ToolError::Precondition(format!("{from} redirects to {location:?}: not followed"));
    let target = match (
        location.starts_with("//"),
        location.starts_with('/'),
        from.authority(),
    ) {
        (false, true, Some(host)) => {
            format!("{}://{host}{location}", from.scheme_str().unwrap_or("http"))
        }
        _ => location.to_owned(),
    };
    let next = parse(&target).map_err(|_| refuse())?;
    // The grant was for this host and port; another one would need its own.
    let same =
        next.scheme() == from.scheme() && next.host() == from.host() && port(&next) == port(from);
    if same { Ok(Some(next)) } else { Err(refuse()) }
}

/// The port of an address, said or by its scheme.
pub(crate) fn port(url: &Uri) -> u16 {
    let by_scheme = match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    url.port_u16().unwrap_or(by_scheme)
}

/// Gives the client the addresses that were looked up already.
#[derive(Debug)]
struct Fixed(Vec<IpAddr>);

impl Resolver for Fixed {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let port = port(uri);
        let mut addresses = self.empty();
        for address in self.0.iter().take(ADDRESSES_MAX) {
            addresses.push(SocketAddr::new(*address, port));
        }
        if self.0.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(addresses)
        }
    }
}
