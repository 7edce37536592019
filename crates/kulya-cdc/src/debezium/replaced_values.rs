//! Reports of values that events cannot contain as they are. A column with many of them is reported ever more
//! rarely.

use super::replaced::Replaced;
use std::collections::HashMap;

/// The numbers of replaced values by table and column.
#[derive(Debug, Default)]
pub(crate) struct ReplacedValues {
    counts: HashMap<(String, String), u64>,
}

impl ReplacedValues {
    /// Counts the values, and logs the first, second, fourth, eighth … of each column.
    pub(crate) fn report(&mut self, replaced: &[Replaced]) {
        for Replaced { table, column, text } in replaced {
            let count = self.counts.entry((table.clone(), column.clone())).or_default();
            *count += 1;
            if count.is_power_of_two() {
                tracing::warn!(
                    table,
                    column,
                    value = text,
                    count,
                    "a value has no representation in events: it is null, or has replacement characters"
                );
            }
        }
    }
}
