//! Opening a database: sound, migrated, durable. One that is damaged is moved
//! aside, so that the appliance goes on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

/// Pages that each connection keeps in memory, in KiB. The working set is small
/// and the kernel caches the file.
const CACHE_KIB: i64 = 512;

/// The way of locking: this process keeps the file to itself, and the index of its journal in its
/// own memory. Otherwise that index would be a file that is mapped, and touching a page that a full
/// disk has no room for ends the process (SIGBUS). <https://sqlite.org/vfs.html>
const LOCKING: &str = "unix-excl";

/// Marks the name of a database that was moved aside; then comes when, in Unix milliseconds.
pub const DAMAGED: &str = ".damaged-";

/// The schema: entry N brings a database of version N to version N + 1. Entries
/// are only ever added.
pub type Migrations = &'static [&'static str];

/// A database that was opened.
pub struct Opened {
    /// For the writer and for the reader.
    pub connections: (Connection, Connection),
    /// Where the damaged one was moved to, and what was wrong with it.
    pub moved_aside: Option<(PathBuf, String)>,
}

/// Opens a database, makes it when there is none, moves it aside when it is damaged.
///
/// # Errors
/// When the disk refuses, or a newer version of aiOS wrote it.
pub fn open(path: &Path, migrations: Migrations) -> Result<Opened, Error> {
    match open_sound(path, migrations) {
        Ok(connections) => Ok(Opened {
            connections,
            moved_aside: None,
        }),
        Err(error) if error.is_corruption() || matches!(error, Error::Damaged(_)) => {
            let aside = move_aside(path)?;
            Ok(Opened {
                connections: open_sound(path, migrations)?,
                moved_aside: Some((aside, aios_daemon::error::chain(&error))),
            })
        }
        Err(error) => Err(error),
    }
}

fn open_sound(path: &Path, migrations: Migrations) -> Result<(Connection, Connection), Error> {
    let write = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), LOCKING)?;
    configure(&write)?;
    check(&write)?;
    migrate(&write, path, migrations)?;
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let read = Connection::open_with_flags_and_vfs(path, read_only, LOCKING)?;
    configure(&read)?;
    Ok((write, read))
}

fn configure(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    if !connection.is_readonly(rusqlite::MAIN_DB)? {
        connection.pragma_update(None, "journal_mode", "WAL")?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(())
}

fn check(connection: &Connection) -> Result<(), Error> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match verdict.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::Damaged(verdict)),
    }
}

fn migrate(connection: &Connection, path: &Path, migrations: Migrations) -> Result<(), Error> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations.len() as u32;
    if found > known {
        return Err(Error::TooNew {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (version, statements) in (1..=known).zip(migrations).skip(found as usize) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {statements}; PRAGMA user_version = {version}; COMMIT"
        ))?;
    }
    Ok(())
}

/// Renames the database with its journal. It is kept, for whoever can mend it.
fn move_aside(path: &Path) -> Result<PathBuf, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let suffix = format!("{DAMAGED}{}", now.as_millis());
    let aside = with_suffix(path, &suffix);
    for part in ["-wal", "-shm", ""] {
        let from = with_suffix(path, part);
        if from.exists() {
            std::fs::rename(&from, with_suffix(&aside, part))
                .map_err(Error::io("move aside", &from))?;
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migrations = &["CREATE TABLE a (n INTEGER)"];
    const TWO: Migrations = &[
        "CREATE TABLE a (n INTEGER)",
        "ALTER TABLE a ADD COLUMN m INTEGER",
    ];

    #[test]
    fn nothing_of_a_database_in_use_is_a_mapped_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let (write, read) = open(&path, ONE).unwrap().connections;
        write.execute("INSERT INTO a VALUES (5)", []).unwrap();
        let seen: u32 = read
            .query_row("SELECT n FROM a", [], |row| row.get(0))
            .unwrap();
        assert_eq!(seen, 5);
        assert!(with_suffix(&path, "-wal").exists());
        assert!(!with_suffix(&path, "-shm").exists());
    }

    #[test]
    fn an_old_database_is_migrated_and_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let opened = open(&path, ONE).unwrap();
        opened
            .connections
            .0
            .execute("INSERT INTO a VALUES (5)", [])
            .unwrap();
        drop(opened);
        let opened = open(&path, TWO).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let row: (u32, Option<u32>) = opened
            .connections
            .1
            .query_row("SELECT n, m FROM a", [], read)
            .unwrap();
        assert_eq!(row, (5, None));
        drop(opened);
        assert!(matches!(
            open(&path, ONE),
            Err(Error::TooNew {
                found: 2,
                known: 1,
                ..
            })
        ));
    }

    #[test]
    fn commits_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("x.db"), ONE).unwrap();
        let pragma = |name: &str| -> String {
            let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            let value = opened
                .connections
                .0
                .pragma_query_value(None, name, value)
                .unwrap();
            format!("{value:?}")
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)");
    }

    #[test]
    fn a_damaged_database_is_moved_aside_and_kept() {
        let check = |damage: &dyn Fn(&mut Vec<u8>)| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.db");
            let opened = open(&path, ONE).unwrap();
            let fill = "BEGIN; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                        LIMIT 5000) INSERT INTO a SELECT i FROM n; COMMIT; \
                        PRAGMA wal_checkpoint(TRUNCATE)";
            opened.connections.0.execute_batch(fill).unwrap();
            drop(opened);
            let mut bytes = std::fs::read(&path).unwrap();
            damage(&mut bytes);
            std::fs::write(&path, &bytes).unwrap();
            let opened = open(&path, ONE).unwrap();
            let (aside, what) = opened.moved_aside.expect("the damage must be noticed");
            assert_eq!(
                std::fs::metadata(aside).unwrap().len(),
                bytes.len() as u64,
                "{what}"
            );
            let sql = "SELECT count(*) FROM a";
            let count: u32 = opened
                .connections
                .1
                .query_row(sql, [], |row| row.get(0))
                .unwrap();
            assert_eq!(count, 0);
        };
        check(&|bytes| bytes[..16].fill(b'x'));
        check(&|bytes| {
            bytes
                .iter_mut()
                .skip(4096)
                .take(8192)
                .for_each(|byte| *byte ^= 0xff)
        });
        check(&|bytes| bytes.truncate(5000));
    }
}
