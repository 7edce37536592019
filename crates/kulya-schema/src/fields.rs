//! The fields of a schema by path and type, and the differences of fields between two schemas. This is for
//! search and display; it decides nothing about compatibility.

use crate::field_collector::{Field, FieldCollector};
use crate::{Budget, Format, Result, SchemaInfo, avro, json_schema, protobuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lists the fields of a schema in schema order, at most [`MAX_FIELDS`](crate::MAX_FIELDS), within the budget
/// of one request. A custom format has none.
///
/// # Errors
/// The schema cannot be parsed.
pub fn fields(schema: &SchemaInfo) -> Result<Vec<Field>> {
    fields_with_budget(schema, &Budget::default())
}

/// Lists fields like [`fields`], within a shared budget.
///
/// # Errors
/// As [`fields`], and when the budget is exhausted.
pub fn fields_with_budget(schema: &SchemaInfo, budget: &Budget) -> Result<Vec<Field>> {
    let mut collector = FieldCollector::new(budget);
    let text = String::from_utf8_lossy(&schema.data);
    match schema.format {
        Format::Avro => avro::parse_with_budget(&text, budget)?.collect_fields(&mut collector),
        Format::Json => json_schema::parse_with_budget(&text, budget)?.collect_fields(&mut collector),
        Format::Protobuf => {
            protobuf::parse_with_budget(&schema.data, &schema.type_name, budget)?
                .collect_fields(&mut collector);
        }
        Format::Custom(_) | Format::Any => {}
    }
    budget.try_spend(0, "")?;
    Ok(collector.into_fields())
}

/// The differences between two schemas, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The fields that only the later schema has.
    pub added: Vec<Field>,
    /// The fields that only the earlier schema has.
    pub removed: Vec<Field>,
    /// The fields whose type differs.
    pub changed: Vec<ChangedField>,
}

/// A field whose type changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedField {
    /// The field's path.
    pub path: String,
    /// Its type in the earlier schema.
    pub from: String,
    /// Its type in the later one.
    pub to: String,
}

/// Returns the differences from `old` to `new`, within the budget of one request.
///
/// # Errors
/// One of them cannot be parsed.
pub fn difference(old: &SchemaInfo, new: &SchemaInfo) -> Result<Difference> {
    difference_with_budget(old, new, &Budget::default())
}

/// Compares fields like [`difference`], within a shared budget.
///
/// # Errors
/// As [`difference`], and when the budget is exhausted.
pub fn difference_with_budget(old: &SchemaInfo, new: &SchemaInfo, budget: &Budget) -> Result<Difference> {
    let by_path = |fields: Vec<Field>| -> BTreeMap<String, String> {
        fields.into_iter().map(|field| (field.path, field.kind)).collect()
    };
    let before = by_path(fields_with_budget(old, budget)?);
    let after = by_path(fields_with_budget(new, budget)?);
    let mut difference = Difference::default();
    for (path, kind) in &after {
        match before.get(path) {
            None => difference.added.push(Field { path: path.clone(), kind: kind.clone() }),
            Some(was) if was != kind => {
                let (path, from, to) = (path.clone(), was.clone(), kind.clone());
                difference.changed.push(ChangedField { path, from, to });
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

    fn field_list(format: Format, type_name: &str, data: impl Into<Vec<u8>>) -> Vec<String> {
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
            field_list(Format::Avro, "", avro),
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
            field_list(Format::Json, "", json),
            ["id integer", "lines array", "lines[].next ", "lines[].quantity null or integer"]
        );
        assert!(field_list(Format::Custom("thrift".into()), "", "anything").is_empty());
    }

    #[test]
    fn differences_are_reported_by_field() {
        let schema = |fields: &str| {
            let data = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
            SchemaInfo::new("R", Format::Avro, data)
        };
        let old = schema(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#);
        let new = schema(r#"{"name":"b","type":"long"},{"name":"c","type":"string"}"#);
        let json = serde_json::to_string(&difference(&old, &new).unwrap()).unwrap();
        let expected = r#"{"added":[{"path":"c","type":"string"}],"removed":[{"path":"a","type":"int"}],"changed":[{"path":"b","from":"int","to":"long"}]}"#;
        assert_eq!(json, expected);
        assert_eq!(difference(&old, &old).unwrap(), Difference::default());
    }

    #[test]
    fn a_schema_with_many_paths_takes_bounded_work() {
        let level = |number: usize| {
            let next = number + 1;
            let refs = vec![format!(r##"{{"$ref":"#/$defs/s{next}"}}"##); 10].join(",");
            format!(r#""s{number}":{{"anyOf":[{refs}]}}"#)
        };
        let levels: Vec<String> = (0..15).map(level).collect();
        let schema = format!(r##"{{"$ref":"#/$defs/s0","$defs":{{{},"s15":{{}}}}}}"##, levels.join(","));
        assert!(field_list(Format::Json, "", schema).is_empty());
    }
}
