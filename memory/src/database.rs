//! One SQLite file, two threads: one writes, one reads.
//!
//! The writer takes all work that waits, does each piece in a savepoint of its
//! own, commits once, and only then answers all: each answer means "on the disk",
//! and a piece that fails takes nothing else with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::Error;

/// So many pieces of work may wait; a caller beyond that waits until there is room.
/// At some KiB each that is about a megabyte.
const QUEUE: usize = 256;

/// At most so many writes share a commit, so that none waits for long.
const GROUP_MAX: usize = 512;

/// Answers the caller, once it is known whether the commit stands.
type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// A piece of work; it is given the reason instead of the connection when it cannot be done.
type Job = Box<dyn FnOnce(Result<&Connection, Error>) -> Reply + Send>;

/// A database that is open.
pub struct Database {
    // The reader goes first, so that the writer, closing last, empties the journal.
    reader: Worker,
    writer: Worker,
    commits: Arc<AtomicU64>,
}

impl Database {
    /// Starts the threads. `damaged` is told when SQLite finds the file corrupt.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        name: &str,
        connections: (Connection, Connection),
        damaged: Arc<Notify>,
    ) -> std::io::Result<Self> {
        let commits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commits);
        let (write, read) = connections;
        let writer = Worker::start(&format!("{name}-write"), move |jobs| {
            write_until_closed(&write, jobs, &count, &damaged);
        })?;
        let reader = Worker::start(&format!("{name}-read"), move |mut jobs| {
            while let Some(job) = jobs.blocking_recv() {
                job(Ok(&read))(Ok(()));
            }
        })?;
        Ok(Self {
            reader,
            writer,
            commits,
        })
    }

    /// Does some writing; what it returns is on the disk.
    ///
    /// # Errors
    /// What the work says, or the commit. Nothing of the work is kept then.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.writer
            .ask(move |connection| in_savepoint(connection, work))
            .await
    }

    /// Does some reading.
    ///
    /// # Errors
    /// What the work says.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.reader.ask(work).await
    }

    /// How many commits were made: fewer than writes, when they come together.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// A thread and the queue of its work. Dropping it finishes what was handed in.
struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(
        name: &str,
        run: impl FnOnce(mpsc::Receiver<Job>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(512 * 1024) // SQLite's parser needs some; 2 MiB would be for nothing
            .spawn(move || {
                let _guard = AbortOnPanic;
                run(queue);
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let outcome = connection.and_then(work);
            Box::new(move |commit| {
                // Nobody listens when the caller has gone away.
                let _ = answer.send(commit.and(outcome));
            })
        });
        let jobs = self.jobs.as_ref().ok_or(Error::Stopped)?;
        jobs.send(job).await.map_err(|_| Error::Stopped)?;
        answered.await.map_err(|_| Error::Stopped)?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None; // the thread ends when its queue is closed and empty
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: that aborts.
            let _ = thread.join();
        }
    }
}

/// A database without its thread would refuse everything for ever: better to be
/// started again by the supervisor.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

fn write_until_closed(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Job>,
    commits: &AtomicU64,
    damaged: &Notify,
) {
    let mut group = Vec::new();
    while jobs.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let (outcome, replies) = commit(connection, group.drain(..));
        if let Err(error) = &outcome {
            tracing::error!("a commit failed: {}", aios_daemon::error::chain(error));
            if error.is_corruption() {
                damaged.notify_one();
            }
        }
        commits.fetch_add(1, Ordering::Relaxed);
        for reply in replies {
            reply(outcome.clone());
        }
    }
}

/// Does the work of a group and commits it; the replies are still to be given.
fn commit(
    connection: &Connection,
    group: impl Iterator<Item = Job>,
) -> (Result<(), Error>, Vec<Reply>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        // Without a transaction each piece would be committed by itself and be answered as failed.
        let error = Error::from(error);
        let replies = group.map(|job| job(Err(error.clone()))).collect();
        return (Err(error), replies);
    }
    let replies = group.map(|job| job(Ok(connection))).collect();
    let outcome = connection.execute_batch("COMMIT").map_err(Error::from);
    if outcome.is_err() && !connection.is_autocommit() {
        // The failed commit is what is told.
        let _ = connection.execute_batch("ROLLBACK");
    }
    (outcome, replies)
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    connection.execute_batch("SAVEPOINT piece")?;
    let outcome = work(connection);
    let end = match outcome {
        Ok(_) => "RELEASE piece",
        Err(_) => "ROLLBACK TO piece; RELEASE piece",
    };
    connection.execute_batch(end)?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(folder: &std::path::Path) -> Database {
        let path = folder.join("x.db");
        let write = Connection::open(&path).unwrap();
        write
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (n INTEGER UNIQUE)")
            .unwrap();
        let read = Connection::open(&path).unwrap();
        Database::start("x", (write, read), Arc::default()).unwrap()
    }

    fn insert(number: u32) -> impl FnOnce(&Connection) -> Result<(), Error> + Send + 'static {
        move |connection| {
            connection.execute("INSERT INTO t VALUES (?1)", [number])?;
            Ok(())
        }
    }

    async fn count(database: &Database) -> u32 {
        let read = |connection: &Connection| {
            Ok(connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
        };
        database.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn writes_that_wait_share_one_commit() {
        let folder = tempfile::tempdir().unwrap();
        let database = Arc::new(database(folder.path()));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (taken, is_taken) = oneshot::channel();
        let first = database.write(move |_| {
            taken.send(()).unwrap();
            wait.recv().unwrap_err(); // until `go` is dropped
            Ok(())
        });
        let rest = async {
            // Else the writer, waking late, takes some of the others in the same group.
            is_taken.await.unwrap();
            let writes: Vec<_> = (0..100)
                .map(|number| {
                    let database = Arc::clone(&database);
                    tokio::spawn(async move { database.write(insert(number)).await })
                })
                .collect();
            while database.writer.jobs.as_ref().unwrap().capacity() > QUEUE - 100 {
                tokio::task::yield_now().await;
            }
            drop(go);
            for write in writes {
                write.await.unwrap().unwrap();
            }
        };
        let (first, ()) = tokio::join!(first, rest);
        first.unwrap();
        assert_eq!(count(&database).await, 100);
        assert!(database.commits() <= 2, "{}", database.commits());
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_no_other_with_it_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(folder.path());
        let bad = database.write(|connection| {
            insert(1)(connection)?;
            insert(1)(connection)
        });
        let (good, bad) = tokio::join!(database.write(insert(2)), bad);
        assert!(good.is_ok());
        assert!(matches!(bad, Err(Error::Sqlite(_))));
        assert_eq!(count(&database).await, 1);
    }

    #[test]
    fn no_piece_is_done_outside_of_a_transaction() {
        let connection = Connection::open_in_memory().unwrap();
        // SQLite refuses a transaction within one.
        connection.execute_batch("BEGIN").unwrap();
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let job: Job = Box::new(move |connection| {
            counted.fetch_add(u64::from(connection.is_ok()), Ordering::Relaxed);
            Box::new(|_| {})
        });
        let (outcome, replies) = commit(&connection, [job].into_iter());
        assert!(outcome.is_err(), "{outcome:?}");
        assert_eq!((done.load(Ordering::Relaxed), replies.len()), (0, 1));
    }

    #[tokio::test]
    async fn dropping_the_database_finishes_what_was_handed_in() {
        let folder = tempfile::tempdir().unwrap();
        let first = database(folder.path());
        first.write(insert(7)).await.unwrap();
        drop(first);
        let again = Connection::open(folder.path().join("x.db")).unwrap();
        let count: u32 = again
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1);
    }
}
