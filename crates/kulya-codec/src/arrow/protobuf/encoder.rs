//! Messages of rows, by `prost-reflect`.

use super::{ProtobufOptions, TIMESTAMP};
use crate::arrow::encoder::{Member, Values, only_inserted, range, unwritable};
use crate::arrow::{BatchEncoder, RowKind};
use crate::protobuf::message_descriptor;
use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, TimeUnit};
use bytes::Bytes;
use kulya_schema::SchemaInfo;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use std::collections::HashMap;

/// Encodes rows as messages of one descriptor: a column is the field of its name. Fields that are null, or
/// have no column, are not written.
pub struct ProtobufEncoder {
    message: MessageDescriptor,
    options: ProtobufOptions,
}

impl ProtobufEncoder {
    /// Creates an encoder of rows with the columns of `table` as messages of a registered schema.
    ///
    /// # Errors
    /// `Schema` when the schema is not Protobuf, or has no field for a column.
    pub fn new(schema: &SchemaInfo, table: &Schema, options: ProtobufOptions) -> CodecResult<Self> {
        let message = message_descriptor(schema)?;
        for column in table.fields() {
            if message.get_field_by_name(column.name()).is_none() {
                let (column, message) = (column.name(), message.full_name());
                return Err(CodecError::Schema(format!(
                    "message {message} has no field for column {column}"
                )));
            }
        }
        Ok(Self { message, options })
    }

    fn row(
        &self,
        message: &MessageDescriptor,
        members: &[Member],
        row: usize,
    ) -> Result<DynamicMessage, String> {
        let mut written = DynamicMessage::new(message.clone());
        for member in members.iter().filter(|member| !member.values.is_null(row)) {
            let failed = |reason: String| format!("column {}: {reason}", member.name);
            let field = message
                .get_field_by_name(&member.name)
                .ok_or_else(|| failed(format!("message {} has no such field", message.full_name())))?;
            let value = self.field(&field, &member.values, row).map_err(failed)?;
            written.try_set_field(&field, value).map_err(|e| failed(e.to_string()))?;
        }
        Ok(written)
    }

    fn field(&self, field: &FieldDescriptor, values: &Values, row: usize) -> Result<Value, String> {
        match values {
            Values::Map { offsets, keys, values, .. } if field.is_map() => {
                let Kind::Message(entry) = field.kind() else {
                    return Err("the field has no entries".to_owned());
                };
                let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let mut entries = HashMap::new();
                for entry in range(offsets, row) {
                    let key = map_key(self.item(&key_field, keys, entry)?)
                        .ok_or("a key has a type without order")?;
                    entries.insert(key, self.item(&value_field, values, entry)?);
                }
                Ok(Value::Map(entries))
            }
            Values::List { offsets, items, .. } if field.is_list() => range(offsets, row)
                .map(|item| self.item(field, items, item))
                .collect::<Result<_, _>>()
                .map(Value::List),
            _ if field.is_map() || field.is_list() => {
                Err("the field is repeated, but the column is not".to_owned())
            }
            values => self.value(&field.kind(), values, row),
        }
    }

    /// Returns an item of a list or a part of a map's entry, which cannot be null in Protobuf.
    fn item(&self, field: &FieldDescriptor, values: &Values, row: usize) -> Result<Value, String> {
        let kind = field.kind();
        if !values.is_null(row) {
            return self.value(&kind, values, row);
        }
        Ok(match kind {
            Kind::String => Value::String(self.options.write_null_string_literal.clone()),
            kind => Value::default_value(&kind),
        })
    }

    fn value(&self, kind: &Kind, values: &Values, row: usize) -> Result<Value, String> {
        Ok(match (kind, values) {
            (Kind::Bool, Values::Boolean(values)) => Value::Bool(values.value(row)),
            (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, Values::Integer(values)) => {
                Value::I32(fitting(values.value(row))?)
            }
            (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, Values::Integer(values)) => {
                Value::I64(values.value(row))
            }
            (Kind::Uint32 | Kind::Fixed32, Values::Integer(values)) => {
                let number = values.value(row);
                // a negative INT is an unsigned number beyond its range, as in Java
                Value::U32(match i32::try_from(number) {
                    Ok(number) => number as u32,
                    Err(_) => fitting(number)?,
                })
            }
            (Kind::Uint64 | Kind::Fixed64, Values::Integer(values)) => Value::U64(values.value(row) as u64),
            (Kind::Uint64 | Kind::Fixed64, Values::Unsigned(values)) => Value::U64(values.value(row)),
            (Kind::Uint64 | Kind::Fixed64, Values::Decimal(values)) if values.scale() == 0 => {
                Value::U64(fitting(values.value(row))?)
            }
            (Kind::Float, Values::Float(values)) => Value::F32(values.value(row)),
            (Kind::Double, Values::Float(values)) => Value::F64(values.value(row).into()),
            (Kind::Double, Values::Double(values)) => Value::F64(values.value(row)),
            (Kind::String, Values::Text(values)) => Value::String(values.value(row).to_owned()),
            (Kind::Bytes, Values::Bytes(values)) => Value::Bytes(Bytes::copy_from_slice(values.value(row))),
            (Kind::Enum(_), Values::Integer(values)) => Value::EnumNumber(fitting(values.value(row))?),
            (Kind::Enum(names), Values::Text(values)) => {
                let text = values.value(row);
                let number = names.get_value_by_name(text).map(|value| value.number());
                let number = number.or_else(|| text.parse().ok());
                Value::EnumNumber(
                    number.ok_or_else(|| format!("enum {} has no {text:?}", names.full_name()))?,
                )
            }
            (Kind::Message(message), Values::Timestamp { values, unit, .. })
                if message.full_name() == TIMESTAMP =>
            {
                Value::Message(timestamp(message, values.value(row), *unit)?)
            }
            (Kind::Message(message), Values::Row { members, .. }) => {
                Value::Message(self.row(message, members, row)?)
            }
            (Kind::Message(message), Values::Bytes(values)) => {
                let decoded = DynamicMessage::decode(message.clone(), values.value(row));
                Value::Message(decoded.map_err(|e| e.to_string())?)
            }
            (kind, _) => return Err(format!("the column cannot be written as {kind:?}")),
        })
    }
}

fn fitting<N: TryFrom<V>, V: Copy + std::fmt::Display>(number: V) -> Result<N, String> {
    N::try_from(number).map_err(|_| format!("{number} is beyond the range of the field"))
}

fn timestamp(message: &MessageDescriptor, value: i64, unit: TimeUnit) -> Result<DynamicMessage, String> {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let nanoseconds = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let mut written = DynamicMessage::new(message.clone());
    let set = written.try_set_field_by_name("seconds", Value::I64(value.div_euclid(per_second)));
    set.and_then(|()| written.try_set_field_by_name("nanos", Value::I32(nanoseconds as i32)))
        .map_err(|e| e.to_string())?;
    Ok(written)
}

fn map_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::Bool(key) => MapKey::Bool(key),
        Value::I32(key) => MapKey::I32(key),
        Value::I64(key) => MapKey::I64(key),
        Value::U32(key) => MapKey::U32(key),
        Value::U64(key) => MapKey::U64(key),
        Value::String(key) => MapKey::String(key),
        _ => return None,
    })
}

impl BatchEncoder for ProtobufEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        only_inserted("Protobuf", kinds)?;
        let schema = rows.schema_ref();
        let columns = schema.fields().iter().map(|field| field.name()).zip(rows.columns());
        let members = Member::all(columns).map_err(|e| unwritable("Protobuf", e))?;
        let event = |row| {
            let message = self.row(&self.message, &members, row).map_err(|e| unwritable("Protobuf", e))?;
            Ok(message.encode_to_vec().into())
        };
        (0..rows.num_rows()).map(event).collect()
    }
}
