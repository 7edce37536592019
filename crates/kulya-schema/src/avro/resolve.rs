//! Whether a reader's schema resolves against a writer's: every reason why not, each with its place in both.
//!
//! Two verdicts. Avro Java's (contract §3.4), step by step: record names are not compared, removed enum symbols are not
//! noticed, a reader's union takes a record of another name if its own fields fit at first sight, and unions that say the
//! same on both sides are not looked into. And the specification's, which compares names and symbols. Two passes: the first
//! finds what is read as what, the second tells what is wrong with it.

use super::alias::{self, Clash};
use super::describe::{describe, listed};
use super::places::Places;
use super::{Field, Kind, Named, Node, Primitive, Schema, Shape};
use crate::Budget;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::HashSet;
use std::fmt;

/// The most types that are compared; beyond it the answer is no.
pub const MAX_COMPARISONS: usize = 500_000;
/// The most reasons that are given; what follows is not looked for.
pub const MAX_REASONS: usize = 1_000;
/// How many types deep a comparison goes, along the names too.
const MAX_CHAIN: usize = 400;
/// How many steps of a path are shown, from its end.
const MAX_STEPS: usize = 100;

/// Whose verdict is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Resolution {
    /// Avro Java's, whose holes are these: a record of any name is read as one of any other, and a symbol that the
    /// reader's enum lacks is not noticed before an event has it.
    #[default]
    Java,
    /// The Avro specification's, "Schema Resolution": names of records are compared (without their namespaces, with the
    /// reader's aliases), and every symbol of a writer's enum must be the reader's, unless that has a default.
    Specification,
    /// As `Specification`, but names of records are not compared, at any depth: fields are matched by their own names. For
    /// a reader whose schema was derived from its columns, as Flink's is: it names every record itself.
    AnyRecordName,
}

impl Resolution {
    fn compares_symbols(self) -> bool {
        self != Self::Java
    }

    /// Whether a record is read only as one of the same simple name.
    pub(crate) fn compares_record_names(self) -> bool {
        self == Self::Specification
    }
}

/// One reason why a reader cannot read what a writer wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The rule that is broken.
    pub rule: Rule,
    /// Where in the reader's schema, as `Order.lines[].quantity`.
    pub reader_path: String,
    /// Where in the writer's schema.
    pub writer_path: String,
    /// What stands there in the reader's schema, shortened.
    pub reader: String,
    /// What stands there in the writer's schema, shortened; empty for nothing.
    pub writer: String,
    /// What is wrong there, for a person.
    pub message: String,
}

/// The rules of schema resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The writer's type cannot become the reader's.
    TypeMismatch,
    /// The reader has a field that the writer has not, and no default for it.
    MissingDefault,
    /// Enums or fixed, and by the specification records too, of different names.
    NameMismatch,
    /// Fixed of different sizes.
    SizeMismatch,
    /// No member of the reader's union takes what the writer wrote.
    MissingUnionMember,
    /// The writer's enum has symbols that the reader's has not, and the reader's has no default.
    EnumSymbolMissing,
    /// Aliases would give two of the writer's fields, or of a union's members, one name.
    AliasClash,
    /// The schemas are too large or too deep to compare.
    OverBudget,
}

impl Rule {
    /// As in `missing-default`. It stays as it is, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::TypeMismatch => "type-mismatch",
            Self::MissingDefault => "missing-default",
            Self::NameMismatch => "name-mismatch",
            Self::SizeMismatch => "size-mismatch",
            Self::MissingUnionMember => "missing-union-member",
            Self::EnumSymbolMissing => "enum-symbol-missing",
            Self::AliasClash => "alias-clash",
            Self::OverBudget => "over-budget",
        }
    }

    /// What would mend it.
    pub fn fix(self) -> &'static str {
        match self {
            Self::TypeMismatch => {
                "keep the type, or take one that it is promoted to: int to long, float or double"
            }
            Self::MissingDefault => "give the field a default, or an alias that is the written field's name",
            Self::NameMismatch => "keep the name, or give the reader's type the other as an alias",
            Self::SizeMismatch => "keep the size, or add a field of the new type under another name",
            Self::MissingUnionMember => "keep every member that was written in the union",
            Self::EnumSymbolMissing => "keep the symbols, or give the enum a default",
            Self::AliasClash => "leave out an alias that is the name of another field or member",
            Self::OverBudget => "make the schemas smaller, or nest them less",
        }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)
    }
}

/// Everything that keeps `reader` from reading what `writer` wrote, by Avro Java's verdict; empty when it can.
pub fn can_read(reader: &Schema, writer: &Schema) -> Vec<Incompatibility> {
    resolve(reader, writer, Resolution::Java)
}

/// Everything that keeps `reader` from reading what `writer` wrote; empty when it can. At most [`MAX_REASONS`].
///
/// Bounded by [`MAX_COMPARISONS`]: what takes more is refused, by [`Rule::OverBudget`].
pub fn resolve(reader: &Schema, writer: &Schema, by: Resolution) -> Vec<Incompatibility> {
    resolve_within(reader, writer, by, &Budget::default())
}

/// As [`resolve`], within a budget that other work shares: when it ends, the reason is [`Rule::OverBudget`].
pub fn resolve_within(
    reader: &Schema,
    writer: &Schema,
    by: Resolution,
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
    // names are gathered, and compared, once for each side
    if !budget.spend(1 + reader.named.len() + writer.named.len()) {
        return too_large();
    }
    let named = match alias::renamed(writer, reader) {
        Ok(named) => named,
        Err(Clash { place, name }) => {
            let message = format!("aliases would make two of the writer's {place} one {name}");
            return whole(Rule::AliasClash, message);
        }
    };
    let mut matcher = Matcher::new(reader, &named, by, budget);
    let root = matcher.pair(&reader.root, &named.root, 0);
    if matcher.is_spent {
        return too_large();
    }
    let mut teller = Teller { matcher: &matcher, writer, told: FxHashSet::default(), reasons: Vec::new() };
    teller.tell(root, &Place::ROOT);
    teller.reasons
}

/// A writer's type, and the reader's that it is to become.
struct Pair<'a> {
    reader: &'a Node,
    writer: &'a Node,
    found: Found,
}

/// What becomes of a pair; pairs and records by their numbers.
enum Found {
    Fits,
    Refused(Rule),
    Items(usize),
    Values(usize),
    /// Of the writer's union, each.
    Members(Vec<usize>),
    /// Of the reader's union, the one that takes it.
    Chosen(usize),
    Record {
        number: usize,
        /// Not when it is met within itself.
        is_whole: bool,
    },
}

/// Two records' fields.
#[derive(Default)]
struct Records {
    /// The number in the reader's and in the writer's record, and the pair of their types.
    fields: Vec<(usize, usize, usize)>,
    /// The reader's that have no default, and that the writer has not.
    missing: Vec<usize>,
    is_whole: bool,
}

struct Matcher<'a> {
    reader: &'a Schema,
    /// Under the names that the reader's aliases give it.
    writer: &'a Schema,
    by: Resolution,
    pairs: Vec<Pair<'a>>,
    records: Vec<Records>,
    seen: FxHashMap<(usize, usize), usize>,
    /// Of two enums, some of the written symbols that are not known; empty where all are.
    enums: FxHashMap<(usize, usize), String>,
    left: usize,
    is_spent: bool,
    budget: &'a Budget,
}

impl<'a> Matcher<'a> {
    fn new(reader: &'a Schema, writer: &'a Schema, by: Resolution, budget: &'a Budget) -> Self {
        let (pairs, records, seen) = (Vec::new(), Vec::new(), FxHashMap::default());
        let (enums, left, is_spent) = (FxHashMap::default(), MAX_COMPARISONS, false);
        Self { reader, writer, by, pairs, records, seen, enums, left, is_spent, budget }
    }

    /// Whether there is more to be had; when not, nothing that was found counts.
    fn spend(&mut self, comparisons: usize, depth: usize) -> bool {
        self.is_spent |= depth > MAX_CHAIN || self.left < comparisons || !self.budget.spend(comparisons);
        self.left = self.left.saturating_sub(comparisons);
        !self.is_spent
    }

    fn pair(&mut self, reader: &'a Node, writer: &'a Node, depth: usize) -> usize {
        let found = if self.spend(1, depth) { self.found(reader, writer, depth + 1) } else { Found::Fits };
        self.pairs.push(Pair { reader, writer, found });
        self.pairs.len() - 1
    }

    fn found(&mut self, reader: &'a Node, writer: &'a Node, depth: usize) -> Found {
        match (&reader.kind, &writer.kind) {
            (_, Kind::Union(members)) => {
                if self.same(reader, writer, &mut FxHashMap::default(), depth) {
                    return Found::Fits;
                }
                Found::Members(members.iter().map(|member| self.pair(reader, member, depth)).collect())
            }
            (Kind::Union(members), _) => match self.choose(members, writer, depth) {
                Some(member) => Found::Chosen(self.pair(member, writer, depth)),
                None => Found::Refused(Rule::MissingUnionMember),
            },
            (Kind::Primitive(to), Kind::Primitive(from)) if from == to || promotes(*from, *to) => Found::Fits,
            (Kind::Array(to), Kind::Array(from)) => Found::Items(self.pair(to, from, depth)),
            (Kind::Map(to), Kind::Map(from)) => Found::Values(self.pair(to, from, depth)),
            (Kind::Named(to), Kind::Named(from)) => self.named(*to, *from, depth),
            _ => Found::Refused(Rule::TypeMismatch),
        }
    }

    fn named(&mut self, to: usize, from: usize, depth: usize) -> Found {
        let numbers = (to, from);
        let (Some(to), Some(from)) = (self.reader.named.get(to), self.writer.named.get(from)) else {
            return Found::Refused(Rule::TypeMismatch);
        };
        let has_name = to.name.simple == from.name.simple;
        match (&to.shape, &from.shape) {
            (Shape::Record(_), Shape::Record(_)) if self.by.compares_record_names() && !has_name => {
                Found::Refused(Rule::NameMismatch)
            }
            (Shape::Enum { symbols, default: None }, Shape::Enum { symbols: written, .. })
                if self.by.compares_symbols()
                    && has_name
                    && self.misses(numbers, symbols, written, depth) =>
            {
                Found::Refused(Rule::EnumSymbolMissing)
            }
            (Shape::Record(_), Shape::Record(_)) => {
                let number = self.record(numbers, depth);
                let is_whole = self.records.get(number).is_some_and(|record| record.is_whole);
                Found::Record { number, is_whole }
            }
            (Shape::Enum { .. }, Shape::Enum { .. }) if has_name => Found::Fits,
            (Shape::Fixed(to), Shape::Fixed(from)) if has_name && to == from => Found::Fits,
            (Shape::Fixed(_), Shape::Fixed(_)) if has_name => Found::Refused(Rule::SizeMismatch),
            (Shape::Enum { .. }, Shape::Enum { .. }) | (Shape::Fixed(_), Shape::Fixed(_)) => {
                Found::Refused(Rule::NameMismatch)
            }
            _ => Found::Refused(Rule::TypeMismatch),
        }
    }

    /// Whether the writer's enum has symbols that the reader's has not.
    fn misses(
        &mut self,
        numbers: (usize, usize),
        symbols: &[String],
        written: &[String],
        depth: usize,
    ) -> bool {
        if let Some(known) = self.enums.get(&numbers) {
            return !known.is_empty();
        }
        if !self.spend(symbols.len() + written.len(), depth) {
            return false;
        }
        let missing = missing(symbols, written);
        let told =
            if missing.is_empty() { String::new() } else { listed(missing.iter().map(String::as_str)) };
        let misses = !told.is_empty();
        self.enums.insert(numbers, told);
        misses
    }

    fn record(&mut self, (to, from): (usize, usize), depth: usize) -> usize {
        if let Some(number) = self.seen.get(&(to, from)) {
            return *number;
        }
        let number = self.records.len();
        self.records.push(Records::default());
        self.seen.insert((to, from), number);
        let (to, from) = (fields(self.reader, to), fields(self.writer, from));
        if !self.spend(to.len() + from.len(), depth) {
            return number;
        }
        let (known, written) = (Places::of(to), Places::of(from));
        for (from_place, field) in from.iter().enumerate() {
            let Some((place, read)) =
                known.get(&field.name, from_place).and_then(|place| Some((place, to.get(place)?)))
            else {
                continue;
            };
            let pair = self.pair(&read.node, &field.node, depth);
            if let Some(record) = self.records.get_mut(number) {
                record.fields.push((place, from_place, pair));
            }
        }
        let missing = to
            .iter()
            .enumerate()
            .filter(|(place, field)| field.default.is_none() && written.get(&field.name, *place).is_none());
        if let Some(record) = self.records.get_mut(number) {
            record.missing = missing.map(|(place, _)| place).collect();
            record.is_whole = true;
        }
        number
    }

    /// The member that Java would choose: the same kind (an enum or fixed of the same full name; a record of it, else the
    /// first whose fields fit at first sight, or the last of those that have the same simple name), else the first that the
    /// writer's type can be promoted to.
    fn choose(&mut self, members: &'a [Node], writer: &'a Node, depth: usize) -> Option<&'a Node> {
        let mut similar = None;
        for member in members {
            if !self.spend(1, depth) {
                return None;
            }
            match (&member.kind, &writer.kind) {
                (Kind::Primitive(to), Kind::Primitive(from)) if to == from => return Some(member),
                (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => return Some(member),
                (Kind::Named(to), Kind::Named(from)) => {
                    let numbers = (*to, *from);
                    let (to, from) = (self.reader.named.get(*to)?, self.writer.named.get(*from)?);
                    if is_kind(&to.shape, &from.shape) && to.name == from.name {
                        return Some(member);
                    }
                    if let (Shape::Record(_), Shape::Record(_)) = (&to.shape, &from.shape) {
                        let is_near = to.name.simple == from.name.simple;
                        if self.by.compares_record_names() && !is_near {
                            continue;
                        }
                        let number = self.record(numbers, depth);
                        if self.fits_at_first_sight(number) && (similar.is_none() || is_near) {
                            similar = Some(member);
                        }
                    }
                }
                _ => {}
            }
        }
        similar.or_else(|| {
            members.iter().find(|member| match (&member.kind, &writer.kind) {
                (Kind::Primitive(to), Kind::Primitive(from)) => promotes(*from, *to),
                _ => false,
            })
        })
    }

    /// Not one field is missing, and none has a type that is refused itself; what is within them is not looked at.
    fn fits_at_first_sight(&self, record: usize) -> bool {
        let Some(record) = self.records.get(record) else { return false };
        record.missing.is_empty() && !record.fields.iter().any(|(.., pair)| self.is_refused(*pair))
    }

    fn is_refused(&self, pair: usize) -> bool {
        match self.pairs.get(pair).map(|pair| &pair.found) {
            Some(Found::Refused(_)) => true,
            Some(Found::Record { number, is_whole: true }) => {
                self.records.get(*number).is_some_and(|record| !record.missing.is_empty())
            }
            _ => false,
        }
    }

    /// Whether both say the same: the same kinds, simple names, fields and symbols, all the way down.
    fn same(
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
                self.same(to, from, seen, depth + 1)
            }
            (Kind::Union(to), Kind::Union(from)) => {
                to.len() == from.len()
                    && to.iter().zip(from).all(|(to, from)| self.same(to, from, seen, depth + 1))
            }
            (Kind::Named(to), Kind::Named(from)) => self.same_named((*to, *from), seen, depth + 1),
            _ => false,
        }
    }

    fn same_named(
        &mut self,
        numbers: (usize, usize),
        seen: &mut FxHashMap<(usize, usize), bool>,
        depth: usize,
    ) -> bool {
        let (to, from) = (self.reader.named.get(numbers.0), self.writer.named.get(numbers.1));
        let (Some(to), Some(from)) = (to, from) else { return false };
        if to.name.simple != from.name.simple {
            return false;
        }
        match (&to.shape, &from.shape) {
            (Shape::Fixed(to), Shape::Fixed(from)) => to == from,
            (Shape::Enum { symbols: to, .. }, Shape::Enum { symbols: from, .. }) => {
                if let Some(is_same) = seen.get(&numbers) {
                    return *is_same;
                }
                let is_same = self.spend(to.len(), depth) && to == from;
                seen.insert(numbers, is_same);
                is_same
            }
            (Shape::Record(to), Shape::Record(from)) => {
                if let Some(is_same) = seen.get(&numbers) {
                    return *is_same;
                }
                seen.insert(numbers, true);
                let is_same = to.len() == from.len()
                    && to.iter().zip(from).all(|(to, from)| {
                        to.name == from.name && self.same(&to.node, &from.node, seen, depth)
                    });
                seen.insert(numbers, is_same);
                is_same
            }
            _ => false,
        }
    }
}

fn fields(schema: &Schema, number: usize) -> &[Field] {
    match schema.named.get(number).map(|named| &named.shape) {
        Some(Shape::Record(fields)) => fields,
        _ => &[],
    }
}

fn is_kind(one: &Shape, other: &Shape) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// The written symbols that are not known.
fn missing(symbols: &[String], written: &[String]) -> Vec<String> {
    let known: HashSet<&String> = symbols.iter().collect();
    written.iter().filter(|symbol| !known.contains(symbol)).cloned().collect()
}

/// Which primitive a writer's may be read as, beside itself.
fn promotes(from: Primitive, to: Primitive) -> bool {
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

/// Where in both schemas: a way back to the roots, written out only for a reason.
#[derive(Clone, Copy)]
struct Place<'p> {
    up: Option<&'p Place<'p>>,
    reader: Step<'p>,
    writer: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    /// Still where it was.
    Stay,
    Field(&'p str),
    Items,
    Values,
    Member(usize),
}

impl<'p> Place<'p> {
    const ROOT: Place<'static> = Place { up: None, reader: Step::Stay, writer: Step::Stay };

    fn step(&'p self, reader: Step<'p>, writer: Step<'p>) -> Self {
        Self { up: Some(self), reader, writer }
    }

    fn both(&'p self, step: Step<'p>) -> Self {
        self.step(step, step)
    }

    /// As in `Order.lines[].quantity`; of a long one its end.
    fn path(&self, schema: &Schema, side: fn(&Self) -> Step<'p>) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(place) = at {
            if !matches!(side(place), Step::Stay) {
                steps.push(side(place));
            }
            if steps.len() >= MAX_STEPS {
                break;
            }
            at = place.up;
        }
        let mut path = if at.is_none() { schema.root_name().1 } else { "…".to_owned() };
        for step in steps.into_iter().rev() {
            match step {
                Step::Stay => {}
                Step::Field(name) => {
                    path.push('.');
                    path += &crate::shortened(name);
                }
                Step::Items => path += "[]",
                Step::Values => path += "{}",
                Step::Member(number) => path += &format!("[{number}]"),
            }
        }
        path
    }
}

/// Tells the reasons of what was found, each record's once.
struct Teller<'a, 'm> {
    matcher: &'m Matcher<'a>,
    /// Under its own names.
    writer: &'a Schema,
    told: FxHashSet<usize>,
    reasons: Vec<Incompatibility>,
}

impl Teller<'_, '_> {
    fn tell(&mut self, pair: usize, at: &Place<'_>) {
        let Some(Pair { reader, writer, found }) = self.matcher.pairs.get(pair) else { return };
        if self.reasons.len() >= MAX_REASONS {
            return;
        }
        match found {
            Found::Fits => {}
            Found::Refused(rule) => {
                let message = self.message(*rule, reader, writer);
                let shown = |schema, node| match symbols(schema, node) {
                    Some(symbols) if *rule == Rule::EnumSymbolMissing => {
                        listed(symbols.iter().map(String::as_str))
                    }
                    _ => describe(schema, node),
                };
                let shown = (shown(self.matcher.reader, reader), shown(self.writer, writer));
                self.refuse(*rule, at, shown, message);
            }
            Found::Items(inner) => self.tell(*inner, &at.both(Step::Items)),
            Found::Values(inner) => self.tell(*inner, &at.both(Step::Values)),
            Found::Members(members) => {
                for (number, member) in members.iter().enumerate() {
                    self.tell(*member, &at.step(Step::Stay, Step::Member(number)));
                }
            }
            Found::Chosen(inner) => self.tell(*inner, at),
            Found::Record { number, .. } => {
                if let (Kind::Named(to), Kind::Named(from)) = (&reader.kind, &writer.kind)
                    && self.told.insert(*number)
                {
                    self.record(*number, *to, *from, at);
                }
            }
        }
    }

    /// In the order of the reader's fields.
    fn record(&mut self, number: usize, to: usize, from: usize, at: &Place<'_>) {
        let Some(record) = self.matcher.records.get(number) else { return };
        let name = self.writer.named.get(from).map(|named| named.name.full()).unwrap_or_default();
        let (to, from) = (fields(self.matcher.reader, to), fields(self.writer, from));
        let found = record.fields.iter().map(|(read, written, pair)| (*read, Some((*written, *pair))));
        let mut all: Vec<_> = found.chain(record.missing.iter().map(|read| (*read, None))).collect();
        all.sort_unstable();
        for (read, written) in all {
            let Some(field) = to.get(read) else { continue };
            match written {
                Some((written, pair)) => {
                    let written = from.get(written).map_or("", |field| field.name.as_str());
                    self.tell(pair, &at.step(Step::Field(&field.name), Step::Field(written)));
                }
                None => {
                    let message = "the writer has no such field, and it has no default".to_owned();
                    let at = at.step(Step::Field(&field.name), Step::Stay);
                    let shown = format!("{}: {}", field.name, describe(self.matcher.reader, &field.node));
                    let names = listed(from.iter().map(|field| field.name.as_str()));
                    let written = format!("record {name} {names}");
                    self.refuse(Rule::MissingDefault, &at, (shown, written), message);
                }
            }
        }
    }

    fn refuse(&mut self, rule: Rule, at: &Place<'_>, (reader, writer): (String, String), message: String) {
        let reader_path = at.path(self.matcher.reader, |place| place.reader);
        let writer_path = at.path(self.writer, |place| place.writer);
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(Incompatibility { rule, reader_path, writer_path, reader, writer, message });
        }
    }

    fn message(&self, rule: Rule, reader: &Node, writer: &Node) -> String {
        let (to, from) = (describe(self.matcher.reader, reader), describe(self.writer, writer));
        match rule {
            Rule::MissingUnionMember => format!("no member of {to} takes the writer's {from}"),
            Rule::NameMismatch => {
                let (to, from) = (name(self.matcher.reader, reader), name(self.writer, writer));
                format!("the writer's {from} is another type than {to}")
            }
            Rule::SizeMismatch => {
                let (to, from) = (size(self.matcher.reader, reader), size(self.writer, writer));
                format!("fixed of {from} bytes cannot be read as fixed of {to}")
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

fn named<'a>(schema: &'a Schema, node: &Node) -> Option<&'a Named> {
    let Kind::Named(number) = node.kind else { return None };
    schema.named.get(number)
}

fn name(schema: &Schema, node: &Node) -> String {
    named(schema, node).map(|named| named.name.full()).unwrap_or_default()
}

fn size(schema: &Schema, node: &Node) -> u64 {
    match named(schema, node).map(|named| &named.shape) {
        Some(Shape::Fixed(size)) => *size,
        _ => 0,
    }
}

fn symbols<'a>(schema: &'a Schema, node: &Node) -> Option<&'a [String]> {
    match named(schema, node).map(|named| &named.shape) {
        Some(Shape::Enum { symbols, .. }) => Some(symbols),
        _ => None,
    }
}
