//! The second pass of a resolution: collects the reasons of the incompatible pairs, with their locations.

use super::matcher::{Matcher, Pair, PairOutcome};
use super::path_pair::{PathPair, Step};
use super::rules::{Incompatibility, Rule};
use crate::avro::describe::{describe, list_names};
use crate::avro::logical;
use crate::avro::schema::{Definition, Kind, NamedType, Node, Schema};
use rustc_hash::FxHashSet;

/// The maximum number of reported reasons; the search stops after that.
pub const MAX_REASONS: usize = 1_000;

/// What is collected of the matched pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReasonKind {
    /// What keeps the reader from reading.
    Incompatible,
    /// Where a value is read, and means something else.
    LogicalTypeChanged,
}

/// Collects the reasons of the matched pairs, each record's once.
pub(super) struct ReasonCollector<'a, 'm> {
    matcher: &'m Matcher<'a>,
    /// The writer's schema under its own names.
    writer: &'a Schema,
    kind: ReasonKind,
    collected: FxHashSet<usize>,
    reasons: Vec<Incompatibility>,
}

impl<'a, 'm> ReasonCollector<'a, 'm> {
    pub(super) fn new(matcher: &'m Matcher<'a>, writer: &'a Schema, kind: ReasonKind) -> Self {
        Self { matcher, writer, kind, collected: FxHashSet::default(), reasons: Vec::new() }
    }

    pub(super) fn into_reasons(self) -> Vec<Incompatibility> {
        self.reasons
    }

    pub(super) fn collect(&mut self, pair: usize, path: &PathPair<'_>) {
        let Some(Pair { reader, writer, outcome }) = self.matcher.pairs.get(pair) else { return };
        if self.reasons.len() >= MAX_REASONS {
            return;
        }
        match outcome {
            PairOutcome::Compatible if self.kind == ReasonKind::LogicalTypeChanged => {
                self.logical_type(reader, writer, path);
            }
            PairOutcome::Compatible => {}
            PairOutcome::Incompatible(_) if self.kind == ReasonKind::LogicalTypeChanged => {}
            PairOutcome::Incompatible(rule) => {
                let message = self.message(*rule, reader, writer);
                let describe_type = |schema, node| match symbols(schema, node) {
                    Some(symbols) if *rule == Rule::EnumSymbolMissing => {
                        list_names(symbols.iter().map(String::as_str))
                    }
                    _ => describe(schema, node),
                };
                let types = (describe_type(self.matcher.reader, reader), describe_type(self.writer, writer));
                self.report(*rule, path, types, message);
            }
            PairOutcome::Items(inner) => self.collect(*inner, &path.both(Step::Items)),
            PairOutcome::Values(inner) => self.collect(*inner, &path.both(Step::Values)),
            PairOutcome::Members(members) => {
                for (number, member) in members.iter().enumerate() {
                    self.collect(*member, &path.step(Step::Unchanged, Step::Member(number)));
                }
            }
            PairOutcome::Chosen(inner) => self.collect(*inner, path),
            PairOutcome::Record { number, .. } => {
                if let (Kind::Named(to), Kind::Named(from)) = (&reader.kind, &writer.kind)
                    && self.collected.insert(*number)
                {
                    self.record(*number, *to, *from, path);
                }
            }
        }
    }

    /// Collects a record's reasons in the order of the reader's fields.
    fn record(&mut self, number: usize, to: usize, from: usize, path: &PathPair<'_>) {
        let Some(record) = self.matcher.records.get(number) else { return };
        let name = self.writer.named.get(from).map(|named| named.name.full()).unwrap_or_default();
        let (to, from) = (self.matcher.reader.record_fields(to), self.writer.record_fields(from));
        let matched = record.fields.iter().map(|(read, written, pair)| (*read, Some((*written, *pair))));
        let mut all: Vec<_> = matched.chain(record.missing.iter().map(|read| (*read, None))).collect();
        all.sort_unstable();
        for (read, written) in all {
            let Some(field) = to.get(read) else { continue };
            match written {
                Some((written, pair)) => {
                    let written = from.get(written).map_or("", |field| field.name.as_str());
                    self.collect(pair, &path.step(Step::Field(&field.name), Step::Field(written)));
                }
                None if self.kind == ReasonKind::LogicalTypeChanged => {}
                None => {
                    let message = "the writer has no such field, and it has no default".to_owned();
                    let path = path.step(Step::Field(&field.name), Step::Unchanged);
                    let declared = format!("{}: {}", field.name, describe(self.matcher.reader, &field.node));
                    let names = list_names(from.iter().map(|field| field.name.as_str()));
                    let written = format!("record {name} {names}");
                    self.report(Rule::MissingDefault, &path, (declared, written), message);
                }
            }
        }
    }

    /// Reports two types that are read as each other, and have different logical types.
    fn logical_type(&mut self, reader: &Node, writer: &Node, path: &PathPair<'_>) {
        let (to, from) = (logical::name(self.matcher.reader, reader), logical::name(self.writer, writer));
        if to == from {
            return;
        }
        let named = |name: Option<&str>| match name {
            Some(name) => crate::text::truncated(name).into_owned(),
            None => "no logical type".to_owned(),
        };
        let message = format!(
            "a value written as {} is read as {}: it may mean something else",
            named(from),
            named(to)
        );
        let types = (describe(self.matcher.reader, reader), describe(self.writer, writer));
        self.report(Rule::LogicalTypeChanged, path, types, message);
    }

    fn report(
        &mut self,
        rule: Rule,
        path: &PathPair<'_>,
        (reader, writer): (String, String),
        message: String,
    ) {
        let reader_path = path.format(self.matcher.reader, |location| location.reader);
        let writer_path = path.format(self.writer, |location| location.writer);
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(Incompatibility { rule, reader_path, writer_path, reader, writer, message });
        }
    }

    fn message(&self, rule: Rule, reader: &Node, writer: &Node) -> String {
        let (to, from) = (describe(self.matcher.reader, reader), describe(self.writer, writer));
        match rule {
            Rule::MissingUnionMember => format!("no member of {to} accepts the writer's {from}"),
            Rule::NameMismatch => {
                let (to, from) = (name(self.matcher.reader, reader), name(self.writer, writer));
                format!("the writer's {from} is another type than {to}")
            }
            Rule::SizeMismatch => {
                let (to, from) = (size(self.matcher.reader, reader), size(self.writer, writer));
                format!("fixed of {from} bytes cannot be read as fixed of {to}")
            }
            Rule::DecimalMismatch => {
                let text = |schema, node| {
                    logical::decimal(schema, node).map_or_else(String::new, |it| {
                        format!("precision {} and scale {}", it.precision, it.scale)
                    })
                };
                let (to, from) = (text(self.matcher.reader, reader), text(self.writer, writer));
                format!("a decimal of {from} cannot be read as one of {to}")
            }
            Rule::EnumSymbolMissing => {
                let missing = match (&reader.kind, &writer.kind) {
                    (Kind::Named(to), Kind::Named(from)) => self.matcher.enums.get(&(*to, *from)),
                    _ => None,
                };
                let missing = missing.map_or("[]", String::as_str);
                format!("the writer's symbols {missing} are none of the enum's, and it has no default")
            }
            _ => format!("type {from} cannot be read as {to}"),
        }
    }
}

fn named<'a>(schema: &'a Schema, node: &Node) -> Option<&'a NamedType> {
    let Kind::Named(number) = node.kind else { return None };
    schema.named.get(number)
}

fn name(schema: &Schema, node: &Node) -> String {
    named(schema, node).map(|named| named.name.full()).unwrap_or_default()
}

fn size(schema: &Schema, node: &Node) -> u64 {
    match named(schema, node).map(|named| &named.definition) {
        Some(Definition::Fixed(size)) => *size,
        _ => 0,
    }
}

fn symbols<'a>(schema: &'a Schema, node: &Node) -> Option<&'a [String]> {
    match named(schema, node).map(|named| &named.definition) {
        Some(Definition::Enum { symbols, .. }) => Some(symbols),
        _ => None,
    }
}
