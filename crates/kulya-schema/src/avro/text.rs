//! The normal form: Avro Java's own compact text of a schema, so that white space and the order of attributes do not
//! tell schemas apart, and everything else does (contract §2.1).

use super::{Field, Kind, Name, Named, Node, Schema, Shape};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

impl Schema {
    /// The compact text. Each named type is written out where it first stands, by name elsewhere.
    pub fn normal_form(&self) -> String {
        self.written(false)
    }

    /// What Java compares when it asks whether two schemas are equal: no documentation, no aliases.
    pub(super) fn bare(&self) -> String {
        self.written(true)
    }

    fn written(&self, is_bare: bool) -> String {
        let mut writer = Writer { schema: self, is_bare, written: HashSet::new(), text: Vec::new() };
        writer.node(&self.root, "");
        String::from_utf8(writer.text).unwrap_or_default()
    }
}

/// Writes as it goes: a tree of it would take many times the text.
struct Writer<'a> {
    schema: &'a Schema,
    is_bare: bool,
    written: HashSet<usize>,
    text: Vec<u8>,
}

impl Writer<'_> {
    fn put(&mut self, word: &str) {
        self.text.extend_from_slice(word.as_bytes());
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        // texts, numbers and values of JSON are all written, and memory takes everything
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    /// `,"key":`, but for the first of an object.
    fn key(&mut self, key: &str) {
        if self.text.last() != Some(&b'{') {
            self.put(",");
        }
        self.value(key);
        self.put(":");
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        self.value(value);
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.put("[");
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                self.put(",");
            }
            write(self, item);
        }
        self.put("]");
    }

    fn node(&mut self, node: &Node, space: &str) {
        match &node.kind {
            Kind::Primitive(primitive) if node.properties.is_empty() => return self.value(primitive.name()),
            Kind::Union(members) => return self.list(members, |writer, member| writer.node(member, space)),
            Kind::Named(number) => return self.named(*number, space),
            Kind::Primitive(primitive) => {
                self.put("{");
                self.member("type", primitive.name());
            }
            Kind::Array(items) => {
                self.put("{");
                self.member("type", "array");
                self.key("items");
                self.node(items, space);
            }
            Kind::Map(values) => {
                self.put("{");
                self.member("type", "map");
                self.key("values");
                self.node(values, space);
            }
        }
        self.properties(&node.properties);
        self.put("}");
    }

    fn named(&mut self, number: usize, space: &str) {
        let schema = self.schema;
        let Some(named) = schema.named.get(number) else { return self.put("null") };
        if !self.written.insert(number) {
            return self.value(&short(&named.name, space));
        }
        self.put("{");
        match &named.shape {
            Shape::Record(fields) => {
                let is_error = named.is_error && !self.is_bare;
                self.head(if is_error { "error" } else { "record" }, named, space);
                self.key("fields");
                self.list(fields, |writer, field| writer.field(field, &named.name.namespace));
            }
            Shape::Enum { symbols, default } => {
                self.head("enum", named, space);
                self.member("symbols", symbols);
                if let (Some(default), false) = (default, self.is_bare) {
                    self.member("default", default);
                }
            }
            Shape::Fixed(size) => {
                self.head("fixed", named, space);
                self.member("size", size);
            }
            Shape::Pending => {}
        }
        self.properties(&named.properties);
        if !named.aliases.is_empty() && !self.is_bare {
            self.key("aliases");
            self.list(&named.aliases, |writer, alias| writer.value(&short(alias, &named.name.namespace)));
        }
        self.put("}");
    }

    fn head(&mut self, kind: &str, named: &Named, space: &str) {
        self.member("type", kind);
        self.member("name", &named.name.simple);
        if &*named.name.namespace != space {
            self.member("namespace", &*named.name.namespace);
        }
        if let (Some(doc), false) = (&named.doc, self.is_bare) {
            self.member("doc", doc);
        }
    }

    fn field(&mut self, field: &Field, space: &str) {
        self.put("{");
        self.member("name", &field.name);
        self.key("type");
        self.node(&field.node, space);
        if let (Some(doc), false) = (&field.doc, self.is_bare) {
            self.member("doc", doc);
        }
        if let Some(default) = &field.default {
            self.key("default");
            self.given(default);
        }
        if let Some(order) = &field.order {
            self.member("order", order);
        }
        if !field.aliases.is_empty() && !self.is_bare {
            self.member("aliases", &field.aliases);
        }
        self.properties(&field.properties);
        self.put("}");
    }

    /// Properties in name order: their order in the text tells no schemas apart.
    fn properties(&mut self, properties: &Map<String, Value>) {
        let mut sorted: Vec<_> = properties.iter().collect();
        sorted.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in sorted {
            self.key(key);
            self.given(value);
        }
    }

    /// What the schema's author wrote. Equal objects are equal whatever the order of their members.
    fn given(&mut self, value: &Value) {
        if self.is_bare && (value.is_object() || value.is_array()) {
            let mut value = value.clone();
            value.sort_all_objects();
            self.value(&value);
        } else {
            self.value(value);
        }
    }
}

/// A name as it stands in this namespace: in full where it would be taken for a kind of types.
fn short(name: &Name, space: &str) -> String {
    const KINDS: [&str; 14] = [
        "record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float",
        "double", "boolean", "null",
    ];
    let is_near = &*name.namespace == space && !KINDS.contains(&name.simple.as_str());
    if is_near { name.simple.clone() } else { name.full() }
}
