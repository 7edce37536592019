//! Expansion of expressions with the values of the sources, bounded in depth, length and steps.

use super::error::ExpressionError;
use super::expression::{self, MAX_DEPTH, Part};
use super::sources::Sources;
use std::collections::BTreeSet;

/// Longest expanded value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Maximum number of references that are followed in a file. Keys that refer to each other twice double the
/// work with each of them.
const MAX_LOOKUPS: usize = 100_000;
/// Maximum length of all values of a file that have expressions, together with those in them, in bytes.
const MAX_EXPANDED_BYTES: usize = 16 << 20;

pub(super) struct Resolver<'a> {
    sources: &'a Sources<'a>,
    lookups: usize,
    expanded_bytes: usize,
    references: BTreeSet<String>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        Self { sources, lookups: 0, expanded_bytes: 0, references: BTreeSet::new() }
    }

    /// Returns the names that expressions refer to.
    pub(super) fn into_references(self) -> BTreeSet<String> {
        self.references
    }

    /// Expands a value.
    pub(super) fn expand(&mut self, value: &str) -> Result<String, ExpressionError> {
        self.expand_value(value, 1)
    }

    fn expand_value(&mut self, value: &str, depth: usize) -> Result<String, ExpressionError> {
        if depth >= MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(ExpressionError::TooLong);
        }
        if !value.contains('$') {
            return Ok(value.to_owned());
        }
        self.expand_parts(&expression::parse(value)?, depth)
    }

    fn expand_parts(&mut self, parts: &[Part], depth: usize) -> Result<String, ExpressionError> {
        let mut expanded = String::new();
        for part in parts {
            match part {
                Part::Text(text) => expanded.push_str(text),
                Part::Reference { name, default } => {
                    let name = self.expand_parts(name, depth)?;
                    expanded.push_str(&self.reference(name, default.as_deref(), depth)?);
                }
            }
            if expanded.len() > MAX_VALUE_BYTES {
                return Err(ExpressionError::TooLong);
            }
        }
        self.expanded_bytes += expanded.len();
        if self.expanded_bytes > MAX_EXPANDED_BYTES {
            return Err(ExpressionError::TooLong);
        }
        Ok(expanded)
    }

    fn reference(
        &mut self,
        name: String,
        default: Option<&[Part]>,
        depth: usize,
    ) -> Result<String, ExpressionError> {
        if let Some((handler, _)) = name.split_once("::") {
            return Err(ExpressionError::SecretHandler(handler.to_owned()));
        }
        self.lookups += 1;
        if self.lookups > MAX_LOOKUPS {
            return Err(ExpressionError::TooLong);
        }
        let found = self.sources.get(&name).map(|found| found.value);
        if found.is_some() {
            self.references.insert(name.clone());
        }
        match (found, default) {
            (Some(value), _) => self.expand_value(value, depth + 1),
            (None, Some(default)) => self.expand_parts(default, depth),
            (None, None) => Err(ExpressionError::Unset(name)),
        }
    }
}
