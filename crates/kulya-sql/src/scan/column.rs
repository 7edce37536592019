//! Where the values of a table's columns come from.

use super::metadata::{METADATA_KEYS, MetadataKey};
use crate::data_types::type_name;
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

/// What stands before the keys of a format's metadata.
const FORMAT_PREFIX: &str = "from_format.";

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ScanColumn {
    /// A column of the format.
    Physical(usize),
    /// Beside the event: where it is.
    Metadata(MetadataKey),
    /// Beside the row in the event, by the format's key.
    FormatMetadata(Arc<str>),
}

impl ScanColumn {
    /// Returns the column of a metadata key.
    ///
    /// # Errors
    /// `InvalidOption` for an unknown key, `TypeMismatch` for a type that its values cannot have.
    pub(crate) fn metadata(key: &str, column: &Field, of_format: &[Field]) -> SqlResult<Self> {
        let name = column.name();
        if let Some(key) = key.strip_prefix(FORMAT_PREFIX)
            && let Some(found) = of_format.iter().find(|field| field.name() == key)
        {
            check_type(found.data_type(), column, key)?;
            return Ok(Self::FormatMetadata(key.into()));
        }
        let Some((_, found, data_type)) = METADATA_KEYS.iter().find(|(known, ..)| *known == key) else {
            let own = METADATA_KEYS.iter().map(|(known, ..)| (*known).to_owned());
            let of_format = of_format.iter().map(|field| format!("{FORMAT_PREFIX}{}", field.name()));
            let known: Vec<String> = own.chain(of_format).collect();
            let hint = match nearest(key, known.iter().map(String::as_str)) {
                Some(nearest) => format!("did you mean '{nearest}'?"),
                None => format!("keys are {}", known.join(", ")),
            };
            let what = format!("column {name}: unknown metadata key '{key:.100}': {hint}");
            return Err(SqlError::new(SqlErrorKind::InvalidOption, what));
        };
        check_type(data_type, column, key)?;
        Ok(Self::Metadata(*found))
    }

    pub(super) fn physical(&self) -> Option<usize> {
        match self {
            Self::Physical(index) => Some(*index),
            Self::Metadata(_) | Self::FormatMetadata(_) => None,
        }
    }

    pub(super) fn format_metadata(&self) -> Option<&str> {
        match self {
            Self::FormatMetadata(key) => Some(key),
            Self::Physical(_) | Self::Metadata(_) => None,
        }
    }
}

fn check_type(data_type: &DataType, column: &Field, key: &str) -> SqlResult<()> {
    let to = column.data_type();
    let is_text = matches!(to, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_same_family =
        data_type.is_numeric() == to.is_numeric() && data_type.is_temporal() == to.is_temporal();
    if *data_type == *to || can_cast_types(data_type, to) && (is_text || is_same_family) {
        return Ok(());
    }
    let (found, wanted) = (type_name(data_type), type_name(column.data_type()));
    let what = format!("column {}: metadata '{key}' is {found}, and cannot be {wanted}", column.name());
    Err(SqlError::new(SqlErrorKind::TypeMismatch, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        let field = |data_type| Field::new("c", data_type, true);
        let found = ScanColumn::metadata("offset", &field(DataType::Utf8), &[]).unwrap();
        assert_eq!(found, ScanColumn::Metadata(MetadataKey::Offset));
        let of_format = [Field::new("source.table", DataType::Utf8, true)];
        let text = field(DataType::Utf8);
        let found = ScanColumn::metadata("from_format.source.table", &text, &of_format).unwrap();
        assert_eq!(found, ScanColumn::FormatMetadata("source.table".into()));
        let kind =
            |key: &str, data_type| ScanColumn::metadata(key, &field(data_type), &[]).unwrap_err().kind();
        assert_eq!(kind("ofset", DataType::Int64), SqlErrorKind::InvalidOption);
        assert_eq!(kind("event_pointer", DataType::Date32), SqlErrorKind::TypeMismatch);
    }
}
