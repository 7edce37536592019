//! Avro schemas: the JSON text as a tree ([`parse`]), the text that tells two schemas apart ([`Schema::normal_form`]),
//! whether one schema reads what another wrote ([`can_read`], [`resolve`]; [`Outline`] at first sight), and what of it
//! matters to that ([`Schema::shape`]); and where one datum ends ([`Schema::extent`]).
//!
//! Sources: the Avro specification 1.11 ("Schema Declaration", "Schema Resolution"), and the registry contract §2.1
//! and §3.4 where Java's verdict differs from the specification.

mod alias;
mod datum;
mod describe;
mod list;
mod outline;
mod parse;
mod places;
mod resolve;
mod shape;
mod text;

pub use datum::{Damage, Extent, MAX_DATUM_DEPTH, MAX_DATUM_VALUES};
pub use outline::Outline;
pub use parse::{MAX_NAME_BYTES, parse, parse_within};
pub use resolve::{
    Incompatibility, MAX_COMPARISONS, MAX_REASONS, Resolution, Rule, can_read, resolve, resolve_within,
};

use serde_json::{Map, Value};
use std::sync::Arc;

/// A parsed schema: a root and the named types it defines, which refer to each other by number.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) root: Node,
    pub(crate) named: Vec<Named>,
}

/// One place where a type stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// What stands beside it and is no part of the type itself: logical types, custom properties.
    pub(crate) properties: Map<String, Value>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Primitive(Primitive),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    /// A record, enum or fixed, by its number.
    Named(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Primitive {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        use Primitive::{Boolean, Bytes, Double, Float, Int, Long, Null, String};
        [Null, Boolean, Int, Long, Float, Double, Bytes, String].into_iter().find(|p| p.name() == name)
    }
}

/// A full name in its two parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// Empty for none. Shared by the types that inherit it.
    pub(crate) namespace: Arc<str>,
    pub(crate) simple: String,
}

impl Name {
    /// A name as it stands in a schema: full when it has a dot, else one of the namespace around it.
    pub(crate) fn in_space(text: &str, space: &Arc<str>) -> Self {
        let (namespace, simple) = match text.rsplit_once('.') {
            Some((namespace, simple)) => (Arc::from(namespace), simple),
            None => (Arc::clone(space), text),
        };
        Self { namespace, simple: simple.to_owned() }
    }

    pub(crate) fn full(&self) -> String {
        if self.namespace.is_empty() {
            self.simple.clone()
        } else {
            format!("{}.{}", self.namespace, self.simple)
        }
    }
}

/// A record, enum or fixed.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: Name,
    /// A record that a protocol throws; nothing else tells it from others.
    pub(crate) is_error: bool,
    pub(crate) aliases: Vec<Name>,
    pub(crate) doc: Option<String>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) shape: Shape,
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Known by name, its body not read yet: a type that refers to itself.
    Pending,
    Record(Vec<Field>),
    Enum {
        symbols: Vec<String>,
        default: Option<String>,
    },
    Fixed(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) default: Option<Value>,
    pub(crate) doc: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) properties: Map<String, Value>,
}

impl Schema {
    /// The name of the root's type: a full name, or the kind (`string`, `array`, `union`, …) of what has none.
    pub fn type_name(&self) -> String {
        self.name_of(&self.root).full()
    }

    /// Namespace (empty for none) and simple name of the root.
    pub(crate) fn root_name(&self) -> (String, String) {
        let Name { namespace, simple } = self.name_of(&self.root);
        (namespace.as_ref().to_owned(), simple)
    }

    fn name_of(&self, node: &Node) -> Name {
        let unnamed = |simple: &str| Name { namespace: Arc::from(""), simple: simple.to_owned() };
        match &node.kind {
            Kind::Named(number) => {
                self.named.get(*number).map_or_else(|| unnamed(""), |named| named.name.clone())
            }
            kind => unnamed(kind_name(kind)),
        }
    }

    /// For a root union, the member of this simple name as a schema of its own; else the schema as it is.
    pub(crate) fn into_member(mut self, simple: &str) -> Self {
        let Kind::Union(members) = &self.root.kind else { return self };
        let is_it = |member: &&Node| match &member.kind {
            Kind::Named(number) => self.named.get(*number).is_some_and(|named| named.name.simple == simple),
            kind => kind_name(kind) == simple,
        };
        if let Some(member) = members.iter().find(is_it).cloned() {
            self.root = member;
        }
        self
    }
}

/// The kind's own word, as in a schema's `type`.
pub(crate) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Primitive(primitive) => primitive.name(),
        Kind::Array(_) => "array",
        Kind::Map(_) => "map",
        Kind::Union(_) => "union",
        Kind::Named(_) => "named",
    }
}

#[cfg(test)]
mod tests;
