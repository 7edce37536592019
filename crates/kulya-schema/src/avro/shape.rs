//! What of a schema matters to whether it reads or is read: two of one shape get the same verdicts, whatever their
//! documentation, defaults' values, logical types and order of sorting are. With one exception: aliases do not count
//! between schemas that are equal but for them, and equal they are with all of that. So a schema that has aliases gets a
//! shape of its own, and others are judged by it one by one.

use super::{Field, Kind, Node, Schema, Shape};
use std::collections::HashMap;
use std::fmt::Write;

impl Schema {
    /// A text that is equal for schemas that resolve alike, by either [`Resolution`](super::Resolution).
    pub fn shape(&self) -> String {
        if self.has_aliases() {
            return format!("={}", self.normal_form());
        }
        let mut writer = Writer { schema: self, numbers: HashMap::new(), text: String::new() };
        writer.node(&self.root);
        writer.text
    }

    /// Whether anything in it has another name.
    pub(crate) fn has_aliases(&self) -> bool {
        let of_fields = |shape: &Shape| match shape {
            Shape::Record(fields) => fields.iter().any(|field| !field.aliases.is_empty()),
            _ => false,
        };
        self.named.iter().any(|named| !named.aliases.is_empty() || of_fields(&named.shape))
    }
}

struct Writer<'a> {
    schema: &'a Schema,
    /// Named types in the order in which they are met: where they are defined does not matter.
    numbers: HashMap<usize, usize>,
    text: String,
}

impl Writer<'_> {
    /// Names are letters, digits, `_` and `.` only, so the signs between them keep all apart.
    fn node(&mut self, node: &Node) {
        match &node.kind {
            Kind::Primitive(primitive) => self.text += primitive.name(),
            Kind::Array(items) => {
                self.text.push('[');
                self.node(items);
                self.text.push(']');
            }
            Kind::Map(values) => {
                self.text.push('<');
                self.node(values);
                self.text.push('>');
            }
            Kind::Union(members) => {
                self.text.push('(');
                for member in members {
                    self.node(member);
                    self.text.push('|');
                }
                self.text.push(')');
            }
            Kind::Named(number) => self.named(*number),
        }
    }

    fn named(&mut self, number: usize) {
        let next = self.numbers.len();
        if let Some(known) = self.numbers.get(&number).copied() {
            self.put(format_args!("#{known}"));
            return;
        }
        self.numbers.insert(number, next);
        let schema = self.schema;
        let Some(named) = schema.named.get(number) else { return };
        self.put(format_args!("{}:{}", named.name.namespace, named.name.simple));
        match &named.shape {
            Shape::Record(fields) => {
                self.text.push('{');
                for field in fields {
                    self.field(field);
                }
                self.text.push('}');
            }
            Shape::Enum { symbols, default } => {
                for symbol in symbols {
                    self.put(format_args!("${symbol}"));
                }
                if default.is_some() {
                    self.text.push('=');
                }
            }
            Shape::Fixed(size) => self.put(format_args!("%{size}")),
            Shape::Pending => {}
        }
    }

    fn field(&mut self, field: &Field) {
        self.text += &field.name;
        self.text.push(if field.default.is_some() { '=' } else { ' ' });
        self.node(&field.node);
        self.text.push(';');
    }

    fn put(&mut self, words: std::fmt::Arguments<'_>) {
        // a String takes everything
        let _ = self.text.write_fmt(words);
    }
}
