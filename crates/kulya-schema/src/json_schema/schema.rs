//! A parsed JSON schema.

use super::draft::Draft;
use super::node::{Body, Node, Target};

/// A parsed schema: its subschemas refer to each other by index.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(super) draft: Draft,
    pub(super) root: usize,
    pub(super) nodes: Vec<Node>,
    /// The document as it was given; fragments are looked up in it only to report a reason.
    pub(super) text: String,
    /// Whether a dynamic reference of another document may lead into this one.
    pub(super) has_dynamic_anchors: bool,
    /// Whether it declares draft 4, in which an integer is not written as `1.0`.
    pub(super) has_draft4_integers: bool,
}

impl Schema {
    /// Returns the dialect that it is written in.
    pub fn draft(&self) -> Draft {
        self.draft
    }

    /// Returns the URIs of references to other documents.
    pub(crate) fn external_references(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.body {
            Body::Keywords(keywords) => match &keywords.reference {
                Some(Target::External(uri)) => Some(uri.as_str()),
                _ => None,
            },
            Body::Boolean(_) => None,
        })
    }
}
