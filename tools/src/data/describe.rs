//! `data.describe`: what is in the table of a file.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use super::query::shown;
use super::table::{self, Format, Table, plain};
use aios_tool::argument::ReadPath;
use aios_tool::budget::Share;
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `data.describe`.
pub struct Describe;

/// So many rows are shown.
const ROWS: usize = 5;
/// The longest text that is shown of a value, in bytes of JSON.
const VALUE_MAX: usize = 200;
/// So many different values are counted.
const DIFFERENT_MAX: usize = 10_000;

arguments! {
    /// Arguments of `data.describe`.
    pub struct Input {
        /// Absolute path of a file with a table: CSV or TSV with names of columns first, a list of JSON
        /// objects, or JSON Lines. At most 32 MiB.
        pub path: ReadPath,
        /// What the file is, when its name does not say it.
        pub format: Option<Format>,
    }
}

/// A column.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are: `whole number`, `number`, `text`, `yes or no`, `list`, `object`, `mixed`,
    /// `nothing`.
    pub kind: String,
    /// Rows without a value.
    pub nulls: u64,
    /// Different values; at most 10,000 are counted.
    pub different: u64,
    /// The least value of numbers or texts.
    pub min: Option<Value>,
    /// The greatest.
    pub max: Option<Value>,
}

/// The table.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// How many rows it has.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The first rows, at most 5; texts of more than 200 bytes are cut.
    pub first: Vec<Vec<Value>>,
}

impl Tool for Describe {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "data.describe",
            "Shows columns, kinds, counts and first rows of the table in a CSV, TSV, JSON or JSON Lines file.",
        )
        .timeout_ms(60_000)
        .kernel(READING)
        .example(json!({"path": "/srv/sales.csv"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let one = |column: &Column| {
            let range = match (&column.min, &column.max) {
                (Some(min), Some(max)) => format!(" {} to {}", shown(min), shown(max)),
                _ => String::new(),
            };
            format!("{} ({}{range})", column.name, column.kind)
        };
        let columns: Vec<String> = output.columns.iter().take(12).map(one).collect();
        format!(
            "{}: {} rows, {} columns: {}",
            input.path,
            output.rows,
            output.columns.len(),
            columns.join(", ")
        )
    }
}

impl Look for Describe {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let mut share = Share::default();
        let table = table::read(&input.path, input.format, &mut share)?;
        let columns = (0..table.columns.len()).map(|column| described(&table, column));
        let short = |row: &Vec<Value>| row.iter().map(shortened).collect();
        Ok(Output {
            rows: table.rows.len() as u64,
            columns: columns.collect(),
            first: table.rows.iter().take(ROWS).map(short).collect(),
        })
    }
}

fn described(table: &Table, column: usize) -> Column {
    let values = || table.rows.iter().map(|row| &row[column]);
    let present = || values().filter(|value| !value.is_null());
    let mut kinds: Vec<&str> = present().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = match kinds.as_slice() {
        [] => "nothing",
        [one] => one,
        ["number", "whole number"] => "number",
        _ => "mixed",
    };
    let mut different = HashSet::new();
    for value in present() {
        if different.len() == DIFFERENT_MAX {
            break;
        }
        different.insert(plain(value));
    }
    let ordered = matches!(kind, "number" | "whole number" | "text");
    let bound = |value: Option<&Value>| value.filter(|_| ordered).map(shortened);
    Column {
        name: table.columns[column].clone(),
        kind: kind.to_owned(),
        nulls: values().filter(|value| value.is_null()).count() as u64,
        different: different.len() as u64,
        min: bound(present().min_by(|a, b| order(a, b))),
        max: bound(present().max_by(|a, b| order(a, b))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "yes or no",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "whole number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a
                .as_f64()
                .unwrap_or_default()
                .total_cmp(&b.as_f64().unwrap_or_default()),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn shortened(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        other => format::cut(&plain(other), VALUE_MAX).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn columns_are_described() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "n,r,t,e\n3,1.5,b,\n10,2,a,\n,1,b,\n").unwrap();
        let done = call::<Describe>(json!({"path": path})).unwrap();
        let columns = done.output["columns"].as_array().unwrap();
        let one = |index: usize| {
            let column = &columns[index];
            json!([
                column["kind"],
                column["nulls"],
                column["different"],
                column["min"],
                column["max"]
            ])
        };
        assert_eq!(one(0), json!(["whole number", 1, 2, 3, 10]));
        assert_eq!(one(1), json!(["number", 0, 3, 1.0, 2.0]));
        assert_eq!(one(2), json!(["text", 0, 2, "a", "b"]));
        assert_eq!(one(3), json!(["nothing", 3, 0, null, null]));
        assert_eq!(done.output["rows"], 3);
        assert!(done.summary.ends_with(
            "3 rows, 4 columns: n (whole number 3 to 10), r (number 1.0 to 2.0), t (text a to b), e (nothing)"
        ), "{}", done.summary);
    }
}
