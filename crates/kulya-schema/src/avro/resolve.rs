//! Whether a reader's schema resolves against a writer's: every reason why not, each with its place in both.
//!
//! The verdict is Avro Java's (contract §3.4): record names are not compared, removed enum symbols are not noticed.

use super::{Field, Kind, Named, Node, Primitive, Schema, Shape, kind_name};
use std::collections::HashSet;
use std::fmt;

/// One reason why a reader cannot read what a writer wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The rule that is broken.
    pub rule: Rule,
    /// Where in the reader's schema, as `Order.lines[].quantity`.
    pub reader_path: String,
    /// Where in the writer's schema.
    pub writer_path: String,
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
    /// Enums or fixed of different names.
    NameMismatch,
    /// Fixed of different sizes.
    SizeMismatch,
    /// No member of the reader's union takes what the writer wrote.
    MissingUnionMember,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)
    }
}

/// Everything that keeps `reader` from reading what `writer` wrote; empty when it can.
pub fn can_read(reader: &Schema, writer: &Schema) -> Vec<Incompatibility> {
    let mut resolver = Resolver { reader, writer, seen: HashSet::new(), reasons: Vec::new() };
    let at = Place { reader: root_path(reader), writer: root_path(writer) };
    resolver.node(&reader.root, &writer.root, &at);
    resolver.reasons
}

fn root_path(schema: &Schema) -> String {
    schema.root_name().1
}

struct Place {
    reader: String,
    writer: String,
}

impl Place {
    fn both(&self, step: &str) -> Self {
        Self { reader: format!("{}{step}", self.reader), writer: format!("{}{step}", self.writer) }
    }
}

struct Resolver<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// Pairs of named types that are being, or were, compared: recursive types meet themselves again.
    seen: HashSet<(usize, usize)>,
    reasons: Vec<Incompatibility>,
}

impl<'a> Resolver<'a> {
    fn refuse(&mut self, rule: Rule, at: &Place, message: String) {
        let (reader_path, writer_path) = (at.reader.clone(), at.writer.clone());
        self.reasons.push(Incompatibility { rule, reader_path, writer_path, message });
    }

    fn mismatch(&mut self, reader: &Node, writer: &Node, at: &Place) {
        let message = format!(
            "type {} cannot be read as {}",
            describe(self.writer, writer),
            describe(self.reader, reader)
        );
        self.refuse(Rule::TypeMismatch, at, message);
    }

    fn node(&mut self, reader: &'a Node, writer: &'a Node, at: &Place) {
        match (&reader.kind, &writer.kind) {
            (_, Kind::Union(members)) => {
                for (number, member) in members.iter().enumerate() {
                    let writer = format!("{}[{number}]", at.writer);
                    self.node(reader, member, &Place { reader: at.reader.clone(), writer });
                }
            }
            (Kind::Union(members), _) => self.reader_union(members, reader, writer, at),
            (Kind::Primitive(to), Kind::Primitive(from)) if from == to || promotes(*from, *to) => {}
            (Kind::Array(to), Kind::Array(from)) => self.node(to, from, &at.both("[]")),
            (Kind::Map(to), Kind::Map(from)) => self.node(to, from, &at.both("{}")),
            (Kind::Named(to), Kind::Named(from)) => self.named(*to, *from, reader, writer, at),
            _ => self.mismatch(reader, writer, at),
        }
    }

    /// The member that Java would choose: the same kind (a record that resolves, an enum or fixed of the same full
    /// name), else one the writer's type can be promoted to.
    fn reader_union(&mut self, members: &'a [Node], reader: &Node, writer: &'a Node, at: &Place) {
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
                let message = format!(
                    "no member of {} takes the writer's {}",
                    describe(self.reader, reader),
                    describe(self.writer, writer)
                );
                self.refuse(Rule::MissingUnionMember, at, message);
            }
        }
    }

    /// Whether a pair resolves, without noting why not.
    fn resolves(&self, reader: &'a Node, writer: &'a Node) -> bool {
        let mut trial = Resolver {
            reader: self.reader,
            writer: self.writer,
            seen: self.seen.clone(),
            reasons: Vec::new(),
        };
        trial.node(reader, writer, &Place { reader: String::new(), writer: String::new() });
        trial.reasons.is_empty()
    }

    fn named(&mut self, to: usize, from: usize, reader: &Node, writer: &Node, at: &Place) {
        if !self.seen.insert((to, from)) {
            return;
        }
        let (Some(to), Some(from)) = (self.reader.named.get(to), self.writer.named.get(from)) else { return };
        match (&to.shape, &from.shape) {
            (Shape::Record(to), Shape::Record(from)) => self.fields(to, from, at),
            (Shape::Enum { .. }, Shape::Enum { .. }) => self.names(to, from, at),
            (Shape::Fixed(to_size), Shape::Fixed(from_size)) => {
                self.names(to, from, at);
                if to_size != from_size {
                    let message = format!("fixed of {from_size} bytes cannot be read as fixed of {to_size}");
                    self.refuse(Rule::SizeMismatch, at, message);
                }
            }
            _ => self.mismatch(reader, writer, at),
        }
    }

    fn names(&mut self, to: &Named, from: &Named, at: &Place) {
        if to.name.simple != from.name.simple && !to.aliases.contains(&from.name.full()) {
            let message =
                format!("the writer's {} is another type than {}", from.name.full(), to.name.full());
            self.refuse(Rule::NameMismatch, at, message);
        }
    }

    fn fields(&mut self, to: &'a [Field], from: &'a [Field], at: &Place) {
        for field in to {
            let by_name = from.iter().find(|written| written.name == field.name);
            let written =
                by_name.or_else(|| from.iter().find(|written| field.aliases.contains(&written.name)));
            let reader = format!("{}.{}", at.reader, field.name);
            match written {
                Some(written) => {
                    let writer = format!("{}.{}", at.writer, written.name);
                    self.node(&field.node, &written.node, &Place { reader, writer });
                }
                None if field.default.is_some() => {}
                None => {
                    let at = Place { reader, writer: at.writer.clone() };
                    let message = "the writer has no such field, and it has no default".to_owned();
                    self.refuse(Rule::MissingDefault, &at, message);
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

/// A type in a few words.
fn describe(schema: &Schema, node: &Node) -> String {
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
