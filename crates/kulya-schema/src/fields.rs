//! The fields of a schema by name and type, for whoever searches, and what changed between two schemas, for whoever reads.
//! Nothing is judged here.

use crate::{Budget, Format, Result, SchemaInfo, avro, json_schema, protobuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many fields are listed of one schema; what follows is left out.
pub const MAX_FIELDS: usize = 10_000;
/// Fields are listed to this depth. A type that holds itself is listed once on each way.
pub(crate) const MAX_DEPTH: usize = 16;
/// So many types are looked at.
const MAX_STEPS: usize = 100_000;
/// A field whose path is longer, in bytes, is left out, and what is below it.
const MAX_PATH_BYTES: usize = 2_000;
/// So many bytes of paths and types are listed of one schema.
const MAX_LIST_BYTES: usize = 4 << 20;

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Field {
    /// The names from the root, with dots, `[]` for an array's items and `{}` for a map's values: `lines[].quantity`.
    pub path: String,
    /// Its type in a few words, in the format's own terms; empty when the schema says none.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Field {
    /// The last name of the path.
    pub fn name(&self) -> &str {
        let path = self.path.trim_end_matches(['[', ']', '{', '}']);
        path.rsplit('.').next().unwrap_or(path)
    }
}

/// The fields of a schema in the order in which they stand, at most [`MAX_FIELDS`], within the budget of a request. None for
/// a custom format.
///
/// # Errors
/// The schema cannot be read.
pub fn fields(schema: &SchemaInfo) -> Result<Vec<Field>> {
    fields_within(schema, &Budget::default())
}

/// As [`fields`], within a budget that other work shares.
///
/// # Errors
/// As [`fields`], and when the budget ends.
pub fn fields_within(schema: &SchemaInfo, budget: &Budget) -> Result<Vec<Field>> {
    let mut list = List { fields: Vec::new(), steps: 0, bytes: 0, budget };
    let text = String::from_utf8_lossy(&schema.data);
    match schema.format {
        Format::Avro => avro::parse_within(&text, budget)?.list(&mut list),
        Format::Json => json_schema::parse_within(&text, budget)?.list(&mut list),
        Format::Protobuf => {
            protobuf::parse_within(&schema.data, &schema.type_name, budget)?.list(&mut list);
        }
        Format::Custom(_) | Format::Any => {}
    }
    budget.take(0, "")?;
    Ok(list.fields)
}

/// Fields in the making.
pub(crate) struct List<'b> {
    fields: Vec<Field>,
    steps: usize,
    bytes: usize,
    budget: &'b Budget,
}

impl List<'_> {
    /// Whether one more type may be looked at: not every way through a schema that refers to itself leads to a field.
    pub(crate) fn may_go_on(&mut self) -> bool {
        self.steps += 1;
        self.steps <= MAX_STEPS
            && self.fields.len() < MAX_FIELDS
            && self.bytes < MAX_LIST_BYTES
            && self.budget.spend(1)
    }

    pub(crate) fn add(&mut self, path: &str, kind: String) {
        self.bytes += path.len() + kind.len();
        if self.fields.len() < MAX_FIELDS && self.bytes < MAX_LIST_BYTES {
            self.fields.push(Field { path: path.to_owned(), kind });
        }
    }
}

/// The path of a field below another; nothing for one that is too long to be listed.
pub(crate) fn below(path: &str, name: &str) -> Option<String> {
    if path.len() + name.len() >= MAX_PATH_BYTES {
        return None;
    }
    Some(if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") })
}

/// What changed from one schema to another, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Fields that only the later schema has.
    pub added: Vec<Field>,
    /// Fields that only the earlier schema has.
    pub removed: Vec<Field>,
    /// Fields whose type is another.
    pub changed: Vec<Changed>,
}

/// A field whose type changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The field.
    pub path: String,
    /// Its type in the earlier schema.
    pub from: String,
    /// Its type in the later one.
    pub to: String,
}

/// What changed from `old` to `new`, within the budget of a request.
///
/// # Errors
/// One of them cannot be read.
pub fn difference(old: &SchemaInfo, new: &SchemaInfo) -> Result<Difference> {
    difference_within(old, new, &Budget::default())
}

/// As [`difference`], within a budget that other work shares.
///
/// # Errors
/// As [`difference`], and when the budget ends.
pub fn difference_within(old: &SchemaInfo, new: &SchemaInfo, budget: &Budget) -> Result<Difference> {
    let by_path = |fields: Vec<Field>| -> BTreeMap<String, String> {
        fields.into_iter().map(|field| (field.path, field.kind)).collect()
    };
    let before = by_path(fields_within(old, budget)?);
    let after = by_path(fields_within(new, budget)?);
    let mut difference = Difference::default();
    for (path, kind) in &after {
        match before.get(path) {
            None => difference.added.push(Field { path: path.clone(), kind: kind.clone() }),
            Some(was) if was != kind => {
                let (path, from, to) = (path.clone(), was.clone(), kind.clone());
                difference.changed.push(Changed { path, from, to });
            }
            Some(_) => {}
        }
    }
    for (path, kind) in before {
        if !after.contains_key(&path) {
            difference.removed.push(Field { path, kind });
        }
    }
    Ok(difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(format: Format, type_name: &str, data: impl Into<Vec<u8>>) -> Vec<String> {
        let fields = fields(&SchemaInfo::new(type_name, format, data)).unwrap();
        fields.iter().map(|field| format!("{} {}", field.path, field.kind)).collect()
    }

    #[test]
    fn fields_are_listed_with_their_types() {
        let avro = r#"{"type":"record","name":"Order","fields":[
            {"name":"id","type":"long"},
            {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
                {"name":"quantity","type":["null","int"]},{"name":"parent","type":["null","Line"]}]}}},
            {"name":"labels","type":{"type":"map","values":"string"}}]}"#;
        assert_eq!(
            listed(Format::Avro, "", avro),
            [
                "id long",
                "lines array",
                "lines[].quantity union [null, int]",
                "lines[].parent union [null, record Line]",
                "labels map",
            ]
        );
        let json = r##"{"type":"object","properties":{"id":{"type":"integer"},
            "lines":{"type":"array","items":{"$ref":"#/$defs/line"}}},
            "$defs":{"line":{"properties":{"quantity":{"type":["integer","null"]},"next":{"$ref":"#/$defs/line"}}}}}"##;
        assert_eq!(
            listed(Format::Json, "", json),
            ["id integer", "lines array", "lines[].next ", "lines[].quantity null or integer"]
        );
        assert!(listed(Format::Custom("thrift".into()), "", "anything").is_empty());
    }

    #[test]
    fn what_changed_is_told_by_field() {
        let schema = |fields: &str| {
            let data = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
            SchemaInfo::new("R", Format::Avro, data)
        };
        let old = schema(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
        let new = schema(r#"{"name":"b","type":"long"},{"name":"c","type":"string"}"#);
        let told = serde_json::to_string(&difference(&old, &new).unwrap()).unwrap();
        let expected = r#"{"added":[{"path":"c","type":"string"}],"removed":[{"path":"a","type":"int"}],"changed":[{"path":"b","from":"int","to":"long"}]}"#;
        assert_eq!(told, expected);
        assert_eq!(difference(&old, &old).unwrap(), Difference::default());
    }

    #[test]
    fn a_schema_with_many_ways_through_it_takes_bounded_work() {
        let level = |number: usize| {
            let next = number + 1;
            let refs = vec![format!(r##"{{"$ref":"#/$defs/s{next}"}}"##); 10].join(",");
            format!(r#""s{number}":{{"anyOf":[{refs}]}}"#)
        };
        let levels: Vec<String> = (0..15).map(level).collect();
        let schema = format!(r##"{{"$ref":"#/$defs/s0","$defs":{{{},"s15":{{}}}}}}"##, levels.join(","));
        assert!(listed(Format::Json, "", schema).is_empty());
    }
}
