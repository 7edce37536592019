//! The schema of a column. The semantic types of Debezium and of Connect have version 1, and some are structs
//! whose fields the description of a column does not repeat.

use super::writer::{Fields, Rest, write_array, write_map, write_primitive, write_struct};
use crate::debezium::ColumnDescription;
use std::borrow::Cow;

const VERSION: u32 = 1;

/// The parameters that `column.propagate.source.type` gives to columns of values, but not of keys.
const PROPAGATED: &str = "__debezium.source.column.";

/// Writes the schema of a value's column.
pub(super) fn write_value_column(out: &mut Vec<u8>, column: &ColumnDescription) {
    write_described(out, column, &column.parameters, Some(&column.name));
}

/// Writes the schema of a key's column.
pub(super) fn write_key_column(out: &mut Vec<u8>, column: &ColumnDescription) {
    let is_propagated = |name: &str| name.starts_with(PROPAGATED);
    if column.parameters.iter().any(|(name, _)| is_propagated(name)) {
        let mut parameters = column.parameters.clone();
        parameters.retain(|(name, _)| !is_propagated(name));
        return write_described(out, column, &parameters, Some(&column.name));
    }
    write_described(out, column, &column.parameters, Some(&column.name));
}

fn write_described(
    out: &mut Vec<u8>,
    column: &ColumnDescription,
    parameters: &[(Cow<'static, str>, String)],
    field: Option<&str>,
) {
    let name = column.connect_name.as_deref();
    let structure = name.and_then(Structure::of);
    let rest = Rest {
        optional: column.optional,
        name,
        version: name.map(|_| VERSION),
        doc: structure.map(Structure::doc),
        parameters,
        default: column.default.as_ref(),
        field,
    };
    match &*column.connect_type {
        "struct" => write_struct(out, |fields| structure.into_iter().for_each(|s| s.write(fields)), &rest),
        "array" => write_array(out, |out| write_items(out, column.items.as_deref()), &rest),
        // the only column with a map: PostgreSQL's hstore
        "map" => write_map(out, "string", ("string", true), &rest),
        "float32" => write_primitive(out, "float", &rest),
        "float64" => write_primitive(out, "double", &rest),
        other => write_primitive(out, other, &rest),
    }
}

fn write_items(out: &mut Vec<u8>, items: Option<&ColumnDescription>) {
    match items {
        Some(items) => write_described(out, items, &items.parameters, None),
        None => write_primitive(out, "string", &Rest { optional: true, ..Rest::default() }),
    }
}

/// A semantic type that is a struct.
#[derive(Clone, Copy)]
enum Structure {
    VariableScaleDecimal,
    Point,
    Geometry,
    Geography,
    SparseDoubleVector,
}

impl Structure {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "io.debezium.data.VariableScaleDecimal" => Self::VariableScaleDecimal,
            "io.debezium.data.geometry.Point" => Self::Point,
            "io.debezium.data.geometry.Geometry" => Self::Geometry,
            "io.debezium.data.geometry.Geography" => Self::Geography,
            "io.debezium.data.SparseDoubleVector" => Self::SparseDoubleVector,
            _ => return None,
        })
    }

    fn doc(self) -> &'static str {
        match self {
            Self::VariableScaleDecimal => "Variable scaled decimal",
            Self::Point => "Geometry (POINT)",
            Self::Geometry => "Geometry",
            Self::Geography => "Geography",
            Self::SparseDoubleVector => "Sparse double vector",
        }
    }

    fn write(self, fields: &mut Fields<'_>) {
        match self {
            Self::VariableScaleDecimal => {
                fields.required("int32", "scale");
                fields.required("bytes", "value");
            }
            Self::Point => {
                fields.required("double", "x");
                fields.required("double", "y");
                fields.optional("bytes", "wkb");
                fields.optional("int32", "srid");
            }
            Self::Geometry | Self::Geography => {
                fields.required("bytes", "wkb");
                fields.optional("int32", "srid");
            }
            Self::SparseDoubleVector => {
                fields.required("int16", "dimensions");
                let rest = Rest::required("vector");
                fields.field(|out| write_map(out, "int16", ("double", false), &rest));
            }
        }
    }
}
