//! Which type reads which: the groups of the guides, as functions on two types.

use super::{Kind, Scalar, Schema};

impl Kind {
    /// Elements of a repeated field may be packed: all but what has a length of its own.
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

/// Whether the wire format of `from` is read as `to`. What messages and enums hold is not looked at.
pub(super) fn wire_reads(reader: &Schema, to: Kind, from: Kind) -> bool {
    match (to, from) {
        (Kind::Scalar(Scalar::Bytes), Kind::Scalar(Scalar::String) | Kind::Message(_)) => true,
        (Kind::Scalar(to), Kind::Scalar(from)) => to == from || varint_pair(to, from) || sized_pair(to, from),
        (Kind::Enum(_), Kind::Enum(_))
        | (Kind::Message(_), Kind::Message(_))
        | (Kind::Group(_), Kind::Group(_)) => true,
        (Kind::Enum(number), from) => {
            from.is_integer() && reader.enumeration(number).is_some_and(|it| !it.closed)
        }
        (to, Kind::Enum(_)) => to.is_integer(),
        _ => false,
    }
}

fn varint_pair(one: Scalar, other: Scalar) -> bool {
    use Scalar::{Bool, Int32, Int64, Sint32, Sint64, Uint32, Uint64};
    let plain = |scalar| matches!(scalar, Int32 | Uint32 | Int64 | Uint64 | Bool);
    let zigzag = |scalar| matches!(scalar, Sint32 | Sint64);
    (plain(one) && plain(other)) || (zigzag(one) && zigzag(other))
}

fn sized_pair(one: Scalar, other: Scalar) -> bool {
    use Scalar::{Fixed32, Fixed64, Sfixed32, Sfixed64};
    let four = |scalar| matches!(scalar, Fixed32 | Sfixed32);
    let eight = |scalar| matches!(scalar, Fixed64 | Sfixed64);
    (four(one) && four(other)) || (eight(one) && eight(other))
}

/// Whether the JSON of `from` is read as `to`, where the wire format is: a parser refuses a number out of its range, a
/// bool is no number, and bytes are base64.
pub(super) fn json_reads(to: Kind, from: Kind) -> bool {
    use Scalar::{Int32, Int64, Sint32, Sint64, Uint32, Uint64};
    match (to, from) {
        (Kind::Scalar(to), Kind::Scalar(from)) => {
            to == from || matches!((to, from), (Int64, Int32 | Uint32) | (Uint64, Uint32) | (Sint64, Sint32))
        }
        // parsers take an enum's number for its name, and every int32 is one of an open enum
        (Kind::Enum(_), Kind::Enum(_) | Kind::Scalar(Int32))
        | (Kind::Message(_), Kind::Message(_))
        | (Kind::Group(_), Kind::Group(_)) => true,
        _ => false,
    }
}

/// The form of its own that ProtoJSON gives a message, if any: messages of different forms do not read each other. That
/// of a wrapper is its value's, and so all wrappers have one.
pub(super) fn json_form(full_name: &str) -> Option<&str> {
    let name = full_name.strip_prefix("google.protobuf.")?;
    match name {
        "Any" | "Duration" | "FieldMask" | "ListValue" | "Struct" | "Timestamp" | "Value" => Some(name),
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => Some("wrapper"),
        _ => None,
    }
}
