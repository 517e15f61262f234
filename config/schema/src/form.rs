//! The forms of a value: which values a key takes, how they are read, and both in words.

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::read::{Choice, Table};
use crate::table::{Key, NotInForce, Read};

/// How a value of the type `T` is written.
pub(crate) trait Form<T> {
    /// Which values the key takes, in words.
    fn values(&self) -> String;

    /// The value as it is written, for the documentation.
    fn tell(&self, value: &T) -> String;

    /// The value; `None` when it is not there, or wrong, which is then reported.
    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<T>;

    /// Of a table: its keys.
    fn keys(&self) -> Option<Vec<Key>> {
        None
    }

    /// Of a table: its keys that are set to what is not in force yet.
    fn not_in_force(&self, _value: &T) -> Vec<NotInForce> {
        Vec::new()
    }
}

/// A whole number of this range.
pub(crate) struct Number<T>(RangeInclusive<T>);

pub(crate) const fn number<T>(range: RangeInclusive<T>) -> Number<T> {
    Number(range)
}

impl<T: TryFrom<i64> + PartialOrd + Display + Clone> Form<T> for Number<T> {
    fn values(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn tell(&self, value: &T) -> String {
        value.to_string()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<T> {
        table.number(key, self.0.clone())
    }
}

/// `true` or `false`.
pub(crate) struct Boolean;

impl Form<bool> for Boolean {
    fn values(&self) -> String {
        "true or false".to_owned()
    }

    fn tell(&self, value: &bool) -> String {
        value.to_string()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<bool> {
        table.boolean(key)
    }
}

/// One of the words of `T`.
pub(crate) struct Word<T>(PhantomData<T>);

pub(crate) const fn word<T: Choice>() -> Word<T> {
    Word(PhantomData)
}

impl<T: Choice + PartialEq> Form<T> for Word<T> {
    fn values(&self) -> String {
        let words: Vec<String> = T::ALL.iter().map(|(word, _)| format!("{word:?}")).collect();
        words.join(", ")
    }

    fn tell(&self, value: &T) -> String {
        let known = T::ALL.iter().find(|(_, one)| one == value);
        known.map_or_else(String::new, |(word, _)| format!("{word:?}"))
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<T> {
        table.choice(key)
    }
}

/// One of these words, kept as it is.
pub(crate) struct OneOf(&'static [&'static str]);

pub(crate) const fn one_of(words: &'static [&'static str]) -> OneOf {
    OneOf(words)
}

impl Form<String> for OneOf {
    fn values(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|word| format!("{word:?}")).collect();
        words.join(", ")
    }

    fn tell(&self, value: &String) -> String {
        format!("{value:?}")
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<String> {
        table.one_of(key, self.0).map(|word| word.to_owned())
    }
}

/// `true` or `false`, of which only one can be had; `why` says why the other one cannot.
pub(crate) struct Only {
    value: bool,
    why: &'static str,
}

pub(crate) const fn only(value: bool, why: &'static str) -> Only {
    Only { value, why }
}

impl Form<bool> for Only {
    fn values(&self) -> String {
        self.value.to_string()
    }

    fn tell(&self, value: &bool) -> String {
        value.to_string()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<bool> {
        let value = table.boolean(key)?;
        if value != self.value {
            table.refuse(key, format!("cannot be {value}: {}", self.why));
        }
        Some(value)
    }
}

/// A decimal number of this range.
pub(crate) struct Decimal(RangeInclusive<f64>);

pub(crate) const fn decimal(range: RangeInclusive<f64>) -> Decimal {
    Decimal(range)
}

impl Form<f64> for Decimal {
    fn values(&self) -> String {
        format!("a number from {} to {}", self.0.start(), self.0.end())
    }

    fn tell(&self, value: &f64) -> String {
        value.to_string()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<f64> {
        table.decimal(key, &self.0)
    }
}

/// A table in a table.
pub(crate) struct Inner<T>(PhantomData<T>);

pub(crate) const fn inner<T: Read>() -> Inner<T> {
    Inner(PhantomData)
}

impl<T: Read> Form<T> for Inner<T> {
    fn values(&self) -> String {
        "a table".to_owned()
    }

    fn tell(&self, _: &T) -> String {
        "none".to_owned()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<T> {
        table.optional_table(key, T::read)
    }

    fn keys(&self) -> Option<Vec<Key>> {
        Some(T::keys())
    }

    fn not_in_force(&self, value: &T) -> Vec<NotInForce> {
        value.not_in_force()
    }
}

/// A text that `parse` understands; `what` says in words which texts those are.
pub(crate) struct Text<T> {
    what: &'static str,
    parse: fn(&str) -> Option<T>,
}

/// A text that the type itself parses.
pub(crate) fn parsed<T: FromStr>(what: &'static str) -> Text<T> {
    text(what, |text| text.parse().ok())
}

pub(crate) fn text<T>(what: &'static str, parse: fn(&str) -> Option<T>) -> Text<T> {
    Text { what, parse }
}

impl<T: Display> Form<T> for Text<T> {
    fn values(&self) -> String {
        self.what.to_owned()
    }

    fn tell(&self, value: &T) -> String {
        format!("{:?}", value.to_string())
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<T> {
        table.parsed(key, self.what, self.parse)
    }
}

/// A list of such texts.
pub(crate) struct List<T>(Text<T>);

pub(crate) fn list<T>(of: Text<T>) -> List<T> {
    List(of)
}

impl<T: Display> Form<Vec<T>> for List<T> {
    fn values(&self) -> String {
        format!("a list; each: {}", self.0.what)
    }

    fn tell(&self, value: &Vec<T>) -> String {
        let items: Vec<String> = value.iter().map(|item| self.0.tell(item)).collect();
        format!("[{}]", items.join(", "))
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<Vec<T>> {
        table.parsed_list(key, self.0.what, self.0.parse)
    }
}

/// Tables in a list, each read by `read`; `what` says what each one is.
pub(crate) struct Tables<T> {
    what: &'static str,
    read: fn(&Table<'_>, &'static str) -> Vec<T>,
}

pub(crate) fn tables<T>(
    what: &'static str,
    read: fn(&Table<'_>, &'static str) -> Vec<T>,
) -> Tables<T> {
    Tables { what, read }
}

impl<T> Form<Vec<T>> for Tables<T> {
    fn values(&self) -> String {
        format!("tables; each: {}", self.what)
    }

    fn tell(&self, _: &Vec<T>) -> String {
        "none".to_owned()
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<Vec<T>> {
        Some((self.read)(table, key))
    }
}

/// A value that has no default of its own.
pub(crate) struct Optional<F>(F);

pub(crate) const fn optional<F>(form: F) -> Optional<F> {
    Optional(form)
}

impl<T, F: Form<T>> Form<Option<T>> for Optional<F> {
    fn values(&self) -> String {
        self.0.values()
    }

    fn tell(&self, value: &Option<T>) -> String {
        let value = value.as_ref().map(|value| self.0.tell(value));
        value.unwrap_or_else(|| "not set".to_owned())
    }

    fn read(&self, table: &Table<'_>, key: &'static str) -> Option<Option<T>> {
        self.0.read(table, key).map(Some)
    }
}
