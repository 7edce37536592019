//! The schemas of a table's keys and envelopes.

use super::column::{write_key_column, write_value_column};
use super::source::{source, transaction};
use super::writer::{Fields, Rest, write_struct};
use super::{SchemaBlock, SchemaBlocks};
use crate::debezium::RowSchema;
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::topic::TopicNames;

/// The version of envelopes.
const ENVELOPE_VERSION: u32 = 2;

impl SchemaBlocks {
    /// Returns the schemas of a version of a table, as the format asks for them. A column of the key that the
    /// row schema does not describe is left out.
    pub fn of_table(schema: &RowSchema, connector: Connector, format: &EventFormat) -> Self {
        let topics = TopicNames { prefix: &schema.prefix, ..format.topics() };
        let name = topics.table(&schema.schema, &schema.table);
        let key = || SchemaBlock::of(format.schemas_in_keys, |out| write_key(out, schema, &name));
        let value = |out: &mut Vec<u8>| write_envelope(out, schema, connector, &name);
        Self {
            key: (!schema.key.is_empty()).then(key),
            value: SchemaBlock::of(format.schemas_in_values, value),
        }
    }

    /// Returns the schema of a table's key, as headers have it (`__debezium.newkey`).
    pub fn of_key_header(schema: &RowSchema, format: &EventFormat) -> SchemaBlock {
        let topics = TopicNames { prefix: &schema.prefix, ..format.topics() };
        let name = topics.table(&schema.schema, &schema.table);
        SchemaBlock::of(format.schemas_in_headers, |out| write_key(out, schema, &name))
    }
}

fn write_key(out: &mut Vec<u8>, schema: &RowSchema, name: &str) {
    let columns = schema.key.iter();
    let columns = columns.filter_map(|name| schema.columns.iter().find(|column| column.name == *name));
    let fields = |fields: &mut Fields<'_>| {
        columns.for_each(|column| fields.field(|out| write_key_column(out, column)));
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
