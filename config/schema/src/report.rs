//! What is wrong with a configuration, and where.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key, such as `network.interface[0].mtu`; empty for the text as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do, when that is known.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Collects mistakes while a text is read, and where its keys are.
pub(crate) struct Report<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    places: RefCell<BTreeMap<String, usize>>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: RefCell::default(),
            places: RefCell::default(),
        }
    }

    /// A mistake at a byte of the text.
    pub(crate) fn at(&self, byte: usize, path: &str, message: String, help: Option<String>) {
        let (line, column) = position(self.text, byte);
        self.problems.borrow_mut().push(Problem {
            line,
            column,
            path: path.to_owned(),
            message,
            help,
        });
    }

    /// Remembers where a value is, for [`Report::place`].
    pub(crate) fn remember(&self, path: &str, byte: usize) {
        self.places.borrow_mut().insert(path.to_owned(), byte);
    }

    /// Is this key in the text?
    pub(crate) fn is_set(&self, path: &str) -> bool {
        self.places.borrow().contains_key(path)
    }

    /// Where this key is, or what it would be in.
    pub(crate) fn place(&self, path: &str) -> usize {
        let places = self.places.borrow();
        let mut path = path;
        loop {
            if let Some(byte) = places.get(path) {
                return *byte;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return 0,
            }
        }
    }

    /// The keys that something is wrong with.
    pub(crate) fn paths(&self) -> Vec<String> {
        let problems = self.problems.borrow();
        problems
            .iter()
            .map(|problem| problem.path.clone())
            .collect()
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// Line and column of a byte, both from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before: String = text
        .char_indices()
        .take_while(|(at, _)| *at < byte)
        .map(|(_, c)| c)
        .collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}
