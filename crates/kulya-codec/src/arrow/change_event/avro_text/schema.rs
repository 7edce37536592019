//! The schemas of change events as trees of nodes: how the bytes of their values are read.

use kulya_schema::avro::MAX_DATUM_DEPTH;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The fields of an event's `source` that are read.
const SOURCE_FIELDS: [&str; 1] = ["lsn"];

/// A type.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(usize),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    Record(Vec<Field>),
    Named(usize),
}

#[derive(Debug)]
pub(super) struct Field {
    /// The name as JSON, with its colon.
    pub(super) name: String,
    pub(super) node: Node,
    /// Whether it is written.
    pub(super) is_wanted: bool,
}

/// The named types so far.
#[derive(Default)]
pub(super) struct Names {
    pub(super) nodes: Vec<Node>,
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Reads a type. Of a record at the root, and of its field `source`, only the `wanted` fields are.
    pub(super) fn node(
        &mut self,
        schema: &Value,
        namespace: &str,
        wanted: &[&str],
        depth: usize,
    ) -> Option<Node> {
        if depth > MAX_DATUM_DEPTH {
            return None;
        }
        match schema {
            Value::String(name) => self.primitive(name, namespace),
            Value::Array(members) => {
                let members = members.iter().map(|member| self.node(member, namespace, wanted, depth + 1));
                Some(Node::Union(members.collect::<Option<_>>()?))
            }
            Value::Object(object) => {
                let kind = object.get("type")?;
                let Value::String(kind) = kind else { return self.node(kind, namespace, wanted, depth + 1) };
                let inner = |key: &str| object.get(key);
                match kind.as_str() {
                    "array" => {
                        Some(Node::Array(Box::new(self.node(inner("items")?, namespace, &[], depth + 1)?)))
                    }
                    "map" => {
                        Some(Node::Map(Box::new(self.node(inner("values")?, namespace, &[], depth + 1)?)))
                    }
                    "fixed" => {
                        let size = usize::try_from(inner("size")?.as_u64()?).ok()?;
                        Some(self.define(object, namespace, Node::Fixed(size)))
                    }
                    "enum" => {
                        let count = inner("symbols")?.as_array()?.len();
                        Some(self.define(object, namespace, Node::Enum(count)))
                    }
                    "record" | "error" => {
                        let (name, own) = full_name(object, namespace);
                        let number = self.nodes.len();
                        // its fields may refer to it
                        self.nodes.push(Node::Null);
                        self.numbers.insert(name, number);
                        let mut fields = Vec::new();
                        for field in inner("fields")?.as_array()? {
                            let name = field.get("name")?.as_str()?;
                            let of_source: &[&str] = if name == "source" { &SOURCE_FIELDS } else { &[] };
                            let below = if wanted.is_empty() { &[] } else { of_source };
                            let node = self.node(field.get("type")?, &own, below, depth + 1)?;
                            let is_wanted = wanted.is_empty() || wanted.contains(&name);
                            fields.push(Field { name: format!("{}:", json!(name)), node, is_wanted });
                        }
                        *self.nodes.get_mut(number)? = Node::Record(fields);
                        Some(Node::Named(number))
                    }
                    name => self.primitive(name, namespace),
                }
            }
            _ => None,
        }
    }

    fn define(&mut self, object: &serde_json::Map<String, Value>, namespace: &str, node: Node) -> Node {
        let (name, _) = full_name(object, namespace);
        self.numbers.insert(name, self.nodes.len());
        self.nodes.push(node);
        Node::Named(self.nodes.len() - 1)
    }

    fn primitive(&self, name: &str, namespace: &str) -> Option<Node> {
        Some(match name {
            "null" => Node::Null,
            "boolean" => Node::Boolean,
            "int" => Node::Int,
            "long" => Node::Long,
            "float" => Node::Float,
            "double" => Node::Double,
            "bytes" => Node::Bytes,
            "string" => Node::Text,
            name => {
                let number = self.numbers.get(&qualified(name, namespace)).or_else(|| self.numbers.get(name));
                Node::Named(*number?)
            }
        })
    }
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// Returns the full name of a definition, and its namespace.
fn full_name(object: &serde_json::Map<String, Value>, enclosing: &str) -> (String, String) {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    let full = qualified(name, text("namespace").unwrap_or(enclosing));
    let namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
    (full, namespace)
}
