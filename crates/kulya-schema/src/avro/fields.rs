//! The fields of an Avro schema by path.

use super::describe::{MAX_LISTED, describe, list_names};
use super::logical;
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
                    collector.add(&path, self.describe_in_full(&field.node));
                    self.collect_node(&field.node, &path, ancestors, collector);
                }
                ancestors.pop();
            }
        }
    }

    /// Describes the type, including its logical type and an enum's symbols.
    fn describe_in_full(&self, node: &Node) -> String {
        if let Kind::Union(members) = &node.kind
            && members.iter().any(|member| logical::name(self, member).is_some())
        {
            let members: Vec<_> =
                members.iter().take(MAX_LISTED).map(|member| self.describe_in_full(member)).collect();
            return format!("union [{}]", members.join(", "));
        }
        let mut text = describe(self, node);
        if let Kind::Named(index) = &node.kind
            && let Some(Definition::Enum { symbols, .. }) =
                self.named.get(*index).map(|named| &named.definition)
        {
            text = format!("{text} {}", list_names(symbols.iter().map(String::as_str)));
        }
        match (logical::decimal(self, node), logical::name(self, node)) {
            (Some(decimal), _) => {
                format!("{text} (decimal of precision {} and scale {})", decimal.precision, decimal.scale)
            }
            (None, Some(name)) => format!("{text} ({})", crate::text::truncated(name)),
            (None, None) => text,
        }
    }
}
