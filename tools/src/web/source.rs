//! The pages that `web.fetch` and `web.extract` read.

use std::io::Read as _;
use std::time::Duration;

use ureq::http::{Method, Uri};

use super::page::Anchor;
use crate::net::client::{self, Refusal};
use crate::procfs::printable;
use aios_tool::prelude::*;

/// So much of a page is read, in bytes.
const SIZE_MAX: u64 = 4 * 1024 * 1024;
/// Less than the tools' deadline, so that the error says what was waited for.
pub const TIMEOUT: Duration = Duration::from_secs(17);

/// A page as it came.
#[derive(Debug)]
pub struct Source {
    /// The address that answered, after redirects.
    pub url: Uri,
    /// Status: 200, 404, …
    pub status: u16,
    /// What kind of content it is, as the server says.
    pub content_type: String,
    /// The content.
    pub text: String,
    /// So much was read, in bytes.
    pub size: u64,
    /// There was more.
    pub is_cut: bool,
}

/// A link of a page.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Its text; somebody else's words.
    pub text: String,
    /// Where it leads.
    pub url: String,
}

/// Fetches a page.
///
/// # Errors
/// As [`client::open`]; `Precondition` when it is no text.
pub fn fetch(url: &str, context: &Context, refusal: Refusal) -> Result<Source, ToolError> {
    let (url, answer) = client::open(url, Method::GET, TIMEOUT, context, refusal)?;
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type");
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = printable(content_type.unwrap_or_default());
    if !is_text(&content_type) {
        return Err(ToolError::Precondition(format!(
            "{url} is {content_type}, which is no page of text; net.download takes files"
        )));
    }
    let mut content = Vec::new();
    let reader = answer.into_body().into_reader();
    reader
        .take(SIZE_MAX + 1)
        .read_to_end(&mut content)
        .map_err(|error| ToolError::io(format_args!("{url} broke off"), error))?;
    let is_cut = content.len() as u64 > SIZE_MAX;
    content.truncate(usize::try_from(SIZE_MAX).unwrap_or(usize::MAX));
    Ok(Source {
        url,
        status,
        text: decoded(&content, &content_type),
        size: content.len() as u64,
        content_type,
        is_cut,
    })
}

/// May it be read as text? What says nothing of itself may.
fn is_text(content_type: &str) -> bool {
    let kind = kind(content_type);
    kind.is_empty()
        || kind.starts_with("text/")
        || ["json", "xml", "+xml", "+json"]
            .iter()
            .any(|end| kind.ends_with(end))
}

/// The type without its parameters, in lower case.
fn kind(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

impl Source {
    /// Is it HTML? What says nothing of itself is.
    pub fn is_html(&self) -> bool {
        ["", "text/html", "application/xhtml+xml"].contains(&kind(&self.content_type).as_str())
    }

    /// The links that lead to another page of the web.
    pub fn links(&self, anchors: Vec<Anchor>) -> Vec<Link> {
        let links = anchors.into_iter().filter_map(|anchor| {
            Some(Link {
                url: printable(&absolute(&self.url, &anchor.target)?),
                text: anchor.text,
            })
        });
        links.collect()
    }
}

/// The text of a content. Other than UTF-8, pages of old are Latin-1.
fn decoded(content: &[u8], content_type: &str) -> String {
    let said = content_type.to_ascii_lowercase();
    let is_latin = ["iso-8859-1", "windows-1252", "latin1"]
        .iter()
        .any(|name| said.contains(&format!("charset={name}")));
    match is_latin {
        true => content.iter().map(|byte| char::from(*byte)).collect(),
        false => String::from_utf8_lossy(content).into_owned(),
    }
}

/// Where a link of a page leads (RFC 3986, 5.2), without its fragment; `None` for what is no address of
/// the web, and for one within the page.
fn absolute(page: &Uri, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() {
        return None;
    }
    let scheme = page.scheme_str()?;
    let host = page.authority()?;
    if target.starts_with("http://") || target.starts_with("https://") {
        return Some(target.to_owned());
    }
    if let Some(rest) = target.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let name = target.split(['/', '?']).next().unwrap_or_default();
    if name.contains(':') {
        return None; // mailto:, javascript:, data:, …
    }
    let path = match target.chars().next() {
        Some('/') => target.to_owned(),
        Some('?') => format!("{}{target}", page.path()),
        _ => {
            let folder = page
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{folder}/{target}")
        }
    };
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path.as_str(), String::new()),
    };
    Some(format!("{scheme}://{host}{}{query}", without_dots(path)))
}

fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if path.ends_with("/..") || path.ends_with("/.") {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_page_says() {
        let page: Uri = "https://a.b:8443/x/y?q=1".parse().unwrap();
        let check = |target: &str, expected: Option<&str>| {
            assert_eq!(absolute(&page, target).as_deref(), expected, "{target}");
        };
        check("http://c.d/e", Some("http://c.d/e"));
        check("//c.d/e", Some("https://c.d/e"));
        check("/e#part", Some("https://a.b:8443/e"));
        check("e", Some("https://a.b:8443/x/e"));
        check("../e/./f?g=/h:i", Some("https://a.b:8443/e/f?g=/h:i"));
        check("../../../e", Some("https://a.b:8443/e"));
        check("?z=2", Some("https://a.b:8443/x/y?z=2"));
        check("#part", None);
        check("", None);
        check("mailto:a@b.c", None);
        check("javascript:alert(1)", None);
    }

    #[test]
    fn only_texts_are_pages() {
        let check = |kind: &str, is: bool| assert_eq!(is_text(kind), is, "{kind}");
        check("", true);
        check("Text/HTML; charset=utf-8", true);
        check("application/json", true);
        check("application/atom+xml", true);
        check("image/png", false);
        check("application/octet-stream", false);
    }

    #[test]
    fn old_pages_are_read_too() {
        assert_eq!(decoded(&[0xe9], "text/html; charset=ISO-8859-1"), "é");
        assert_eq!(decoded("é".as_bytes(), "text/html"), "é");
    }
}
