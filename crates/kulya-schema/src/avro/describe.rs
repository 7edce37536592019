//! Short descriptions of types and names, for reasons and lists of fields.

use super::schema::{Definition, Kind, NamedType, Node, Schema, kind_name};

/// The maximum number of names that a description lists; the rest are counted.
pub(super) const MAX_LISTED: usize = 20;

/// Formats a list of names.
pub(super) fn list_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let listed = names.take(MAX_LISTED).map(crate::text::truncated).collect::<Vec<_>>().join(", ");
    match more {
        0 => format!("[{listed}]"),
        more => format!("[{listed} and {more} more]"),
    }
}

/// Describes a type in a few words.
pub(super) fn describe(schema: &Schema, node: &Node) -> String {
    match &node.kind {
        Kind::Union(members) => {
            let listed: Vec<_> =
                members.iter().take(MAX_LISTED).map(|member| describe(schema, member)).collect();
            let more = match members.len().saturating_sub(MAX_LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("union [{}{more}]", listed.join(", "))
        }
        Kind::Named(index) => match schema.named.get(*index) {
            Some(NamedType { name, definition: Definition::Record(_), .. }) => {
                format!("record {}", name.full())
            }
            Some(NamedType { name, definition: Definition::Enum { .. }, .. }) => {
                format!("enum {}", name.full())
            }
            Some(NamedType { name, .. }) => format!("fixed {}", name.full()),
            None => "unknown".to_owned(),
        },
        kind => kind_name(kind).to_owned(),
    }
}
