//! Short descriptions of fields, types and enum values in `.proto` syntax, for reasons and lists of fields.

use super::schema::{Enum, Field, Kind, Label, Scalar, Schema};

impl Scalar {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "bytes",
        }
    }
}

/// Describes a field, such as `repeated string tags = 4`, or in a oneof `string name = 2 (of oneof contact)`.
pub(super) fn field(schema: &Schema, field: &Field) -> String {
    let label = match field.label {
        Label::Implicit => "",
        Label::Optional if field.oneof.is_some() => "",
        Label::Optional => match field.kind {
            // message fields always have presence
            Kind::Message(_) => "",
            _ => "optional ",
        },
        Label::Required => "required ",
        Label::Repeated { .. } if schema.entry(field).is_some() => "",
        Label::Repeated { .. } => "repeated ",
    };
    let mut text = format!("{label}{} {} = {}", field_type(schema, field), field.name, field.number);
    if let Some(default) = &field.default {
        text.push_str(&format!(" [default = {default:.80}]"));
    }
    if let Some(oneof) = &field.oneof {
        text.push_str(&format!(" (of oneof {oneof})"));
    }
    text
}

/// Describes a field's type by its short name.
pub(super) fn field_type(schema: &Schema, field: &Field) -> String {
    if let Some(entry) = schema.entry(field)
        && let [key, value] = entry.fields.as_slice()
    {
        return format!("map<{}, {}>", kind_name(schema, key.kind), kind_name(schema, value.kind));
    }
    kind_name(schema, field.kind)
}

fn kind_name(schema: &Schema, kind: Kind) -> String {
    let short_name = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    match kind {
        Kind::Scalar(scalar) => scalar.name().to_owned(),
        Kind::Enum(number) => schema.enumeration(number).map(|it| short_name(&it.name)).unwrap_or_default(),
        Kind::Message(number) => schema.message(number).map(|it| short_name(&it.name)).unwrap_or_default(),
        Kind::Group(number) => {
            let name = schema.message(number).map(|it| short_name(&it.name)).unwrap_or_default();
            format!("group {name}")
        }
    }
}

/// Describes an enum value, such as `ACTIVE = 1`.
pub(super) fn enum_value((name, number): &(String, i32)) -> String {
    format!("{name} = {number}")
}

/// Describes an enum, such as `enum Status`.
pub(super) fn enumeration(it: &Enum) -> String {
    format!("enum {}", it.name.rsplit('.').next().unwrap_or_default())
}
