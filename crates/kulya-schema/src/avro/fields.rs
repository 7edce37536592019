//! The fields of an Avro schema by path.

use super::describe::{describe, list_names};
use super::schema::{Definition, Kind, Node, Schema};
use crate::field_collector::{FieldCollector, MAX_DEPTH, child_path};

impl Schema {
    pub(crate) fn collect_fields(&self, collector: &mut FieldCollector<'_>) {
        self.collect_node(&self.root, "", &mut Vec::new(), collector);
    }

    fn collect_node(
        &self,
        node: &Node,
        path: &str,
        ancestors: &mut Vec<usize>,
        collector: &mut FieldCollector<'_>,
    ) {
        if !collector.visit() || ancestors.len() > MAX_DEPTH {
            return;
        }
        match &node.kind {
            Kind::Primitive(_) => {}
            Kind::Array(items) => self.collect_node(items, &format!("{path}[]"), ancestors, collector),
            Kind::Map(values) => self.collect_node(values, &format!("{path}{{}}"), ancestors, collector),
            Kind::Union(members) => {
                for member in members {
                    self.collect_node(member, path, ancestors, collector);
                }
            }
            Kind::Named(index) => {
                let Some(Definition::Record(fields)) = self.named.get(*index).map(|named| &named.definition)
                else {
                    return;
                };
                if ancestors.contains(index) {
                    return;
                }
                ancestors.push(*index);
                for field in fields {
                    let Some(path) = child_path(path, &field.name) else { continue };
                    collector.add(&path, self.describe_with_symbols(&field.node));
                    self.collect_node(&field.node, &path, ancestors, collector);
                }
                ancestors.pop();
            }
        }
    }

    /// Describes the type, including an enum's symbols.
    fn describe_with_symbols(&self, node: &Node) -> String {
        let Kind::Named(index) = &node.kind else { return describe(self, node) };
        match self.named.get(*index).map(|named| &named.definition) {
            Some(Definition::Enum { symbols, .. }) => {
                format!("{} {}", describe(self, node), list_names(symbols.iter().map(String::as_str)))
            }
            _ => describe(self, node),
        }
    }
}
