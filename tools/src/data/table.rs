//! Tables, and how they are read from files and written as text.
//!
//! A file may be anybody's, so all of it is bounded: its size, its rows, its columns.

use std::io::Read as _;

use rustix::fs::FileType;
use serde_json::{Map, Value};

use aios_tool::argument::ReadPath;
use aios_tool::format::printable;
use aios_tool::prelude::*;

/// The largest file, in bytes: it is in memory several times over, and the daemon has 512 MiB.
const FILE_MAX: u64 = 32 * 1024 * 1024;
/// The most rows.
const ROWS_MAX: usize = 500_000;
/// The most columns; SQLite takes 2000.
const COLUMNS_MAX: usize = 500;
/// The most cells, in rows times columns.
const CELLS_MAX: usize = 4_000_000;

choices! {
    /// How a table is written.
    pub enum Format {
        /// Values with commas between them, names of columns first (RFC 4180).
        Csv = "csv",
        /// Values with tabs between them, names of columns first.
        Tsv = "tsv",
        /// A list of JSON objects.
        Json = "json",
        /// A JSON object on each line.
        JsonLines = "jsonl",
    }
}

/// Rows of values under named columns; each row has a value for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns; no two are the same.
    pub columns: Vec<String>,
    /// The values.
    pub rows: Vec<Vec<Value>>,
}

impl Format {
    /// The format that the ending of a file's name stands for.
    ///
    /// # Errors
    /// `Invalid`, naming the endings that are known.
    pub fn of(path: &str) -> Result<Self, ToolError> {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending);
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("tsv" | "tab") => Ok(Self::Tsv),
            Some("json") => Ok(Self::Json),
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            _ => Err(ToolError::Invalid(format!(
                "{path}: its name does not say what it is (.csv, .tsv, .json, .jsonl); say it as format"
            ))),
        }
    }
}

/// Reads the table in a file.
///
/// # Errors
/// `Precondition` when there is no such table, with the line where it goes wrong.
pub fn read(path: &ReadPath, format: Option<Format>) -> Result<Table, ToolError> {
    let format = format.map_or_else(|| Format::of(path.as_str()), Ok)?;
    let refuse = |why: String| ToolError::Precondition(format!("{path}: {why}"));
    let place = path.place()?;
    if FileType::from_raw_mode(place.existing()?.st_mode) != FileType::RegularFile {
        return Err(refuse("it is not a file".into()));
    }
    let mut bytes = Vec::new();
    place
        .open_content()?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ToolError::io(path, error))?;
    if bytes.len() as u64 > FILE_MAX {
        let most = aios_tool::format::bytes(FILE_MAX);
        return Err(refuse(format!("it is larger than {most}")));
    }
    parse(&bytes, format).map_err(refuse)
}

fn parse(bytes: &[u8], format: Format) -> Result<Table, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match format {
        Format::Csv => separated(bytes, b','),
        Format::Tsv => separated(bytes, b'\t'),
        Format::Json => {
            let whole = serde_json::from_slice(bytes);
            match whole.map_err(|error| format!("it is no JSON: {error}"))? {
                Value::Array(items) => objects(items.into_iter().map(Ok)),
                one @ Value::Object(_) => objects(std::iter::once(Ok(one))),
                _ => Err("it is no list of JSON objects".to_owned()),
            }
        }
        Format::JsonLines => {
            let lines = bytes.split(|byte| *byte == b'\n').enumerate();
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            objects(lines.map(|(number, line)| {
                serde_json::from_slice(line)
                    .map_err(|error| format!("line {}: {error}", number + 1))
            }))
        }
    }
}

/// A table of values between which this stands. Values are numbers where all of their column are.
fn separated(bytes: &[u8], delimiter: u8) -> Result<Table, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(bytes);
    let mut texts: Vec<csv::StringRecord> = Vec::new();
    for record in reader.records() {
        texts.push(record.map_err(|error| error.to_string())?);
        let columns = texts[0].len();
        bounded(texts.len(), columns)?;
    }
    let Some((first, texts)) = texts.split_first() else {
        return Err("it is empty".to_owned());
    };
    let columns = named(first.iter());
    let sorts: Vec<Sort> = (0..columns.len())
        .map(|column| Sort::of(texts.iter().filter_map(|row| row.get(column))))
        .collect();
    let row = |row: &csv::StringRecord| {
        let cells = row.iter().zip(&sorts);
        cells.map(|(text, sort)| sort.value(text)).collect()
    };
    Ok(Table {
        columns,
        rows: texts.iter().map(row).collect(),
    })
}

/// What all values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Whole,
    Number,
    Text,
}

impl Sort {
    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut sort = Self::Whole;
        for text in texts.filter(|text| !text.is_empty()) {
            sort = match sort {
                Self::Whole if is_whole(text) => Self::Whole,
                Self::Whole | Self::Number if is_number(text) => Self::Number,
                _ => return Self::Text,
            };
        }
        sort
    }

    fn value(self, text: &str) -> Value {
        if text.is_empty() {
            return Value::Null;
        }
        let parsed = match self {
            Self::Whole => text.parse::<i64>().ok().map(Value::from),
            Self::Number => text.parse::<f64>().ok().map(Value::from),
            Self::Text => None,
        };
        parsed.unwrap_or_else(|| Value::from(text))
    }
}

/// As a program writes it: what has leading zeros or a plus is a name, not a number.
fn is_whole(text: &str) -> bool {
    text.parse::<i64>()
        .is_ok_and(|number| number.to_string() == text)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits
        .chars()
        .all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    let begins = digits.starts_with(|c: char| c.is_ascii_digit());
    let zeros = digits.starts_with('0') && !digits.starts_with("0.") && digits.len() > 1;
    plain && begins && !zeros && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A table of objects; a column for each name that one of them has, in the order of appearance.
fn objects(items: impl Iterator<Item = Result<Value, String>>) -> Result<Table, String> {
    let mut columns: Vec<String> = Vec::new();
    let mut places: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (number, item) in items.enumerate() {
        let Value::Object(object) = item? else {
            return Err(format!("entry {} is no JSON object", number + 1));
        };
        let mut row = vec![Value::Null; columns.len()];
        for (name, value) in object {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                columns.push(name);
                columns.len() - 1
            });
            if row.len() <= place {
                row.resize(place + 1, Value::Null);
            }
            row[place] = value;
        }
        rows.push(row);
        bounded(rows.len(), columns.len())?;
    }
    let count = columns.len();
    rows.iter_mut()
        .for_each(|row| row.resize(count, Value::Null));
    let columns = named(columns.iter().map(String::as_str));
    match columns.is_empty() {
        true => Err("it has no columns".to_owned()),
        false => Ok(Table { columns, rows }),
    }
}

fn bounded(rows: usize, columns: usize) -> Result<(), String> {
    if columns > COLUMNS_MAX {
        return Err(format!("it has more than {COLUMNS_MAX} columns"));
    }
    match rows > ROWS_MAX || rows.saturating_mul(columns) > CELLS_MAX {
        true => Err(format!(
            "it has more than {ROWS_MAX} rows or {CELLS_MAX} values"
        )),
        false => Ok(()),
    }
}

/// Names of columns: none is empty, none is there twice, whatever their case is.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = std::collections::HashSet::new();
    let mut all = Vec::new();
    for (number, name) in names.enumerate() {
        let name = format::cut(&printable(name.trim()), 100);
        let base = match name.is_empty() {
            true => format!("column{}", number + 1),
            false => name,
        };
        let mut name = base.clone();
        let mut count = 1;
        while !taken.insert(name.to_lowercase()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        all.push(name);
    }
    all
}

/// Writes a table as text.
///
/// # Errors
/// `Failed` when a value cannot be written.
pub fn write(table: &Table, format: Format) -> Result<String, ToolError> {
    let fault = |error: &dyn std::fmt::Display| ToolError::Failed(format!("writing: {error}"));
    match format {
        Format::Csv | Format::Tsv => {
            let delimiter = if format == Format::Csv { b',' } else { b'\t' };
            let mut writer = csv::WriterBuilder::new()
                .delimiter(delimiter)
                .from_writer(Vec::new());
            writer
                .write_record(&table.columns)
                .map_err(|error| fault(&error))?;
            for row in &table.rows {
                let row = row.iter().map(plain);
                writer.write_record(row).map_err(|error| fault(&error))?;
            }
            let bytes = writer.into_inner().map_err(|error| fault(&error))?;
            String::from_utf8(bytes).map_err(|error| fault(&error))
        }
        Format::Json => {
            let rows: Vec<Value> = table.rows.iter().map(|row| object(table, row)).collect();
            let text = serde_json::to_string_pretty(&rows).map_err(|error| fault(&error))?;
            Ok(text + "\n")
        }
        Format::JsonLines => {
            let lines = table
                .rows
                .iter()
                .map(|row| format!("{}\n", object(table, row)));
            Ok(lines.collect())
        }
    }
}

fn object(table: &Table, row: &[Value]) -> Value {
    let pairs = table.columns.iter().cloned().zip(row.iter().cloned());
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A value as it stands in CSV: nothing for null, JSON for lists and objects.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, format: Format, columns: &[&str], rows: Value) {
        let table = parse(text.as_bytes(), format).unwrap();
        assert_eq!(table.columns, columns);
        assert_eq!(serde_json::to_value(&table.rows).unwrap(), rows);
    }

    #[test]
    fn tables_are_read() {
        check(
            "\u{feff}name,age,zip\n\"A, \"\"B\"\"\",3,01234\nC,,5\n",
            Format::Csv,
            &["name", "age", "zip"],
            json!([["A, \"B\"", 3, "01234"], ["C", null, "5"]]),
        );
        check(
            "a\tA\t\n1.5\t2\tx\n1\t-3\ty\n",
            Format::Tsv,
            &["a", "A_2", "column3"],
            json!([[1.5, 2, "x"], [1.0, -3, "y"]]),
        );
        check(
            r#"[{"a":1},{"b":[2],"a":null}]"#,
            Format::Json,
            &["a", "b"],
            json!([[1, null], [null, [2]]]),
        );
        check(
            "{\"a\":true}\n\n{\"a\":\"x\"}\n",
            Format::JsonLines,
            &["a"],
            json!([[true], ["x"]]),
        );
    }

    #[test]
    fn what_is_no_table_says_where() {
        let check = |text: &str, format, expected: &str| {
            let error = parse(text.as_bytes(), format).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("", Format::Csv, "it is empty");
        check("a,b\n1\n", Format::Csv, "line: 2");
        check("{\"a\":1}\n{\n", Format::JsonLines, "line 2");
        check("[1]", Format::Json, "entry 1 is no JSON object");
        check("7", Format::Json, "no list");
        let wide = vec!["x"; COLUMNS_MAX + 1].join(",");
        check(&wide, Format::Csv, "columns");
        assert!(parse(b"a\n\xff\n", Format::Csv).is_err());
    }

    #[test]
    fn a_table_that_is_written_is_read_again() {
        let table = parse(b"a,b\n1,\"x\ny\"\n,\"\tq\"\"\"\n", Format::Csv).unwrap();
        for format in [Format::Csv, Format::Tsv, Format::Json, Format::JsonLines] {
            let text = write(&table, format).unwrap();
            assert_eq!(parse(text.as_bytes(), format).unwrap(), table, "{text}");
        }
        assert!(Format::of("/srv/a.CSV").is_ok() && Format::of("/srv/a.xlsx").is_err());
    }
}
