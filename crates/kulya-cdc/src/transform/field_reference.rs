//! References to fields of an envelope (`add.fields`, `add.headers`): where a value is, and the name that it
//! gets.

use super::draft::{Members, parse};
use crate::debezium::connect_schema::{ConnectSchema, ConnectType, SchemaBlock};
use crate::{CdcError, CdcResult};

/// The parts of an envelope whose fields can be named.
const STRUCTS: [&str; 4] = ["before", "after", "source", "transaction"];
const TRANSACTION_FIELDS: [&str; 3] = ["id", "data_collection_order", "total_order"];
const ENVELOPE_FIELDS: [&str; 4] = ["op", "ts_ms", "ts_us", "ts_ns"];

/// A reference as the options have it: `op`, `source.ts_ms`, `table:TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldReference {
    /// The part of the envelope that has the field; `None` for the envelope itself.
    structure: Option<String>,
    pub(super) field: String,
    /// The name of the new field or header.
    pub(super) new_name: String,
}

impl FieldReference {
    /// Parses a list of references.
    pub(super) fn list(text: &str, prefix: &str) -> Result<Vec<Self>, String> {
        let references = text.split(',').map(str::trim).filter(|reference| !reference.is_empty());
        references.map(|reference| Self::parse(reference, prefix)).collect()
    }

    fn parse(reference: &str, prefix: &str) -> Result<Self, String> {
        let (path, name) = match reference.split(':').collect::<Vec<_>>()[..] {
            [path] => (path, None),
            [path, name] => (path, Some(name)),
            _ => {
                return Err(format!("{reference:?} is not a field: write field, struct.field or field:name"));
            }
        };
        let (structure, field) = match path.split('.').collect::<Vec<_>>()[..] {
            [field] => (structure_of(field), field),
            [structure, field, ..] => (Some(structure), field),
            [] => (None, path),
        };
        if let Some(unknown) = structure.filter(|structure| !STRUCTS.contains(structure)) {
            return Err(format!(
                "{reference:?} is not a field: an event has no {unknown}, but {}",
                STRUCTS.join(", ")
            ));
        }
        let new_name = match (name, structure.filter(|_| path.contains('.'))) {
            (Some(name), _) => name.to_owned(),
            (None, Some(structure)) => format!("{structure}_{field}"),
            (None, None) => field.to_owned(),
        };
        Ok(Self {
            structure: structure.map(str::to_owned),
            field: field.to_owned(),
            new_name: format!("{prefix}{new_name}"),
        })
    }

    /// Finds the field in the schema of envelopes; `None` if they do not have it.
    ///
    /// # Errors
    /// `Configuration` for a field whose value an event does not tell, or that is no single value.
    pub(super) fn resolve(&self, envelope: &ConnectSchema) -> CdcResult<Option<AddedField>> {
        let parent = match &self.structure {
            Some(structure) => envelope.field(structure),
            None => Some(envelope),
        };
        let inner = parent.and_then(|parent| parent.field(&self.field));
        // a field that its struct does not have may be one of the envelope
        let structure = self.structure.clone().filter(|_| inner.is_some());
        let Some(found) = inner.or_else(|| envelope.field(&self.field)) else { return Ok(None) };
        if matches!(found.kind, ConnectType::Struct | ConnectType::Map) {
            return Err(CdcError::configuration(format!(
                "{} cannot be added to events: it is not a single value",
                self.field
            )));
        }
        let is_snapshot = structure.as_deref() == Some("source") && self.field == "snapshot";
        let is_column = matches!(structure.as_deref(), Some("before" | "after"));
        if found.optional && found.default.is_some() && !is_snapshot && !is_column {
            return Err(CdcError::configuration(format!(
                "{} cannot be added to events: they do not tell null from its default",
                self.field
            )));
        }
        let schema = ConnectSchema {
            optional: true,
            default: None,
            field: Some(self.new_name.clone()),
            ..found.clone()
        };
        let header = ConnectSchema { field: None, ..schema.clone() };
        Ok(Some(AddedField {
            structure,
            field: self.field.clone(),
            // a change that is of no snapshot has null, which is written as the default
            null: found.default.as_ref().filter(|_| !is_column).map(ToString::to_string),
            header: SchemaBlock::with_schema(&header.to_json()),
            schema,
        }))
    }
}

/// Returns the part of an envelope that has a field which is written without it.
fn structure_of(field: &str) -> Option<&'static str> {
    if TRANSACTION_FIELDS.contains(&field) {
        return Some("transaction");
    }
    (!ENVELOPE_FIELDS.contains(&field)).then_some("source")
}

/// A field that is added to the rows of a version of a table.
#[derive(Debug)]
pub(super) struct AddedField {
    structure: Option<String>,
    field: String,
    /// The JSON that stands for null.
    null: Option<String>,
    /// The schema of the new field.
    pub(super) schema: ConnectSchema,
    /// The schema of the new header.
    pub(super) header: SchemaBlock,
}

impl AddedField {
    /// Returns the value's JSON; `is_default` says of a value whether it stands for null.
    ///
    /// # Errors
    /// `Source` for JSON that is no event.
    pub(super) fn value<'a>(
        &self,
        envelope: &Members<'a>,
        is_default: impl Fn(&str) -> bool,
    ) -> CdcResult<&'a str> {
        let found = match &self.structure {
            None => envelope.get(&self.field),
            Some(structure) => match envelope.get(structure) {
                Some(parent) => parse::<Members<'a>>(parent.as_bytes())?.get(&self.field),
                None => None,
            },
        };
        let is_null = |value: &str| self.null.as_deref() == Some(value) || is_default(value);
        Ok(found.filter(|value| !is_null(value)).unwrap_or("null"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_named_as_in_debezium() {
        let list =
            FieldReference::list("op, table,source.ts_ms,id:TX,before.id:OLD,source.a.b,", "__").unwrap();
        let found: Vec<_> = list
            .iter()
            .map(|r| (r.structure.as_deref().unwrap_or_default(), &*r.field, &*r.new_name))
            .collect();
        assert_eq!(
            found,
            [
                ("", "op", "__op"),
                ("source", "table", "__table"),
                ("source", "ts_ms", "__source_ts_ms"),
                ("transaction", "id", "__TX"),
                ("before", "id", "__OLD"),
                ("source", "a", "__source_a"),
            ]
        );
        for text in ["a:b:c", "updateDescription.x", "payload.op"] {
            assert!(FieldReference::list(text, "").is_err(), "{text}");
        }
    }
}
