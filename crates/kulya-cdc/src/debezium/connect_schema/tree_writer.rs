//! Writing of a schema that is a tree, as the converter writes it.

use super::tree::{ConnectSchema, ConnectType};
use super::writer::write_member;
use crate::debezium::json::write;

impl ConnectSchema {
    /// Returns the JSON that the converter writes.
    pub(crate) fn to_json(&self) -> String {
        let mut out = Vec::new();
        write_schema(&mut out, self);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// Writes a schema that is a tree.
fn write_schema(out: &mut Vec<u8>, schema: &ConnectSchema) {
    out.extend_from_slice(b"{\"type\":");
    write(out, schema.kind.json_name());
    for (name, part) in [("items", &schema.items), ("keys", &schema.keys), ("values", &schema.values)] {
        if let Some(part) = part {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            write_schema(out, part);
        }
    }
    if schema.kind == ConnectType::Struct {
        out.extend_from_slice(b",\"fields\":[");
        for (index, field) in schema.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_schema(out, field);
        }
        out.push(b']');
    }
    let parameters = (!schema.parameters.is_empty()).then_some(&schema.parameters);
    out.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    write_member(out, "name", schema.name.as_ref());
    write_member(out, "version", schema.version.as_ref());
    write_member(out, "doc", schema.doc.as_ref());
    write_member(out, "parameters", parameters);
    write_member(out, "default", schema.default.as_ref());
    write_member(out, "field", schema.field.as_ref());
    out.push(b'}');
}
