//! `ExtractNewRecordState` of Debezium: the row after a change in place of the envelope, and what becomes of
//! deletes and tombstones.

use super::draft::{Draft, Members, Value, add_member, parse, payload, text};
use super::field_reference::{AddedField, FieldReference};
use super::schema_cache::SchemaCache;
use super::settings::Options;
use crate::debezium::connect_schema::{ConnectSchema, ConnectType};
use crate::debezium::format::EventFormat;
use crate::{CdcError, CdcResult};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

const OPTIONS: &[&str] = &[
    "delete.tombstone.handling.mode",
    "drop.tombstones",
    "delete.handling.mode",
    "add.fields",
    "add.fields.prefix",
    "add.headers",
    "add.headers.prefix",
    "route.by.field",
    // JSON has the default in place of null either way
    "replace.null.with.default",
    // no header of an event is a list of fields, with which alone fields are dropped
    "drop.fields.header.name",
    "drop.fields.from.key",
    "drop.fields.keep.schema.compatible",
];
/// The field that says whether the row was deleted.
const DELETED: &str = "__deleted";

/// What becomes of a delete.
#[derive(Debug, Clone, Copy, PartialEq)]
enum DeleteMode {
    Drop,
    /// The value is null, with a schema.
    Null,
    /// There is no value.
    Tombstone,
    /// The row before the delete, with a field that says so.
    Rewrite,
}

#[derive(Debug)]
pub(super) struct Unwrap {
    deletes: DeleteMode,
    keeps_tombstones: bool,
    fields: Vec<FieldReference>,
    headers: Vec<FieldReference>,
    route_by: Option<String>,
    has_schemas: bool,
    has_header_schemas: bool,
    derived: SchemaCache<Derived>,
    /// The headers that the last record got, if it was a delete: its tombstone has them too, because both
    /// share their headers in Debezium.
    of_delete: Vec<u8>,
}

/// What follows from the schema of a table's envelopes.
#[derive(Debug)]
struct Derived {
    /// The schema of rows with the fields that are added.
    row: Arc<ConnectSchema>,
    /// The schema of a deleted row's null.
    null: Arc<ConnectSchema>,
    fields: Vec<AddedField>,
    headers: Vec<AddedField>,
}

impl Unwrap {
    pub(super) fn new(options: &BTreeMap<String, String>, format: &EventFormat) -> Result<Self, String> {
        let options = Options::new(options, OPTIONS)?;
        options.boolean("replace.null.with.default", true)?;
        let (deletes, keeps_tombstones) = delete_mode(&options)?;
        let references = |list: &str, prefix: &str| {
            let prefix = options.exact(prefix).unwrap_or("__");
            FieldReference::list(options.text(list).unwrap_or_default(), prefix)
        };
        Ok(Self {
            deletes,
            keeps_tombstones,
            fields: references("add.fields", "add.fields.prefix")?,
            headers: references("add.headers", "add.headers.prefix")?,
            route_by: options.text("route.by.field").map(str::to_owned),
            has_schemas: format.schemas_in_values,
            has_header_schemas: format.schemas_in_headers,
            derived: SchemaCache::default(),
            of_delete: Vec::new(),
        })
    }

    /// Forgets the last record.
    pub(super) fn reset(&mut self) {
        self.of_delete.clear();
    }

    /// Transforms a record; `None` for one that is dropped.
    pub(super) fn apply<'a>(&mut self, mut draft: Draft<'a>) -> CdcResult<Option<Draft<'a>>> {
        let of_delete = std::mem::take(&mut self.of_delete);
        let (event, envelope) = match &draft.value {
            Value::Absent | Value::Null { .. } => return Ok(self.tombstone(draft, &of_delete)),
            Value::Other(_) | Value::Row(..) => return Ok(Some(draft)),
            Value::Envelope(event, schema) => (*event, Arc::clone(schema)),
        };
        let derived = self.derive(&envelope)?;
        let members: Members<'a> = parse(payload(event, self.has_schemas)?.as_bytes())?;
        let defaults = draft.defaults;
        let is_default = |value: &str| defaults.have(event, value);
        let mut headers = Vec::new();
        for field in &derived.headers {
            self.write_header(field, field.value(&members, is_default)?, &mut headers);
        }
        draft.add_header(&headers);
        let (before, after) = (members.get("before"), members.get("after"));
        let Some(row) = after.or(before) else {
            // all rows of the table were deleted
            return Ok(None);
        };
        let is_delete = after.is_none();
        if is_delete && !draft.is_copy {
            self.of_delete = headers;
        }
        if is_delete && self.deletes == DeleteMode::Drop {
            return Ok(None);
        }
        if let Some(topic) = self.topic_of(row, is_default, &envelope, &draft)? {
            draft.topic = Cow::Owned(topic);
        }
        draft.is_copy = true;
        draft.value = match self.deletes {
            DeleteMode::Null if is_delete => {
                Value::Null { schema: Arc::clone(&derived.null), row: Arc::clone(&derived.row) }
            }
            DeleteMode::Tombstone if is_delete => Value::Absent,
            mode => {
                let deleted = (mode == DeleteMode::Rewrite).then_some(is_delete);
                Value::Row(derived.row_of(row, deleted, &members, is_default)?, Arc::clone(&derived.row))
            }
        };
        Ok(Some(draft))
    }

    /// Transforms a record without content; `None` if a field of its row has the topic.
    pub(super) fn declare<'a>(&mut self, mut draft: Draft<'a>) -> CdcResult<Option<Draft<'a>>> {
        let Value::Envelope(_, envelope) = &draft.value else { return Ok(Some(draft)) };
        if self.route_by.is_some() {
            return Ok(None);
        }
        let derived = self.derive(&Arc::clone(envelope))?;
        draft.value = Value::Row(Cow::Borrowed(""), Arc::clone(&derived.row));
        Ok(Some(draft))
    }

    fn tombstone<'a>(&self, mut draft: Draft<'a>, of_delete: &[u8]) -> Option<Draft<'a>> {
        if !self.keeps_tombstones {
            return None;
        }
        draft.add_header(of_delete);
        for reference in self.headers.iter().filter(|reference| reference.field == "op") {
            let mut header = text(&reference.new_name);
            header.push_str(match self.has_header_schemas {
                true => r#":{"schema":{"type":"string","optional":false},"payload":"d"}"#,
                false => r#":"d""#,
            });
            draft.add_header(header.as_bytes());
        }
        Some(draft)
    }

    fn write_header(&self, field: &AddedField, value: &str, out: &mut Vec<u8>) {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(text(field.schema.field_name()).as_bytes());
        out.push(b':');
        match self.has_header_schemas {
            true => field.header.write(out, |out| out.extend_from_slice(value.as_bytes())),
            false => out.extend_from_slice(value.as_bytes()),
        }
    }

    /// Returns the topic that a row names.
    fn topic_of(
        &self,
        row: &str,
        is_default: impl Fn(&str) -> bool,
        envelope: &ConnectSchema,
        draft: &Draft<'_>,
    ) -> CdcResult<Option<String>> {
        let Some(name) = &self.route_by else { return Ok(None) };
        let refused = |what: &str| {
            let topic = &draft.topic;
            CdcError::configuration(format!(
                "events of {topic} cannot be routed by their field {name}: {what}; set a predicate for the transformation, or route.by.field to another field"
            ))
        };
        let field = envelope.field("after").and_then(|row| row.field(name));
        let field = field.ok_or_else(|| refused("there is no such field"))?;
        if field.kind != ConnectType::String {
            return Err(refused("it is not a text"));
        }
        let value = parse::<Members<'_>>(row.as_bytes())?.get(name).filter(|value| !is_default(value));
        let Some(value) = value else { return Ok(None) };
        let topic: String = parse(value.as_bytes())?;
        Ok(Some(topic).filter(|topic| !topic.trim().is_empty()))
    }

    fn derive(&mut self, envelope: &Arc<ConnectSchema>) -> CdcResult<Arc<Derived>> {
        let Self { derived, fields, headers, deletes, .. } = self;
        derived.get(envelope, "", || Derived::new(envelope, fields, headers, *deletes))
    }
}

impl Derived {
    fn new(
        envelope: &ConnectSchema,
        fields: &[FieldReference],
        headers: &[FieldReference],
        deletes: DeleteMode,
    ) -> CdcResult<Self> {
        let row = envelope.field("after").ok_or_else(|| CdcError::source("an envelope has no row"))?;
        let null = ConnectSchema { field: None, ..row.clone() };
        let mut row = ConnectSchema { optional: false, ..null.clone() };
        if deletes == DeleteMode::Rewrite {
            row.fields.push(ConnectSchema::of_field(DELETED, ConnectType::String, true));
        }
        let resolve = |references: &[FieldReference]| -> CdcResult<Vec<AddedField>> {
            let found = references.iter().filter_map(|reference| reference.resolve(envelope).transpose());
            found.collect()
        };
        let (fields, headers) = (resolve(fields)?, resolve(headers)?);
        row.fields.extend(fields.iter().map(|field| field.schema.clone()));
        let mut names: Vec<&str> = row.fields.iter().map(ConnectSchema::field_name).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(CdcError::configuration(format!(
                "rows of {} have two fields {name}: set add.fields.prefix, or give the added one another name",
                row.name.as_deref().unwrap_or_default()
            )));
        }
        Ok(Self { row: Arc::new(row), null: Arc::new(null), fields, headers })
    }

    /// Returns a row with the fields that are added.
    fn row_of<'a>(
        &self,
        row: &'a str,
        deleted: Option<bool>,
        envelope: &Members<'_>,
        is_default: impl Fn(&str) -> bool,
    ) -> CdcResult<Cow<'a, str>> {
        if deleted.is_none() && self.fields.is_empty() {
            return Ok(Cow::Borrowed(row));
        }
        let mut row = row.to_owned();
        if let Some(deleted) = deleted {
            add_member(&mut row, DELETED, if deleted { r#""true""# } else { r#""false""# });
        }
        for field in &self.fields {
            add_member(&mut row, field.schema.field_name(), field.value(envelope, &is_default)?);
        }
        Ok(Cow::Owned(row))
    }
}

/// Returns what becomes of deletes, and whether tombstones stay. Before Debezium 3 two options said so, which
/// count if the newer one is not set.
fn delete_mode(options: &Options<'_>) -> Result<(DeleteMode, bool), String> {
    const MODE: &str = "delete.tombstone.handling.mode";
    if let Some(mode) = options.text(MODE) {
        return match &*mode.to_ascii_lowercase() {
            "drop" => Ok((DeleteMode::Drop, false)),
            "tombstone" => Ok((DeleteMode::Null, false)),
            "rewrite" => Ok((DeleteMode::Rewrite, false)),
            "rewrite-with-tombstone" => Ok((DeleteMode::Rewrite, true)),
            "delete-to-tombstone" => Ok((DeleteMode::Tombstone, false)),
            _ => Err(format!(
                "{MODE} is {mode:?}: write drop, tombstone, rewrite, rewrite-with-tombstone or delete-to-tombstone"
            )),
        };
    }
    let (old_mode, drops) = (options.text("delete.handling.mode"), options.text("drop.tombstones"));
    if old_mode.is_none() && drops.is_none() {
        return Ok((DeleteMode::Null, false));
    }
    let deletes = match &*old_mode.unwrap_or("drop").to_ascii_lowercase() {
        "drop" => DeleteMode::Drop,
        "rewrite" => DeleteMode::Rewrite,
        "none" => DeleteMode::Null,
        other => return Err(format!("delete.handling.mode is {other:?}: write drop, rewrite or none")),
    };
    Ok((deletes, !options.boolean("drop.tombstones", true)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_options_say_what_becomes_of_deletes() {
        for (options, expected) in [
            (&[][..], (DeleteMode::Null, false)),
            (&[("delete.handling.mode", "none")], (DeleteMode::Null, false)),
            (
                &[("delete.handling.mode", "REWRITE"), ("drop.tombstones", "false")],
                (DeleteMode::Rewrite, true),
            ),
            (&[("drop.tombstones", "true")], (DeleteMode::Drop, false)),
            (
                &[("drop.tombstones", "true"), ("delete.tombstone.handling.mode", "delete-to-tombstone")],
                (DeleteMode::Tombstone, false),
            ),
        ] {
            let map = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let unwrap = Unwrap::new(&map, &EventFormat::default()).unwrap();
            assert_eq!((unwrap.deletes, unwrap.keeps_tombstones), expected, "{options:?}");
        }
        for (name, value) in [
            ("delete.handling.mode", "x"),
            ("drop.tombstones", "1"),
            ("delete.tombstone.handling.mode", "none"),
            ("add.source.fields", "table"),
            ("add.fields", "a:b:c"),
        ] {
            let map = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert!(Unwrap::new(&map, &EventFormat::default()).is_err(), "{name}");
        }
    }
}
