//! The form of a schema that matters to resolution: two schemas of equal form get the same verdicts and
//! warnings, whatever their documentation, values of defaults and sort orders are. With one exception:
//! aliases are ignored between schemas that are otherwise equal, and equality includes all of these. So a
//! schema that has aliases gets a form of its own, and other schemas are compared with it one by one.

use super::logical;
use super::schema::{Definition, Field, Kind, Node, Schema};
use std::collections::HashMap;
use std::fmt::Write;

impl Schema {
    /// Returns a text that is equal for schemas that resolve equally in every
    /// [`ResolutionMode`](super::ResolutionMode).
    pub fn compatibility_form(&self) -> String {
        if self.has_aliases() {
            return format!("={}", self.canonical_form());
        }
        let mut writer = FormWriter { schema: self, numbers: HashMap::new(), text: String::new() };
        writer.node(&self.root);
        writer.text
    }

    /// Returns whether any type has a logical type.
    pub(crate) fn has_logical_types(&self) -> bool {
        let mut nodes = vec![&self.root];
        for named in &self.named {
            if named.properties.contains_key("logicalType") {
                return true;
            }
            if let Definition::Record(fields) = &named.definition {
                nodes.extend(fields.iter().map(|field| &field.node));
            }
        }
        while let Some(node) = nodes.pop() {
            match &node.kind {
                Kind::Array(inner) | Kind::Map(inner) => nodes.push(inner),
                Kind::Union(members) => nodes.extend(members),
                Kind::Primitive(_) | Kind::Named(_) => {}
            }
            if node.properties.contains_key("logicalType") {
                return true;
            }
        }
        false
    }

    /// Returns whether any type or field has aliases.
    pub(crate) fn has_aliases(&self) -> bool {
        let of_fields = |definition: &Definition| match definition {
            Definition::Record(fields) => fields.iter().any(|field| !field.aliases.is_empty()),
            _ => false,
        };
        self.named.iter().any(|named| !named.aliases.is_empty() || of_fields(&named.definition))
    }
}

struct FormWriter<'a> {
    schema: &'a Schema,
    /// Named types numbered in the order of their first use: where they are defined does not matter.
    numbers: HashMap<usize, usize>,
    text: String,
}

impl FormWriter<'_> {
    /// Writes a type. Names consist of letters, digits, `_` and `.`, so the delimiters make the text
    /// unambiguous.
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
        self.logical_type(node);
    }

    /// Writes the logical type, quoted, and what matters of a decimal.
    fn logical_type(&mut self, node: &Node) {
        if let Some(name) = logical::name(self.schema, node) {
            self.push(format_args!("@{name:?}"));
        }
        if let Some(decimal) = logical::decimal(self.schema, node) {
            self.push(format_args!("{},{}", decimal.precision, decimal.scale));
        }
    }

    fn named(&mut self, number: usize) {
        let next = self.numbers.len();
        if let Some(defined) = self.numbers.get(&number).copied() {
            self.push(format_args!("#{defined}"));
            return;
        }
        self.numbers.insert(number, next);
        let schema = self.schema;
        let Some(named) = schema.named.get(number) else { return };
        self.push(format_args!("{}:{}", named.name.namespace, named.name.simple));
        match &named.definition {
            Definition::Record(fields) => {
                self.text.push('{');
                for field in fields {
                    self.field(field);
                }
                self.text.push('}');
            }
            Definition::Enum { symbols, default } => {
                for symbol in symbols {
                    self.push(format_args!("${symbol}"));
                }
                if default.is_some() {
                    self.text.push('=');
                }
            }
            Definition::Fixed(size) => self.push(format_args!("%{size}")),
            Definition::Pending => {}
        }
    }

    fn field(&mut self, field: &Field) {
        self.text += &field.name;
        self.text.push(if field.default.is_some() { '=' } else { ' ' });
        self.node(&field.node);
        self.text.push(';');
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // writing to a String does not fail
        let _ = self.text.write_fmt(arguments);
    }
}
