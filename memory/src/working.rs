//! `working.db`: goals, tasks, decisions, and the events worth keeping.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aios_contracts::v1::{Decision, Event, Goal, GoalState, Task};
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Notify;

use crate::database::Database;
use crate::error::Error;
use crate::open::{self, Migrations};
use crate::{events, limits};

/// `message` is the record itself, encoded as on the wire.
const MIGRATIONS: Migrations = &["
    CREATE TABLE goals (
        id TEXT PRIMARY KEY, state INTEGER NOT NULL, created_ms INTEGER NOT NULL,
        message BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX goals_by_time ON goals (created_ms, id);
    CREATE TABLE tasks (
        goal_id TEXT NOT NULL REFERENCES goals (id) ON DELETE CASCADE,
        number INTEGER NOT NULL, message BLOB NOT NULL,
        PRIMARY KEY (goal_id, number)
    );
    CREATE TABLE decisions (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, goal_id TEXT NOT NULL,
        message BLOB NOT NULL
    );
    CREATE INDEX decisions_by_goal ON decisions (goal_id);
    CREATE TABLE events (number INTEGER PRIMARY KEY, message BLOB NOT NULL)"];

/// So many finished goals are kept, with their tasks. At about 4 KiB each: 40 MiB.
const GOALS_KEPT: u32 = 10_000;
/// After so many writes of goals the oldest are forgotten: seldom enough to cost nothing.
const PRUNE_EVERY: u32 = 1_000;
/// So many decisions are kept.
const DECISIONS_KEPT: u32 = 50_000;
/// So many events of level WARNING and up are kept on disk.
const EVENTS_KEPT: u32 = 10_000;

/// The working memory.
pub struct Working {
    database: Database,
    goals_put: AtomicU32,
}

/// It was opened; and what of it had to be moved aside, and why.
pub type Opened<T> = (T, Option<(PathBuf, String)>);

impl Working {
    /// Opens it, and forgets what is too old.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(path: &std::path::Path, damaged: Arc<Notify>) -> Result<Opened<Self>, Error> {
        let opened = open::open(path, MIGRATIONS)?;
        prune(&opened.connections.0, GOALS_KEPT, DECISIONS_KEPT)?;
        let database = Database::start("working", opened.connections, damaged)
            .map_err(Error::io("start a thread for", path))?;
        let goals_put = AtomicU32::new(0);
        let working = Self {
            database,
            goals_put,
        };
        Ok((working, opened.moved_aside))
    }

    /// Keeps a goal; its tasks are kept by [`Self::put_task`].
    ///
    /// # Errors
    /// When it is malformed, too large, or the disk refuses.
    pub async fn put_goal(&self, mut goal: Goal) -> Result<(), Error> {
        goal.tasks.clear();
        limits::goal(&goal)?;
        let prune_now =
            self.goals_put.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1;
        let write = move |connection: &Connection| {
            put_goal(connection, &goal)?;
            match prune_now {
                true => prune(connection, GOALS_KEPT, DECISIONS_KEPT),
                false => Ok(()),
            }
        };
        self.database.write(write).await
    }

    /// Keeps a task of a goal that is kept.
    ///
    /// # Errors
    /// As [`Self::put_goal`]; `NotFound` when there is no such goal.
    pub async fn put_task(&self, task: Task) -> Result<(), Error> {
        limits::task(&task)?;
        self.database
            .write(move |connection| put_task(connection, &task))
            .await
    }

    /// The goal with its tasks whose id is this or begins so.
    ///
    /// # Errors
    /// `NotFound`, or `Invalid` when several begin so.
    pub async fn goal(&self, prefix: String) -> Result<Goal, Error> {
        limits::prefix(&prefix)?;
        self.database
            .read(move |connection| find_goal(connection, &prefix))
            .await
    }

    /// Goals in any of these states (none: all), the newest first, with their
    /// tasks; as many as fit a message.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn goals(&self, limit: u32, states: Vec<i32>) -> Result<Vec<Goal>, Error> {
        self.database
            .read(move |connection| list_goals(connection, limit, &states))
            .await
    }

    /// Keeps a decision.
    ///
    /// # Errors
    /// As [`Self::put_goal`].
    pub async fn put_decision(&self, decision: Decision) -> Result<(), Error> {
        limits::decision(&decision)?;
        let write = move |connection: &Connection| {
            let Decision { id, goal_id, .. } = &decision;
            connection
                .prepare_cached(
                    "INSERT INTO decisions (id, goal_id, message) VALUES (?1, ?2, ?3)
                     ON CONFLICT (id) DO UPDATE SET goal_id = ?2, message = ?3",
                )?
                .execute(params![id, goal_id, decision.encode_to_vec()])?;
            Ok(())
        };
        self.database.write(write).await
    }

    /// Decisions about a goal (empty: about all), the newest first.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn decisions(&self, goal_id: String, limit: u32) -> Result<Vec<Decision>, Error> {
        let read = move |connection: &Connection| {
            messages(
                connection,
                "SELECT message FROM decisions WHERE ?1 = '' OR goal_id = ?1
                 ORDER BY number DESC LIMIT ?2",
                params![goal_id, limit],
            )
        };
        self.database.read(read).await
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// As [`Self::put_goal`].
    pub async fn put_event(&self, event: Event) -> Result<(), Error> {
        let write = move |connection: &Connection| {
            connection
                .prepare_cached("INSERT INTO events (message) VALUES (?1)")?
                .execute([event.encode_to_vec()])?;
            connection
                .prepare_cached("DELETE FROM events WHERE number <= ?1")?
                .execute([connection.last_insert_rowid() - i64::from(EVENTS_KEPT)])?;
            Ok(())
        };
        self.database.write(write).await
    }

    /// The newest kept events, the oldest first: what the ring begins with.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn newest_events(&self) -> Result<Vec<Event>, Error> {
        let read = |connection: &Connection| {
            let sql = "SELECT message FROM events ORDER BY number DESC LIMIT ?1";
            let mut newest: Vec<Event> = messages(connection, sql, params![events::RING as u32])?;
            newest.reverse();
            Ok(newest)
        };
        self.database.read(read).await
    }
}

fn put_goal(connection: &Connection, goal: &Goal) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO goals (id, state, created_ms, message) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET state = ?2, created_ms = ?3, message = ?4",
        )?
        .execute(params![
            goal.id,
            goal.state,
            goal.created_ms,
            goal.encode_to_vec()
        ])?;
    Ok(())
}

fn put_task(connection: &Connection, task: &Task) -> Result<(), Error> {
    let message = task.encode_to_vec();
    let others: Option<usize> = connection
        .prepare_cached(
            "SELECT coalesce(sum(length(tasks.message)), 0)
             FROM goals LEFT JOIN tasks ON tasks.goal_id = goals.id AND tasks.number <> ?2
             WHERE goals.id = ?1 GROUP BY goals.id",
        )?
        .query_row(params![task.goal_id, task.index], |row| row.get(0))
        .optional()?;
    let others = others.ok_or_else(|| no_goal(&task.goal_id))?;
    let most = limits::GOAL_WITH_TASKS_MAX - limits::GOAL_MAX;
    if others + message.len() > most {
        return Err(Error::TooLarge(format!(
            "the tasks of goal {} would have {} bytes; at most {most} can be kept",
            task.goal_id,
            others + message.len(),
        )));
    }
    connection
        .prepare_cached(
            "INSERT INTO tasks (goal_id, number, message) VALUES (?1, ?2, ?3)
             ON CONFLICT (goal_id, number) DO UPDATE SET message = ?3",
        )?
        .execute(params![task.goal_id, task.index, message])?;
    Ok(())
}

fn no_goal(id: &str) -> Error {
    Error::NotFound(format!("there is no goal {id}"))
}

fn find_goal(connection: &Connection, prefix: &str) -> Result<Goal, Error> {
    // Ids are ASCII letters, digits and dashes, all of which sort before '~'.
    let mut found: Vec<Goal> = messages(
        connection,
        "SELECT message FROM goals WHERE id >= ?1 AND id < ?1 || '~' ORDER BY id LIMIT 2",
        params![prefix],
    )?;
    let exact = found.first().is_some_and(|goal| goal.id == prefix);
    if found.len() > 1 && !exact {
        return Err(Error::Invalid(format!(
            "several goals begin with {prefix}: give more of the id"
        )));
    }
    if found.is_empty() {
        return Err(no_goal(prefix));
    }
    with_tasks(connection, found.swap_remove(0))
}

fn with_tasks(connection: &Connection, mut goal: Goal) -> Result<Goal, Error> {
    let sql = "SELECT message FROM tasks WHERE goal_id = ?1 ORDER BY number";
    goal.tasks = messages(connection, sql, params![goal.id])?;
    Ok(goal)
}

fn list_goals(connection: &Connection, limit: u32, states: &[i32]) -> Result<Vec<Goal>, Error> {
    let states = states.iter().fold(0_i64, |set, state| match state {
        0..=62 => set | 1 << state,
        _ => set | 1 << 63, // no goal has such a state
    });
    let goals: Vec<Goal> = messages(
        connection,
        "SELECT message FROM goals WHERE ?2 = 0 OR (state BETWEEN 0 AND 62 AND ?2 >> state & 1)
         ORDER BY created_ms DESC, id DESC LIMIT ?1",
        params![limit, states],
    )?;
    let mut room = limits::GOAL_WITH_TASKS_MAX;
    let mut listed = Vec::new();
    for goal in goals {
        let goal = with_tasks(connection, goal)?;
        match room.checked_sub(goal.encoded_len()) {
            Some(left) => room = left,
            None => break,
        }
        listed.push(goal);
    }
    Ok(listed)
}

fn messages<M: prost::Message + Default>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<M>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|row| Ok(M::decode(row?.as_slice())?)).collect()
}

/// Forgets the oldest finished goals with their tasks, and the oldest decisions.
fn prune(connection: &Connection, goals: u32, decisions: u32) -> Result<(), Error> {
    let finished = GoalState::Succeeded as i32;
    connection.execute(
        "DELETE FROM goals WHERE state >= ?1 AND id NOT IN (
             SELECT id FROM goals WHERE state >= ?1 ORDER BY created_ms DESC, id DESC LIMIT ?2)",
        params![finished, goals],
    )?;
    connection.execute(
        "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?1",
        [decisions],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
