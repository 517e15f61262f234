//! Group commit: what several callers want written at once becomes one write.

use std::collections::HashMap;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Gathers items of type `T` and gives each caller its answer `R`.
///
/// The first caller that finds nobody writing writes the whole group, for all who joined it while
/// the last one was being written. So nobody waits for company, and under load many share one write.
#[derive(Debug)]
pub struct Groups<T, R> {
    queue: Mutex<Queue<T, R>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue<T, R> {
    /// Number of the group that is being gathered.
    number: u64,
    items: Vec<T>,
    /// Somebody writes a group now.
    writing: bool,
    /// Answers that were not fetched yet, by group and place in it.
    answers: HashMap<(u64, usize), R>,
}

impl<T, R> Default for Groups<T, R> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                number: 0,
                items: Vec::new(),
                writing: false,
                answers: HashMap::new(),
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T, R> Groups<T, R> {
    /// Joins the group that is being gathered and waits until it is written, by this caller or
    /// another: `write` gets the items in the order in which they came and gives one answer for each.
    /// Groups are written one after another, in order. Blocks.
    pub fn join(&self, item: T, write: impl Fn(Vec<T>) -> Vec<R>) -> R {
        let mut queue = self.lock();
        let mine = (queue.number, queue.items.len());
        queue.items.push(item);
        loop {
            if let Some(answer) = queue.answers.remove(&mine) {
                return answer;
            }
            queue = match queue.writing {
                true => self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                false => self.write(queue, &write),
            };
        }
    }

    fn write<'q>(
        &'q self,
        mut queue: MutexGuard<'q, Queue<T, R>>,
        write: impl Fn(Vec<T>) -> Vec<R>,
    ) -> MutexGuard<'q, Queue<T, R>> {
        let group = queue.number;
        let items = mem::take(&mut queue.items);
        queue.number += 1;
        queue.writing = true;
        drop(queue);
        let answers = write(items);
        let mut queue = self.lock();
        queue.writing = false;
        let places = (0..).map(|place| (group, place));
        queue.answers.extend(places.zip(answers));
        self.changed.notify_all();
        queue
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T, R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_comes_while_a_group_is_written_shares_the_next() {
        let groups = Groups::<u32, u32>::default();
        let writes = AtomicU32::new(0);
        let (begun, first_begun) = mpsc::channel();
        let (go_on, held) = mpsc::channel::<()>();
        let held = Mutex::new(Some(held));
        let write = |items: Vec<u32>| {
            writes.fetch_add(1, Ordering::Relaxed);
            if let Some(held) = held.lock().unwrap().take() {
                begun.send(()).unwrap();
                held.recv().unwrap();
            }
            items.into_iter().map(|item| item * 2).collect()
        };
        thread::scope(|scope| {
            let (groups, write) = (&groups, &write);
            let mut joined: Vec<_> = vec![scope.spawn(move || (0, groups.join(0, write)))];
            first_begun.recv().unwrap();
            joined
                .extend((1..20).map(|item| scope.spawn(move || (item, groups.join(item, write)))));
            while groups.lock().items.len() < 19 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
            for joined in joined {
                let (item, answer) = joined.join().unwrap();
                assert_eq!(answer, item * 2);
            }
        });
        assert_eq!(writes.into_inner(), 2);
        assert!(groups.lock().answers.is_empty());
    }
}
