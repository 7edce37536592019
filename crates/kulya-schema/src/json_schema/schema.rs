//! A parsed JSON schema and its dialect.

use super::node::Node;

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
}

/// The dialect of a document, from its `$schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Draft {
    /// 2013; boolean `exclusiveMinimum`, no boolean schemas.
    Draft4,
    /// 2017; `const`, `contains`, `propertyNames`.
    Draft6,
    /// 2018; `if`, `then`, `else`.
    Draft7,
    /// `dependentSchemas`, `unevaluatedProperties`; keywords beside `$ref` count.
    Draft201909,
    /// `prefixItems`; the default for a document without `$schema`.
    #[default]
    Draft202012,
}

impl Schema {
    /// Returns the dialect that it is written in.
    pub fn draft(&self) -> Draft {
        self.draft
    }
}
