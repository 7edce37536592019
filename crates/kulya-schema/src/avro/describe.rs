//! Types and names in a few words, as reasons and lists of fields show them.

use super::{Kind, Named, Node, Schema, Shape, kind_name};

/// So many names are listed, and the rest are counted.
const LISTED: usize = 20;

/// Names, as a reason shows them.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names.take(LISTED).map(crate::shortened).collect::<Vec<_>>().join(", ");
    match more {
        0 => format!("[{shown}]"),
        more => format!("[{shown} and {more} more]"),
    }
}

/// A type in a few words.
pub(super) fn describe(schema: &Schema, node: &Node) -> String {
    match &node.kind {
        Kind::Union(members) => {
            let shown: Vec<_> = members.iter().take(LISTED).map(|member| describe(schema, member)).collect();
            let more = match members.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("union [{}{more}]", shown.join(", "))
        }
        Kind::Named(number) => match schema.named.get(*number) {
            Some(Named { name, shape: Shape::Record(_), .. }) => format!("record {}", name.full()),
            Some(Named { name, shape: Shape::Enum { .. }, .. }) => format!("enum {}", name.full()),
            Some(Named { name, .. }) => format!("fixed {}", name.full()),
            None => "unknown".to_owned(),
        },
        kind => kind_name(kind).to_owned(),
    }
}
