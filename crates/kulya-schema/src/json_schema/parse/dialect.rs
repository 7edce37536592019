//! The dialect of a document: declared by `$schema`, or inferred from the notation where none is declared.

use crate::json_schema::draft::Draft;
use crate::text::truncated_json;
use crate::{Error, Result};
use serde_json::Value;

/// Keywords that exist from draft 2019-09 on, beside lists of `items` that end with it.
const KEYWORDS_OF_2019: [&str; 6] = [
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependentSchemas",
    "dependentRequired",
    "minContains",
    "$recursiveRef",
];
/// Keywords whose value is a schema, or a list of them.
const SCHEMAS: [&str; 15] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an object of schemas.
const SCHEMA_MAPS: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Returns the draft that a `$schema` names.
///
/// # Errors
/// It names none that is supported.
pub(super) fn draft_of(uri: &Value) -> Result<Draft> {
    let draft = uri.as_str().and_then(|uri| {
        let uri = uri.trim_end_matches('#');
        let path = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
        Some(match path {
            "json-schema.org/draft-04/schema" => Draft::Draft4,
            "json-schema.org/draft-06/schema" => Draft::Draft6,
            "json-schema.org/draft-07/schema" => Draft::Draft7,
            "json-schema.org/draft/2019-09/schema" => Draft::Draft201909,
            "json-schema.org/draft/2020-12/schema" => Draft::Draft202012,
            _ => return None,
        })
    });
    draft.ok_or_else(|| {
        Error::new(format!(
            "#/$schema: {} is not supported: use draft-04, draft-06, draft-07, 2019-09 or 2020-12",
            truncated_json(uri)
        ))
    })
}

#[derive(Default)]
struct Notation {
    /// Booleans as `exclusiveMinimum` or `exclusiveMaximum`: draft 4.
    has_boolean_bounds: bool,
    /// Lists as `items`: before draft 2020-12.
    has_item_lists: bool,
    has_keywords_of_2019: bool,
    has_keywords_of_2020: bool,
}

/// Infers the draft of a document that declares none: the latest whose notation it is written in.
pub(super) fn infer_draft(document: &Value) -> Draft {
    let mut notation = Notation::default();
    let mut pending = vec![document];
    while let Some(schema) = pending.pop() {
        let Value::Object(schema) = schema else { continue };
        for (keyword, value) in schema {
            let keyword = keyword.as_str();
            match value {
                Value::Bool(_) if matches!(keyword, "exclusiveMinimum" | "exclusiveMaximum") => {
                    notation.has_boolean_bounds = true;
                }
                Value::Array(_) if keyword == "items" => notation.has_item_lists = true,
                _ => {}
            }
            notation.has_keywords_of_2019 |= KEYWORDS_OF_2019.contains(&keyword);
            notation.has_keywords_of_2020 |= matches!(keyword, "prefixItems" | "$dynamicRef");
            match value {
                Value::Object(inner) if SCHEMA_MAPS.contains(&keyword) => pending.extend(inner.values()),
                Value::Array(inner) if SCHEMAS.contains(&keyword) => pending.extend(inner),
                inner if SCHEMAS.contains(&keyword) => pending.push(inner),
                _ => {}
            }
        }
    }
    match notation {
        Notation { has_keywords_of_2020: true, .. } => Draft::Draft202012,
        Notation { has_boolean_bounds: true, .. } => Draft::Draft4,
        Notation { has_item_lists: true, has_keywords_of_2019: true, .. } => Draft::Draft201909,
        Notation { has_item_lists: true, .. } => Draft::Draft7,
        _ => Draft::Draft202012,
    }
}
