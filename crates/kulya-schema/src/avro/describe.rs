//! Short descriptions of types and names, for reasons and lists of fields.

use super::schema::{Definition, Kind, NamedType, Node, Schema, kind_name};

/// The maximum number of names that a description lists; the rest are counted.
const MAX_LISTED: usize = 20;

/// Formats a list of names.
pub(super) fn list_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let shown = names.take(MAX_LISTED).map(crate::text::truncated).collect::<Vec<_>>().join(", ");
    match more {
        0 => format!("[{shown}]"),
        more => format!("[{shown} and {more} more]"),
    }
}

/// Describes a type in a few words.
pub(super) fn describe(schema: &Schema, node: &Node) -> String {
    match &node.kind {
        Kind::Union(members) => {
            let shown: Vec<_> =
                members.iter().take(MAX_LISTED).map(|member| describe(schema, member)).collect();
            let more = match members.len().saturating_sub(MAX_LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("union [{}{more}]", shown.join(", "))
        }
        Kind::Named(number) => match schema.named.get(*number) {
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
