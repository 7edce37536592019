//! Columns that come from beside an event: where it is.

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{ArrayRef, BinaryArray, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use kulya_store::{EventPointer, SegmentId};
use std::sync::{Arc, LazyLock};

/// A metadata column of the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataKey {
    /// The event's pointer, in the bytes of Pravega's `EventPointer`.
    EventPointer,
    /// The stream's name.
    Stream,
    /// The number of the segment.
    Segment,
    /// The offset of the event in its segment.
    Offset,
    /// When the event was committed.
    AppendTime,
}

/// The keys with their names and types.
pub(crate) static METADATA_KEYS: LazyLock<[(&str, MetadataKey, DataType); 5]> = LazyLock::new(|| {
    [
        ("event_pointer", MetadataKey::EventPointer, DataType::Binary),
        ("stream", MetadataKey::Stream, DataType::Utf8),
        ("segment", MetadataKey::Segment, DataType::Int32),
        ("offset", MetadataKey::Offset, DataType::Int64),
        (
            "append-time",
            MetadataKey::AppendTime,
            DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
        ),
    ]
});

/// An event's place in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPlace {
    pub(crate) offset: u64,
    /// The length with the frame, as pointers have it.
    pub(crate) length: u32,
    /// When it was committed, in milliseconds since 1970, if a column needs it and the store knows it.
    pub(crate) millis: Option<i64>,
}

impl MetadataKey {
    /// Returns the values of rows of a segment as a column of this type.
    ///
    /// # Errors
    /// `InvalidValue` if the values cannot have the type.
    pub(super) fn values(
        self,
        segment: &SegmentId,
        rows: &[EventPlace],
        data_type: &DataType,
    ) -> SqlResult<ArrayRef> {
        let values: ArrayRef = match self {
            Self::EventPointer => {
                let pointer = |place: &EventPlace| {
                    let EventPlace { offset, length, .. } = *place;
                    EventPointer { segment: segment.clone(), offset, length }.to_bytes()
                };
                Arc::new(rows.iter().map(|place| Some(pointer(place))).collect::<BinaryArray>())
            }
            Self::Stream => {
                Arc::new(rows.iter().map(|_| Some(segment.stream.name.as_str())).collect::<StringArray>())
            }
            Self::Segment => Arc::new(Int32Array::from_value(segment.number as i32, rows.len())),
            Self::Offset => {
                Arc::new(rows.iter().map(|place| Some(place.offset as i64)).collect::<Int64Array>())
            }
            Self::AppendTime => {
                let millis = rows.iter().map(|place| place.millis);
                Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone("+00:00"))
            }
        };
        as_type(&values, data_type)
    }
}

/// Returns values as a type.
///
/// # Errors
/// `InvalidValue` if they cannot have it.
pub(super) fn as_type(values: &ArrayRef, data_type: &DataType) -> SqlResult<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    cast(values, data_type).map_err(|e| SqlError::new(SqlErrorKind::InvalidValue, e.to_string()).because(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::display::array_value_to_string;
    use kulya_store::StreamId;

    #[test]
    fn values_are_those_of_the_events() {
        let segment = StreamId::new("shop", "orders").unwrap().segment(3);
        let place = |offset, length| EventPlace { offset, length, millis: Some(1_000) };
        let rows = [place(0, 18), place(18, 9)];
        for (key, expected) in [
            ("stream", ["orders", "orders"]),
            ("segment", ["3", "3"]),
            ("offset", ["0", "18"]),
            ("append-time", ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01Z"]),
        ] {
            let (_, found, data_type) = METADATA_KEYS.iter().find(|(known, ..)| *known == key).unwrap();
            let values = found.values(&segment, &rows, data_type).unwrap();
            let texts = [0, 1].map(|row| array_value_to_string(&values, row).unwrap());
            assert_eq!(texts, expected, "{key}");
        }
        let pointers = MetadataKey::EventPointer.values(&segment, &rows, &DataType::Binary).unwrap();
        let pointers = pointers.as_any().downcast_ref::<BinaryArray>().unwrap().clone();
        let pointer = EventPointer::from_bytes(pointers.value(1)).unwrap();
        assert_eq!(pointer, EventPointer { segment, offset: 18, length: 9 });
    }
}
