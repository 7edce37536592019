//! What of a schema matters to whether it reads or is read: two of one shape get the same verdicts, whatever their
//! documentation, defaults' values, logical types and order of sorting are.

use super::{Field, Kind, Node, Schema, Shape};
use std::collections::HashMap;
use std::fmt::Write;

impl Schema {
    /// A text that is equal for schemas that resolve alike, by either [`Resolution`](super::Resolution).
    pub fn shape(&self) -> String {
        let mut writer = Writer { schema: self, numbers: HashMap::new(), text: String::new() };
        writer.node(&self.root);
        writer.text
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
        self.names('@', &named.aliases);
        match &named.shape {
            Shape::Record(fields) => {
                self.text.push('{');
                for field in fields {
                    self.field(field);
                }
                self.text.push('}');
            }
            Shape::Enum { symbols, default } => {
                self.names('$', symbols);
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
        self.names('@', &field.aliases);
        self.text.push(if field.default.is_some() { '=' } else { ' ' });
        self.node(&field.node);
        self.text.push(';');
    }

    fn names(&mut self, sign: char, names: &[String]) {
        for name in names {
            self.text.push(sign);
            // an alias is any text
            self.put(format_args!("{name:?}"));
        }
    }

    fn put(&mut self, words: std::fmt::Arguments<'_>) {
        // a String takes everything
        let _ = self.text.write_fmt(words);
    }
}
