//! The first pass of a resolution: pairs each type of the writer with the type of the reader that it is
//! resolved to.

use super::equality::{Equality, Limits};
use super::rules::{ResolutionMode, Rule};
use super::union_index::UnionIndex;
use crate::Budget;
use crate::avro::describe::list_names;
use crate::avro::field_index::FieldIndex;
use crate::avro::logical;
use crate::avro::schema::{Definition, Field, Kind, NamedType, Node, Primitive, Schema};
use rustc_hash::FxHashMap;
use std::collections::{HashMap, HashSet};

/// The maximum number of types that are compared beyond those that any two schemas of this size take; more is
/// undecided by [`Rule::OverBudget`].
pub const MAX_COMPARISONS: usize = 500_000;
/// The comparisons for each type, field and symbol of two schemas, which suffice unless each of many types is
/// compared with many others.
const COMPARISONS_PER_TYPE: usize = 8;
/// The maximum number of union members that are searched linearly, which is faster than hashing all of them.
const MAX_LINEAR_MEMBERS: usize = 8;
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
    equality: Equality<'a>,
    /// The indexes of the reader's large unions, by the place of their members in memory.
    unions: FxHashMap<*const Node, UnionIndex<'a>>,
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
        let size = reader.size().saturating_add(writer.size());
        Self {
            reader,
            writer,
            mode,
            pairs: Vec::new(),
            records: Vec::new(),
            seen: FxHashMap::default(),
            enums: FxHashMap::default(),
            equality: Equality::new(reader, writer, mode),
            unions: FxHashMap::default(),
            remaining: MAX_COMPARISONS.saturating_add(size.saturating_mul(COMPARISONS_PER_TYPE)),
            is_exhausted: false,
            budget,
        }
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
                if self.mode.skips_equal_unions() && self.is_equal(reader, writer, depth) {
                    return PairOutcome::Compatible;
                }
                PairOutcome::Members(members.iter().map(|member| self.pair(reader, member, depth)).collect())
            }
            (Kind::Union(members), _) => match self.choose_member(members, writer, depth) {
                Some(member) => PairOutcome::Chosen(self.pair(member, writer, depth)),
                None => PairOutcome::Incompatible(Rule::MissingUnionMember),
            },
            (Kind::Primitive(to), Kind::Primitive(from)) if from == to || is_promotable(*from, *to) => {
                self.decimals(reader, writer)
            }
            (Kind::Array(to), Kind::Array(from)) => PairOutcome::Items(self.pair(to, from, depth)),
            (Kind::Map(to), Kind::Map(from)) => PairOutcome::Values(self.pair(to, from, depth)),
            (Kind::Named(to), Kind::Named(from)) => match self.named(*to, *from, depth) {
                PairOutcome::Compatible => self.decimals(reader, writer),
                other => other,
            },
            _ => PairOutcome::Incompatible(Rule::TypeMismatch),
        }
    }

    /// Compares two types that are equal but for their logical types: decimals must have the same precision
    /// and scale, since the bytes have neither.
    fn decimals(&self, reader: &Node, writer: &Node) -> PairOutcome {
        if !self.mode.compares_decimals() {
            return PairOutcome::Compatible;
        }
        match (logical::decimal(self.reader, reader), logical::decimal(self.writer, writer)) {
            (Some(to), Some(from)) if to != from => PairOutcome::Incompatible(Rule::DecimalMismatch),
            _ => PairOutcome::Compatible,
        }
    }

    fn is_equal(&mut self, reader: &'a Node, writer: &'a Node, depth: usize) -> bool {
        let Self { equality, budget, remaining, is_exhausted, .. } = self;
        let mut limits = Limits { budget, remaining, is_exhausted, max_depth: MAX_CHAIN };
        equality.is_equal(reader, writer, &mut limits, depth)
    }

    fn named(&mut self, to: usize, from: usize, depth: usize) -> PairOutcome {
        let indexes = (to, from);
        let (Some(to), Some(from)) = (self.reader.named.get(to), self.writer.named.get(from)) else {
            return PairOutcome::Incompatible(Rule::TypeMismatch);
        };
        let is_same_name = to.name.simple == from.name.simple;
        match (&to.definition, &from.definition) {
            (Definition::Record(_), Definition::Record(_))
                if self.mode.compares_record_names() && !is_named(to, &from.name.simple) =>
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
        let is_renamed = self.is_renamed(to, from);
        let (to, from) = (self.reader.record_fields(to), self.writer.record_fields(from));
        if !self.spend(to.len() + from.len(), depth) {
            return number;
        }
        let (reader_fields, writer_fields) = (FieldIndex::of(to), FieldIndex::of(from));
        let aliased = if is_renamed { HashMap::new() } else { aliased_fields(to, &writer_fields) };
        for (written_at, written) in from.iter().enumerate() {
            let by_alias = aliased.get(written.name.as_str()).copied();
            let read_at = by_alias.or_else(|| reader_fields.get(&written.name, written_at));
            let Some((read_at, read)) = read_at.and_then(|position| Some((position, to.get(position)?)))
            else {
                continue;
            };
            let pair = self.pair(&read.node, &written.node, depth);
            if let Some(record) = self.records.get_mut(number) {
                record.fields.push((read_at, written_at, pair));
            }
        }
        let by_alias: HashSet<usize> = aliased.values().copied().collect();
        let missing = to.iter().enumerate().filter(|(position, field)| {
            field.default.is_none()
                && writer_fields.get(&field.name, *position).is_none()
                && !by_alias.contains(position)
        });
        if let Some(record) = self.records.get_mut(number) {
            record.missing = missing.map(|(position, _)| position).collect();
            record.is_complete = true;
        }
        number
    }

    /// Returns whether the fields' aliases were applied already, as Java does it: to the writer's record of
    /// the same full name, or of one of its aliases. Where records of other namespaces are paired by their
    /// simple names, they are applied to the pair.
    fn is_renamed(&self, to: usize, from: usize) -> bool {
        let name = |schema: &'a Schema, number: usize| schema.named.get(number).map(|named| &named.name);
        self.mode == ResolutionMode::Java || name(self.reader, to) == name(self.writer, from)
    }

    /// Chooses the union member that reads a type: one of the same kind, else the first that the writer's
    /// type can be promoted to. Of named types the one of the same full name, else as the mode has it.
    fn choose_member(&mut self, members: &'a [Node], writer: &'a Node, depth: usize) -> Option<&'a Node> {
        if let Kind::Named(number) = writer.kind {
            return self.choose_named_member(members, number, depth);
        }
        if !self.spend(members.len(), depth) {
            return None;
        }
        let is_same = |member: &&Node| match (&member.kind, &writer.kind) {
            (Kind::Primitive(to), Kind::Primitive(from)) => to == from,
            (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
            _ => false,
        };
        let is_wider = |member: &&Node| match (&member.kind, &writer.kind) {
            (Kind::Primitive(to), Kind::Primitive(from)) => is_promotable(*from, *to),
            _ => false,
        };
        members.iter().find(is_same).or_else(|| members.iter().find(is_wider))
    }

    /// Chooses the member of the same full name. Else by the specification the first of the same simple name,
    /// for a record the first of them whose fields match at the first level; and as Java does it, a record
    /// whose fields match: the first one, or the last of those that have the same simple name.
    fn choose_named_member(&mut self, members: &'a [Node], writer: usize, depth: usize) -> Option<&'a Node> {
        let from = self.writer.named.get(writer)?;
        let exact = self.member_of_name(members, from, depth)?;
        if exact.is_some() {
            return exact;
        }
        let is_record = matches!(from.definition, Definition::Record(_));
        if self.mode == ResolutionMode::Specification || !is_record {
            return match self.mode {
                ResolutionMode::Java => None,
                _ => self.member_of_simple_name(members, (writer, from), depth),
            };
        }
        let mut structural_match = None;
        for member in members {
            if !self.spend(1, depth) {
                return None;
            }
            let Kind::Named(number) = member.kind else { continue };
            let to = self.reader.named.get(number)?;
            if !matches!(to.definition, Definition::Record(_)) {
                continue;
            }
            let is_same_simple_name = to.name.simple == from.name.simple;
            let number = self.record((number, writer), depth);
            if self.matches_at_first_level(number) && (structural_match.is_none() || is_same_simple_name) {
                structural_match = Some(member);
            }
        }
        structural_match
    }

    /// Returns the member of this full name and kind; `None` when the comparisons are used up.
    fn member_of_name(
        &mut self,
        members: &'a [Node],
        from: &NamedType,
        depth: usize,
    ) -> Option<Option<&'a Node>> {
        let reader = self.reader;
        let is_it = |member: &&'a Node| {
            let Kind::Named(number) = member.kind else { return false };
            reader
                .named
                .get(number)
                .is_some_and(|to| to.name == from.name && is_same_kind(&to.definition, &from.definition))
        };
        if members.len() <= MAX_LINEAR_MEMBERS {
            return self.spend(members.len(), depth).then(|| members.iter().find(is_it));
        }
        let index = self.union_index(members, depth)?;
        Some(index.by_name(&from.name).filter(is_it))
    }

    /// Returns the first member of this simple name and kind, for a record the first whose fields match at
    /// the first level.
    fn member_of_simple_name(
        &mut self,
        members: &'a [Node],
        (writer, from): (usize, &'a NamedType),
        depth: usize,
    ) -> Option<&'a Node> {
        let reader = self.reader;
        let candidates = self.union_index(members, depth)?.by_simple_name(&from.name.simple).to_vec();
        let mut first = None;
        for member in candidates {
            let Kind::Named(number) = member.kind else { continue };
            let to = reader.named.get(number)?;
            if !self.spend(1, depth) {
                return None;
            }
            if !is_same_kind(&to.definition, &from.definition) {
                continue;
            }
            first = first.or(Some(member));
            let matches = match (&to.definition, &from.definition) {
                (Definition::Record(_), _) => {
                    let pair = self.record((number, writer), depth);
                    self.matches_at_first_level(pair)
                }
                (Definition::Fixed(to), Definition::Fixed(from)) => to == from,
                _ => true,
            };
            if matches {
                return Some(member);
            }
        }
        first
    }

    /// Returns the index of a union's members, made at its first use; `None` when the comparisons
    /// are used up.
    fn union_index(&mut self, members: &'a [Node], depth: usize) -> Option<&UnionIndex<'a>> {
        let steps = if self.unions.contains_key(&members.as_ptr()) { 1 } else { members.len() };
        if !self.spend(steps, depth) {
            return None;
        }
        let reader = self.reader;
        Some(self.unions.entry(members.as_ptr()).or_insert_with(|| UnionIndex::of(reader, members)))
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
}

/// Returns whether a reader's record has this simple name, or an alias of it.
fn is_named(to: &NamedType, simple: &str) -> bool {
    to.name.simple == simple || to.aliases.iter().any(|alias| alias.simple == simple)
}

/// Returns the positions of the reader's fields by the written names that their aliases give them, for fields
/// whose own names the writer does not have.
fn aliased_fields<'a>(to: &'a [Field], written: &FieldIndex<'_>) -> HashMap<&'a str, usize> {
    let mut aliased = HashMap::new();
    for (position, field) in to.iter().enumerate().filter(|(_, field)| !field.aliases.is_empty()) {
        if written.get(&field.name, position).is_none()
            && let Some(alias) = field.aliases.iter().find(|alias| written.get(alias, position).is_some())
        {
            aliased.insert(alias.as_str(), position);
        }
    }
    aliased
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
