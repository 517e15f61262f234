//! Tables in a database in memory, asked by statements that may be anybody's.
//!
//! SQLite, which the memory has already, and not DuckDB or DataFusion: each of these takes more than
//! 20 MiB of the root's 50. A statement may read the tables and compute, nothing else: it opens no file,
//! loads no extension, changes nothing (the authorizer, asked before it runs), and its time and memory
//! are bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};
use serde_json::Value;

use aios_tool::error::ToolError;

use super::table::{Table, plain};

/// After so many steps of SQLite's machine the time is looked at.
const STEPS: i32 = 10_000;
/// The longest value, in bytes.
const VALUE_MAX: i32 = 4 * 1024 * 1024;
/// The longest statement, in bytes.
const STATEMENT_MAX: i32 = 100_000;
/// What SQLite may take of the daemon's memory, in bytes; all databases of the process together.
const HEAP_MAX: u32 = 200 * 1024 * 1024;

/// A database in memory.
pub struct Database(Connection);

/// What a statement found.
#[derive(Debug)]
pub struct Found {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, at most as many as were asked for.
    pub rows: Vec<Vec<Value>>,
    /// There are more.
    pub more: bool,
}

impl Database {
    /// A database of these tables.
    ///
    /// # Errors
    /// `Precondition` when they do not fit.
    pub fn of(tables: &[(String, Table)]) -> Result<Self, ToolError> {
        let mut connection = Connection::open_in_memory().map_err(|error| fault(&error))?;
        let filled = fill(&mut connection, tables);
        filled.map_err(|error| fault(&error))?;
        Ok(Self(connection))
    }

    /// Asks it, at most for so long. Nothing but reading is possible from then on.
    ///
    /// # Errors
    /// `Precondition` with what is wrong with the statement; `Deadline`.
    pub fn ask(self, statement: &str, most: usize, limit: Duration) -> Result<Found, ToolError> {
        let end = Instant::now() + limit;
        let late = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&late);
        let is_over = move || {
            let over = Instant::now() >= end;
            noted.store(over, Ordering::Relaxed);
            over
        };
        self.0.progress_handler(STEPS, Some(is_over));
        self.0.authorizer(Some(authorized));
        let asked = self.0.prepare(statement).and_then(|mut prepared| {
            let columns = prepared
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            let (rows, more) = rows(&mut prepared, most)?;
            Ok(Found {
                columns,
                rows,
                more,
            })
        });
        asked.map_err(|error| match late.load(Ordering::Relaxed) {
            true => ToolError::Deadline(format!(
                "the statement was not done within {} s",
                limit.as_secs()
            )),
            false => fault(&error),
        })
    }
}

fn fault(error: &rusqlite::Error) -> ToolError {
    ToolError::Precondition(format!("SQL: {error}"))
}

/// Reading the tables and computing; whatever else there is, now or later, is refused.
fn authorized(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn fill(connection: &mut Connection, tables: &[(String, Table)]) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_MAX)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.query_row(&format!("PRAGMA hard_heap_limit = {HEAP_MAX}"), [], |_| {
        Ok(())
    })?;
    for (name, table) in tables {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
        let transaction = connection.transaction()?;
        let create = format!("CREATE TABLE {} ({})", quoted(name), columns.join(", "));
        transaction.execute(&create, [])?;
        let places = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {} VALUES ({places})", quoted(name));
        {
            let mut insert = transaction.prepare(&insert)?;
            for row in &table.rows {
                insert.execute(params_from_iter(row.iter().map(to_sql)))?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

fn to_sql(value: &Value) -> ToSqlOutput<'static> {
    use rusqlite::types::Value as Sql;
    ToSqlOutput::Owned(match value {
        Value::Null => Sql::Null,
        Value::Bool(yes) => Sql::Integer((*yes).into()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Sql::Integer(whole),
            (None, Some(real)) => Sql::Real(real),
            (None, None) => Sql::Text(number.to_string()),
        },
        other => Sql::Text(plain(other)),
    })
}

fn rows(statement: &mut Statement<'_>, most: usize) -> rusqlite::Result<(Vec<Vec<Value>>, bool)> {
    let count = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if found.len() == most {
            return Ok((found, true));
        }
        let values = (0..count).map(|column| row.get_ref(column).map(of_sql));
        found.push(values.collect::<rusqlite::Result<Vec<Value>>>()?);
    }
    Ok((found, false))
}

fn of_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn database() -> Database {
        let table = Table {
            columns: ["name", "size"].map(str::to_owned).to_vec(),
            rows: vec![
                vec!["a".into(), 1.into()],
                vec!["b".into(), 2.into()],
                vec!["a".into(), Value::Null],
            ],
        };
        Database::of(&[("data".to_owned(), table)]).unwrap()
    }

    fn ask(statement: &str) -> Result<Found, ToolError> {
        database().ask(statement, 2, Duration::from_secs(2))
    }

    #[test]
    fn a_statement_reads_and_computes() {
        let found = ask("SELECT name, sum(size) AS all_of FROM data GROUP BY name").unwrap();
        assert_eq!(found.columns, ["name", "all_of"]);
        assert_eq!(json!(found.rows), json!([["a", 1], ["b", 2]]));
        assert!(!found.more);
        assert!(ask("SELECT * FROM data").unwrap().more);
        let with = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<2) SELECT x FROM n";
        assert_eq!(json!(ask(with).unwrap().rows), json!([[1], [2]]));
    }

    #[test]
    fn a_statement_does_nothing_else() {
        for statement in [
            "DELETE FROM data",
            "INSERT INTO data VALUES (1, 2)",
            "CREATE TABLE x (y)",
            "CREATE TEMP VIEW x AS SELECT 1",
            "DROP TABLE data",
            "ATTACH '/etc/passwd' AS x",
            "VACUUM INTO '/tmp/x'",
            "PRAGMA database_list",
            "PRAGMA hard_heap_limit = 0",
            "SELECT * FROM pragma_database_list",
            "SELECT load_extension('/x')",
            "BEGIN",
            "SELECT 1; SELECT 2",
            "SELECT no_such_column FROM data",
            "",
        ] {
            let refused = ask(statement);
            assert!(
                matches!(refused, Err(ToolError::Precondition(_))),
                "{statement}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_statement_without_end_ends() {
        let endless =
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n";
        let begun = Instant::now();
        let late = ask(endless).unwrap_err();
        assert!(matches!(late, ToolError::Deadline(_)), "{late}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        let large = ask("SELECT length(zeroblob(1000000000))").unwrap_err();
        assert!(matches!(large, ToolError::Precondition(_)), "{large}");
    }
}
