//! The schemas of records that belong to no table: transaction boundaries, logical decoding messages,
//! heartbeats and schema changes.

use super::source::{source, transaction};
use super::writer::{Fields, Rest, write_array, write_primitive, write_struct};
use super::{SchemaBlock, SchemaBlocks};
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::modes::BinaryMode;

/// The package of records that all connectors have.
const ALL_CONNECTORS: &str = "io.debezium.connector.common";
/// The package of PostgreSQL's records.
const POSTGRES: &str = "io.debezium.connector.postgresql";
/// The package of the descriptions of tables.
const DESCRIPTIONS: &str = "io.debezium.connector.schema";

impl SchemaBlocks {
    /// Returns the schemas of transactions' begins and ends.
    pub fn of_transactions(format: &EventFormat) -> Self {
        let key = |fields: &mut Fields<'_>| fields.required("string", "id");
        let value = |fields: &mut Fields<'_>| {
            fields.required("string", "status");
            fields.required("string", "id");
            fields.optional("int64", "event_count");
            let rest = Rest::optional("data_collections");
            fields.field(|out| write_array(out, event_collection, &rest));
            fields.required("int64", "ts_ms");
        };
        Self::named(
            format,
            (&format!("{ALL_CONNECTORS}.TransactionMetadataKey"), key),
            (&format!("{ALL_CONNECTORS}.TransactionMetadataValue"), value),
        )
    }

    /// Returns the schemas of logical decoding messages, whose content has a mode.
    pub fn of_messages(format: &EventFormat, binary: BinaryMode) -> Self {
        let content = match binary {
            BinaryMode::Bytes => "bytes",
            BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => "string",
        };
        let message = |fields: &mut Fields<'_>| {
            fields.optional("string", "prefix");
            fields.optional(content, "content");
        };
        let key = |fields: &mut Fields<'_>| fields.optional("string", "prefix");
        let value = |fields: &mut Fields<'_>| {
            fields.required("string", "op");
            fields.optional("int64", "ts_ms");
            source(fields, Connector::Postgresql);
            transaction(fields);
            let name = format!("{POSTGRES}.Message");
            fields.field(|out| write_struct(out, message, &Rest::required("message").named(&name, Some(1))));
        };
        Self::named(
            format,
            (&format!("{POSTGRES}.MessageKey"), key),
            (&format!("{POSTGRES}.MessageValue"), value),
        )
    }

    /// Returns the schemas of heartbeats.
    pub fn of_heartbeats(format: &EventFormat) -> Self {
        let key = |fields: &mut Fields<'_>| fields.required("string", "serverName");
        let value = |fields: &mut Fields<'_>| fields.required("int64", "ts_ms");
        Self::named(
            format,
            (&format!("{ALL_CONNECTORS}.ServerNameKey"), key),
            (&format!("{ALL_CONNECTORS}.Heartbeat"), value),
        )
    }

    /// Returns the schemas of schema changes.
    pub fn of_schema_changes(connector: Connector, format: &EventFormat) -> Self {
        let key = |fields: &mut Fields<'_>| fields.required("string", "databaseName");
        let value = |fields: &mut Fields<'_>| {
            source(fields, connector);
            fields.required("int64", "ts_ms");
            for name in ["databaseName", "schemaName", "ddl"] {
                fields.optional("string", name);
            }
            fields.field(|out| write_array(out, table_change, &Rest::required("tableChanges")));
        };
        let package = format!("io.debezium.connector.{}", connector.name());
        Self::named(
            format,
            (&format!("{package}.SchemaChangeKey"), key),
            (&format!("{package}.SchemaChangeValue"), value),
        )
    }

    /// Returns the schemas of structs of version 1 with names and fields.
    fn named<K, V>(format: &EventFormat, key: (&str, K), value: (&str, V)) -> Self
    where
        K: FnOnce(&mut Fields<'_>),
        V: FnOnce(&mut Fields<'_>),
    {
        let whole = |name| Rest::default().named(name, Some(1));
        let key = |out: &mut Vec<u8>| write_struct(out, key.1, &whole(key.0));
        let value = |out: &mut Vec<u8>| write_struct(out, value.1, &whole(value.0));
        Self {
            key: Some(SchemaBlock::of(format.schemas_in_keys, key)),
            value: SchemaBlock::of(format.schemas_in_values, value),
        }
    }
}

/// Writes the schema of the number of events of a table in a transaction.
fn event_collection(out: &mut Vec<u8>) {
    let fields = |fields: &mut Fields<'_>| {
        fields.required("string", "data_collection");
        fields.required("int64", "event_count");
    };
    let rest = Rest { optional: true, ..Rest::default() };
    write_struct(out, fields, &rest.named("event.collection", Some(1)));
}

/// Writes the schema of a changed table.
fn table_change(out: &mut Vec<u8>) {
    let fields = |fields: &mut Fields<'_>| {
        fields.required("string", "type");
        fields.required("string", "id");
        let name = format!("{DESCRIPTIONS}.Table");
        let rest = Rest::optional("table").named(&name, Some(1));
        fields.field(|out| write_struct(out, table_fields, &rest));
    };
    let name = format!("{DESCRIPTIONS}.Change");
    write_struct(out, fields, &Rest::default().named(&name, Some(1)));
}

fn table_fields(fields: &mut Fields<'_>) {
    fields.optional("string", "defaultCharsetName");
    fields.field(|out| write_array(out, required_text, &Rest::optional("primaryKeyColumnNames")));
    fields.field(|out| write_array(out, column, &Rest::required("columns")));
    fields.optional("string", "comment");
}

/// Writes the schema of a changed table's column.
fn column(out: &mut Vec<u8>) {
    let fields = |fields: &mut Fields<'_>| {
        fields.required("string", "name");
        fields.required("int32", "jdbcType");
        fields.optional("int32", "nativeType");
        fields.required("string", "typeName");
        fields.optional("string", "typeExpression");
        fields.optional("string", "charsetName");
        fields.optional("int32", "length");
        fields.optional("int32", "scale");
        fields.required("int32", "position");
        for name in ["optional", "autoIncremented", "generated"] {
            fields.optional("boolean", name);
        }
        fields.optional("string", "comment");
        fields.optional("string", "defaultValueExpression");
        fields.field(|out| write_array(out, required_text, &Rest::optional("enumValues")));
    };
    let name = format!("{DESCRIPTIONS}.Column");
    write_struct(out, fields, &Rest::default().named(&name, Some(1)));
}

fn required_text(out: &mut Vec<u8>) {
    write_primitive(out, "string", &Rest::default());
}
