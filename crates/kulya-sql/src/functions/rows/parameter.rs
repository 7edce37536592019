//! What functions take as arguments.

use arrow::datatypes::DataType;

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::functions) enum Parameter {
    Text,
    /// An integer of any size.
    Integer,
    /// A number of any kind, as DOUBLE.
    Number,
    Bytes,
    /// A text or bytes.
    TextOrBytes,
    /// A text or an integer.
    TextOrInteger,
    /// A date, a timestamp or a moment: nanoseconds since 1970.
    Moment,
    /// A text or a timestamp.
    TextOrMoment,
    /// A text or an array of texts.
    Texts,
    /// Anything.
    Any,
}

/// Returns whether a type is one that a parameter takes.
pub(super) fn fits(parameter: Parameter, given: &DataType) -> bool {
    let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_bytes = matches!(
        given,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    );
    let is_moment = matches!(
        given,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Time32(_) | DataType::Time64(_)
    );
    given.is_null()
        || match parameter {
            Parameter::Text => is_text,
            Parameter::Integer => given.is_integer(),
            Parameter::Number => given.is_numeric(),
            Parameter::Bytes => is_bytes,
            Parameter::TextOrBytes => is_text || is_bytes,
            Parameter::TextOrInteger => is_text || given.is_integer(),
            Parameter::Moment => is_moment,
            Parameter::TextOrMoment => is_text || is_moment,
            Parameter::Texts => {
                is_text || matches!(given, DataType::List(item) if fits(Parameter::Text, item.data_type()))
            }
            Parameter::Any => true,
        }
}

/// Returns what a parameter takes, for messages.
pub(super) fn expected(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::Text => "STRING",
        Parameter::Integer => "an integer",
        Parameter::Number => "a number",
        Parameter::Bytes => "BYTES",
        Parameter::TextOrBytes => "STRING or BYTES",
        Parameter::TextOrInteger => "STRING or an integer",
        Parameter::Moment => "a date or a timestamp",
        Parameter::TextOrMoment => "STRING or a timestamp",
        Parameter::Texts => "STRING or ARRAY<STRING>",
        Parameter::Any => "a value",
    }
}
