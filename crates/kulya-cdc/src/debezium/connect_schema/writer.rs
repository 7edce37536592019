//! Writing of schemas: a type, and then the members that each type may have, in the converter's order.

use crate::debezium::json::{member, write};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// The members of a schema behind its type.
#[derive(Clone, Copy, Default)]
pub(super) struct Rest<'a> {
    pub(super) optional: bool,
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<u32>,
    pub(super) doc: Option<&'a str>,
    pub(super) parameters: &'a [(Cow<'static, str>, String)],
    pub(super) default: Option<&'a Value>,
    /// The name of the field that has the schema; `None` for the items of an array, and for a whole schema.
    pub(super) field: Option<&'a str>,
}

impl<'a> Rest<'a> {
    pub(super) fn required(field: &'a str) -> Self {
        Self { field: Some(field), ..Self::default() }
    }

    pub(super) fn optional(field: &'a str) -> Self {
        Self { optional: true, ..Self::required(field) }
    }

    pub(super) fn named(self, name: &'a str, version: Option<u32>) -> Self {
        Self { name: Some(name), version, ..self }
    }

    /// Writes the members and the end of the schema.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.optional { b",\"optional\":true" } else { b",\"optional\":false" });
        write_member(out, "name", self.name.as_ref());
        write_member(out, "version", self.version.as_ref());
        write_member(out, "doc", self.doc.as_ref());
        self.write_parameters(out);
        write_member(out, "default", self.default);
        write_member(out, "field", self.field.as_ref());
        out.push(b'}');
    }

    fn write_parameters(&self, out: &mut Vec<u8>) {
        let mut before: &[u8] = b",\"parameters\":{";
        for (name, value) in self.parameters {
            out.extend_from_slice(before);
            write(out, name);
            out.push(b':');
            write(out, value);
            before = b",";
        }
        if !self.parameters.is_empty() {
            out.push(b'}');
        }
    }
}

pub(super) fn write_member<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: Option<&T>) {
    if let Some(value) = value {
        member(out, name, value);
    }
}

/// Writes the schema of a type without parts.
pub(super) fn write_primitive(out: &mut Vec<u8>, name: &str, rest: &Rest<'_>) {
    out.extend_from_slice(b"{\"type\":");
    write(out, name);
    rest.write(out);
}

/// Writes the schema of an array.
pub(super) fn write_array(out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>), rest: &Rest<'_>) {
    out.extend_from_slice(b"{\"type\":\"array\",\"items\":");
    items(out);
    rest.write(out);
}

/// Writes the schema of a map; keys are required, values may be optional.
pub(super) fn write_map(out: &mut Vec<u8>, keys: &str, values: (&str, bool), rest: &Rest<'_>) {
    out.extend_from_slice(b"{\"type\":\"map\",\"keys\":");
    write_primitive(out, keys, &Rest::default());
    out.extend_from_slice(b",\"values\":");
    write_primitive(out, values.0, &Rest { optional: values.1, ..Rest::default() });
    rest.write(out);
}

/// Writes the schema of a struct.
pub(super) fn write_struct(out: &mut Vec<u8>, fields: impl FnOnce(&mut Fields<'_>), rest: &Rest<'_>) {
    out.extend_from_slice(b"{\"type\":\"struct\",\"fields\":[");
    fields(&mut Fields { out, is_first: true });
    out.push(b']');
    rest.write(out);
}

/// The fields of a struct that is being written.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Fields<'_> {
    /// Writes a field of any type; `write` writes its schema.
    pub(super) fn field(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        write(self.out);
    }

    /// Writes a field without parts that always has a value.
    pub(super) fn required(&mut self, kind: &str, name: &str) {
        self.field(|out| write_primitive(out, kind, &Rest::required(name)));
    }

    /// Writes a field without parts that may be null.
    pub(super) fn optional(&mut self, kind: &str, name: &str) {
        self.field(|out| write_primitive(out, kind, &Rest::optional(name)));
    }
}
