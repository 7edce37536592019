//! Avro schema resolution: whether a reader's schema reads data of a writer's schema, with every reason why
//! not and its location in both.
//!
//! By two sets of rules. Avro Java's (contract §3.4), step by step: record names are not compared, removed
//! enum symbols are not noticed, a reader's union accepts a record of another name if its own fields match at
//! the first level, and unions that are equal on both sides are not compared further. And the
//! specification's, which compares names, symbols and decimals. Resolution has two passes: the `matcher`
//! module pairs the types, and the `reasons` module collects what is wrong with the pairs.

mod equality;
mod matcher;
mod path_pair;
mod reasons;
mod rules;
mod union_index;

pub use matcher::MAX_COMPARISONS;
pub use reasons::MAX_REASONS;
pub use rules::{Incompatibility, ResolutionMode, Rule};

use super::aliases::{self, NameConflict};
use super::describe::describe;
use super::schema::Schema;
use crate::Budget;
use matcher::{MAX_CHAIN, Matcher};
use path_pair::PathPair;
use reasons::{ReasonCollector, ReasonKind};

/// Returns everything that keeps `reader` from reading data of `writer`, by Avro Java's rules; empty if it
/// can.
pub fn can_read(reader: &Schema, writer: &Schema) -> Vec<Incompatibility> {
    resolve(reader, writer, ResolutionMode::Java)
}

/// Returns everything that keeps `reader` from reading data of `writer`; empty if it can. At most
/// [`MAX_REASONS`] reasons.
///
/// Bounded by [`MAX_COMPARISONS`] beyond what schemas of this size take: a comparison that takes more is
/// undecided by [`Rule::OverBudget`].
pub fn resolve(reader: &Schema, writer: &Schema, mode: ResolutionMode) -> Vec<Incompatibility> {
    resolve_with_budget(reader, writer, mode, &Budget::default())
}

/// Resolves like [`resolve`], within a shared budget: when it is exhausted, the reason is
/// [`Rule::OverBudget`].
pub fn resolve_with_budget(
    reader: &Schema,
    writer: &Schema,
    mode: ResolutionMode,
    budget: &Budget,
) -> Vec<Incompatibility> {
    resolve_pairs(reader, writer, mode, ReasonKind::Incompatible, budget)
}

/// Returns the types whose logical type is another in the reader's schema than in the writer's, so that the
/// same value means something else: by the specification such schemas match. Only of types that are read at
/// all; none when the budget is exhausted.
pub fn logical_type_changes(reader: &Schema, writer: &Schema, budget: &Budget) -> Vec<Incompatibility> {
    let mode = ResolutionMode::Specification;
    let mut changes = resolve_pairs(reader, writer, mode, ReasonKind::LogicalTypeChanged, budget);
    changes.retain(|change| change.rule == Rule::LogicalTypeChanged);
    changes
}

fn resolve_pairs(
    reader: &Schema,
    writer: &Schema,
    mode: ResolutionMode,
    kind: ReasonKind,
    budget: &Budget,
) -> Vec<Incompatibility> {
    let whole = |rule, message| {
        let (reader_path, writer_path) = (reader.root_name().1, writer.root_name().1);
        let (to, from) = (describe(reader, &reader.root), describe(writer, &writer.root));
        vec![Incompatibility { rule, reader_path, writer_path, reader: to, writer: from, message }]
    };
    let too_large = || {
        let message = format!(
            "the schemas are too large to compare: more than {MAX_COMPARISONS} types, more than {MAX_CHAIN} deep, or more \
             than one request may cause"
        );
        whole(Rule::OverBudget, message)
    };
    // names are gathered and compared once for each side
    if !budget.spend(1 + reader.named.len() + writer.named.len()) {
        return too_large();
    }
    let renamed = match aliases::rename_by_aliases(writer, reader) {
        Ok(renamed) => renamed,
        Err(NameConflict { location, name }) => {
            let message = format!("aliases would make two of the writer's {location} one {name}");
            return whole(Rule::AliasClash, message);
        }
    };
    let mut matcher = Matcher::new(reader, &renamed, mode, budget);
    let root = matcher.pair(&reader.root, &renamed.root, 0);
    if matcher.is_exhausted {
        return too_large();
    }
    let mut collector = ReasonCollector::new(&matcher, writer, kind);
    collector.collect(root, &PathPair::ROOT);
    collector.into_reasons()
}
