//! The work budget of one request. Parsing, comparing and listing count their steps here and stop when none
//! are left: a step visits one type, field, subschema, name or value, and takes about a microsecond at most.
//!
//! There is no clock here: a caller that has one (a server with a deadline, or whose client disconnected)
//! [cancels](Budget::cancel) the budget from any thread, and the work ends at its next step.

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The steps of one request, over all schemas that it parses and compares.
pub const MAX_REQUEST_STEPS: u64 = 40_000_000;

/// The remaining steps of a request, and whether it was cancelled. Clones share both.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    steps: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Default for Budget {
    /// Returns the budget of one request, [`MAX_REQUEST_STEPS`].
    fn default() -> Self {
        Self::with_steps(MAX_REQUEST_STEPS)
    }
}

impl Budget {
    /// Creates a budget of this many steps.
    pub fn with_steps(steps: u64) -> Self {
        Self(Arc::new(Shared { steps: AtomicU64::new(steps), is_cancelled: AtomicBool::new(false) }))
    }

    /// Spends steps. Returns `false` when none are left or the budget was cancelled; a result found so far is
    /// then incomplete.
    pub fn spend(&self, steps: usize) -> bool {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let remaining = self.0.steps.load(Ordering::Relaxed);
        // two threads that share a budget may both spend the last steps, which is harmless
        self.0.steps.store(remaining.saturating_sub(steps), Ordering::Relaxed);
        remaining > steps && !self.is_cancelled()
    }

    /// Spends steps like [`Self::spend`], for work that ends with an error.
    ///
    /// # Errors
    /// The budget is exhausted. The text names the location.
    pub fn try_spend(&self, steps: usize, location: &str) -> Result<()> {
        if self.spend(steps) { Ok(()) } else { Err(Self::exhausted_at(location)) }
    }

    /// Returns the error of work that the budget did not suffice for.
    pub fn exhausted_at(location: &str) -> Error {
        let location = if location.is_empty() {
            String::new()
        } else {
            format!(": {}", crate::text::truncated(location))
        };
        Error::new(format!(
            "the schema takes more work than one request may cause, and its budget is exhausted{location}; \
             divide the schema, or make it simpler"
        ))
    }

    /// Makes the work end at its next step.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns whether the budget was [cancelled](Self::cancel).
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// Returns whether no step is left or the budget was cancelled.
    pub fn is_exhausted(&self) -> bool {
        self.0.steps.load(Ordering::Relaxed) == 0 || self.is_cancelled()
    }

    /// Returns the number of steps that are left.
    pub fn remaining_steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_by_its_steps_or_by_cancellation() {
        let budget = Budget::with_steps(10);
        assert!(budget.spend(4) && budget.clone().spend(5) && !budget.is_exhausted());
        assert!(!budget.spend(1) && budget.is_exhausted() && !budget.is_cancelled());
        let budget = Budget::default();
        assert!(budget.try_spend(1, "R.a").is_ok());
        budget.clone().cancel();
        assert!(budget.is_exhausted());
        let message = budget.try_spend(1, "R.a").unwrap_err().to_string();
        assert!(message.ends_with("make it simpler") && message.contains("R.a"), "{message}");
    }
}
