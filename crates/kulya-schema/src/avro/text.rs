//! The normal form: Avro Java's own compact text of a schema, so that white space and the order of attributes do not
//! tell schemas apart, and everything else does (contract §2.1).

use super::{Field, Kind, Name, Named, Node, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

impl Schema {
    /// The compact text. Each named type is written out where it first stands, by name elsewhere.
    pub fn normal_form(&self) -> String {
        let mut writer = Writer { schema: self, is_bare: false, written: HashSet::new() };
        writer.node(&self.root, "").to_string()
    }

    /// What Java compares when it asks whether two schemas are equal: no documentation, no aliases.
    pub(super) fn bare(&self) -> Value {
        let mut writer = Writer { schema: self, is_bare: true, written: HashSet::new() };
        writer.node(&self.root, "")
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    is_bare: bool,
    written: HashSet<usize>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node, space: &str) -> Value {
        let mut object = Map::new();
        match &node.kind {
            Kind::Primitive(primitive) if node.properties.is_empty() => return json!(primitive.name()),
            Kind::Primitive(primitive) => _ = object.insert("type".into(), json!(primitive.name())),
            Kind::Array(items) => {
                object.insert("type".into(), json!("array"));
                object.insert("items".into(), self.node(items, space));
            }
            Kind::Map(values) => {
                object.insert("type".into(), json!("map"));
                object.insert("values".into(), self.node(values, space));
            }
            Kind::Union(members) => return members.iter().map(|member| self.node(member, space)).collect(),
            Kind::Named(number) => return self.named(*number, space),
        }
        extend(&mut object, &node.properties);
        Value::Object(object)
    }

    fn named(&mut self, number: usize, space: &str) -> Value {
        let schema = self.schema;
        let Some(named) = schema.named.get(number) else { return Value::Null };
        if !self.written.insert(number) {
            return json!(short(&named.name, space));
        }
        let mut object = Map::new();
        match &named.shape {
            Shape::Record(fields) => {
                let is_error = named.is_error && !self.is_bare;
                self.head(&mut object, if is_error { "error" } else { "record" }, named, space);
                let fields = fields.iter().map(|field| self.field(field, &named.name.namespace)).collect();
                object.insert("fields".into(), fields);
            }
            Shape::Enum { symbols, default } => {
                self.head(&mut object, "enum", named, space);
                object.insert("symbols".into(), json!(symbols));
                if let (Some(default), false) = (default, self.is_bare) {
                    object.insert("default".into(), json!(default));
                }
            }
            Shape::Fixed(size) => {
                self.head(&mut object, "fixed", named, space);
                object.insert("size".into(), json!(size));
            }
            Shape::Pending => {}
        }
        extend(&mut object, &named.properties);
        if !named.aliases.is_empty() && !self.is_bare {
            let aliases: Vec<_> =
                named.aliases.iter().map(|alias| short(alias, &named.name.namespace)).collect();
            object.insert("aliases".into(), json!(aliases));
        }
        Value::Object(object)
    }

    fn head(&self, object: &mut Map<String, Value>, kind: &str, named: &Named, space: &str) {
        object.insert("type".into(), json!(kind));
        object.insert("name".into(), json!(named.name.simple));
        if named.name.namespace != space {
            object.insert("namespace".into(), json!(named.name.namespace));
        }
        if let (Some(doc), false) = (&named.doc, self.is_bare) {
            object.insert("doc".into(), json!(doc));
        }
    }

    fn field(&mut self, field: &Field, space: &str) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), json!(field.name));
        object.insert("type".into(), self.node(&field.node, space));
        if let (Some(doc), false) = (&field.doc, self.is_bare) {
            object.insert("doc".into(), json!(doc));
        }
        if let Some(default) = &field.default {
            object.insert("default".into(), default.clone());
        }
        if let Some(order) = &field.order {
            object.insert("order".into(), json!(order));
        }
        if !field.aliases.is_empty() && !self.is_bare {
            object.insert("aliases".into(), json!(field.aliases));
        }
        extend(&mut object, &field.properties);
        Value::Object(object)
    }
}

/// A name as it stands in this namespace: in full where it would be taken for a kind of types.
fn short(name: &Name, space: &str) -> String {
    const KINDS: [&str; 14] = [
        "record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float",
        "double", "boolean", "null",
    ];
    let is_near = name.namespace == space && !KINDS.contains(&name.simple.as_str());
    if is_near { name.simple.clone() } else { name.full() }
}

/// Properties in name order: their order in the text tells no schemas apart.
fn extend(object: &mut Map<String, Value>, properties: &Map<String, Value>) {
    let mut sorted: Vec<_> = properties.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_str());
    object.extend(sorted.into_iter().map(|(key, value)| (key.clone(), value.clone())));
}
