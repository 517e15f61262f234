//! `longterm.db`: what was remembered, with its vectors.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Notify;

use crate::database::Database;
use crate::error::Error;
use crate::open::{self, Migrations};
use crate::working::Opened;

/// `vector` is null until the text was embedded; little-endian f32 otherwise.
const MIGRATIONS: Migrations = &["
    CREATE TABLE memories (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        text TEXT NOT NULL, reference TEXT NOT NULL, time_ms INTEGER NOT NULL, vector BLOB
    );
    CREATE INDEX memories_to_embed ON memories (number) WHERE vector IS NULL"];

/// So many memories are kept, the oldest forgotten first. Their vectors of 384
/// numbers take 77 MB in memory, the exact search some 20 ms.
pub const KEPT: u32 = 50_000;

/// Something remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Its id: the same for the same kind, text and reference.
    pub id: String,
    /// "goal", "incident", "note", …
    pub kind: String,
    /// What is remembered.
    pub text: String,
    /// What it is about: a goal's id, a path.
    pub reference: String,
    /// When it was last remembered: Unix time, milliseconds.
    pub time_ms: i64,
}

/// A row's number, its kind and its vector.
pub type Embedded = (i64, String, Vec<f32>);

/// The long-term memory's database.
pub struct Longterm {
    database: Database,
}

impl Longterm {
    /// Opens it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(path: &Path, damaged: Arc<Notify>) -> Result<Opened<Self>, Error> {
        let opened = open::open(path, MIGRATIONS)?;
        let database = Database::start("longterm", opened.connections, damaged)
            .map_err(Error::io("start a thread for", path))?;
        Ok((Self { database }, opened.moved_aside))
    }

    /// Keeps a memory; returns its row's number, and the highest number forgotten for it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn put(&self, memory: Memory, vector: Option<Vec<f32>>) -> Result<(i64, i64), Error> {
        self.database
            .write(move |connection| put(connection, &memory, vector.as_deref()))
            .await
    }

    /// Gives a memory its vector.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn set_vector(&self, number: i64, vector: Vec<f32>) -> Result<(), Error> {
        let write = move |connection: &Connection| {
            connection
                .prepare_cached("UPDATE memories SET vector = ?2 WHERE number = ?1")?
                .execute(params![number, to_bytes(&vector)])?;
            Ok(())
        };
        self.database.write(write).await
    }

    /// Takes all vectors away: another model makes other ones.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn clear_vectors(&self) -> Result<(), Error> {
        let write = |connection: &Connection| {
            connection.execute("UPDATE memories SET vector = NULL", [])?;
            Ok(())
        };
        self.database.write(write).await
    }

    /// All vectors.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn vectors(&self) -> Result<Vec<Embedded>, Error> {
        let read = |connection: &Connection| {
            let sql = "SELECT number, kind, vector FROM memories WHERE vector IS NOT NULL";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let bytes: Vec<u8> = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, from_bytes(&bytes)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.read(read).await
    }

    /// Memories that wait for their vector: number, kind and text.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn to_embed(&self, limit: u32) -> Result<Vec<(i64, String, String)>, Error> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, kind, text FROM memories WHERE vector IS NULL
                 ORDER BY number LIMIT ?1",
            )?;
            let rows =
                statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.database.read(read).await
    }

    /// The memories of these rows, in their order; rows that are gone are left out.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn get(&self, numbers: Vec<i64>) -> Result<Vec<(i64, Memory)>, Error> {
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, kind, text, reference, time_ms FROM memories WHERE number = ?1",
            )?;
            let mut found = Vec::new();
            for number in numbers {
                let memory = statement.query_row([number], memory).optional()?;
                found.extend(memory.map(|memory| (number, memory)));
            }
            Ok(found)
        };
        self.database.read(read).await
    }
}

fn put(
    connection: &Connection,
    memory: &Memory,
    vector: Option<&[f32]>,
) -> Result<(i64, i64), Error> {
    let Memory {
        id,
        kind,
        text,
        reference,
        time_ms,
    } = memory;
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO memories (id, kind, text, reference, time_ms, vector)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET time_ms = ?5, vector = coalesce(?6, vector)
             RETURNING number",
        )?
        .query_row(
            params![id, kind, text, reference, time_ms, vector.map(to_bytes)],
            |row| row.get(0),
        )?;
    let forgotten: i64 = connection
        .prepare_cached("SELECT max(number) FROM memories")?
        .query_row([], |row| row.get::<_, i64>(0))?
        - i64::from(KEPT);
    if forgotten > 0 {
        connection
            .prepare_cached("DELETE FROM memories WHERE number <= ?1 AND number <> ?2")?
            .execute([forgotten, number])?;
    }
    Ok((number, forgotten))
}

fn memory(row: &rusqlite::Row<'_>) -> rusqlite::Result<Memory> {
    Ok(Memory {
        id: row.get(0)?,
        kind: row.get(1)?,
        text: row.get(2)?,
        reference: row.get(3)?,
        time_ms: row.get(4)?,
    })
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let numbers = bytes.chunks_exact(4);
    numbers
        .map(|number| f32::from_le_bytes([number[0], number[1], number[2], number[3]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_memory_and_its_vector_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("longterm.db");
        let (longterm, _) = Longterm::open(&path, Arc::default()).unwrap();
        let memory = Memory {
            id: "a".into(),
            kind: "note".into(),
            text: "the disk was full".into(),
            reference: "/var".into(),
            time_ms: 7,
        };
        let (number, _) = longterm.put(memory.clone(), None).await.unwrap();
        assert_eq!(longterm.to_embed(9).await.unwrap().len(), 1);
        longterm.set_vector(number, vec![0.6, -0.8]).await.unwrap();
        drop(longterm);
        let (longterm, _) = Longterm::open(&path, Arc::default()).unwrap();
        assert_eq!(
            longterm.get(vec![99, number]).await.unwrap(),
            [(number, memory.clone())]
        );
        let expected = vec![(number, "note".to_owned(), vec![0.6, -0.8])];
        assert_eq!(longterm.vectors().await.unwrap(), expected);
        // The same again is the same memory, and keeps its vector.
        let again = Memory {
            time_ms: 8,
            ..memory
        };
        assert_eq!(longterm.put(again, None).await.unwrap().0, number);
        assert!(longterm.to_embed(9).await.unwrap().is_empty());
    }
}
