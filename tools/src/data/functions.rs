//! Functions in the place of SQLite's own that take the product of the lengths of their arguments. A
//! statement is only interrupted between two steps of SQLite's machine, and a call of a function is
//! one step: with these, each ends soon.

use std::borrow::Cow;
use std::collections::HashSet;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

/// Functions of SQLite's that no statement may call: they load code, or take the product of lengths and
/// are not replaced here.
pub(super) const REFUSED: [&str; 2] = ["load_extension", "unhex"];

/// Puts the functions in place; none of their results has more than `most` bytes.
pub(super) fn replace(connection: &Connection, most: usize) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("instr", 2, flags, |call| {
        let [Some(text), Some(part)] = texts(call) else {
            return Ok(None);
        };
        let at = text.find(&*part);
        Ok(Some(
            at.map_or(0, |at| text[..at].chars().count() as i64 + 1),
        ))
    })?;
    connection.create_scalar_function("replace", 3, flags, move |call| {
        let [Some(text), Some(part), Some(with)] = texts(call) else {
            return Ok(None);
        };
        if part.is_empty() {
            return Ok(Some(text.into_owned()));
        }
        let count = text.matches(&*part).count();
        let size = text.len() - count * part.len();
        match count.saturating_mul(with.len()).saturating_add(size) > most {
            true => Err(Error::UserFunctionError(
                "string or blob too big".to_owned().into(),
            )),
            false => Ok(Some(text.replace(&*part, &with))),
        }
    })?;
    for (name, begin, end) in [
        ("trim", true, true),
        ("ltrim", true, false),
        ("rtrim", false, true),
    ] {
        connection.create_scalar_function(name, 2, flags, move |call| {
            let [Some(text), Some(of)] = texts(call) else {
                return Ok(None);
            };
            let of: HashSet<char> = of.chars().collect();
            let mut rest = &*text;
            if begin {
                rest = rest.trim_start_matches(|c| of.contains(&c));
            }
            if end {
                rest = rest.trim_end_matches(|c| of.contains(&c));
            }
            Ok(Some(rest.to_owned()))
        })?;
    }
    Ok(())
}

/// The arguments as texts; `None` for null.
fn texts<'a, const COUNT: usize>(call: &'a Context<'_>) -> [Option<Cow<'a, str>>; COUNT] {
    std::array::from_fn(|number| match call.get_raw(number) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into()),
        ValueRef::Real(number) => Some(number.to_string().into()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes)),
    })
}
