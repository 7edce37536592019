//! Type compatibility: which type reads which, by the groups of the official guides.

use super::schema::{Kind, Scalar, Schema};

impl Kind {
    /// Returns whether elements of a repeated field may be packed: all types but length-delimited ones.
    pub(super) fn is_packable(self) -> bool {
        match self {
            Self::Scalar(scalar) => !matches!(scalar, Scalar::String | Scalar::Bytes),
            Self::Enum(_) => true,
            Self::Message(_) | Self::Group(_) => false,
        }
    }

    pub(super) fn message(self) -> Option<usize> {
        match self {
            Self::Message(number) | Self::Group(number) => Some(number),
            Self::Scalar(_) | Self::Enum(_) => None,
        }
    }

    fn is_integer(self) -> bool {
        use Scalar::{Int32, Int64, Uint32, Uint64};
        matches!(self, Self::Scalar(Int32 | Int64 | Uint32 | Uint64))
    }
}

/// Returns whether the wire format of `from` is readable as `to`. The content of messages and enums is not
/// compared.
pub(super) fn wire_reads(reader: &Schema, to: Kind, from: Kind) -> bool {
    match (to, from) {
        (Kind::Scalar(Scalar::Bytes), Kind::Scalar(Scalar::String) | Kind::Message(_)) => true,
        (Kind::Scalar(to), Kind::Scalar(from)) => {
            to == from || are_varints(to, from) || are_same_size(to, from)
        }
        (Kind::Enum(_), Kind::Enum(_))
        | (Kind::Message(_), Kind::Message(_))
        | (Kind::Group(_), Kind::Group(_)) => true,
        (Kind::Enum(number), from) => {
            from.is_integer() && reader.enumeration(number).is_some_and(|it| !it.is_closed)
        }
        (to, Kind::Enum(_)) => to.is_integer(),
        _ => false,
    }
}

fn are_varints(one: Scalar, other: Scalar) -> bool {
    use Scalar::{Bool, Int32, Int64, Sint32, Sint64, Uint32, Uint64};
    let plain = |scalar| matches!(scalar, Int32 | Uint32 | Int64 | Uint64 | Bool);
    let zigzag = |scalar| matches!(scalar, Sint32 | Sint64);
    (plain(one) && plain(other)) || (zigzag(one) && zigzag(other))
}

fn are_same_size(one: Scalar, other: Scalar) -> bool {
    use Scalar::{Fixed32, Fixed64, Sfixed32, Sfixed64};
    let four = |scalar| matches!(scalar, Fixed32 | Sfixed32);
    let eight = |scalar| matches!(scalar, Fixed64 | Sfixed64);
    (four(one) && four(other)) || (eight(one) && eight(other))
}

/// Returns whether the JSON of `from` is readable as `to`, given that the wire format is: a parser rejects a
/// number out of its range, a bool is not a number, and bytes are base64.
pub(super) fn json_reads(to: Kind, from: Kind) -> bool {
    use Scalar::{Int32, Int64, Sint32, Sint64, Uint32, Uint64};
    match (to, from) {
        (Kind::Scalar(to), Kind::Scalar(from)) => {
            to == from || matches!((to, from), (Int64, Int32 | Uint32) | (Uint64, Uint32) | (Sint64, Sint32))
        }
        // parsers accept an enum's number for its name, and an open enum has every int32
        (Kind::Enum(_), Kind::Enum(_) | Kind::Scalar(Int32))
        | (Kind::Message(_), Kind::Message(_))
        | (Kind::Group(_), Kind::Group(_)) => true,
        _ => false,
    }
}

/// Returns the special JSON form that ProtoJSON gives a message, if any: messages of different forms do not
/// read each other. All wrappers have the form of their values, and so count as one.
pub(super) fn json_form(full_name: &str) -> Option<&str> {
    let name = full_name.strip_prefix("google.protobuf.")?;
    match name {
        "Any" | "Duration" | "FieldMask" | "ListValue" | "Struct" | "Timestamp" | "Value" => Some(name),
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => Some("wrapper"),
        _ => None,
    }
}
