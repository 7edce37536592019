//! Buffers of a column's values: values are appended, those of a failed event are removed again, and the rest
//! becomes an Arrow array. Arrow's own builders only grow.
//!
//! - `scalar`: values by their kind, for formats that know columns by their types alone;
//! - `value_bytes`: the compact bytes of a value.

mod scalar;
pub(in crate::arrow) mod value_bytes;

pub use scalar::Scalar;
pub(in crate::arrow) use scalar::in_unit;

use crate::{CodecError, CodecResult};
use arrow::array::{
    ArrayData, ArrayRef, BinaryArray, BooleanBufferBuilder, ListArray, MapArray, NullArray,
    NullBufferBuilder, StringArray, StructArray, make_array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use std::sync::Arc;

/// The maximum size of the texts of one buffer, in bytes: the text of a decimal can be a thousand times as
/// long as its event.
const MAX_TEXT_BYTES: usize = 1 << 28;

/// The values of one column.
#[derive(Debug)]
pub(in crate::arrow) struct ColumnBuffer {
    pub(in crate::arrow) data_type: DataType,
    /// Whether a decimal may have more digits than its type.
    accepts_any_digits: bool,
    len: usize,
    nulls: NullBufferBuilder,
    pub(in crate::arrow) values: Values,
}

#[derive(Debug)]
pub(in crate::arrow) enum Values {
    Null,
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Unsigned(Vec<u64>),
    Int128(Vec<i128>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Bytes(BytesBuffer),
    List(ListBuffer),
    Map(Vec<i32>, Box<[ColumnBuffer; 2]>),
    Row(Vec<ColumnBuffer>),
}

/// Texts or bytes.
#[derive(Debug)]
pub(in crate::arrow) struct BytesBuffer {
    pub(in crate::arrow) offsets: Vec<i32>,
    pub(in crate::arrow) data: Vec<u8>,
}

impl BytesBuffer {
    /// Completes the value that was appended to the data.
    #[must_use]
    pub(in crate::arrow) fn complete(&mut self) -> bool {
        if self.data.len() > MAX_TEXT_BYTES {
            return false;
        }
        self.offsets.push(self.data.len() as i32);
        true
    }
}

/// Lists: the items of all, and the end of each.
#[derive(Debug)]
pub(in crate::arrow) struct ListBuffer {
    pub(in crate::arrow) offsets: Vec<i32>,
    pub(in crate::arrow) items: Box<ColumnBuffer>,
}

impl ColumnBuffer {
    /// Creates an empty buffer; `None` for types that events do not have.
    pub(in crate::arrow) fn new(data_type: &DataType) -> Option<Self> {
        let values = match data_type {
            DataType::Null => Values::Null,
            DataType::UInt64 => Values::Unsigned(Vec::new()),
            DataType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int8 => Values::Int8(Vec::new()),
            DataType::Int16 => Values::Int16(Vec::new()),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) | DataType::Interval(_) => {
                Values::Int32(Vec::new())
            }
            DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Duration(_) => {
                Values::Int64(Vec::new())
            }
            DataType::Decimal128(..) => Values::Int128(Vec::new()),
            DataType::Float32 => Values::Float32(Vec::new()),
            DataType::Float64 => Values::Float64(Vec::new()),
            DataType::Utf8 | DataType::Binary => {
                Values::Bytes(BytesBuffer { offsets: vec![0], data: Vec::new() })
            }
            DataType::List(item) => {
                Values::List(ListBuffer { offsets: vec![0], items: Box::new(Self::new(item.data_type())?) })
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let [key, value] = fields.as_ref() else { return None };
                let buffers = [Self::new(key.data_type())?, Self::new(value.data_type())?];
                Values::Map(vec![0], Box::new(buffers))
            }
            DataType::Struct(fields) => {
                let buffers = fields.iter().map(|field| Self::new(field.data_type()));
                Values::Row(buffers.collect::<Option<_>>()?)
            }
            _ => return None,
        };
        let data_type = data_type.clone();
        Some(Self { data_type, accepts_any_digits: false, len: 0, nulls: NullBufferBuilder::new(0), values })
    }

    #[inline]
    pub(in crate::arrow) fn len(&self) -> usize {
        self.len
    }

    pub(in crate::arrow) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Returns the size of the texts, in bytes.
    pub(in crate::arrow) fn text_bytes(&self) -> usize {
        match &self.values {
            Values::Bytes(bytes) => bytes.data.len(),
            Values::List(list) => list.items.text_bytes(),
            Values::Map(_, entries) => entries.iter().map(Self::text_bytes).sum(),
            Values::Row(fields) => fields.iter().map(Self::text_bytes).sum(),
            _ => 0,
        }
    }

    pub(in crate::arrow) fn is_null(&self, index: usize) -> bool {
        index < self.len() && !self.nulls.is_valid(index)
    }

    /// Marks the value that was appended as one that is not null.
    #[inline]
    pub(in crate::arrow) fn complete(&mut self) {
        self.len += 1;
        self.nulls.append_non_null();
    }

    /// Completes a list after its items.
    pub(in crate::arrow) fn complete_list(&mut self) {
        match &mut self.values {
            Values::List(list) => list.offsets.push(list.items.len() as i32),
            Values::Map(offsets, entries) => offsets.push(entries.first().map_or(0, Self::len) as i32),
            _ => {}
        }
        self.complete();
    }

    pub(in crate::arrow) fn push_null(&mut self) {
        match &mut self.values {
            Values::Null => {}
            Values::Unsigned(values) => values.push(0),
            Values::Boolean(values) => values.append(false),
            Values::Int8(values) => values.push(0),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) => values.push(0),
            Values::Int64(values) => values.push(0),
            Values::Int128(values) => values.push(0),
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Bytes(bytes) => bytes.offsets.extend(bytes.offsets.last().copied()),
            Values::List(list) => list.offsets.extend(list.offsets.last().copied()),
            Values::Map(offsets, _) => offsets.extend(offsets.last().copied()),
            Values::Row(fields) => fields.iter_mut().for_each(Self::push_null),
        }
        self.len += 1;
        self.nulls.append_null();
    }

    /// Removes the values from `len` on, incomplete ones too.
    pub(in crate::arrow) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.nulls.truncate(len);
        match &mut self.values {
            Values::Null => {}
            Values::Unsigned(values) => values.truncate(len),
            Values::Boolean(values) => values.truncate(len),
            Values::Int8(values) => values.truncate(len),
            Values::Int16(values) => values.truncate(len),
            Values::Int32(values) => values.truncate(len),
            Values::Int64(values) => values.truncate(len),
            Values::Int128(values) => values.truncate(len),
            Values::Float32(values) => values.truncate(len),
            Values::Float64(values) => values.truncate(len),
            Values::Bytes(bytes) => {
                bytes.offsets.truncate(len + 1);
                bytes.data.truncate(end(&bytes.offsets));
            }
            Values::List(list) => {
                list.offsets.truncate(len + 1);
                list.items.truncate(end(&list.offsets));
            }
            Values::Map(offsets, entries) => {
                offsets.truncate(len + 1);
                entries.iter_mut().for_each(|buffer| buffer.truncate(end(offsets)));
            }
            Values::Row(fields) => fields.iter_mut().for_each(|buffer| buffer.truncate(len)),
        }
    }

    /// Takes the values as an array.
    ///
    /// # Errors
    /// `Schema` when Arrow refuses them.
    pub(in crate::arrow) fn finish(&mut self) -> CodecResult<ArrayRef> {
        let len = std::mem::take(&mut self.len);
        let nulls = self.nulls.finish();
        let failed = |e| CodecError::Schema(format!("converting rows to a batch failed: {e}"));
        let primitive = |buffer: Buffer| {
            let data = ArrayData::builder(self.data_type.clone()).len(len).add_buffer(buffer);
            data.nulls(nulls.clone()).build().map(make_array).map_err(failed)
        };
        Ok(match &mut self.values {
            Values::Null => Arc::new(NullArray::new(len)),
            Values::Unsigned(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Boolean(values) => primitive(values.finish().into_inner())?,
            Values::Int8(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Int16(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Int32(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Int64(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Int128(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Float32(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Float64(values) => primitive(Buffer::from_vec(take(values)))?,
            Values::Bytes(bytes) => {
                let (offsets, data) = (offsets(&mut bytes.offsets), Buffer::from_vec(take(&mut bytes.data)));
                match self.data_type {
                    DataType::Utf8 => {
                        Arc::new(StringArray::try_new(offsets, data, nulls).map_err(failed)?) as ArrayRef
                    }
                    _ => Arc::new(BinaryArray::try_new(offsets, data, nulls).map_err(failed)?),
                }
            }
            Values::List(list) => {
                let items = list.items.finish()?;
                let field = self.data_type.list_item()?;
                let array = ListArray::try_new(field, offsets(&mut list.offsets), items, nulls);
                Arc::new(array.map_err(failed)?)
            }
            Values::Map(ends, entries) => {
                let (field, fields) = self.data_type.map_entries()?;
                let arrays = entries.iter_mut().map(Self::finish).collect::<CodecResult<Vec<_>>>()?;
                let entries = StructArray::try_new(fields, arrays, None).map_err(failed)?;
                Arc::new(MapArray::try_new(field, offsets(ends), entries, nulls, false).map_err(failed)?)
            }
            Values::Row(buffers) => {
                let arrays = buffers.iter_mut().map(Self::finish).collect::<CodecResult<Vec<_>>>()?;
                let fields = self.data_type.row_fields();
                let array = StructArray::try_new_with_length(fields, arrays, nulls, len);
                Arc::new(array.map_err(failed)?)
            }
        })
    }
}

/// Takes the values, with room for as many again.
fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let capacity = values.len();
    std::mem::replace(values, Vec::with_capacity(capacity))
}

fn offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let taken = take(offsets);
    offsets.push(0);
    OffsetBuffer::new(ScalarBuffer::from(taken))
}

fn end(offsets: &[i32]) -> usize {
    offsets.last().copied().unwrap_or(0) as usize
}

/// The parts of nested types.
trait NestedType {
    fn list_item(&self) -> CodecResult<FieldRef>;
    fn map_entries(&self) -> CodecResult<(FieldRef, Fields)>;
    fn row_fields(&self) -> Fields;
}

impl NestedType for DataType {
    fn list_item(&self) -> CodecResult<FieldRef> {
        match self {
            Self::List(item) => Ok(Arc::clone(item)),
            other => Err(CodecError::Schema(format!("{other} is not a list"))),
        }
    }

    fn map_entries(&self) -> CodecResult<(FieldRef, Fields)> {
        match self {
            Self::Map(entries, _) => Ok((Arc::clone(entries), entries.data_type().row_fields())),
            other => Err(CodecError::Schema(format!("{other} is not a map"))),
        }
    }

    fn row_fields(&self) -> Fields {
        if let Self::Struct(fields) = self { fields.clone() } else { Fields::empty() }
    }
}
