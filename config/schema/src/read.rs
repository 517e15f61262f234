//! Reading TOML tables by hand, so that nothing stops at the first mistake.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::report::Report;

/// How alike a word must be to be suggested (Jaro-Winkler, 1 is the same).
const ALIKE: f64 = 0.75;

/// One of a few words.
pub(crate) trait Choice: Copy + 'static {
    /// The words and what they mean.
    const ALL: &'static [(&'static str, Self)];
}

/// A table, and which of its keys were asked for.
pub(crate) struct Table<'a> {
    report: &'a Report<'a>,
    path: String,
    entries: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    pub(crate) fn root(report: &'a Report<'a>, entries: &'a DeTable<'a>) -> Self {
        Self {
            report,
            path: String::new(),
            entries,
            known: RefCell::default(),
        }
    }

    /// Is the key there?
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Says that a value is wrong.
    pub(crate) fn refuse(&self, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        let at = self.report.place(&path);
        self.report.at(at, &path, message.into(), None);
    }

    pub(crate) fn table<T: Default>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Table<'_>) -> T,
    ) -> T {
        self.optional_table(key, read).unwrap_or_default()
    }

    pub(crate) fn optional_table<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Table<'_>) -> T,
    ) -> Option<T> {
        let value = self.get(key)?;
        self.inner(self.path_of(key), value, read)
    }

    pub(crate) fn tables<T>(&self, key: &'static str, read: impl Fn(&Table<'_>) -> T) -> Vec<T> {
        let items = self.items(key).unwrap_or_default();
        let each = items.into_iter();
        each.filter_map(|(path, value)| self.inner(path, value, &read))
            .collect()
    }

    pub(crate) fn string(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        self.text(&self.path_of(key), value).map(str::to_owned)
    }

    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(&self.path_of(key), value, "true or false");
        }
        found
    }

    pub(crate) fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let value = self.get(key)?;
        self.number_in(&self.path_of(key), value, &range)
    }

    pub(crate) fn choice<T: Choice>(&self, key: &'static str) -> Option<T> {
        let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
        let found = self.one_of(key, &words)?;
        let known = T::ALL.iter().find(|(word, _)| *word == found);
        known.map(|(_, choice)| *choice)
    }

    pub(crate) fn one_of(&self, key: &'static str, words: &[&str]) -> Option<&'a str> {
        let value = self.get(key)?;
        let path = self.path_of(key);
        let text = self.text(&path, value)?;
        if words.contains(&text) {
            return Some(text);
        }
        let message = format!("{text:?} is none of {}", words.join(", "));
        let help = suggestion(text, words);
        self.report.at(value.span().start, &path, message, help);
        None
    }

    /// A number with or without a fraction.
    pub(crate) fn decimal(&self, key: &'static str, range: &RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(key)?;
        let path = self.path_of(key);
        let between = || format!("a number from {} to {}", range.start(), range.end());
        let digits = match value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => {
                self.wrong_type(&path, value, &between());
                return None;
            }
        };
        let found = digits.replace('_', "").parse().ok();
        let found = found.filter(|number| range.contains(number));
        if found.is_none() {
            let message = format!("must be {}, not {digits}", between());
            self.report.at(value.span().start, &path, message, None);
        }
        found
    }

    /// A text that `parse` understands; `what` says in words which texts those are.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        self.parse(&self.path_of(key), value, what, parse)
    }

    pub(crate) fn parsed_list<T>(
        &self,
        key: &'static str,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(key)?;
        let each = items.into_iter();
        Some(
            each.filter_map(|(path, value)| self.parse(&path, value, what, parse))
                .collect(),
        )
    }

    pub(crate) fn strings(&self, key: &'static str) -> Option<Vec<String>> {
        self.parsed_list(key, "a text", |text| Some(text.to_owned()))
    }

    /// Every key that was not asked for is a mistake.
    pub(crate) fn refuse_the_rest(&self) {
        let known = self.known.borrow();
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = "there is no such key".to_owned();
                let help = suggestion(name, &known)
                    .or_else(|| Some(format!("there are {}", known.join(", "))));
                self.report
                    .at(key.span().start, &self.path_of(name), message, help);
            }
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Value<'a>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
        }
        let (name, value) = self
            .entries
            .iter()
            .find(|(name, _)| name.get_ref() == key)?;
        self.report.remember(&self.path_of(key), name.span().start);
        Some(value)
    }

    fn path_of(&self, key: &str) -> String {
        // A key may hold anything; a message must not.
        let key = key.escape_debug();
        if self.path.is_empty() {
            return key.to_string();
        }
        format!("{}.{key}", self.path)
    }

    fn inner<T>(
        &self,
        path: String,
        value: &'a Value<'a>,
        read: impl FnOnce(&Table<'_>) -> T,
    ) -> Option<T> {
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_type(&path, value, "a table");
            return None;
        };
        let table = Table {
            report: self.report,
            path,
            entries,
            known: RefCell::default(),
        };
        let read = read(&table);
        table.refuse_the_rest();
        Some(read)
    }

    fn items(&self, key: &'static str) -> Option<Vec<(String, &'a Value<'a>)>> {
        let value = self.get(key)?;
        let path = self.path_of(key);
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(&path, value, "a list");
            return None;
        };
        let items = array.iter().enumerate().map(|(index, item)| {
            let path = format!("{path}[{index}]");
            self.report.remember(&path, item.span().start);
            (path, item)
        });
        Some(items.collect())
    }

    fn text(&self, path: &str, value: &'a Value<'a>) -> Option<&'a str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(path, value, "a text in quotes");
        }
        text
    }

    fn parse<T>(
        &self,
        path: &str,
        value: &'a Value<'a>,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(path, value)?;
        let parsed = parse(text);
        if parsed.is_none() {
            let message = format!("{text:?} is not {what}");
            self.report.at(value.span().start, path, message, None);
        }
        parsed
    }

    fn number_in<T>(&self, path: &str, value: &Value<'_>, range: &RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let between = || format!("a whole number from {} to {}", range.start(), range.end());
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong_type(path, value, &between());
            return None;
        };
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let found = parsed.and_then(|number| T::try_from(number).ok());
        let found = found.filter(|number| range.contains(number));
        if found.is_none() {
            let message = format!("must be {}, not {}", between(), number.as_str());
            self.report.at(value.span().start, path, message, None);
        }
        found
    }

    fn wrong_type(&self, path: &str, value: &Value<'_>, wanted: &str) {
        let message = format!(
            "must be {wanted}, not of type {}",
            value.get_ref().type_str()
        );
        self.report.at(value.span().start, path, message, None);
    }
}

/// "did you mean …", when one of the words is near.
fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    let near = known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!("did you mean {:?}?", near.1))
}
