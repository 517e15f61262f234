//! How many calls one caller may have under way: a tool that hangs costs its own caller only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aios_daemon::identity::Principal;
use aios_tool::error::ToolError;

/// All callers' counts.
#[derive(Debug)]
pub struct Slots {
    per_caller_max: usize,
    taken: Mutex<HashMap<Principal, usize>>,
}

/// One call under way, until this is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    caller: Principal,
}

impl Slots {
    /// Slots for so many calls of each caller.
    pub fn new(per_caller_max: usize) -> Self {
        Self {
            per_caller_max,
            taken: Mutex::default(),
        }
    }

    /// How many calls are under way of callers of this kind.
    pub fn count(&self, of: impl Fn(&Principal) -> bool) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = taken.iter().filter(|(caller, _)| of(caller));
        counts.map(|(_, count)| count).sum()
    }

    /// Takes one.
    ///
    /// # Errors
    /// `Unavailable` when the caller has too many calls under way.
    pub fn take(self: &Arc<Self>, caller: &Principal) -> Result<Slot, ToolError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(caller.clone()).or_default();
        if *count >= self.per_caller_max {
            return Err(ToolError::Unavailable(format!(
                "{caller} has {count} calls under way, as many as it may"
            )));
        }
        *count += 1;
        Ok(Slot {
            slots: Arc::clone(self),
            caller: caller.clone(),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_callers_calls_do_not_use_up_anothers() {
        let slots = Arc::new(Slots::new(2));
        let (a, b) = (Principal::Agent("a".into()), Principal::Root);
        let held = (slots.take(&a).unwrap(), slots.take(&a).unwrap());
        assert!(slots.take(&a).is_err());
        assert!(slots.take(&b).is_ok());
        drop(held);
        assert!(slots.take(&a).is_ok());
        assert!(slots.taken.lock().unwrap().is_empty());
    }
}
