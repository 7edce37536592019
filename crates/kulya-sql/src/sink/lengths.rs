//! Lengths of texts and bytes: what CHAR, VARCHAR, BINARY and VARBINARY allow.

use super::nested::{Nested, range};
use crate::dialect::{FlinkType, MAX_LENGTH, TypeKind};
use crate::{SqlError, SqlResult};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StructArray};
use arrow::datatypes::DataType;
use std::borrow::Cow;
use std::sync::Arc;

/// The length up to which values are padded: a batch has thousands of them.
pub(super) const MAX_PADDED: u32 = 10_000;

/// What becomes of values of another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lengths {
    Ignore,
    /// Longer values are cut, and shorter ones of CHAR and BINARY padded.
    TrimPad,
    Error,
}

/// A value of another length than its type's.
pub(super) struct WrongLength {
    /// Below its column.
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) length: usize,
}

/// Returns whether a type limits lengths, in what is looked at.
pub(super) fn limits_length(column: &FlinkType, nested: Nested) -> bool {
    let inside = |kind: &FlinkType| limits_length(kind, nested);
    match &column.kind {
        TypeKind::Char(_) | TypeKind::Binary(_) => true,
        TypeKind::Varchar(length) | TypeKind::Varbinary(length) => *length < MAX_LENGTH,
        TypeKind::Row(fields) if nested >= Nested::Rows => {
            fields.iter().any(|field| inside(&field.field_type))
        }
        TypeKind::Array(item) | TypeKind::Multiset(item) if nested == Nested::RowsAndCollections => {
            inside(item)
        }
        TypeKind::Map(key, value) if nested == Nested::RowsAndCollections => inside(key) || inside(value),
        _ => false,
    }
}

/// Returns whether a type limits lengths within arrays and maps.
pub(super) fn limits_length_in_collections(column: &FlinkType) -> bool {
    let limits = |kind: &FlinkType| limits_length(kind, Nested::RowsAndCollections);
    match &column.kind {
        TypeKind::Row(fields) => fields.iter().any(|field| limits_length_in_collections(&field.field_type)),
        TypeKind::Array(item) | TypeKind::Multiset(item) => limits(item),
        TypeKind::Map(key, value) => limits(key) || limits(value),
        _ => false,
    }
}

/// Returns the largest length to which values of a type are padded.
pub(super) fn longest_padded(column: &FlinkType) -> u32 {
    match &column.kind {
        TypeKind::Char(length) | TypeKind::Binary(length) => *length,
        TypeKind::Row(fields) => {
            fields.iter().map(|field| longest_padded(&field.field_type)).max().unwrap_or_default()
        }
        _ => 0,
    }
}

impl Lengths {
    /// Returns the first value of a row whose length its type does not allow.
    pub(super) fn find_wrong(
        column: &FlinkType,
        values: &ArrayRef,
        row: usize,
        nested: Nested,
    ) -> Option<WrongLength> {
        if values.is_null(row) {
            return None;
        }
        let below = |prefix: String, kind: &FlinkType, values: &ArrayRef, row: usize| {
            let wrong = Self::find_wrong(kind, values, row, nested)?;
            Some(WrongLength { path: format!("{prefix}{}", wrong.path), ..wrong })
        };
        let length = match (values.data_type(), &column.kind) {
            (DataType::Utf8, TypeKind::Char(_) | TypeKind::Varchar(_)) => {
                values.as_string::<i32>().value(row).chars().count()
            }
            (DataType::Binary, TypeKind::Binary(_) | TypeKind::Varbinary(_)) => {
                values.as_binary::<i32>().value(row).len()
            }
            (DataType::Struct(_), TypeKind::Row(fields)) if nested >= Nested::Rows => {
                let mut members = values.as_struct().columns().iter().zip(fields);
                return members.find_map(|(values, field)| {
                    below(format!(".{}", field.name), &field.field_type, values, row)
                });
            }
            (DataType::List(_), TypeKind::Array(item)) if nested == Nested::RowsAndCollections => {
                let list = values.as_list::<i32>();
                let mut items = range(list.value_offsets(), row).enumerate();
                return items
                    .find_map(|(index, place)| below(format!("[{index}]"), item, list.values(), place));
            }
            (DataType::Map(..), TypeKind::Map(key, value)) if nested == Nested::RowsAndCollections => {
                let map = values.as_map();
                return range(map.value_offsets(), row).find_map(|place| {
                    below("[key]".to_owned(), key, map.keys(), place)
                        .or_else(|| below("[value]".to_owned(), value, map.values(), place))
                });
            }
            (DataType::Map(..), TypeKind::Multiset(item)) if nested == Nested::RowsAndCollections => {
                let map = values.as_map();
                let mut places = range(map.value_offsets(), row);
                return places.find_map(|place| below("[key]".to_owned(), item, map.keys(), place));
            }
            _ => return None,
        };
        let is_allowed = match column.kind {
            TypeKind::Char(wanted) | TypeKind::Binary(wanted) => length == wanted as usize,
            TypeKind::Varchar(most) | TypeKind::Varbinary(most) => length <= most as usize,
            _ => true,
        };
        let wrong = || WrongLength { path: String::new(), kind: column.kind.to_string(), length };
        (!is_allowed).then(wrong)
    }

    /// Returns values with lengths that their type allows: longer ones are cut, and shorter ones of CHAR and
    /// BINARY padded with blanks and zeros.
    pub(super) fn fitted(self, column: &FlinkType, values: ArrayRef, nested: Nested) -> SqlResult<ArrayRef> {
        if !limits_length(column, nested) {
            return Ok(values);
        }
        Ok(match (values.data_type(), &column.kind) {
            (DataType::Utf8, TypeKind::Char(length)) => {
                let texts = values.as_string::<i32>().iter();
                let fitted = texts.map(|text| text.map(|text| padded(text, *length as usize)));
                Arc::new(fitted.collect::<StringArray>())
            }
            (DataType::Utf8, TypeKind::Varchar(length)) => {
                let texts = values.as_string::<i32>().iter();
                Arc::new(
                    texts.map(|text| text.map(|text| cut(text, *length as usize))).collect::<StringArray>(),
                )
            }
            (DataType::Binary, TypeKind::Binary(length)) => {
                let length = *length as usize;
                let fitted = values.as_binary::<i32>().iter().map(|bytes| {
                    bytes.map(|bytes| match bytes.get(..length) {
                        Some(cut) => Cow::Borrowed(cut),
                        None => {
                            let mut padded = bytes.to_vec();
                            padded.resize(length, 0);
                            Cow::Owned(padded)
                        }
                    })
                });
                Arc::new(fitted.collect::<BinaryArray>())
            }
            (DataType::Binary, TypeKind::Varbinary(length)) => {
                let fitted = values.as_binary::<i32>().iter();
                let fitted =
                    fitted.map(|bytes| bytes.map(|bytes| bytes.get(..*length as usize).unwrap_or(bytes)));
                Arc::new(fitted.collect::<BinaryArray>())
            }
            (DataType::Struct(fields), TypeKind::Row(types)) => {
                let rows = values.as_struct();
                let members = rows.columns().iter().zip(types);
                let members =
                    members.map(|(values, field)| self.fitted(&field.field_type, Arc::clone(values), nested));
                let members = members.collect::<SqlResult<Vec<_>>>()?;
                let fitted = StructArray::try_new(fields.clone(), members, rows.nulls().cloned());
                Arc::new(fitted.map_err(|e| SqlError::internal().because(e))?)
            }
            _ => values,
        })
    }
}

/// Returns the first characters of a text.
fn cut(text: &str, length: usize) -> &str {
    match text.char_indices().nth(length) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Returns a text of this length, with blanks at its end if it is shorter.
fn padded(text: &str, length: usize) -> Cow<'_, str> {
    let cut = cut(text, length);
    match length.saturating_sub(cut.chars().count()) {
        0 => Cow::Borrowed(cut),
        missing => Cow::Owned(format!("{cut}{}", " ".repeat(missing))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::parse_type;

    fn fitted(kind: &str, text: &str) -> String {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some(text), None]));
        let kind = parse_type(kind).unwrap();
        let fitted = Lengths::TrimPad.fitted(&kind, values, Nested::Ignore).unwrap();
        assert!(fitted.is_null(1));
        fitted.as_string::<i32>().value(0).to_owned()
    }

    #[test]
    fn texts_are_cut_and_padded_by_characters() {
        for (kind, text, expected) in [
            ("CHAR(3)", "äöüß", "äöü"),
            ("CHAR(3)", "ä", "ä  "),
            ("VARCHAR(2)", "äöü", "äö"),
            ("VARCHAR(2)", "ä", "ä"),
            ("STRING", "äöü", "äöü"),
        ] {
            assert_eq!(fitted(kind, text), expected, "{kind}");
        }
    }

    #[test]
    fn bytes_are_cut_and_padded() {
        let values: ArrayRef = Arc::new(BinaryArray::from(vec![&[1_u8][..], &[1, 2, 3]]));
        let of = |kind: &str| {
            let fitted =
                Lengths::TrimPad.fitted(&parse_type(kind).unwrap(), Arc::clone(&values), Nested::Ignore);
            let fitted = fitted.unwrap();
            [0, 1].map(|row| fitted.as_binary::<i32>().value(row).to_vec())
        };
        assert_eq!(of("BINARY(2)"), [vec![1, 0], vec![1, 2]]);
        assert_eq!(of("VARBINARY(2)"), [vec![1], vec![1, 2]]);
    }

    #[test]
    fn lengths_in_collections_are_found() {
        for (kind, expected) in [
            ("CHAR(2)", false),
            ("ROW<a CHAR(2)>", false),
            ("ARRAY<CHAR(2)>", true),
            ("ROW<a MAP<STRING, ROW<b BINARY(1)>>>", true),
            ("ARRAY<STRING>", false),
        ] {
            assert_eq!(limits_length_in_collections(&parse_type(kind).unwrap()), expected, "{kind}");
        }
    }
}
