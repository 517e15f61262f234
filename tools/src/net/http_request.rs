//! `net.http_request`: what a web server answers.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::{Method, Uri};

use super::client::{self, Answer, Refusal};
use super::reach;
use crate::procfs::printable;
use aios_tool::argument::Url;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `net.http_request`.
pub struct HttpRequest;

/// So much of a body is read, in bytes; the rest is not waited for.
const BODY_MAX: u64 = 1024 * 1024;
/// So much of it is given back.
const SHOWN_MAX: usize = 16 * 1024;
/// Less than the tool's deadline, so that the error says what was waited for.
const TIMEOUT: Duration = Duration::from_secs(12);

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
            .example(json!({"url": "https://example.org/", "method": "GET"}))
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

fn fetch(input: &Input, context: &Context, refusal: Refusal) -> Result<Output, ToolError> {
    let began = Instant::now();
    let method = match input.method {
        Some(Verb::Head) => Method::HEAD,
        Some(Verb::Get) | None => Method::GET,
    };
    let (url, answer) = client::open(input.url.as_str(), method, TIMEOUT, context, refusal)?;
    read(&url, answer, began)
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

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::server as test_server;
