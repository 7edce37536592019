//! How much work one request may cause. Parsing, comparing and listing count their steps here, and end where the budget
//! ends: a step looks at one type, field, subschema, name or value, and takes about a microsecond at most.
//!
//! No clock: whoever has one (a server with a deadline, or whose client went away) [stops](Budget::stop) the budget, from
//! any thread, and the work ends at its next step.

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Steps of one request, over all schemas that it parses and compares.
pub const MAX_REQUEST_STEPS: u64 = 40_000_000;

/// Steps that are left, and whether anybody still waits for what they lead to. Clones share both.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    steps: AtomicU64,
    is_stopped: AtomicBool,
}

impl Default for Budget {
    /// The budget of a request.
    fn default() -> Self {
        Self::of(MAX_REQUEST_STEPS)
    }
}

impl Budget {
    /// So many steps.
    pub fn of(steps: u64) -> Self {
        Self(Arc::new(Shared { steps: AtomicU64::new(steps), is_stopped: AtomicBool::new(false) }))
    }

    /// Takes steps. `false` when there are none left, or nobody waits any more: then whatever was found so far is no answer.
    pub fn spend(&self, steps: usize) -> bool {
        let wanted = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.0.steps.load(Ordering::Relaxed);
        // two threads that share a budget may each take the last steps, which harms nobody
        self.0.steps.store(left.saturating_sub(wanted), Ordering::Relaxed);
        left > wanted && !self.is_stopped()
    }

    /// As [`Self::spend`], for work that ends with an error.
    ///
    /// # Errors
    /// The budget has ended. The text names the place.
    pub fn take(&self, steps: usize, place: &str) -> Result<()> {
        if self.spend(steps) { Ok(()) } else { Err(Self::ended_at(place)) }
    }

    /// The refusal of work that the budget did not suffice for.
    pub fn ended_at(place: &str) -> Error {
        let place = if place.is_empty() { String::new() } else { format!(": {}", crate::shortened(place)) };
        Error::new(format!(
            "the schema takes more work than one request may cause, and cannot be judged within its budget{place}; \
             divide the schema, or make it simpler"
        ))
    }

    /// Ends the work at its next step.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether somebody [stopped](Self::stop) it.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether nothing is left: whatever was found is no answer, unless it was found before.
    pub fn is_spent(&self) -> bool {
        self.0.steps.load(Ordering::Relaxed) == 0 || self.is_stopped()
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_by_its_steps_or_when_it_is_stopped() {
        let budget = Budget::of(10);
        assert!(budget.spend(4) && budget.clone().spend(5) && !budget.is_spent());
        assert!(!budget.spend(1) && budget.is_spent() && !budget.is_stopped());
        let budget = Budget::default();
        assert!(budget.take(1, "R.a").is_ok());
        budget.clone().stop();
        assert!(budget.is_spent());
        let why = budget.take(1, "R.a").unwrap_err().to_string();
        assert!(why.ends_with("make it simpler") && why.contains("R.a"), "{why}");
    }
}
