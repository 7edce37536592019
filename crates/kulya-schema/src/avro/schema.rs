//! A parsed Avro schema as a tree of types, in which named types refer to each other by index.

use serde_json::{Map, Value};
use std::sync::Arc;

/// A parsed schema: a root type and the named types it defines, which refer to each other by index.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) root: Node,
    pub(crate) named: Vec<NamedType>,
}

/// One use of a type in the schema.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Attributes that are not part of the type itself: logical types, custom properties.
    pub(crate) properties: Map<String, Value>,
}

impl Node {
    /// Returns the number of types within it, except for the content of named ones.
    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Array(inner) | Kind::Map(inner) => inner.size(),
            Kind::Union(members) => members.iter().map(Self::size).sum(),
            Kind::Primitive(_) | Kind::Named(_) => 0,
        }
    }
}

/// The kind of a type.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Primitive(Primitive),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    /// A record, enum or fixed, by its index in the schema.
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

    pub(crate) fn from_name(name: &str) -> Option<Self> {
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
    /// Resolves a name as written in a schema: full if it has a dot, else in the enclosing namespace.
    pub(crate) fn resolve(text: &str, namespace: &Arc<str>) -> Self {
        let (namespace, simple) = match text.rsplit_once('.') {
            Some((namespace, simple)) => (Arc::from(namespace), simple),
            None => (Arc::clone(namespace), text),
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
pub(crate) struct NamedType {
    pub(crate) name: Name,
    /// Whether it is declared as `error`, a record that a protocol throws; there is no other difference.
    pub(crate) is_error: bool,
    pub(crate) aliases: Vec<Name>,
    pub(crate) doc: Option<String>,
    pub(crate) properties: Map<String, Value>,
    pub(crate) definition: Definition,
}

/// The definition of a named type.
#[derive(Debug, Clone)]
pub(crate) enum Definition {
    /// Declared, and its body not parsed yet: a type that refers to itself.
    Pending,
    Record(Vec<Field>),
    Enum {
        symbols: Vec<String>,
        default: Option<String>,
    },
    Fixed(u64),
}

/// A field of a record.
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
    /// Returns the fields of a record; none for another type.
    pub(super) fn record_fields(&self, number: usize) -> &[Field] {
        match self.named.get(number).map(|named| &named.definition) {
            Some(Definition::Record(fields)) => fields,
            _ => &[],
        }
    }

    /// Returns the number of types, fields and symbols.
    pub(crate) fn size(&self) -> usize {
        let of_definition = |named: &NamedType| match &named.definition {
            Definition::Record(fields) => fields.iter().map(|field| 1 + field.node.size()).sum(),
            Definition::Enum { symbols, .. } => symbols.len(),
            Definition::Fixed(_) | Definition::Pending => 0,
        };
        self.root.size() + self.named.iter().map(|named| 1 + of_definition(named)).sum::<usize>()
    }

    /// Returns the name of the root type: a full name, or the kind (`string`, `array`, `union`, …) of an
    /// unnamed type.
    pub fn type_name(&self) -> String {
        self.name_of(&self.root).full()
    }

    /// Returns the namespace (empty for none) and the simple name of the root type.
    pub(crate) fn root_name(&self) -> (String, String) {
        let Name { namespace, simple } = self.name_of(&self.root);
        (namespace.as_ref().to_owned(), simple)
    }

    fn name_of(&self, node: &Node) -> Name {
        let unnamed = |simple: &str| Name { namespace: Arc::from(""), simple: simple.to_owned() };
        match &node.kind {
            Kind::Named(index) => {
                self.named.get(*index).map_or_else(|| unnamed(""), |named| named.name.clone())
            }
            kind => unnamed(kind_name(kind)),
        }
    }

    /// Returns the member of this simple name as a schema of its own if the root is a union, else the schema
    /// unchanged.
    pub(crate) fn into_union_member(mut self, simple: &str) -> Self {
        let Kind::Union(members) = &self.root.kind else { return self };
        let has_name = |member: &&Node| match &member.kind {
            Kind::Named(index) => self.named.get(*index).is_some_and(|named| named.name.simple == simple),
            kind => kind_name(kind) == simple,
        };
        if let Some(member) = members.iter().find(has_name).cloned() {
            self.root = member;
        }
        self
    }
}

/// Returns the kind's name in a schema's `type` attribute.
pub(crate) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Primitive(primitive) => primitive.name(),
        Kind::Array(_) => "array",
        Kind::Map(_) => "map",
        Kind::Union(_) => "union",
        Kind::Named(_) => "named",
    }
}
