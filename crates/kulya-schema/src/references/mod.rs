//! References between schemas: a schema names others by group and id, and [`resolve`] makes it
//! self-contained, so that a reader needs nothing but the result.
//!
//! | format | the reference's name | the resolved schema |
//! |---|---|---|
//! | Avro | the full name of a type that the other schema defines | each referenced type is defined at
//! its first use |
//! | JSON Schema | the URI that `$ref` has before its fragment | the other schemas are embedded, each
//! with its URI as `$id` |
//! | Protobuf | the name of the imported file | the files of the other descriptor sets are added |
//!
//! Reading the other schemas is the caller's concern. It is bounded: see [`MAX_REFERENCES`] and the limits
//! beside it.

mod avro;
mod json;
mod names;
mod protobuf;
mod reference;

pub use names::{Names, names, with_base_uri};
pub use reference::{
    MAX_REFERENCE_DEPTH, MAX_REFERENCE_NAME_BYTES, MAX_REFERENCED_SCHEMAS, MAX_REFERENCES, Reference,
    ReferencedSchema, Unresolved, check_references,
};

use crate::limits::MAX_SCHEMA_BYTES;
use crate::{Budget, Error, Format, Result, SchemaInfo};
use std::collections::HashMap;
use std::sync::Arc;

/// Returns a schema with all that it refers to in it. Without references it is returned unchanged.
///
/// # Errors
/// A reference does not fit the schema (the text names it), the schemas contradict each other, or the result
/// is over a limit.
pub fn resolve(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    if references.is_empty() {
        return Ok(schema);
    }
    for (name, referenced) in references {
        if referenced.schema.format != schema.format {
            return Err(Error::new(format!(
                "reference {name:?}: {} is a schema of format {}, and this one of format {}: refer to schemas of \
                 the same format",
                referenced.label, referenced.schema.format, schema.format
            )));
        }
    }
    let sent_bytes = schema.data.len();
    let resolved = match schema.format {
        Format::Avro => avro::resolve(schema, references, budget)?,
        Format::Json => json::resolve(schema, references, budget)?,
        Format::Protobuf => protobuf::resolve(schema, references, budget)?,
        Format::Custom(_) | Format::Any => {
            return Err(Error::new(format!(
                "schemas of format {} have no references: those are for Avro, JSON Schema and Protobuf",
                schema.format
            )));
        }
    };
    // both are stored, and are in one line of an export
    let bytes = resolved.data.len() + sent_bytes;
    if bytes > MAX_SCHEMA_BYTES {
        return Err(Error::new(format!(
            "the schema, with and without what it refers to, has {bytes} bytes; the maximum is {MAX_SCHEMA_BYTES}"
        )));
    }
    Ok(resolved)
}

/// Returns a schema in the form in which it is kept beside the resolved one: a Protobuf schema that is sent
/// as sources is compiled, with the imports that its references name. Others are returned unchanged.
///
/// # Errors
/// The sources are not valid or over a limit, or import what is neither given nor referred to.
pub fn compile(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    match schema.format {
        Format::Protobuf => protobuf::compile(schema, references, budget),
        _ => Ok(schema),
    }
}

/// Returns the encoded `FileDescriptorProto`s of a self-contained Protobuf schema by their names, for a
/// compiler of a source that imports it by a reference's name.
///
/// # Errors
/// The schema is not a descriptor set, or none of its files can have that name.
pub fn imported_protobuf_files(name: &str, schema: &SchemaInfo) -> Result<HashMap<String, Vec<u8>>> {
    protobuf::imported_files(name, schema)
}

#[cfg(test)]
mod tests;
