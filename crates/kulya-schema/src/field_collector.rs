//! A bounded collector of a schema's fields. Each format walks its own schemas with it.

use crate::Budget;
use serde::{Deserialize, Serialize};

/// The maximum number of fields that are listed of one schema; the rest is omitted.
pub const MAX_FIELDS: usize = 10_000;
/// The maximum depth of listed fields. A recursive type is listed once on each path.
pub(crate) const MAX_DEPTH: usize = 16;
/// The maximum number of types that are visited.
const MAX_STEPS: usize = 100_000;
/// The maximum length of a path in bytes; longer ones are omitted, with the fields below them.
const MAX_PATH_BYTES: usize = 2_000;
/// The maximum size of the listed paths and types of one schema, in bytes.
const MAX_LIST_BYTES: usize = 4 << 20;

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    /// The names from the root, separated by dots, with `[]` for an array's items and `{}` for a map's
    /// values, such as `lines[].quantity`.
    pub path: String,
    /// A short description of its type in the format's own terms; empty if the schema states none.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Field {
    /// Returns the last name of the path.
    pub fn name(&self) -> &str {
        let path = self.path.trim_end_matches(['[', ']', '{', '}']);
        path.rsplit('.').next().unwrap_or(path)
    }
}

/// Collects fields up to the limits.
pub(crate) struct FieldCollector<'b> {
    fields: Vec<Field>,
    steps: usize,
    bytes: usize,
    budget: &'b Budget,
}

impl<'b> FieldCollector<'b> {
    pub(crate) fn new(budget: &'b Budget) -> Self {
        Self { fields: Vec::new(), steps: 0, bytes: 0, budget }
    }

    pub(crate) fn into_fields(self) -> Vec<Field> {
        self.fields
    }

    /// Counts a visited type. Returns `false` at a limit: not every path through a recursive schema leads to
    /// a field.
    pub(crate) fn visit(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MAX_STEPS
            && self.fields.len() < MAX_FIELDS
            && self.bytes < MAX_LIST_BYTES
            && self.budget.spend(1)
    }

    /// Adds a field, unless a limit is reached.
    pub(crate) fn add(&mut self, path: &str, kind: String) {
        self.bytes += path.len() + kind.len();
        if self.fields.len() < MAX_FIELDS && self.bytes < MAX_LIST_BYTES {
            self.fields.push(Field { path: path.to_owned(), kind });
        }
    }
}

/// Returns the path of a field below another; `None` if it is too long to be listed.
pub(crate) fn child_path(path: &str, name: &str) -> Option<String> {
    if path.len() + name.len() >= MAX_PATH_BYTES {
        return None;
    }
    Some(if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") })
}
