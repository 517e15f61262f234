//! Tables, and how they are read from files and written as text.
//!
//! A file may be anybody's, so all of it is bounded: its size, its rows, its columns.

mod objects;
mod records;

use std::io::{self, BufRead, BufReader, Read, Seek, Write};

use rustix::fs::FileType;
use serde::ser::{SerializeSeq as _, Serializer as _};
use serde_json::{Map, Value};

use aios_tool::argument::ReadPath;
use aios_tool::budget::Share;
use aios_tool::format::printable;
use aios_tool::prelude::*;

use records::Records;

/// The largest file, in bytes. What its table takes in memory has a bound of its own: [`Share`].
const FILE_MAX: i64 = 32 * 1024 * 1024;
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

/// Reads the table in a file. What it takes in memory is counted in `share`, which lives as long.
///
/// # Errors
/// `Precondition` when there is no such table, with the line where it goes wrong, or when it takes too
/// much memory; `Exhausted` while others have it.
pub fn read(
    path: &ReadPath,
    format: Option<Format>,
    share: &mut Share,
) -> Result<Table, ToolError> {
    let format = format.map_or_else(|| Format::of(path.as_str()), Ok)?;
    let refuse = |why: String| ToolError::Precondition(format!("{path}: {why}"));
    let place = path.place()?;
    let stat = place.existing()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refuse("it is not a file".into()));
    }
    if stat.st_size > FILE_MAX {
        let most = aios_tool::format::bytes(FILE_MAX.unsigned_abs());
        return Err(refuse(format!("it is larger than {most}")));
    }
    // A text of JSON may be one value: it is in memory while it is read, and grows to twice its size.
    let mut reading = Share::default();
    if matches!(format, Format::Json | Format::JsonLines) {
        reading.grow(2 * stat.st_size.unsigned_abs())?;
    }
    parse(&mut place.open_content()?, format, share).map_err(|fault| match fault {
        Fault::Table(why) => refuse(why),
        Fault::Memory(ToolError::Precondition(why)) => refuse(why),
        Fault::Memory(error) => error,
    })
}

/// Why there is no table.
#[derive(Debug)]
enum Fault {
    /// What is wrong with the file.
    Table(String),
    /// It does not fit into the memory.
    Memory(ToolError),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Table(why)
    }
}

impl From<ToolError> for Fault {
    fn from(error: ToolError) -> Self {
        Self::Memory(error)
    }
}

fn parse<R: Read + Seek>(
    source: &mut R,
    format: Format,
    share: &mut Share,
) -> Result<Table, Fault> {
    match format {
        Format::Csv => separated(source, b',', share),
        Format::Tsv => separated(source, b'\t', share),
        Format::Json => objects::whole(begun(source)?, share),
        Format::JsonLines => objects::lines(begun(source)?, share),
    }
}

/// The source from its beginning, without a mark of its encoding; never more than a file may have.
fn begun<R: Read + Seek>(source: &mut R) -> Result<impl BufRead, Fault> {
    let begin = source.rewind();
    begin.map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(source.take(FILE_MAX.unsigned_abs()));
    let has_mark = reader
        .fill_buf()
        .map_err(|error| error.to_string())?
        .starts_with(b"\xef\xbb\xbf");
    reader.consume(if has_mark { 3 } else { 0 });
    Ok(reader)
}

/// A table of values between which this stands. Values are numbers where all of their column are: so it
/// is read twice, and never whole in memory as text.
fn separated<R: Read + Seek>(
    source: &mut R,
    delimiter: u8,
    share: &mut Share,
) -> Result<Table, Fault> {
    let (columns, sorts, mut count) = {
        let mut records = Records::of(begun(source)?, delimiter);
        if !records.next(share)? {
            return Err("it is empty".to_owned().into());
        }
        bounded(1, records.len())?;
        let columns = named(records.values());
        let mut sorts = vec![Sort::Whole; columns.len()];
        let mut count = 1;
        while records.next(share)? {
            count += 1;
            bounded(count, columns.len())?;
            if records.len() != columns.len() {
                let (line, has, columns) = (records.line, records.len(), columns.len());
                return Err(
                    format!("(line: {line}) it has {has} values for {columns} columns").into(),
                );
            }
            for (sort, text) in sorts.iter_mut().zip(records.values()) {
                *sort = sort.with(text);
            }
        }
        (columns, sorts, count)
    };
    let mut records = Records::of(begun(source)?, delimiter);
    records.next(share)?;
    let mut rows = Vec::new();
    // No more rows than were looked at: somebody may write to the file meanwhile.
    while count > 1 && records.next(share)? {
        count -= 1;
        share.hold::<Value>(columns.len() + 1, records.bytes())?;
        let mut row = Vec::with_capacity(columns.len());
        let cells = sorts.iter().zip(records.values());
        row.extend(cells.map(|(sort, text)| sort.value(text)));
        row.resize(columns.len(), Value::Null);
        rows.push(row);
    }
    Ok(Table { columns, rows })
}

/// What all values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Whole,
    Number,
    Text,
}

impl Sort {
    /// What they are when this is one of them.
    fn with(self, text: &str) -> Self {
        match self {
            _ if text.is_empty() => self,
            Self::Whole if is_whole(text) => Self::Whole,
            Self::Whole | Self::Number if is_number(text) => Self::Number,
            _ => Self::Text,
        }
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

/// Writes a table as text, which is counted in `share`.
///
/// # Errors
/// `Failed` when a value cannot be written; as [`Share::grow`].
pub fn write(table: &Table, format: Format, share: &mut Share) -> Result<String, ToolError> {
    let mut text = Text {
        bytes: Vec::new(),
        share,
        refused: None,
    };
    let written = match format {
        Format::Csv => separated_by(b',', table, &mut text),
        Format::Tsv => separated_by(b'\t', table, &mut text),
        Format::Json => as_list(table, &mut text),
        Format::JsonLines => table.rows.iter().try_for_each(|row| {
            serde_json::to_writer(&mut text, &object(table, row))?;
            text.write_all(b"\n")
        }),
    };
    let fault = |error: &dyn std::fmt::Display| ToolError::Failed(format!("writing: {error}"));
    match (written, text.refused) {
        (Ok(()), _) => String::from_utf8(text.bytes).map_err(|error| fault(&error)),
        (Err(_), Some(refused)) => Err(refused),
        (Err(error), None) => Err(fault(&error)),
    }
}

/// A text as far as there is memory for it.
struct Text<'a> {
    bytes: Vec<u8>,
    share: &'a mut Share,
    /// Why there is no more of it.
    refused: Option<ToolError>,
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A vector grows to twice its size.
        if let Err(refused) = self.share.grow(2 * bytes.len() as u64) {
            self.refused = Some(refused);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn separated_by(delimiter: u8, table: &Table, text: &mut Text<'_>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(text);
    writer.write_record(&table.columns)?;
    for row in &table.rows {
        writer.write_record(row.iter().map(plain))?;
    }
    writer.flush()
}

fn as_list(table: &Table, text: &mut Text<'_>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::pretty(&mut *text);
    let mut list = serializer.serialize_seq(Some(table.rows.len()))?;
    for row in &table.rows {
        list.serialize_element(&object(table, row))?;
    }
    list.end()?;
    text.write_all(b"\n")
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

    fn parsed(text: &[u8], format: Format) -> Result<Table, String> {
        let mut share = Share::default();
        parse(&mut io::Cursor::new(text), format, &mut share).map_err(|fault| match fault {
            Fault::Table(why) => why,
            Fault::Memory(error) => error.to_string(),
        })
    }

    fn check(text: &str, format: Format, columns: &[&str], rows: Value) {
        let table = parsed(text.as_bytes(), format).unwrap();
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
            let error = parsed(text.as_bytes(), format).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("", Format::Csv, "it is empty");
        check("a,b\n1\n", Format::Csv, "line: 2");
        check("{\"a\":1}\n{\n", Format::JsonLines, "line 2");
        check("[1]", Format::Json, "entry 1 is no JSON object");
        check("7", Format::Json, "no list");
        let wide = vec!["x"; COLUMNS_MAX + 1].join(",");
        check(&wide, Format::Csv, "columns");
        assert!(parsed(b"a\n\xff\n", Format::Csv).is_err());
    }

    #[test]
    fn a_table_that_is_written_is_read_again() {
        let table = parsed(b"a,b\n1,\"x\ny\"\n,\"\tq\"\"\"\n", Format::Csv).unwrap();
        for format in [Format::Csv, Format::Tsv, Format::Json, Format::JsonLines] {
            let text = write(&table, format, &mut Share::default()).unwrap();
            assert_eq!(parsed(text.as_bytes(), format).unwrap(), table, "{text}");
        }
        assert!(Format::of("/srv/a.CSV").is_ok() && Format::of("/srv/a.xlsx").is_err());
    }

    /// Each of these has a few MiB as text, and hundreds as values.
    #[test]
    fn what_takes_too_much_memory_is_refused_whatever_its_size_as_text() {
        let check = |text: &str, format, expected: &str| {
            let error = parsed(text.as_bytes(), format).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let numbers = "0,".repeat(6_000_000);
        check(
            &format!("[{{\"a\":[{numbers}0]}}]"),
            Format::Json,
            "more than 101 MB of memory",
        );
        check(
            &format!("{{\"a\":[{numbers}0]}}\n"),
            Format::JsonLines,
            "more than 101 MB of memory",
        );
        check(
            &format!("[{}]", vec!["{\"a\":{\"a\":{}}}"; 300_000].join(",")),
            Format::Json,
            "of memory",
        );
        let names: Vec<String> = (0..100_000).map(|name| format!("\"{name}\":0")).collect();
        let wide = format!("[{{{}}}]", names.join(","));
        check(&wide, Format::Json, "more than 500 columns");
        check(
            &",".repeat(20_000_000),
            Format::Csv,
            "more than 500 columns",
        );
        let quoted = "\"\n\",".repeat(4_000_000);
        check(&quoted, Format::Csv, "more than 500 columns");
        // Names are short and come once here, and with each row there.
        let name = "x".repeat(90);
        let rows = format!("{name}\n{}", "1\n".repeat(499_000));
        let table = parsed(rows.as_bytes(), Format::Csv).unwrap();
        let written = write(&table, Format::Json, &mut Share::default());
        let error = written.map(|text| text.len()).unwrap_err();
        assert!(error.to_string().contains("of memory"), "{error}");
    }
}
