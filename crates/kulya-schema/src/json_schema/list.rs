//! The properties that a JSON schema describes, by name.

use super::Schema;
use super::node::{Body, Target};
use crate::fields::{List, MAX_DEPTH, below};

impl Schema {
    pub(crate) fn list(&self, list: &mut List<'_>) {
        self.list_node(self.root, "", &mut Vec::new(), list);
    }

    fn list_node(&self, number: usize, path: &str, on_the_way: &mut Vec<usize>, list: &mut List<'_>) {
        let Some(Body::Keywords(keywords)) = self.nodes.get(number).map(|node| &node.body) else { return };
        if !list.may_go_on() || on_the_way.len() > MAX_DEPTH || on_the_way.contains(&number) {
            return;
        }
        on_the_way.push(number);
        for (name, schema) in &keywords.properties {
            let Some(path) = below(path, name) else { continue };
            list.add(&path, self.words(*schema));
            self.list_node(*schema, &path, on_the_way, list);
        }
        if let Some(Target::Local(target)) = keywords.reference {
            self.list_node(target, path, on_the_way, list);
        }
        let branches = [Some(&keywords.all_of), keywords.any_of.as_ref(), keywords.one_of.as_ref()];
        for branch in branches.into_iter().flatten().flatten() {
            self.list_node(*branch, path, on_the_way, list);
        }
        for items in keywords.prefix.iter().chain(keywords.rest.as_ref().map(|(rest, _)| rest)) {
            self.list_node(*items, &format!("{path}[]"), on_the_way, list);
        }
        if let Some(values) = keywords.additional {
            self.list_node(values, &format!("{path}{{}}"), on_the_way, list);
        }
        on_the_way.pop();
    }

    /// The types that a subschema allows, where it says so itself.
    fn words(&self, number: usize) -> String {
        let Some(Body::Keywords(keywords)) = self.nodes.get(number).map(|node| &node.body) else {
            return String::new();
        };
        keywords.scalars.types.map(|types| types.words()).unwrap_or_default()
    }
}
