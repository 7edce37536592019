//! The first pass of a resolution: pairs each type of the writer with the type of the reader that it is
//! resolved to.

use super::rules::{ResolutionMode, Rule};
use crate::Budget;
use crate::avro::describe::list_names;
use crate::avro::field_index::FieldIndex;
use crate::avro::schema::{Definition, Field, Kind, Node, Primitive, Schema};
use rustc_hash::FxHashMap;
use std::collections::HashSet;

/// The maximum number of types that are compared; more is incompatible by [`Rule::OverBudget`].
pub const MAX_COMPARISONS: usize = 500_000;
/// The maximum depth of a comparison, through named types too.
pub(super) const MAX_CHAIN: usize = 400;

/// A writer's type and the reader's type that it is resolved to.
pub(super) struct Pair<'a> {
    pub(super) reader: &'a Node,
    pub(super) writer: &'a Node,
    pub(super) outcome: PairOutcome,
}

/// The outcome of a pair; pairs and records are referred to by index.
pub(super) enum PairOutcome {
    Compatible,
    Incompatible(Rule),
    Items(usize),
    Values(usize),
    /// Each member of the writer's union.
    Members(Vec<usize>),
    /// The member of the reader's union that accepts the writer's type.
    Chosen(usize),
    Record {
        number: usize,
        /// `false` where the record contains itself.
        is_complete: bool,
    },
}

/// The matched fields of two records.
#[derive(Default)]
pub(super) struct RecordPair {
    /// The field's position in the reader's and in the writer's record, and the pair of their types.
    pub(super) fields: Vec<(usize, usize, usize)>,
    /// The reader's fields that have no default and that the writer does not have.
    pub(super) missing: Vec<usize>,
    is_complete: bool,
}

/// Pairs the types of two schemas, within a number of comparisons.
pub(super) struct Matcher<'a> {
    pub(super) reader: &'a Schema,
    /// The writer's schema renamed by the reader's aliases.
    writer: &'a Schema,
    mode: ResolutionMode,
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) records: Vec<RecordPair>,
    seen: FxHashMap<(usize, usize), usize>,
    /// For two enums, a list of the writer's symbols that the reader does not have; empty if it has all.
    pub(super) enums: FxHashMap<(usize, usize), String>,
    remaining: usize,
    pub(super) is_exhausted: bool,
    budget: &'a Budget,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(
        reader: &'a Schema,
        writer: &'a Schema,
        mode: ResolutionMode,
        budget: &'a Budget,
    ) -> Self {
        let (pairs, records, seen) = (Vec::new(), Vec::new(), FxHashMap::default());
        let (enums, remaining, is_exhausted) = (FxHashMap::default(), MAX_COMPARISONS, false);
        Self { reader, writer, mode, pairs, records, seen, enums, remaining, is_exhausted, budget }
    }

    /// Spends comparisons. When it returns `false`, the result is incomplete.
    fn spend(&mut self, comparisons: usize, depth: usize) -> bool {
        self.is_exhausted |=
            depth > MAX_CHAIN || self.remaining < comparisons || !self.budget.spend(comparisons);
        self.remaining = self.remaining.saturating_sub(comparisons);
        !self.is_exhausted
    }

    pub(super) fn pair(&mut self, reader: &'a Node, writer: &'a Node, depth: usize) -> usize {
        let outcome = if self.spend(1, depth) {
            self.outcome(reader, writer, depth + 1)
        } else {
            PairOutcome::Compatible
        };
        self.pairs.push(Pair { reader, writer, outcome });
        self.pairs.len() - 1
    }

    fn outcome(&mut self, reader: &'a Node, writer: &'a Node, depth: usize) -> PairOutcome {
        match (&reader.kind, &writer.kind) {
            (_, Kind::Union(members)) => {
                if self.is_equal(reader, writer, &mut FxHashMap::default(), depth) {
                    return PairOutcome::Compatible;
                }
                PairOutcome::Members(members.iter().map(|member| self.pair(reader, member, depth)).collect())
            }
            (Kind::Union(members), _) => match self.choose_member(members, writer, depth) {
                Some(member) => PairOutcome::Chosen(self.pair(member, writer, depth)),
                None => PairOutcome::Incompatible(Rule::MissingUnionMember),
            },
            (Kind::Primitive(to), Kind::Primitive(from)) if from == to || is_promotable(*from, *to) => {
                PairOutcome::Compatible
            }
            (Kind::Array(to), Kind::Array(from)) => PairOutcome::Items(self.pair(to, from, depth)),
            (Kind::Map(to), Kind::Map(from)) => PairOutcome::Values(self.pair(to, from, depth)),
            (Kind::Named(to), Kind::Named(from)) => self.named(*to, *from, depth),
            _ => PairOutcome::Incompatible(Rule::TypeMismatch),
        }
    }

    fn named(&mut self, to: usize, from: usize, depth: usize) -> PairOutcome {
        let indexes = (to, from);
        let (Some(to), Some(from)) = (self.reader.named.get(to), self.writer.named.get(from)) else {
            return PairOutcome::Incompatible(Rule::TypeMismatch);
        };
        let is_same_name = to.name.simple == from.name.simple;
        match (&to.definition, &from.definition) {
            (Definition::Record(_), Definition::Record(_))
                if self.mode.compares_record_names() && !is_same_name =>
            {
                PairOutcome::Incompatible(Rule::NameMismatch)
            }
            (Definition::Enum { symbols, default: None }, Definition::Enum { symbols: written, .. })
                if self.mode.compares_symbols()
                    && is_same_name
                    && self.has_missing_symbols(indexes, symbols, written, depth) =>
            {
                PairOutcome::Incompatible(Rule::EnumSymbolMissing)
            }
            (Definition::Record(_), Definition::Record(_)) => {
                let number = self.record(indexes, depth);
                let is_complete = self.records.get(number).is_some_and(|record| record.is_complete);
                PairOutcome::Record { number, is_complete }
            }
            (Definition::Enum { .. }, Definition::Enum { .. }) if is_same_name => PairOutcome::Compatible,
            (Definition::Fixed(to), Definition::Fixed(from)) if is_same_name && to == from => {
                PairOutcome::Compatible
            }
            (Definition::Fixed(_), Definition::Fixed(_)) if is_same_name => {
                PairOutcome::Incompatible(Rule::SizeMismatch)
            }
            (Definition::Enum { .. }, Definition::Enum { .. })
            | (Definition::Fixed(_), Definition::Fixed(_)) => PairOutcome::Incompatible(Rule::NameMismatch),
            _ => PairOutcome::Incompatible(Rule::TypeMismatch),
        }
    }

    /// Returns whether the writer's enum has symbols that the reader's does not have.
    fn has_missing_symbols(
        &mut self,
        indexes: (usize, usize),
        symbols: &[String],
        written: &[String],
        depth: usize,
    ) -> bool {
        if let Some(missing) = self.enums.get(&indexes) {
            return !missing.is_empty();
        }
        if !self.spend(symbols.len() + written.len(), depth) {
            return false;
        }
        let missing = missing_symbols(symbols, written);
        let list =
            if missing.is_empty() { String::new() } else { list_names(missing.iter().map(String::as_str)) };
        self.enums.insert(indexes, list);
        !missing.is_empty()
    }

    fn record(&mut self, (to, from): (usize, usize), depth: usize) -> usize {
        if let Some(number) = self.seen.get(&(to, from)) {
            return *number;
        }
        let number = self.records.len();
        self.records.push(RecordPair::default());
        self.seen.insert((to, from), number);
        let (to, from) = (fields(self.reader, to), fields(self.writer, from));
        if !self.spend(to.len() + from.len(), depth) {
            return number;
        }
        let (reader_fields, writer_fields) = (FieldIndex::of(to), FieldIndex::of(from));
        for (written_at, written) in from.iter().enumerate() {
            let read_at = reader_fields.get(&written.name, written_at);
            let Some((read_at, read)) = read_at.and_then(|position| Some((position, to.get(position)?)))
            else {
                continue;
            };
            let pair = self.pair(&read.node, &written.node, depth);
            if let Some(record) = self.records.get_mut(number) {
                record.fields.push((read_at, written_at, pair));
            }
        }
        let missing = to.iter().enumerate().filter(|(position, field)| {
            field.default.is_none() && writer_fields.get(&field.name, *position).is_none()
        });
        if let Some(record) = self.records.get_mut(number) {
            record.missing = missing.map(|(position, _)| position).collect();
            record.is_complete = true;
        }
        number
    }

    /// Chooses the union member that Java would choose: one of the same kind (an enum or fixed of the same
    /// full name; a record of it, else the first whose fields match at the first level, or the last of those
    /// that have the same simple name), else the first that the writer's type can be promoted to.
    fn choose_member(&mut self, members: &'a [Node], writer: &'a Node, depth: usize) -> Option<&'a Node> {
        let mut structural_match = None;
        for member in members {
            if !self.spend(1, depth) {
                return None;
            }
            match (&member.kind, &writer.kind) {
                (Kind::Primitive(to), Kind::Primitive(from)) if to == from => return Some(member),
                (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => return Some(member),
                (Kind::Named(to), Kind::Named(from)) => {
                    let indexes = (*to, *from);
                    let (to, from) = (self.reader.named.get(*to)?, self.writer.named.get(*from)?);
                    if is_same_kind(&to.definition, &from.definition) && to.name == from.name {
                        return Some(member);
                    }
                    if let (Definition::Record(_), Definition::Record(_)) = (&to.definition, &from.definition)
                    {
                        let is_same_simple_name = to.name.simple == from.name.simple;
                        if self.mode.compares_record_names() && !is_same_simple_name {
                            continue;
                        }
                        let number = self.record(indexes, depth);
                        if self.matches_at_first_level(number)
                            && (structural_match.is_none() || is_same_simple_name)
                        {
                            structural_match = Some(member);
                        }
                    }
                }
                _ => {}
            }
        }
        structural_match.or_else(|| {
            members.iter().find(|member| match (&member.kind, &writer.kind) {
                (Kind::Primitive(to), Kind::Primitive(from)) => is_promotable(*from, *to),
                _ => false,
            })
        })
    }

    /// Returns whether no field is missing and no field's own type is incompatible; nested types are not
    /// checked.
    fn matches_at_first_level(&self, record: usize) -> bool {
        let Some(record) = self.records.get(record) else { return false };
        record.missing.is_empty() && !record.fields.iter().any(|(.., pair)| self.is_incompatible(*pair))
    }

    fn is_incompatible(&self, pair: usize) -> bool {
        match self.pairs.get(pair).map(|pair| &pair.outcome) {
            Some(PairOutcome::Incompatible(_)) => true,
            Some(PairOutcome::Record { number, is_complete: true }) => {
                self.records.get(*number).is_some_and(|record| !record.missing.is_empty())
            }
            _ => false,
        }
    }

    /// Returns whether both types are equal: the same kinds, simple names, fields and symbols at every level.
    fn is_equal(
        &mut self,
        reader: &'a Node,
        writer: &'a Node,
        seen: &mut FxHashMap<(usize, usize), bool>,
        depth: usize,
    ) -> bool {
        if !self.spend(1, depth) {
            return false;
        }
        match (&reader.kind, &writer.kind) {
            (Kind::Primitive(to), Kind::Primitive(from)) => to == from,
            (Kind::Array(to), Kind::Array(from)) | (Kind::Map(to), Kind::Map(from)) => {
                self.is_equal(to, from, seen, depth + 1)
            }
            (Kind::Union(to), Kind::Union(from)) => {
                to.len() == from.len()
                    && to.iter().zip(from).all(|(to, from)| self.is_equal(to, from, seen, depth + 1))
            }
            (Kind::Named(to), Kind::Named(from)) => self.is_equal_named((*to, *from), seen, depth + 1),
            _ => false,
        }
    }

    fn is_equal_named(
        &mut self,
        indexes: (usize, usize),
        seen: &mut FxHashMap<(usize, usize), bool>,
        depth: usize,
    ) -> bool {
        let (to, from) = (self.reader.named.get(indexes.0), self.writer.named.get(indexes.1));
        let (Some(to), Some(from)) = (to, from) else { return false };
        if to.name.simple != from.name.simple {
            return false;
        }
        match (&to.definition, &from.definition) {
            (Definition::Fixed(to), Definition::Fixed(from)) => to == from,
            (Definition::Enum { symbols: to, .. }, Definition::Enum { symbols: from, .. }) => {
                if let Some(is_same) = seen.get(&indexes) {
                    return *is_same;
                }
                let is_same = self.spend(to.len(), depth) && to == from;
                seen.insert(indexes, is_same);
                is_same
            }
            (Definition::Record(to), Definition::Record(from)) => {
                if let Some(is_same) = seen.get(&indexes) {
                    return *is_same;
                }
                seen.insert(indexes, true);
                let is_same = to.len() == from.len()
                    && to.iter().zip(from).all(|(to, from)| {
                        to.name == from.name && self.is_equal(&to.node, &from.node, seen, depth)
                    });
                seen.insert(indexes, is_same);
                is_same
            }
            _ => false,
        }
    }
}

pub(super) fn fields(schema: &Schema, number: usize) -> &[Field] {
    match schema.named.get(number).map(|named| &named.definition) {
        Some(Definition::Record(fields)) => fields,
        _ => &[],
    }
}

fn is_same_kind(one: &Definition, other: &Definition) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// Returns the writer's symbols that the reader does not have.
fn missing_symbols(symbols: &[String], written: &[String]) -> Vec<String> {
    let known: HashSet<&String> = symbols.iter().collect();
    written.iter().filter(|symbol| !known.contains(symbol)).cloned().collect()
}

/// Returns whether a writer's primitive type is promoted to the reader's.
fn is_promotable(from: Primitive, to: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    matches!(
        (from, to),
        (Int, Long | Float | Double)
            | (Long, Float | Double)
            | (Float, Double)
            | (String, Bytes)
            | (Bytes, String)
    )
}
