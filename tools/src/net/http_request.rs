//! `net.http_request`: what a web server answers.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::{Method, Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

use super::{names, reach};
use crate::procfs::printable;
use aios_tool::argument::{Url, bare_host};
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `net.http_request`.
pub struct HttpRequest;

/// So much of a body is read, in bytes; the rest is not waited for.
const BODY_MAX: u64 = 1024 * 1024;
/// So much of it is given back.
const SHOWN_MAX: usize = 16 * 1024;
/// So many redirects are followed.
const REDIRECTS_MAX: u32 = 5;
/// Less than the tool's deadline, so that the error says what was waited for.
const TIMEOUT: Duration = Duration::from_secs(12);
/// As many addresses of a host as the client takes.
const ADDRESSES_MAX: usize = 16;

choices! {
    /// Only what changes nothing at the other end.
    pub enum Verb {
        /// The page.
        Get = "GET",
        /// Its headers.
        Head = "HEAD",
    }
}

arguments! {
    /// Arguments of `net.http_request`.
    pub struct Input {
        /// Address of the page, `http://…` or `https://…`.
        pub url: Url,
        /// `GET` or `HEAD`. Default: `GET`.
        pub method: Option<Verb>,
    }
}

/// The answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The address that answered, after redirects.
    pub url: String,
    /// Status: 200, 404, …
    pub status: u16,
    /// What kind of content it is, as the server says.
    pub content_type: String,
    /// So much of the body was read, in bytes.
    pub size: u64,
    /// The beginning of the body; untrusted text.
    pub body: String,
    /// Is `body` not the whole?
    pub truncated: bool,
    /// Time it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Tool for HttpRequest {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("net.http_request", "Fetches a web page or its headers.")
            .timeout_ms(15_000)
            .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.method.get_or_insert(Verb::Get);
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let kind = match output.content_type.as_str() {
            "" => String::new(),
            kind => format!(" of {kind}"),
        };
        format!(
            "{} answered {}{kind}, {}, in {} ms",
            output.url,
            output.status,
            bytes(output.size),
            output.elapsed_ms
        )
    }
}

impl Look for HttpRequest {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        fetch(input, context, reach::refusal)
    }
}

/// Says why an address is not connected to; `None` when it may be.
pub(crate) type Refusal = fn(IpAddr) -> Option<&'static str>;

fn fetch(input: &Input, context: &Context, refusal: Refusal) -> Result<Output, ToolError> {
    let began = Instant::now();
    let mut url = parse(input.url.as_str())?;
    for _ in 0..=REDIRECTS_MAX {
        let answer = request(&url, input.method, context, refusal)?;
        match redirect(&url, &answer)? {
            Some(next) => url = next,
            None => return read(&url, answer, began),
        }
    }
    Err(ToolError::Precondition(format!(
        "{}: more than {REDIRECTS_MAX} redirects",
        input.url
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

type Answer = ureq::http::Response<Body>;

/// One request, to addresses that were looked up and checked here.
fn request(
    url: &Uri,
    verb: Option<Verb>,
    context: &Context,
    refusal: Refusal,
) -> Result<Answer, ToolError> {
    let addresses = addresses(url, context, refusal)?;
    let config = Config::builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent("aios-tools")
        .timeout_global(Some(TIMEOUT.min(context.remaining())))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Fixed(addresses));
    let method = match verb {
        Some(Verb::Head) => Method::HEAD,
        Some(Verb::Get) | None => Method::GET,
    };
    let request = Request::builder().method(method).uri(url.clone()).body(());
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

fn read(url: &Uri, answer: Answer, began: Instant) -> Result<Output, ToolError> {
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type");
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .map(printable);
    let mut content = Vec::new();
    let fault = |error| ToolError::io(format_args!("{url} broke off"), error);
    let reader = answer.into_body().into_reader();
    reader
        .take(BODY_MAX + 1)
        .read_to_end(&mut content)
        .map_err(fault)?;
    let whole = content.len() as u64 <= BODY_MAX;
    content.truncate(usize::try_from(BODY_MAX).unwrap_or(usize::MAX));
    let shown = content.get(..SHOWN_MAX).unwrap_or(&content);
    Ok(Output {
        url: url.to_string(),
        status,
        content_type: content_type.unwrap_or_default(),
        size: content.len() as u64,
        body: String::from_utf8_lossy(shown).into_owned(),
        truncated: !whole || shown.len() < content.len(),
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
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

#[cfg(test)]
mod tests;
