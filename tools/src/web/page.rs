//! A page of HTML as a tree of bounded size, and what can be read from it.
//!
//! The tree is not that of a browser (nothing is moved, scripts do not run): each element is below the
//! one that was open when it began. All walks are loops, and no page makes the tree deep.

use std::collections::BTreeMap;
use std::convert::Infallible;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use crate::procfs::printable;

/// More nodes than this are not read; the largest pages have some ten thousand.
const NODES_MAX: usize = 100_000;
/// What is deeper is put beside what is above it.
const DEPTH_MAX: usize = 256;

/// Elements without content (HTML, "Void elements").
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "source",
    "track", "wbr",
];
/// Elements whose content is no text of the page.
const SILENT: [&str; 8] = [
    "head", "iframe", "noscript", "object", "script", "style", "svg", "template",
];
/// Elements that stand on lines of their own.
const BLOCKS: [&str; 38] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
    "summary",
];

/// An element, or a text.
#[derive(Debug, Default)]
pub struct Node {
    /// The element's name in lower case; empty for a text.
    pub tag: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The text.
    text: String,
    /// The element that it is in; the root is its own.
    pub parent: usize,
    /// The number of the node after the last that is in it.
    end: usize,
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// In the order of the page. The first is the root, an element without a name.
    pub nodes: Vec<Node>,
    /// There was more than is read.
    pub is_cut: bool,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its text.
    pub text: String,
    /// Where it leads, as the page says it.
    pub target: String,
}

impl Page {
    /// Reads a page. Every text is one.
    pub fn parse(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut builder = Builder::new();
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let token: Result<Token, Infallible> = token;
            let Ok(token) = token;
            if builder.nodes.len() >= NODES_MAX {
                builder.is_cut = true;
                break;
            }
            builder.take(token);
        }
        builder.finish()
    }

    /// Its title, on one line.
    pub fn title(&self) -> String {
        let title = self.nodes.iter().position(|node| node.tag == "title");
        title.map_or_else(String::new, |title| self.line(title))
    }

    /// The text of an element on one line; also of one that is not shown.
    pub fn line(&self, element: usize) -> String {
        let text: Vec<&str> = self.below(element).map(|node| node.text.as_str()).collect();
        let text = text.concat();
        let words: Vec<&str> = text.split_whitespace().collect();
        printable(&words.join(" "))
    }

    /// The text of an element, with a line for each block.
    pub fn text(&self, element: usize) -> String {
        let mut lines = vec![String::new()];
        let mut at = element;
        let mut ends: Vec<usize> = Vec::new();
        let new_line = |lines: &mut Vec<String>| {
            if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                lines.push(String::new());
            }
        };
        let end = self.end(element);
        while let Some(node) = self.nodes.get(at).filter(|_| at < end) {
            while ends.last().is_some_and(|end| *end <= at) {
                ends.pop();
                new_line(&mut lines);
            }
            if SILENT.contains(&node.tag.as_str()) && at != element {
                at = node.end;
                continue;
            }
            if BLOCKS.contains(&node.tag.as_str()) {
                new_line(&mut lines);
                ends.push(node.end);
            }
            if let Some(line) = lines.last_mut() {
                if node.tag == "td" || node.tag == "th" {
                    line.push(' ');
                }
                line.push_str(&node.text);
            }
            at += 1;
        }
        let lines = lines.iter().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            printable(&words.join(" "))
        });
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        lines.join("\n")
    }

    /// The links in an element.
    pub fn links(&self, element: usize) -> Vec<Anchor> {
        let all = element..self.end(element);
        let anchors = all.filter_map(|at| {
            let node = self.nodes.get(at)?;
            let target = node.attributes.get("href")?;
            (node.tag == "a").then(|| Anchor {
                text: self.line(at),
                target: target.trim().to_owned(),
            })
        });
        anchors.collect()
    }

    /// The tables in an element: their rows, with the text of each cell.
    pub fn tables(&self, element: usize) -> Vec<Vec<Vec<String>>> {
        let named = |within: usize, tag: &'static str| {
            let all = within..self.end(within);
            all.filter(move |at| self.nodes.get(*at).is_some_and(|node| node.tag == tag))
        };
        named(element, "table")
            .map(|table| {
                named(table, "tr")
                    .filter(|row| self.nearest(*row, "table") == Some(table))
                    .map(|row| self.cells(row))
                    .collect()
            })
            .collect()
    }

    fn cells(&self, row: usize) -> Vec<String> {
        let all = row..self.end(row);
        let cells = all.filter(|at| {
            let cell = self.nodes.get(*at);
            cell.is_some_and(|cell| ["td", "th"].contains(&cell.tag.as_str()))
                && self.nearest(*at, "tr") == Some(row)
        });
        cells.map(|cell| self.line(cell)).collect()
    }

    /// The nearest element of this name that something is in.
    fn nearest(&self, node: usize, tag: &str) -> Option<usize> {
        let mut at = node;
        while at != 0 {
            at = self.nodes.get(at)?.parent;
            if self.nodes.get(at)?.tag == tag {
                return Some(at);
            }
        }
        None
    }

    fn end(&self, element: usize) -> usize {
        self.nodes.get(element).map_or(0, |node| node.end)
    }

    fn below(&self, element: usize) -> impl Iterator<Item = &Node> {
        let all = self.nodes.get(element..self.end(element));
        all.unwrap_or_default().iter()
    }
}

/// Makes the tree.
struct Builder {
    nodes: Vec<Node>,
    /// The open elements, the root first.
    open: Vec<usize>,
    is_cut: bool,
}

impl Builder {
    fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            open: vec![0],
            is_cut: false,
        }
    }

    fn take(&mut self, token: Token) {
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                self.close_implied(&name);
                let attributes = tag.attributes.into_iter().map(|(name, value)| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    (text(&name), text(&value))
                });
                let stays_open = !tag.self_closing && !VOID.contains(&name.as_str());
                let node = Node {
                    tag: name,
                    attributes: attributes.collect(),
                    ..Node::default()
                };
                let number = self.add(node);
                if stays_open && self.open.len() < DEPTH_MAX {
                    self.open.push(number);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name);
                let open = self.open.iter().rposition(|at| {
                    let node = self.nodes.get(*at);
                    node.is_some_and(|node| node.tag == *name)
                });
                // One that closes nothing says nothing.
                if let Some(depth @ 1..) = open {
                    self.close_to(depth);
                }
            }
            Token::String(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                self.add(Node {
                    text,
                    ..Node::default()
                });
            }
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }

    fn add(&mut self, node: Node) -> usize {
        let number = self.nodes.len();
        let parent = self.open.last().copied().unwrap_or(0);
        self.nodes.push(Node {
            parent,
            end: number + 1,
            ..node
        });
        number
    }

    /// Closes what may be left open before such an element (HTML, "Optional tags").
    fn close_implied(&mut self, name: &str) {
        let closed: &[&str] = match name {
            "li" => &["li", "p"],
            "dt" | "dd" => &["dt", "dd", "p"],
            "option" => &["option"],
            "td" | "th" => &["td", "th", "p"],
            "tr" => &["td", "th", "tr", "p"],
            "p" | "div" | "ul" | "ol" | "table" | "section" => &["p"],
            _ => &[],
        };
        while let Some(node) = self.open.last().and_then(|at| self.nodes.get(*at)) {
            if !closed.contains(&node.tag.as_str()) {
                return;
            }
            self.close_to(self.open.len() - 1);
        }
    }

    /// Closes the open elements from this depth on.
    fn close_to(&mut self, depth: usize) {
        let end = self.nodes.len();
        for at in self.open.drain(depth..) {
            if let Some(node) = self.nodes.get_mut(at) {
                node.end = end;
            }
        }
    }

    fn finish(mut self) -> Page {
        self.close_to(0);
        Page {
            nodes: self.nodes,
            is_cut: self.is_cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_a_line_for_each_block_and_no_scripts() {
        let check = |html: &str, text: &str| assert_eq!(Page::parse(html).text(0), text, "{html}");
        check("", "");
        check("just <b>text</b> &amp; more", "just text & more");
        check(
            "<h1>One</h1><p>two\n  <i>three</i><p>four",
            "One\ntwo three\nfour",
        );
        check(
            "<p>a<script>if (a < b) alert('<p>')</script>b<style>p{}</style>",
            "ab",
        );
        check("<head><title>T</title></head><body>b</body>", "b");
        check("a<br>b<hr>c<img src=x>d", "a\nb\ncd");
        check("<ul><li>a<li>b</ul>c", "a\nb\nc");
        check("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc");
        check("</div></p>a<!-- b --><!doctype html>", "a");
        check("a\u{1b}[31mb", "a\u{fffd}[31mb");
    }

    #[test]
    fn title_links_and_tables_are_found() {
        let page = Page::parse(
            "<title> A \n page </title><a href=' /x '>to <b>x</b></a><a name=y>y</a>\
             <table><tr><th>n<th>m</tr><tr><td>1<td><table><tr><td>in</table></table>",
        );
        assert_eq!(page.title(), "A page");
        let link = Anchor {
            text: "to x".into(),
            target: "/x".into(),
        };
        assert_eq!(page.links(0), [link]);
        assert_eq!(
            page.tables(0),
            [vec![vec!["n", "m"], vec!["1", "in"]], vec![vec!["in"]]]
        );
    }

    #[test]
    fn a_hostile_page_makes_no_deep_and_no_endless_tree() {
        let deep = "<div>".repeat(50_000) + "x";
        let page = Page::parse(&deep);
        assert_eq!(page.text(0), "x");
        let many = "<b>".repeat(NODES_MAX + 10);
        let page = Page::parse(&many);
        assert!(page.is_cut && page.nodes.len() <= NODES_MAX);
        let ends = "<a href=x>".repeat(5_000) + &"</i>".repeat(5_000);
        assert_eq!(Page::parse(&ends).links(0).len(), 5_000);
    }
}
