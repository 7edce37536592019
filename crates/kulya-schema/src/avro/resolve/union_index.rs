//! The named members of a reader's union by name, so that each member of a writer's union finds its own
//! without a comparison with all: an envelope has a thousand on both sides.

use crate::avro::schema::{Definition, Kind, Name, Node, Schema};
use std::collections::HashMap;

/// The named members of one union.
pub(super) struct UnionIndex<'a> {
    by_name: HashMap<&'a Name, &'a Node>,
    /// In the union's order. A record is also listed under the simple names of its aliases, behind those that
    /// have the name itself.
    by_simple_name: HashMap<&'a str, Vec<&'a Node>>,
}

impl<'a> UnionIndex<'a> {
    pub(super) fn of(schema: &'a Schema, members: &'a [Node]) -> Self {
        let mut index = Self { by_name: HashMap::new(), by_simple_name: HashMap::new() };
        let named = |node: &'a Node| match node.kind {
            Kind::Named(number) => schema.named.get(number).map(|named| (node, named)),
            _ => None,
        };
        for (node, named) in members.iter().filter_map(named) {
            index.by_name.entry(&named.name).or_insert(node);
            index.by_simple_name.entry(&named.name.simple).or_default().push(node);
        }
        for (node, named) in members.iter().filter_map(named) {
            if matches!(named.definition, Definition::Record(_)) {
                for alias in &named.aliases {
                    index.by_simple_name.entry(&alias.simple).or_default().push(node);
                }
            }
        }
        index
    }

    /// Returns the member of this full name.
    pub(super) fn by_name(&self, name: &Name) -> Option<&'a Node> {
        self.by_name.get(name).copied()
    }

    /// Returns the members of this simple name, whatever their namespaces.
    pub(super) fn by_simple_name(&self, simple: &str) -> &[&'a Node] {
        self.by_simple_name.get(simple).map_or(&[], Vec::as_slice)
    }
}
