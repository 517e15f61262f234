//! `fs.search`: files below a path, by name and size.

use rustix::fs::FileType;

use aios_tool::argument::{Bytes, Pattern, ReadPath};
use aios_tool::file::place::Place;
use aios_tool::file::{READING, name};
use aios_tool::prelude::*;

/// At most so many are given.
const FOUND_MAX: usize = 1000;
/// So much of an answer a file takes beside its path, in bytes of JSON, at most.
const ITEM_MAX: usize = 96;
/// The summary shows so many.
const SHOWN_MAX: usize = 20;

/// The tool `fs.search`.
pub struct Act;

arguments! {
    /// Arguments of `fs.search`.
    pub struct Input {
        /// Absolute path of the directory to search in.
        pub path: ReadPath,
        /// What the name must be: `*` is any run of characters, `?` one; without either, a part of it.
        pub pattern: Option<Pattern>,
        /// Files of at least so many bytes.
        pub min_size: Option<Bytes>,
    }
}

/// One file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Its path.
    pub path: String,
    /// `file`, `directory`, …
    pub kind: String,
    /// Size in bytes.
    pub size: u64,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// What was found, the largest first.
    pub found: Vec<Item>,
    /// There may be more: a limit was reached or something could not be read.
    pub partial: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.search",
            "Finds files below a directory by their name and their size.",
        )
        .example(json!({"path": "/var/log", "pattern": "*.log", "min_size": 1048576}))
        .timeout_ms(30_000)
        .kernel(READING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let shown = output
            .found
            .iter()
            .take(SHOWN_MAX)
            .map(|item| match item.kind.as_str() {
                "file" => format!("{} ({})", item.path, format::bytes(item.size)),
                _ => item.path.clone(),
            });
        let shown: Vec<_> = shown.collect();
        let more = match output.found.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let partial = if output.partial {
            " (there may be more)"
        } else {
            ""
        };
        match output.found.len() {
            0 => format!("nothing was found in {}{partial}", output.path),
            count => format!(
                "{count} found in {}: {}{more}{partial}",
                output.path,
                shown.join(", ")
            ),
        }
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        let mut search = Search {
            input,
            // A pattern is written as names are.
            pattern: input
                .pattern
                .as_ref()
                .map(|pattern| name::encode(name::decode(pattern.as_str()))),
            room: format::ANSWER_MAX,
            context,
            device: place.existing()?.st_dev,
            found: Vec::new(),
            partial: false,
        };
        for child in place.children()? {
            search.visit(&child);
        }
        let Search {
            mut found, partial, ..
        } = search;
        found.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        Ok(Output {
            path: input.path.to_string(),
            found,
            partial,
        })
    }
}

struct Search<'a> {
    input: &'a Input,
    pattern: Option<String>,
    /// So many bytes of JSON are left for what is found.
    room: usize,
    context: &'a Context,
    device: u64,
    found: Vec<Item>,
    partial: bool,
}

impl Search<'_> {
    /// Looks at an entry and, in the same file system, at all below it.
    fn visit(&mut self, place: &Place) {
        if self.found.len() >= FOUND_MAX || self.context.remaining().as_millis() < 500 {
            self.partial = true;
            return;
        }
        let Ok(Some(stat)) = place.stat() else {
            return; // gone in the meantime
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let name = name::encode(&place.name);
        let named = self
            .pattern
            .as_ref()
            .is_none_or(|pattern| fits(pattern, &name));
        let large = match self.input.min_size {
            Some(least) => kind == FileType::RegularFile && size >= least.get(),
            None => true,
        };
        if named && large {
            let path = place.shown();
            let Some(left) = self.room.checked_sub(format::json_size(&path) + ITEM_MAX) else {
                self.partial = true;
                return;
            };
            self.room = left;
            self.found.push(Item {
                path,
                kind: file::kind_name(kind).to_owned(),
                size,
            });
        }
        let secret = place.is_secret(self.context);
        if kind == FileType::Directory && stat.st_dev == self.device && !secret {
            match place.children() {
                Ok(children) => children.iter().for_each(|child| self.visit(child)),
                Err(_) => self.partial = true,
            }
        }
    }
}

/// Does the name fit the pattern? Without a wildcard a part of the name is enough.
fn fits(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return name.to_lowercase().contains(&pattern.to_lowercase());
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None; // after the last star, and where it ends for now
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, end)) => {
                    star = Some((after, end + 1));
                    p = after;
                    n = end + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        let check = |pattern, name, expected| {
            assert_eq!(fits(pattern, name), expected, "{pattern} on {name}");
        };
        check("*.log", "a.log", true);
        check("*.log", "a.log.gz", false);
        check("a*b*c", "aXbXbXc", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*", "", true);
        check("log", "Syslog.1", true);
        check("[ab]", "a", false);
        check("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false);
    }
}
