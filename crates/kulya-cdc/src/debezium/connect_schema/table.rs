//! The schemas of a table's keys and envelopes.

use super::column::{write_key_column, write_value_column};
use super::source::{source, transaction};
use super::writer::{Fields, Rest, write_struct};
use super::{ConnectSchema, SchemaBlock, SchemaBlocks};
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::topic::TopicNames;
use crate::debezium::{ColumnDescription, RowSchema};

/// The version of envelopes.
const ENVELOPE_VERSION: u32 = 2;

impl SchemaBlocks {
    /// Returns the schemas of a version of a table, as the format asks for them. A column of the key that the
    /// row schema does not describe is left out.
    pub fn of_table(schema: &RowSchema, connector: Connector, format: &EventFormat) -> Self {
        Self::of_table_with_key(schema, &row_key(schema), connector, format)
    }

    /// Returns the schemas of a version of a table with the columns of its key, which rows may have in
    /// another form, or not at all.
    pub(crate) fn of_table_with_key(
        schema: &RowSchema,
        key: &[ColumnDescription],
        connector: Connector,
        format: &EventFormat,
    ) -> Self {
        let name = schema_name(schema, format);
        let value = |out: &mut Vec<u8>| write_envelope(out, schema, connector, &name);
        let of_key = || SchemaBlock::of(format.schemas_in_keys, |out| write_key(out, key, &name));
        Self { key: (!key.is_empty()).then(of_key), value: SchemaBlock::of(format.schemas_in_values, value) }
    }

    /// Returns the schema of a table's key, as headers have it (`__debezium.newkey`).
    pub fn of_key_header(schema: &RowSchema, format: &EventFormat) -> SchemaBlock {
        Self::of_key_header_with(schema, &row_key(schema), format)
    }

    /// Returns the same with the columns of the key.
    pub(crate) fn of_key_header_with(
        schema: &RowSchema,
        key: &[ColumnDescription],
        format: &EventFormat,
    ) -> SchemaBlock {
        let name = schema_name(schema, format);
        SchemaBlock::of(format.schemas_in_headers, |out| write_key(out, key, &name))
    }
}

/// Returns the schema of the events of a version of a table.
pub(crate) fn envelope(schema: &RowSchema, connector: Connector, format: &EventFormat) -> ConnectSchema {
    let mut json = Vec::new();
    write_envelope(&mut json, schema, connector, &schema_name(schema, format));
    ConnectSchema::parse(&json).expect("a schema that was written can be read")
}

/// Returns the columns of the key as rows have them.
fn row_key(schema: &RowSchema) -> Vec<ColumnDescription> {
    let column = |name: &String| schema.columns.iter().find(|column| column.name == *name);
    schema.key.iter().filter_map(column).cloned().collect()
}

/// Returns the beginning of the names of a table's schemas.
fn schema_name(schema: &RowSchema, format: &EventFormat) -> String {
    let topics = TopicNames { prefix: &schema.prefix, ..format.topics() };
    format.schema_names.schema_name(&topics.table(&schema.schema, &schema.table))
}

fn write_key(out: &mut Vec<u8>, key: &[ColumnDescription], name: &str) {
    let fields = |fields: &mut Fields<'_>| {
        key.iter().for_each(|column| fields.field(|out| write_key_column(out, column)));
    };
    write_struct(out, fields, &Rest::default().named(&format!("{name}.Key"), None));
}

fn write_envelope(out: &mut Vec<u8>, schema: &RowSchema, connector: Connector, name: &str) {
    let fields = |fields: &mut Fields<'_>| {
        for row in ["before", "after"] {
            let rest = Rest::optional(row);
            fields.field(|out| write_row(out, schema, &rest.named(&format!("{name}.Value"), None)));
        }
        source(fields, connector);
        transaction(fields);
        fields.required("string", "op");
        for time in ["ts_ms", "ts_us", "ts_ns"] {
            fields.optional("int64", time);
        }
    };
    write_struct(out, fields, &Rest::default().named(&format!("{name}.Envelope"), Some(ENVELOPE_VERSION)));
}

fn write_row(out: &mut Vec<u8>, schema: &RowSchema, rest: &Rest<'_>) {
    let fields = |fields: &mut Fields<'_>| {
        schema.columns.iter().for_each(|column| fields.field(|out| write_value_column(out, column)));
    };
    write_struct(out, fields, rest);
}
