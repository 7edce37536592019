//! The fields of an Avro schema, by name.

use super::describe::{describe, listed};
use super::{Kind, Node, Schema, Shape};
use crate::fields::{List, MAX_DEPTH, below};

impl Schema {
    pub(crate) fn list(&self, list: &mut List<'_>) {
        self.list_node(&self.root, "", &mut Vec::new(), list);
    }

    fn list_node(&self, node: &Node, path: &str, on_the_way: &mut Vec<usize>, list: &mut List<'_>) {
        if !list.may_go_on() || on_the_way.len() > MAX_DEPTH {
            return;
        }
        match &node.kind {
            Kind::Primitive(_) => {}
            Kind::Array(items) => self.list_node(items, &format!("{path}[]"), on_the_way, list),
            Kind::Map(values) => self.list_node(values, &format!("{path}{{}}"), on_the_way, list),
            Kind::Union(members) => {
                for member in members {
                    self.list_node(member, path, on_the_way, list);
                }
            }
            Kind::Named(number) => {
                let Some(Shape::Record(fields)) = self.named.get(*number).map(|named| &named.shape) else {
                    return;
                };
                if on_the_way.contains(number) {
                    return;
                }
                on_the_way.push(*number);
                for field in fields {
                    let Some(path) = below(path, &field.name) else { continue };
                    list.add(&path, self.kind_of(&field.node));
                    self.list_node(&field.node, &path, on_the_way, list);
                }
                on_the_way.pop();
            }
        }
    }

    /// The type in a few words, an enum's symbols with it.
    fn kind_of(&self, node: &Node) -> String {
        let Kind::Named(number) = &node.kind else { return describe(self, node) };
        match self.named.get(*number).map(|named| &named.shape) {
            Some(Shape::Enum { symbols, .. }) => {
                format!("{} {}", describe(self, node), listed(symbols.iter().map(String::as_str)))
            }
            _ => describe(self, node),
        }
    }
}
