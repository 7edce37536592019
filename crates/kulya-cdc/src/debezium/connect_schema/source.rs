//! The schemas of the blocks that events of all tables have: `source` and `transaction`.

use super::writer::{Fields, Rest, write_primitive, write_struct};
use crate::debezium::connector::Connector;
use serde_json::Value;
use std::borrow::Cow;

/// Where a row is in a snapshot (`source.snapshot`).
const SNAPSHOT: &str = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";

/// Writes the field `source`.
pub(super) fn source(fields: &mut Fields<'_>, connector: Connector) {
    let name = format!("io.debezium.connector.{}.Source", connector.name());
    let rest = Rest::required("source").named(&name, Some(1));
    fields.field(|out| write_struct(out, |fields| source_fields(fields, connector), &rest));
}

fn source_fields(fields: &mut Fields<'_>, connector: Connector) {
    for name in ["version", "connector", "name"] {
        fields.required("string", name);
    }
    fields.required("int64", "ts_ms");
    fields.field(snapshot);
    fields.required("string", "db");
    fields.optional("string", "sequence");
    fields.optional("int64", "ts_us");
    fields.optional("int64", "ts_ns");
    match connector {
        Connector::Postgresql => {
            fields.required("string", "schema");
            fields.required("string", "table");
            for name in ["txId", "lsn", "xmin"] {
                fields.optional("int64", name);
            }
            fields.optional("string", "origin");
            fields.optional("int64", "origin_lsn");
        }
        Connector::Mysql | Connector::Mariadb => {
            fields.optional("string", "table");
            fields.required("int64", "server_id");
            fields.optional("string", "gtid");
            fields.required("string", "file");
            fields.required("int64", "pos");
            fields.required("int32", "row");
            fields.optional("int64", "thread");
            fields.optional("string", "query");
        }
    }
}

fn snapshot(out: &mut Vec<u8>) {
    let parameters = [(Cow::Borrowed("allowed"), SNAPSHOT.to_owned())];
    let default = Value::from("false");
    let rest = Rest { parameters: &parameters, default: Some(&default), ..Rest::optional("snapshot") };
    write_primitive(out, "string", &rest.named("io.debezium.data.Enum", Some(1)));
}

/// Writes the field `transaction`, which schemas have even where transaction metadata is off.
pub(super) fn transaction(fields: &mut Fields<'_>) {
    let rest = Rest::optional("transaction").named("event.block", Some(1));
    let block = |fields: &mut Fields<'_>| {
        fields.required("string", "id");
        fields.required("int64", "total_order");
        fields.required("int64", "data_collection_order");
    };
    fields.field(|out| write_struct(out, block, &rest));
}
