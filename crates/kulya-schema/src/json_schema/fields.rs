//! The properties that a JSON schema describes, by path.

use super::node::{Body, Target};
use super::schema::Schema;
use crate::field_collector::{FieldCollector, MAX_DEPTH, child_path};

impl Schema {
    pub(crate) fn collect_fields(&self, collector: &mut FieldCollector<'_>) {
        self.collect_node(self.root, "", &mut Vec::new(), collector);
    }

    fn collect_node(
        &self,
        number: usize,
        path: &str,
        ancestors: &mut Vec<usize>,
        collector: &mut FieldCollector<'_>,
    ) {
        let Some(Body::Keywords(keywords)) = self.nodes.get(number).map(|node| &node.body) else { return };
        if !collector.visit() || ancestors.len() > MAX_DEPTH || ancestors.contains(&number) {
            return;
        }
        ancestors.push(number);
        for (name, schema) in &keywords.properties {
            let Some(path) = child_path(path, name) else { continue };
            collector.add(&path, self.type_names(*schema));
            self.collect_node(*schema, &path, ancestors, collector);
        }
        if let Some(Target::Local(target)) = keywords.reference {
            self.collect_node(target, path, ancestors, collector);
        }
        let branches = [Some(&keywords.all_of), keywords.any_of.as_ref(), keywords.one_of.as_ref()];
        for branch in branches.into_iter().flatten().flatten() {
            self.collect_node(*branch, path, ancestors, collector);
        }
        for items in
            keywords.prefix_items.iter().chain(keywords.additional_items.as_ref().map(|(rest, _)| rest))
        {
            self.collect_node(*items, &format!("{path}[]"), ancestors, collector);
        }
        if let Some(values) = keywords.additional_properties {
            self.collect_node(values, &format!("{path}{{}}"), ancestors, collector);
        }
        ancestors.pop();
    }

    /// Returns the types that a subschema's own `type` keyword allows.
    fn type_names(&self, number: usize) -> String {
        let Some(Body::Keywords(keywords)) = self.nodes.get(number).map(|node| &node.body) else {
            return String::new();
        };
        keywords.assertions.types.map(|types| types.type_names()).unwrap_or_default()
    }
}
