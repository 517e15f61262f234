//! What the calls of this process may hold in memory at once, where it is others who say how much that
//! is: tables, archives, lists of changes.
//!
//! Whoever holds such a thing grows a [`Share`] first, and has it for as long as the thing is there. So
//! hostile files cost their own call an error, not everybody the daemon.

use std::sync::{Mutex, PoisonError};

use crate::error::ToolError;
use crate::format;

/// What all shares may have together, in bytes: of the daemon's 512 MiB, SQLite may take 96 more, and the
/// rest is left for answers, contents of files and the ledger.
const ALL_MAX: u64 = 192 * MIB;
/// What one share may have, in bytes: two of the largest fit, so that no call keeps all others out.
const ONE_MAX: u64 = 96 * MIB;

const MIB: u64 = 1024 * 1024;

/// The budget of this process.
static BUDGET: Budget = Budget(Mutex::new(0));

/// Bytes that are taken.
struct Budget(Mutex<u64>);

impl Budget {
    fn take(&self, bytes: u64) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = taken.checked_add(bytes).is_some_and(|sum| sum <= ALL_MAX);
        if fits {
            *taken += bytes;
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(bytes);
    }
}

/// What one call has of the budget, until this is dropped.
#[derive(Debug, Default)]
pub struct Share {
    /// What it needs, in bytes.
    needed: u64,
    /// What it has, in bytes: taken by pieces, so that growing is cheap.
    taken: u64,
}

/// A share grows by so much at least, in bytes.
const PIECE: u64 = MIB;

impl Share {
    /// Takes so many bytes more.
    ///
    /// # Errors
    /// `Precondition` when one call may not have so much; `Exhausted` while others have it.
    pub fn grow(&mut self, bytes: u64) -> Result<(), ToolError> {
        let needed = self.needed.saturating_add(bytes);
        if needed > ONE_MAX {
            return Err(ToolError::Precondition(format!(
                "it takes more than {} of memory, which is the most for one call",
                format::bytes(ONE_MAX)
            )));
        }
        if needed > self.taken {
            let missing = needed - self.taken;
            let pieces = [missing.max(PIECE), missing];
            let Some(more) = pieces.into_iter().find(|more| BUDGET.take(*more)) else {
                return Err(ToolError::Exhausted(format!(
                    "other calls hold the memory that there is for large files ({}); try again when they \
                     are done",
                    format::bytes(ALL_MAX)
                )));
            };
            self.taken += more;
        }
        self.needed = needed;
        Ok(())
    }

    /// Takes as much as so many things of this size and their texts need.
    ///
    /// # Errors
    /// As [`Self::grow`].
    pub fn hold<T>(&mut self, things: usize, texts: usize) -> Result<(), ToolError> {
        let own = things.saturating_mul(size_of::<T>());
        self.grow(own.saturating_add(texts) as u64)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        BUDGET.give_back(self.taken);
    }
}

/// Something with its share.
#[derive(Debug)]
pub struct Held<T> {
    value: T,
    share: Share,
}

impl<T> Held<T> {
    /// This with the share that it was made with.
    pub fn new(value: T, share: Share) -> Self {
        Self { value, share }
    }

    /// What is held, and its share.
    pub fn into_parts(self) -> (T, Share) {
        (self.value, self.share)
    }
}

impl<T> std::ops::Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because the budget is the process's.
    #[test]
    fn all_together_have_no_more_than_there_is() {
        let mut one = Share::default();
        one.grow(ONE_MAX).unwrap();
        assert!(matches!(one.grow(1), Err(ToolError::Precondition(_))));
        assert!(matches!(
            one.grow(u64::MAX),
            Err(ToolError::Precondition(_))
        ));
        let mut other = Share::default();
        other.grow(ONE_MAX).unwrap();
        let mut third = Share::default();
        let error = third.grow(1).unwrap_err();
        assert!(matches!(error, ToolError::Exhausted(_)), "{error}");
        drop(other);
        third.grow(ONE_MAX - 1).unwrap();
        third.grow(1).unwrap();
        drop((one, third));
        assert_eq!(*BUDGET.0.lock().unwrap(), 0);
    }
}
