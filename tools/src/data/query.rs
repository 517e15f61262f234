//! `data.query`: asks tables in files by SQL.

use std::time::Duration;

use serde_json::Value;

use super::database::Database;
use super::table::{self, Format, plain};
use aios_tool::argument::{List, ReadPath, Text, Whole};
use aios_tool::budget::Share;
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `data.query`.
pub struct Query;

/// The most files beside the first.
const MORE_MAX: usize = 7;
/// The most rows of an answer.
const ROWS_MAX: i64 = 10_000;
/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The most that all values of an answer take, in bytes of JSON.
const ANSWER_MAX: usize = format::ANSWER_MAX;

arguments! {
    /// Arguments of `data.query`.
    pub struct Input {
        /// Absolute path of a file with a table: CSV or TSV with names of columns first, a list of JSON
        /// objects, or JSON Lines. At most 32 MiB. In the statement it is the table `data`.
        pub path: ReadPath,
        /// More such files, at most 7: the tables `data2`, `data3`, … in the statement.
        #[serde(default)]
        pub more: List<ReadPath, MORE_MAX>,
        /// The statement, in SQL as SQLite has it: one SELECT, which reads these tables and nothing else.
        pub sql: Text,
        /// What the files are, when their names do not say it.
        pub format: Option<Format>,
        /// At most so many rows, 1 to 10000; 100 if it is not given.
        pub limit: Option<Whole<1, ROWS_MAX>>,
    }
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows: a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Are there more rows?
    pub truncated: bool,
}

impl Tool for Query {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "data.query",
            "Asks the tables in CSV, TSV, JSON or JSON Lines files by SQL.",
        )
        .timeout_ms(60_000)
        .kernel(READING)
        .example(json!({
            "path": "/srv/sales.csv",
            "sql": "SELECT region, sum(amount) FROM data GROUP BY region",
        }))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let more = if output.truncated { " and more" } else { "" };
        let mut text = match output.rows.len() {
            1 => format!("1 row{more}"),
            count => format!("{count} rows{more}"),
        };
        for row in output.rows.iter().take(5) {
            let cells = output.columns.iter().zip(row);
            let cells = cells.map(|(name, value)| format!("{name} {}", shown(value)));
            text.push_str(&format!("\n{}", cells.collect::<Vec<_>>().join(", ")));
        }
        format::cut(&text, 4000)
    }
}

impl Look for Query {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let mut database = Database::new(LIMIT.min(context.remaining()))?;
        for (number, path) in std::iter::once(&input.path)
            .chain(input.more.iter())
            .enumerate()
        {
            let name = match number {
                0 => "data".to_owned(),
                number => format!("data{}", number + 1),
            };
            let mut share = Share::default();
            let table = table::read(path, input.format, &mut share)?;
            database.add(&name, &table)?; // one after the other: none is in memory twice for long
        }
        let most = input.limit.map_or(100, Whole::count);
        let found = database.ask(input.sql.as_str(), most, ANSWER_MAX)?;
        Ok(Output {
            columns: found
                .columns
                .iter()
                .map(|name| format::printable(name))
                .collect(),
            rows: found.rows,
            truncated: found.more,
        })
    }
}

/// A value on a line of an answer.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        value => format::cut(&format::printable(&plain(value)), 80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn tables_of_several_files_are_asked_together() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let sales = file("sales.csv", "id,amount\n1,10\n2,5\n1,7\n");
        let names = file(
            "names.jsonl",
            "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n",
        );
        let sql = "SELECT name, sum(amount) AS total FROM data JOIN data2 USING (id) GROUP BY name";
        let arguments = json!({"path": sales, "more": [names], "sql": sql});
        let done = call::<Query>(arguments).unwrap();
        assert_eq!(done.output["rows"], json!([["a", 17], ["b", 5]]));
        assert_eq!(done.summary, "2 rows\nname a, total 17\nname b, total 5");
        let done = call::<Query>(json!({"path": sales, "sql": "SELECT * FROM data", "limit": 1}));
        assert_eq!(done.unwrap().output["truncated"], true);
        let attach = json!({"path": sales, "sql": "ATTACH '/etc/passwd' AS x"});
        assert!(matches!(
            call::<Query>(attach),
            Err(ToolError::Precondition(_))
        ));
        let other = file("x.bin", "a\n1\n");
        assert!(call::<Query>(json!({"path": other, "sql": "SELECT 1"})).is_err());
        let said = json!({"path": other, "sql": "SELECT a FROM data", "format": "csv"});
        assert_eq!(call::<Query>(said).unwrap().output["rows"], json!([[1]]));
    }
}
