//! The names by which schemas that stand in files refer to each other: what a schema defines, and what it
//! uses without defining it. A registry needs neither, because references say both.

use super::avro::{self, Kind, PRIMITIVES, join};
use super::json;
use super::reference::text;
use crate::{Budget, Format, Result, SchemaInfo, bounded_json};
use serde_json::Value;
use std::collections::BTreeSet;

/// The names that a schema defines and uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The full names of Avro types, or the absolute `$id` of a JSON schema.
    pub defined: Vec<String>,
    /// What it uses: for Avro the full names that a name may mean, the first that is defined counts; for JSON
    /// Schema the URI of a `$ref` without its fragment.
    pub used: Vec<Vec<String>>,
}

/// Finds the names of a schema; a Protobuf schema or a custom one has none.
///
/// # Errors
/// The schema cannot be parsed, or is over a limit.
pub fn names(schema: &SchemaInfo, budget: &Budget) -> Result<Names> {
    match schema.format {
        Format::Avro => avro_names(schema, budget),
        Format::Json => {
            let (defined, used) = json::names(schema, budget)?;
            Ok(Names {
                defined: defined.into_iter().collect(),
                used: used.into_iter().map(|uri| vec![uri]).collect(),
            })
        }
        _ => Ok(Names::default()),
    }
}

/// Returns a JSON schema with an absolute `$id`: this URI, or its own one relative to that. Another schema is
/// returned unchanged.
///
/// # Errors
/// The schema is no JSON object.
pub fn with_base_uri(schema: SchemaInfo, uri: &str) -> Result<SchemaInfo> {
    match schema.format {
        Format::Json => json::with_base_uri(schema, uri),
        _ => Ok(schema),
    }
}

/// Returns the types that a schema defines, and those that it uses and does not define.
fn avro_names(schema: &SchemaInfo, budget: &Budget) -> Result<Names> {
    let root = bounded_json::parse(text(schema, "the schema")?)?;
    let own = avro::names_of(&root)?;
    let mut used = BTreeSet::new();
    collect_used(&root, "", 0, &mut used, budget)?;
    let undefined = |name: &String| !own.contains(name);
    let used = used.into_iter().filter(|candidates: &Vec<String>| candidates.iter().all(undefined)).collect();
    Ok(Names { defined: own.into_iter().collect(), used })
}

/// Collects what the names of types may mean, except those of primitive types.
fn collect_used(
    value: &Value,
    namespace: &str,
    depth: usize,
    used: &mut BTreeSet<Vec<String>>,
    budget: &Budget,
) -> Result<()> {
    avro::check_depth(depth)?;
    budget.try_spend(1, namespace)?;
    match value {
        Value::String(name) if PRIMITIVES.contains(&name.as_str()) => {}
        Value::String(name) if name.contains('.') || namespace.is_empty() => {
            used.insert(vec![name.clone()]);
        }
        Value::String(name) => {
            used.insert(vec![join(namespace, name), name.clone()]);
        }
        Value::Array(members) => {
            for member in members {
                collect_used(member, namespace, depth + 1, used, budget)?;
            }
        }
        Value::Object(object) => match avro::kind(object) {
            Kind::Named => {
                let name = avro::declared_name(object, namespace).unwrap_or_default();
                let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
                for field in fields.filter_map(|field| field.get("type")) {
                    collect_used(field, avro::namespace_of(&name), depth + 1, used, budget)?;
                }
            }
            Kind::Container(key) => {
                if let Some(inner) = object.get(key) {
                    collect_used(inner, namespace, depth + 1, used, budget)?;
                }
            }
            Kind::Other => {
                if let Some(name @ Value::String(_)) = object.get("type") {
                    collect_used(name, namespace, depth + 1, used, budget)?;
                }
            }
        },
        _ => {}
    }
    Ok(())
}
