//! Tables in a database in memory, asked by statements that may be anybody's.
//!
//! SQLite, which the memory has already, and not DuckDB or DataFusion: each of these takes more than
//! 20 MiB of the root's 50. A statement may read the tables and compute, nothing else: it opens no file,
//! loads no extension, changes nothing (the authorizer, asked before it runs), and its time and memory
//! are bounded.

use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};
use serde_json::Value;

use aios_tool::error::ToolError;
use aios_tool::format::json_size;

use super::functions;
use super::table::{Table, plain};

/// After so many steps of SQLite's machine the time is looked at.
const STEPS: i32 = 1_000;
/// The longest value, in bytes, and the longest row.
const VALUE_MAX: i32 = 4 * 1024 * 1024;
/// The longest pattern of LIKE and GLOB, in bytes: comparing takes the product of both lengths, in one step.
const PATTERN_MAX: i32 = 200;
/// The longest statement, in bytes.
const STATEMENT_MAX: i32 = 100_000;
/// What SQLite may take of the daemon's memory, in bytes; all databases of the process together.
const HEAP_MAX: u32 = 96 * 1024 * 1024;

/// A database in memory.
pub struct Database {
    connection: Connection,
    /// When whatever it does is ended.
    end: Instant,
}

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
    /// An empty database; filling and asking it takes at most so long.
    ///
    /// # Errors
    /// `Precondition` when there is no memory for it.
    pub fn new(limit: Duration) -> Result<Self, ToolError> {
        let connection = Connection::open_in_memory().map_err(|error| fault(&error))?;
        let end = Instant::now() + limit;
        connection.progress_handler(STEPS, Some(move || Instant::now() >= end));
        prepared(&connection).map_err(|error| fault(&error))?;
        Ok(Self { connection, end })
    }

    /// Adds a table.
    ///
    /// # Errors
    /// `Precondition` when it does not fit; `Deadline`.
    pub fn add(&mut self, name: &str, table: &Table) -> Result<(), ToolError> {
        let filled = fill(&mut self.connection, name, table);
        filled.map_err(|error| self.fault(&error))
    }

    /// Asks it for at most so many rows, that take at most so many bytes in JSON. Nothing but reading is
    /// possible from then on.
    ///
    /// # Errors
    /// `Precondition` with what is wrong with the statement; `Deadline`.
    pub fn ask(self, statement: &str, most: usize, room: usize) -> Result<Found, ToolError> {
        self.connection.authorizer(Some(authorized));
        let asked = self.connection.prepare(statement).and_then(|mut prepared| {
            let columns = prepared
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            let (rows, more) = rows(&mut prepared, most, room)?;
            Ok(Found {
                columns,
                rows,
                more,
            })
        });
        asked.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &rusqlite::Error) -> ToolError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) if Instant::now() >= self.end => {
                ToolError::Deadline("the statement was not done in time".to_owned())
            }
            _ => fault(error),
        }
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
        AuthAction::Function { function_name } if !functions::REFUSED.contains(&function_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn prepared(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_MAX)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    functions::replace(connection, VALUE_MAX.unsigned_abs() as usize)?;
    connection.query_row(&format!("PRAGMA hard_heap_limit = {HEAP_MAX}"), [], |_| {
        Ok(())
    })
}

fn fill(connection: &mut Connection, name: &str, table: &Table) -> rusqlite::Result<()> {
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
    transaction.commit()
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

fn rows(
    statement: &mut Statement<'_>,
    most: usize,
    mut room: usize,
) -> rusqlite::Result<(Vec<Vec<Value>>, bool)> {
    let count = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut size = 2;
        for column in 0..count {
            size += 1 + size_of_json(row.get_ref(column)?);
        }
        if found.len() == most || size > room {
            return Ok((found, true));
        }
        room -= size;
        let values = (0..count).map(|column| row.get_ref(column).map(of_sql));
        found.push(values.collect::<rusqlite::Result<Vec<Value>>>()?);
    }
    Ok((found, false))
}

/// How many bytes a value takes in an answer, at most.
fn size_of_json(value: ValueRef<'_>) -> usize {
    match value {
        // What is no UTF-8 is shown as a character of three bytes.
        ValueRef::Text(text) => std::str::from_utf8(text).map_or(3 * text.len(), json_size) + 2,
        _ => 30,
    }
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
        let mut database = Database::new(LIMIT).unwrap();
        database.add("data", &table).unwrap();
        database
    }

    const LIMIT: Duration = Duration::from_secs(2);
    const ROOM: usize = 1000;

    fn ask(statement: &str) -> Result<Found, ToolError> {
        database().ask(statement, 2, ROOM)
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
            "SELECT unhex('00', '-')",
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

    /// Each is one step of SQLite's machine, or few: nobody could end it before it is done.
    #[test]
    fn no_single_step_takes_long() {
        let half = "(SELECT replace(hex(zeroblob(450000)), '0', 'a'))";
        for call in [
            format!("instr({half} || {half}, {half} || 'b')"),
            format!("length(replace({half} || {half}, {half} || 'b', 'c'))"),
            format!("length(trim({half}, {half} || 'b'))"),
            format!("length(ltrim('bb' || {half}, replace({half}, 'a', 'c') || 'b'))"),
        ] {
            let begun = Instant::now();
            let found = ask(&format!("SELECT {call}")).unwrap();
            assert_eq!(found.rows.len(), 1);
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(10), "{call}: {took:?}");
        }
        let large = ask(&format!("SELECT replace({half}, 'a', {half})")).unwrap_err();
        assert!(large.to_string().contains("too big"), "{large}");
        let pattern = "SELECT name LIKE replace(hex(zeroblob(500)), '0', '_') FROM data";
        assert!(ask(pattern).unwrap_err().to_string().contains("complex"));
    }

    #[test]
    fn functions_answer_as_sqlites_do() {
        let check = |call: &str, expected: Value| {
            let found = ask(&format!("SELECT {call}")).unwrap();
            assert_eq!(json!(found.rows), json!([[expected]]), "{call}");
        };
        check("instr('äbc', 'c')", json!(3));
        check("instr('abc', 'x')", json!(0));
        check("instr('abc', NULL)", Value::Null);
        check("instr(1234, 3)", json!(3));
        check("replace('a-b-c', '-', '+')", json!("a+b+c"));
        check("replace('abc', '', 'x')", json!("abc"));
        check("replace(NULL, 'a', 'b')", Value::Null);
        check("trim('xyabxx', 'yx')", json!("ab"));
        check("ltrim('xab', 'x') || rtrim('abx', 'x')", json!("abab"));
        check("trim('  a ')", json!("a"));
    }

    #[test]
    fn an_answer_holds_so_many_rows_as_fit() {
        let text = "(SELECT replace(hex(zeroblob(150)), '0', 'x'))"; // 300 bytes
        let many = format!("SELECT {text} FROM data");
        let found = database().ask(&many, 10, ROOM).unwrap();
        assert_eq!((found.rows.len(), found.more), (3, false));
        let found = database().ask(&many, 10, ROOM - 200).unwrap();
        assert_eq!((found.rows.len(), found.more), (2, true));
    }
}
