//! The canonical form: Avro Java's compact text of a schema, which ignores white space and the order of
//! attributes, and nothing else (contract §2.1). It is not the specification's Parsing Canonical Form, which
//! drops more.

use super::schema::{Definition, Field, Kind, Name, NamedType, Node, Schema};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

impl Schema {
    /// Returns the canonical form. Each named type is defined at its first use, and referred to by name
    /// elsewhere.
    pub fn canonical_form(&self) -> String {
        self.write(false)
    }

    /// Returns the form that Java compares for equality of schemas: without documentation and aliases.
    pub(super) fn equality_form(&self) -> String {
        self.write(true)
    }

    fn write(&self, is_equality_form: bool) -> String {
        let mut writer =
            CanonicalWriter { schema: self, is_equality_form, defined: HashSet::new(), text: Vec::new() };
        writer.node(&self.root, "");
        String::from_utf8(writer.text).unwrap_or_default()
    }
}

/// Writes the text directly: a tree of JSON values would take many times its size.
struct CanonicalWriter<'a> {
    schema: &'a Schema,
    /// Whether documentation and aliases are omitted.
    is_equality_form: bool,
    /// The named types that were already written.
    defined: HashSet<usize>,
    text: Vec<u8>,
}

impl CanonicalWriter<'_> {
    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        // serializing to memory does not fail
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    /// Writes a key, with a comma before it unless it is the first of an object.
    fn key(&mut self, key: &str) {
        if self.text.last() != Some(&b'{') {
            self.push(",");
        }
        self.value(key);
        self.push(":");
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        self.value(value);
    }

    fn array<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.push("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(",");
            }
            write(self, item);
        }
        self.push("]");
    }

    fn node(&mut self, node: &Node, namespace: &str) {
        match &node.kind {
            Kind::Primitive(primitive) if node.properties.is_empty() => return self.value(primitive.name()),
            Kind::Union(members) => {
                return self.array(members, |writer, member| writer.node(member, namespace));
            }
            Kind::Named(index) => return self.named(*index, namespace),
            Kind::Primitive(primitive) => {
                self.push("{");
                self.member("type", primitive.name());
            }
            Kind::Array(items) => {
                self.push("{");
                self.member("type", "array");
                self.key("items");
                self.node(items, namespace);
            }
            Kind::Map(values) => {
                self.push("{");
                self.member("type", "map");
                self.key("values");
                self.node(values, namespace);
            }
        }
        self.properties(&node.properties);
        self.push("}");
    }

    fn named(&mut self, index: usize, namespace: &str) {
        let schema = self.schema;
        let Some(named) = schema.named.get(index) else { return self.push("null") };
        if !self.defined.insert(index) {
            return self.value(&relative_name(&named.name, namespace));
        }
        self.push("{");
        match &named.definition {
            Definition::Record(fields) => {
                let is_error = named.is_error && !self.is_equality_form;
                self.header(if is_error { "error" } else { "record" }, named, namespace);
                self.key("fields");
                self.array(fields, |writer, field| writer.field(field, &named.name.namespace));
            }
            Definition::Enum { symbols, default } => {
                self.header("enum", named, namespace);
                self.member("symbols", symbols);
                if let (Some(default), false) = (default, self.is_equality_form) {
                    self.member("default", default);
                }
            }
            Definition::Fixed(size) => {
                self.header("fixed", named, namespace);
                self.member("size", size);
            }
            Definition::Pending => {}
        }
        self.properties(&named.properties);
        if !named.aliases.is_empty() && !self.is_equality_form {
            self.key("aliases");
            self.array(&named.aliases, |writer, alias| {
                writer.value(&relative_name(alias, &named.name.namespace))
            });
        }
        self.push("}");
    }

    fn header(&mut self, kind: &str, named: &NamedType, namespace: &str) {
        self.member("type", kind);
        self.member("name", &named.name.simple);
        if &*named.name.namespace != namespace {
            self.member("namespace", &*named.name.namespace);
        }
        if let (Some(doc), false) = (&named.doc, self.is_equality_form) {
            self.member("doc", doc);
        }
    }

    fn field(&mut self, field: &Field, namespace: &str) {
        self.push("{");
        self.member("name", &field.name);
        self.key("type");
        self.node(&field.node, namespace);
        if let (Some(doc), false) = (&field.doc, self.is_equality_form) {
            self.member("doc", doc);
        }
        if let Some(default) = &field.default {
            self.key("default");
            self.json(default);
        }
        if let Some(order) = &field.order {
            self.member("order", order);
        }
        if !field.aliases.is_empty() && !self.is_equality_form {
            self.member("aliases", &field.aliases);
        }
        self.properties(&field.properties);
        self.push("}");
    }

    /// Writes properties sorted by name: their order in the text does not matter.
    fn properties(&mut self, properties: &Map<String, Value>) {
        let mut sorted: Vec<_> = properties.iter().collect();
        sorted.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in sorted {
            self.key(key);
            self.json(value);
        }
    }

    /// Writes a value of the schema's author. For equality, the members of objects are sorted.
    fn json(&mut self, value: &Value) {
        if self.is_equality_form && (value.is_object() || value.is_array()) {
            let mut value = value.clone();
            value.sort_all_objects();
            self.value(&value);
        } else {
            self.value(value);
        }
    }
}

/// Returns the shortest reference to a name from a namespace: the full name if the simple one would be read
/// as a kind.
fn relative_name(name: &Name, namespace: &str) -> String {
    const KINDS: [&str; 14] = [
        "record", "enum", "array", "map", "union", "fixed", "string", "bytes", "int", "long", "float",
        "double", "boolean", "null",
    ];
    let is_short = &*name.namespace == namespace && !KINDS.contains(&name.simple.as_str());
    if is_short { name.simple.clone() } else { name.full() }
}
