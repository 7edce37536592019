//! Dynamic references. `$dynamicRef` leads to the outermost resource with the anchor on the path of the
//! evaluation. That path starts at the root, so an anchor of the root is the target of every path; and a
//! single resource has only one target. Elsewhere the target depends on the path, and stays unknown.
//! module circle: these are steps of the parser, which collects the references that they resolve.

use super::assertions::{Object, invalid};
use super::{Parser, Target};
use crate::Result;
use crate::json_schema::node::{Body, Node, Unsupported};
use crate::json_schema::reference;
use serde_json::Value;

/// A `$dynamicRef` or `$recursiveRef` that was not resolved yet.
pub(super) struct DynamicReference {
    from: usize,
    keyword: &'static str,
    uri: String,
    resource: usize,
}

impl Parser<'_> {
    pub(super) fn dynamic_reference(
        &mut self,
        object: &Object,
        from: usize,
        pointer: &str,
        resource: usize,
    ) -> Result<()> {
        for keyword in ["$dynamicRef", "$recursiveRef"] {
            match object.get(keyword) {
                None => {}
                Some(Value::String(uri)) => {
                    let uri = uri.clone();
                    self.dynamic_references.push(DynamicReference { from, keyword, uri, resource });
                }
                Some(_) => return invalid(pointer, format!("a {keyword} is a string")),
            }
        }
        Ok(())
    }

    /// Resolves every dynamic reference, as far as its target does not depend on the path to it.
    pub(super) fn resolve_dynamic_references(&mut self, document: &mut Value) -> Result<()> {
        while let Some(reference) = self.dynamic_references.pop() {
            let target = self.resolve(document, &reference.uri, reference.resource)?;
            // the target may have been parsed just now, with references of its own
            self.resolve_references(document)?;
            let (_, fragment) = reference::split(&reference.uri);
            let anchor = if reference.keyword == "$recursiveRef" { "" } else { fragment };
            let Target::Local(first) = target else {
                self.set_unsupported(&reference, Vec::new());
                continue;
            };
            let is_dynamic =
                self.dynamic_anchors.iter().any(|(_, name, number)| name == anchor && *number == first);
            if !is_dynamic {
                self.add_target(reference.from, first);
                continue;
            }
            let named: Vec<(usize, usize)> = self
                .dynamic_anchors
                .iter()
                .filter(|(_, name, _)| name == anchor)
                .map(|(resource, _, number)| (*resource, *number))
                .collect();
            let of_root = named.iter().find(|(resource, _)| *resource == 0);
            match (of_root, named.as_slice()) {
                (Some((_, target)), _) | (None, [(_, target)]) => self.add_target(reference.from, *target),
                _ => self.set_unsupported(&reference, named.iter().map(|(_, number)| *number).collect()),
            }
        }
        Ok(())
    }

    fn add_target(&mut self, from: usize, target: usize) {
        if let Some(Some(Node { body: Body::Keywords(keywords), .. })) = self.nodes.get_mut(from) {
            keywords.all_of.push(target);
        }
    }

    fn set_unsupported(&mut self, reference: &DynamicReference, targets: Vec<usize>) {
        if let Some(Some(Node { body: Body::Keywords(keywords), .. })) = self.nodes.get_mut(reference.from) {
            let value = Value::from(reference.uri.as_str());
            keywords.assertions.unsupported.push(Unsupported { keyword: reference.keyword, value });
            keywords.dynamic_targets.extend(targets);
        }
    }
}
