//! Whether a reader's schema resolves against a writer's: every reason why not, each with its place in both.
//!
//! Two verdicts: Avro Java's (contract §3.4), which compares no record names and does not notice removed enum symbols,
//! and the specification's, which does both.

use super::{Field, Kind, Named, Node, Primitive, Schema, Shape, kind_name};
use std::collections::{HashMap, HashSet};
use std::fmt;

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
    /// The writer's enum has a symbol that the reader's has not, and the reader's has no default.
    EnumSymbolMissing,
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
            Self::EnumSymbolMissing => "keep the symbol, or give the enum a default",
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

/// Everything that keeps `reader` from reading what `writer` wrote; empty when it can.
pub fn resolve(reader: &Schema, writer: &Schema, by: Resolution) -> Vec<Incompatibility> {
    let mut resolver = Resolver { reader, writer, by, seen: HashSet::new(), reasons: Vec::new() };
    resolver.node(&reader.root, &writer.root, &Place::ROOT);
    resolver.reasons
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

    /// As in `Order.lines[].quantity`.
    fn path(&self, schema: &Schema, side: fn(&Self) -> Step<'p>) -> String {
        let mut path = match self.up {
            None => schema.root_name().1,
            Some(up) => up.path(schema, side),
        };
        match side(self) {
            Step::Stay => {}
            Step::Field(name) => {
                path.push('.');
                path += name;
            }
            Step::Items => path += "[]",
            Step::Values => path += "{}",
            Step::Member(number) => path += &format!("[{number}]"),
        }
        path
    }
}

struct Resolver<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    by: Resolution,
    /// Pairs of named types that are being, or were, compared: recursive types meet themselves again.
    seen: HashSet<(usize, usize)>,
    reasons: Vec<Incompatibility>,
}

impl<'a> Resolver<'a> {
    fn refuse(&mut self, rule: Rule, at: &Place<'_>, (reader, writer): (String, String), message: String) {
        let reader_path = at.path(self.reader, |place| place.reader);
        let writer_path = at.path(self.writer, |place| place.writer);
        self.reasons.push(Incompatibility { rule, reader_path, writer_path, reader, writer, message });
    }

    /// Both types in a few words.
    fn described(&self, reader: &Node, writer: &Node) -> (String, String) {
        (describe(self.reader, reader), describe(self.writer, writer))
    }

    fn mismatch(&mut self, reader: &Node, writer: &Node, at: &Place<'_>) {
        let (to, from) = self.described(reader, writer);
        let message = format!("type {from} cannot be read as {to}");
        self.refuse(Rule::TypeMismatch, at, (to, from), message);
    }

    fn node(&mut self, reader: &'a Node, writer: &'a Node, at: &Place<'_>) {
        match (&reader.kind, &writer.kind) {
            (_, Kind::Union(members)) => {
                for (number, member) in members.iter().enumerate() {
                    self.node(reader, member, &at.step(Step::Stay, Step::Member(number)));
                }
            }
            (Kind::Union(members), _) => self.reader_union(members, reader, writer, at),
            (Kind::Primitive(to), Kind::Primitive(from)) if from == to || promotes(*from, *to) => {}
            (Kind::Array(to), Kind::Array(from)) => self.node(to, from, &at.both(Step::Items)),
            (Kind::Map(to), Kind::Map(from)) => self.node(to, from, &at.both(Step::Values)),
            (Kind::Named(to), Kind::Named(from)) => self.named(*to, *from, reader, writer, at),
            _ => self.mismatch(reader, writer, at),
        }
    }

    /// The member that Java would choose: the same kind (a record that resolves, an enum or fixed of the same full
    /// name), else one the writer's type can be promoted to.
    fn reader_union(&mut self, members: &'a [Node], reader: &Node, writer: &'a Node, at: &Place<'_>) {
        let same = members.iter().find(|member| match (&member.kind, &writer.kind) {
            (Kind::Primitive(to), Kind::Primitive(from)) => to == from,
            (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
            (Kind::Named(to), Kind::Named(from)) => {
                match (self.reader.named.get(*to), self.writer.named.get(*from)) {
                    (Some(to), Some(from)) => match (&to.shape, &from.shape) {
                        (Shape::Record(_), Shape::Record(_)) => self.resolves(member, writer),
                        (Shape::Enum { .. }, Shape::Enum { .. }) | (Shape::Fixed(_), Shape::Fixed(_)) => {
                            to.name == from.name || to.aliases.contains(&from.name.full())
                        }
                        _ => false,
                    },
                    _ => false,
                }
            }
            _ => false,
        });
        let promoted = || {
            members.iter().find(|member| match (&member.kind, &writer.kind) {
                (Kind::Primitive(to), Kind::Primitive(from)) => promotes(*from, *to),
                _ => false,
            })
        };
        match same.or_else(promoted) {
            Some(member) => self.node(member, writer, at),
            None => {
                let (to, from) = self.described(reader, writer);
                let message = format!("no member of {to} takes the writer's {from}");
                self.refuse(Rule::MissingUnionMember, at, (to, from), message);
            }
        }
    }

    /// Whether a pair resolves, without noting why not.
    fn resolves(&self, reader: &'a Node, writer: &'a Node) -> bool {
        let mut trial = Resolver {
            reader: self.reader,
            writer: self.writer,
            by: self.by,
            seen: self.seen.clone(),
            reasons: Vec::new(),
        };
        trial.node(reader, writer, &Place::ROOT);
        trial.reasons.is_empty()
    }

    fn named(&mut self, to: usize, from: usize, reader: &Node, writer: &Node, at: &Place<'_>) {
        if !self.seen.insert((to, from)) {
            return;
        }
        let (Some(to), Some(from)) = (self.reader.named.get(to), self.writer.named.get(from)) else { return };
        match (&to.shape, &from.shape) {
            (Shape::Record(fields), Shape::Record(written)) => {
                if self.by == Resolution::Specification {
                    self.names(to, from, (reader, writer), at);
                }
                self.fields(fields, written, from, at);
            }
            (Shape::Enum { symbols, default }, Shape::Enum { symbols: written, .. }) => {
                self.names(to, from, (reader, writer), at);
                if self.by == Resolution::Specification && default.is_none() {
                    self.symbols(symbols, written, at);
                }
            }
            (Shape::Fixed(to_size), Shape::Fixed(from_size)) => {
                self.names(to, from, (reader, writer), at);
                if to_size != from_size {
                    let message = format!("fixed of {from_size} bytes cannot be read as fixed of {to_size}");
                    let described = self.described(reader, writer);
                    self.refuse(Rule::SizeMismatch, at, described, message);
                }
            }
            _ => self.mismatch(reader, writer, at),
        }
    }

    fn names(&mut self, to: &Named, from: &Named, nodes: (&Node, &Node), at: &Place<'_>) {
        if to.name.simple != from.name.simple && !to.aliases.contains(&from.name.full()) {
            let message =
                format!("the writer's {} is another type than {}", from.name.full(), to.name.full());
            let described = self.described(nodes.0, nodes.1);
            self.refuse(Rule::NameMismatch, at, described, message);
        }
    }

    fn symbols(&mut self, symbols: &[String], written: &[String], at: &Place<'_>) {
        let known: HashSet<&String> = symbols.iter().collect();
        for symbol in written.iter().filter(|symbol| !known.contains(symbol)) {
            let message =
                format!("the writer's symbol {symbol} is none of the enum's, and it has no default");
            let described = (listed(symbols), listed(written));
            self.refuse(Rule::EnumSymbolMissing, at, described, message);
        }
    }

    fn fields(&mut self, to: &'a [Field], from: &'a [Field], record: &Named, at: &Place<'_>) {
        let index = (from.len() > INDEXED)
            .then(|| from.iter().map(|field| (field.name.as_str(), field)).collect::<HashMap<_, _>>());
        let by_name = |name: &str| match &index {
            Some(index) => index.get(name).copied(),
            None => from.iter().find(|written| written.name == name),
        };
        for field in to {
            let by_alias = || from.iter().find(|written| field.aliases.contains(&written.name));
            match by_name(&field.name).or_else(by_alias) {
                Some(written) => {
                    let at = at.step(Step::Field(&field.name), Step::Field(&written.name));
                    self.node(&field.node, &written.node, &at);
                }
                None if field.default.is_some() => {}
                None => {
                    let message = "the writer has no such field, and it has no default".to_owned();
                    let shown = format!("{}: {}", field.name, describe(self.reader, &field.node));
                    let fields: Vec<_> = from.iter().map(|field| field.name.clone()).collect();
                    let written = format!("record {} {}", record.name.full(), listed(&fields));
                    let at = at.step(Step::Field(&field.name), Step::Stay);
                    self.refuse(Rule::MissingDefault, &at, (shown, written), message);
                }
            }
        }
    }
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

/// Records of more fields are looked up by a map.
const INDEXED: usize = 16;
/// So many names are listed, and the rest are counted.
const LISTED: usize = 20;

/// Names, as a reason shows them.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => format!("[{shown}]"),
        more => format!("[{shown} and {more} more]"),
    }
}

/// A type in a few words.
pub(super) fn describe(schema: &Schema, node: &Node) -> String {
    match &node.kind {
        Kind::Union(members) => {
            let members: Vec<_> = members.iter().map(|member| describe(schema, member)).collect();
            format!("union [{}]", members.join(", "))
        }
        Kind::Named(number) => match schema.named.get(*number) {
            Some(Named { name, shape: Shape::Record(_), .. }) => format!("record {}", name.full()),
            Some(Named { name, shape: Shape::Enum { .. }, .. }) => format!("enum {}", name.full()),
            Some(Named { name, .. }) => format!("fixed {}", name.full()),
            None => "unknown".to_owned(),
        },
        kind => kind_name(kind).to_owned(),
    }
}
