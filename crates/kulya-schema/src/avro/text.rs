//! The normal form: Avro Java's own compact text of a schema, so that white space and the order of attributes do not
//! tell schemas apart, and everything else does (contract §2.1).

use super::{Field, Kind, Named, Node, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

impl Schema {
    /// The compact text. Each named type is written out where it first stands, by name elsewhere.
    pub fn normal_form(&self) -> String {
        let mut writer = Writer { schema: self, written: HashSet::new() };
        writer.node(&self.root, "").to_string()
    }
}

struct Writer<'a> {
    schema: &'a Schema,
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
            let is_near = named.name.namespace == space;
            return json!(if is_near { named.name.simple.clone() } else { named.name.full() });
        }
        let mut object = Map::new();
        match &named.shape {
            Shape::Record(fields) => {
                head(&mut object, "record", named, space);
                let fields = fields.iter().map(|field| self.field(field, &named.name.namespace)).collect();
                object.insert("fields".into(), fields);
            }
            Shape::Enum { symbols, default } => {
                head(&mut object, "enum", named, space);
                object.insert("symbols".into(), json!(symbols));
                if let Some(default) = default {
                    object.insert("default".into(), json!(default));
                }
            }
            Shape::Fixed(size) => {
                head(&mut object, "fixed", named, space);
                object.insert("size".into(), json!(size));
            }
            Shape::Pending => {}
        }
        extend(&mut object, &named.properties);
        if !named.aliases.is_empty() {
            object.insert("aliases".into(), json!(named.aliases));
        }
        Value::Object(object)
    }

    fn field(&mut self, field: &Field, space: &str) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), json!(field.name));
        object.insert("type".into(), self.node(&field.node, space));
        for (key, text) in [("doc", &field.doc), ("order", &field.order)] {
            if let Some(text) = text {
                object.insert(key.into(), json!(text));
            }
        }
        if let Some(default) = &field.default {
            object.insert("default".into(), default.clone());
        }
        if !field.aliases.is_empty() {
            object.insert("aliases".into(), json!(field.aliases));
        }
        extend(&mut object, &field.properties);
        Value::Object(object)
    }
}

fn head(object: &mut Map<String, Value>, kind: &str, named: &Named, space: &str) {
    object.insert("type".into(), json!(kind));
    object.insert("name".into(), json!(named.name.simple));
    if named.name.namespace != space {
        object.insert("namespace".into(), json!(named.name.namespace));
    }
    if let Some(doc) = &named.doc {
        object.insert("doc".into(), json!(doc));
    }
}

/// Properties in name order: their order in the text tells no schemas apart.
fn extend(object: &mut Map<String, Value>, properties: &Map<String, Value>) {
    let mut sorted: Vec<_> = properties.iter().collect();
    sorted.sort_by_key(|(key, _)| key.as_str());
    object.extend(sorted.into_iter().map(|(key, value)| (key.clone(), value.clone())));
}
