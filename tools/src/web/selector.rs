//! The part of CSS selectors by which elements of a page are chosen: names, `#id`, `.class`, `[attribute]`,
//! `[attribute=value]`, descendants (a space), children (`>`), and several of them with commas.

use super::page::{Node, Page};

/// So many steps one selector has: a bit for each.
const STEPS_MAX: usize = 16;

/// What an element must be like.
#[derive(Debug, Default, PartialEq, Eq)]
struct Compound {
    /// Its name; any when it is empty.
    tag: String,
    id: Option<String>,
    classes: Vec<String>,
    /// Names, and values where they must have one.
    attributes: Vec<(String, Option<String>)>,
    /// It is directly in what the step before chooses.
    is_child: bool,
}

/// A list of selectors, each with its steps.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector(Vec<Vec<Compound>>);

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(steps)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The elements of a page that it chooses, in the order of the page.
    pub fn choose(&self, page: &Page) -> Vec<usize> {
        let mut chosen = vec![false; page.nodes.len()];
        for steps in &self.0 {
            mark(steps, page, &mut chosen);
        }
        let numbers = chosen.iter().enumerate();
        numbers.filter_map(|(at, is)| is.then_some(at)).collect()
    }
}

/// Marks what the steps lead to. For each element, one number says which steps end at it, and one which
/// end at what it is in: a parent comes before what is in it, so one pass is enough.
fn mark(steps: &[Compound], page: &Page, chosen: &mut [bool]) {
    let mut at: Vec<u32> = Vec::with_capacity(page.nodes.len());
    let mut above: Vec<u32> = Vec::with_capacity(page.nodes.len());
    for (number, node) in page.nodes.iter().enumerate() {
        let parent = at.get(node.parent).copied().unwrap_or(0);
        let ancestors = above.get(node.parent).copied().unwrap_or(0) | parent;
        let mut ends = 0;
        for (step, compound) in steps.iter().enumerate() {
            let before = match (step, compound.is_child) {
                (0, _) => true,
                (_, true) => parent & (1 << (step - 1)) != 0,
                (_, false) => ancestors & (1 << (step - 1)) != 0,
            };
            if before && compound.fits(node) {
                ends |= 1 << step;
            }
        }
        if ends & (1 << (steps.len() - 1)) != 0
            && let Some(chosen) = chosen.get_mut(number)
        {
            *chosen = true;
        }
        at.push(ends);
        above.push(ancestors);
    }
}

impl Compound {
    fn fits(&self, node: &Node) -> bool {
        let has = |name: &str| node.attributes.get(name);
        let classes = || {
            has("class")
                .map_or("", String::as_str)
                .split_ascii_whitespace()
        };
        !node.tag.is_empty()
            && (self.tag.is_empty() || self.tag == node.tag)
            && self.id.as_ref().is_none_or(|id| has("id") == Some(id))
            && self
                .classes
                .iter()
                .all(|class| classes().any(|one| one == class))
            && self
                .attributes
                .iter()
                .all(|(name, value)| match (has(name), value) {
                    (None, _) => false,
                    (Some(_), None) => true,
                    (Some(found), Some(value)) => found == value,
                })
    }
}

fn steps(text: &str) -> Result<Vec<Compound>, String> {
    let mut steps = Vec::new();
    let mut is_child = false;
    let spaced = spaced_out(text);
    for word in spaced.split('\0').filter(|word| !word.is_empty()) {
        if word == ">" {
            if is_child || steps.is_empty() {
                return Err("\">\" stands between two elements".to_owned());
            }
            is_child = true;
            continue;
        }
        steps.push(Compound {
            is_child,
            ..compound(word)?
        });
        is_child = false;
    }
    match steps.len() {
        0 => Err("an element is missing".to_owned()),
        _ if is_child => Err("after \">\" an element is missing".to_owned()),
        1..=STEPS_MAX => Ok(steps),
        _ => Err(format!("it has more than {STEPS_MAX} steps")),
    }
}

/// The text with NULs where its words end, which may hold spaces in brackets.
fn spaced_out(text: &str) -> String {
    let mut brackets = false;
    let mut words = String::new();
    for c in text.chars() {
        match c {
            '[' => brackets = true,
            ']' => brackets = false,
            _ => {}
        }
        match c {
            '>' if !brackets => words.push_str("\0>\0"),
            c if c.is_whitespace() && !brackets => words.push('\0'),
            '\0' => {}
            c => words.push(c),
        }
    }
    words
}

fn compound(word: &str) -> Result<Compound, String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let name = |text: &str| -> Result<(String, usize), String> {
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        match text.get(..end) {
            Some(name) if !name.is_empty() => Ok((name.to_owned(), end)),
            _ => Err(format!("{word:?} is not understood")),
        }
    };
    let mut found = Compound::default();
    let mut rest = word.strip_prefix('*').unwrap_or(word);
    if rest.starts_with(is_name) {
        let (tag, end) = name(rest)?;
        found.tag = tag.to_ascii_lowercase();
        rest = rest.get(end..).unwrap_or_default();
    }
    while let Some(kind) = rest.chars().next() {
        let after = rest.get(kind.len_utf8()..).unwrap_or_default();
        let end = match kind {
            '#' => {
                let (id, end) = name(after)?;
                found.id = Some(id);
                end
            }
            '.' => {
                let (class, end) = name(after)?;
                found.classes.push(class);
                end
            }
            '[' => {
                let end = after.find(']').ok_or("\"]\" is missing")?;
                let inside = after.get(..end).unwrap_or_default();
                found.attributes.push(attribute(inside)?);
                end + 1
            }
            _ => return Err(format!("{word:?} is not understood")),
        };
        rest = after.get(end..).unwrap_or_default();
    }
    Ok(found)
}

fn attribute(inside: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match inside.split_once('=') {
        Some((name, value)) => (name, Some(value.trim())),
        None => (inside, None),
    };
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() || name.ends_with(['~', '^', '$', '*', '|']) {
        return Err(format!(
            "[{inside}] is not understood; [name] and [name=value] are"
        ));
    }
    let value = value.map(|value| value.trim_matches(['"', '\'']).to_owned());
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = "<div id=a class='x y'><p>1<b>2</b></p><section><p class=y>3</p></section></div>\
                        <p data-n='two words'>4</p><P>5</P>";

    #[test]
    fn selectors_choose_elements() {
        let page = Page::parse(HTML);
        let check = |text: &str, expected: &[&str]| {
            let chosen = Selector::parse(text).unwrap().choose(&page);
            let texts: Vec<String> = chosen.into_iter().map(|at| page.line(at)).collect();
            assert_eq!(texts, expected, "{text}");
        };
        check("p", &["12", "3", "4", "5"]);
        check("P.y", &["3"]);
        check("#a p", &["12", "3"]);
        check("#a > p", &["12"]);
        check("div>section>p", &["3"]);
        check("div.x.y section > p, b", &["2", "3"]);
        check("div.z p", &[]);
        check("[data-n]", &["4"]);
        check("p[data-n=\"two words\"]", &["4"]);
        check("p[data-n='two']", &[]);
        check("* > b", &["2"]);
        check("section b", &[]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let check = |text: &str, why: &str| {
            let said = Selector::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        };
        check("", "missing");
        check("p,", "missing");
        check("> p", "between");
        check("p > > b", "between");
        check("p >", "missing");
        check("p:hover", "not understood");
        check("p[", "\"]\" is missing");
        check("a[href^=x]", "not understood");
        check("p..x", "not understood");
        check(&"p ".repeat(17), "more than 16");
    }
}
