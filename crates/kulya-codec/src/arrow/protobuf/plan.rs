//! How the fields of a message become the columns of a row.

use super::{ProtobufOptions, TIMESTAMP};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The fields of a message that are columns.
pub(super) struct MessagePlan {
    pub(super) fields: Vec<FieldPlan>,
    /// What the fields of the message are, by number, in order.
    lookup: Vec<(u32, Lookup)>,
}

/// What is done with a field of a message.
#[derive(Clone, Copy)]
pub(super) enum Lookup {
    /// It is the column at this position.
    Column(usize),
    /// It is no column, but those of its oneof are no longer there.
    Clears(usize),
}

pub(super) struct FieldPlan {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The oneof of the field.
    pub(super) oneof: Option<usize>,
    pub(super) is_nullable: bool,
}

pub(super) enum Shape {
    /// The message has no such field: the column was added later.
    Missing,
    Single(ValuePlan, Absent),
    List(ValuePlan, AbsentItems),
    Map(Box<[(ValuePlan, Absent); 2]>, AbsentItems),
}

/// What a field is that is not there.
pub(super) enum Absent {
    Null,
    Default(DefaultValue),
}

/// What a list or map without items is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AbsentItems {
    Null,
    Empty,
}

pub(super) enum DefaultValue {
    Number(Number),
    Text(String),
    Bytes(Vec<u8>),
    /// A message without fields.
    Message,
}

pub(super) enum ValuePlan {
    Number(NumberKind, NumberTarget),
    Text,
    Bytes,
    Message(MessagePlan),
    /// A message as its bytes.
    EncodedMessage,
    Timestamp(TimeUnit),
}

/// The types of numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
}

/// A decoded number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Bool(bool),
    Signed(i64),
    Unsigned32(u32),
    Unsigned64(u64),
    Float(f64),
}

/// What a number becomes in its column.
pub(super) enum NumberTarget {
    Boolean,
    /// Unsigned numbers beyond the type wrap around, as in Java.
    Int32,
    Int64,
    Unsigned,
    Decimal,
    Float,
    /// The name of an enum's value; the number as a text if it has none.
    Name(HashMap<i64, String>),
}

impl MessagePlan {
    /// Plans the columns of a message.
    ///
    /// # Errors
    /// The reason why a column cannot be read from the message; it names the column.
    pub(super) fn new(
        message: &MessageDescriptor,
        columns: &Fields,
        options: &ProtobufOptions,
    ) -> Result<Self, String> {
        let oneofs: HashMap<String, usize> = message
            .oneofs()
            .enumerate()
            .map(|(index, oneof)| (oneof.full_name().to_owned(), index))
            .collect();
        let oneof = |field: &FieldDescriptor| oneofs.get(field.containing_oneof()?.full_name()).copied();
        let mut lookup: HashMap<u32, Lookup> = message
            .fields()
            .filter_map(|field| Some((field.number(), Lookup::Clears(oneof(&field)?))))
            .collect();
        let mut fields = Vec::with_capacity(columns.len());
        for (position, column) in columns.iter().enumerate() {
            let failed = |reason: String| format!("column {}: {reason}", column.name());
            let field = match message.get_field_by_name(column.name()) {
                Some(field) => field,
                None if column.is_nullable() => {
                    let (name, is_nullable) = (column.name().clone(), true);
                    fields.push(FieldPlan { name, shape: Shape::Missing, oneof: None, is_nullable });
                    continue;
                }
                None => return Err(failed(format!("message {} has no such field", message.full_name()))),
            };
            let shape = Shape::new(&field, column, options).map_err(failed)?;
            if let Some(Lookup::Column(_)) = lookup.insert(field.number(), Lookup::Column(position)) {
                return Err(failed("there are two columns of this name".to_owned()));
            }
            fields.push(FieldPlan {
                name: column.name().clone(),
                shape,
                oneof: oneof(&field),
                is_nullable: column.is_nullable(),
            });
        }
        let mut lookup: Vec<(u32, Lookup)> = lookup.into_iter().collect();
        lookup.sort_unstable_by_key(|(number, _)| *number);
        Ok(Self { fields, lookup })
    }

    /// Finds a field, first at the place `next`, since most messages have their fields in order.
    pub(super) fn find(&self, number: u32, next: &mut usize) -> Option<Lookup> {
        let place = match self.lookup.get(*next) {
            Some((expected, _)) if *expected == number => *next,
            _ => self.lookup.binary_search_by_key(&number, |(number, _)| *number).ok()?,
        };
        *next = place + 1;
        self.lookup.get(place).map(|(_, lookup)| *lookup)
    }
}

impl Shape {
    fn new(field: &FieldDescriptor, column: &Field, options: &ProtobufOptions) -> Result<Self, String> {
        let target = column.data_type();
        let is_empty = options.read_default_values || !column.is_nullable();
        let items = if is_empty { AbsentItems::Empty } else { AbsentItems::Null };
        if field.is_map() {
            let (Kind::Message(entry), Some([key, value])) = (field.kind(), entry_fields(target)) else {
                return Err(format!("the field is a map, but the column is {target}"));
            };
            // the parts of an entry that are not there have their defaults
            let with_defaults = ProtobufOptions { read_default_values: true, ..options.clone() };
            let part = |field: FieldDescriptor, target: &Field| {
                let plan = ValuePlan::new(&field, target.data_type(), options)?;
                let absent = Absent::new(&field, &plan, &with_defaults)?;
                Ok::<_, String>((plan, absent))
            };
            let parts =
                [part(entry.map_entry_key_field(), key)?, part(entry.map_entry_value_field(), value)?];
            return Ok(Self::Map(Box::new(parts), items));
        }
        if field.is_list() {
            let DataType::List(item) = target else {
                return Err(format!("the field is repeated, but the column is {target}"));
            };
            return Ok(Self::List(ValuePlan::new(field, item.data_type(), options)?, items));
        }
        let plan = ValuePlan::new(field, target, options)?;
        let absent = Absent::new(field, &plan, options)?;
        Ok(Self::Single(plan, absent))
    }
}

/// Returns the key and the value of a map.
fn entry_fields(target: &DataType) -> Option<[&Arc<Field>; 2]> {
    let DataType::Map(entries, _) = target else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let [key, value] = &fields[..] else { return None };
    Some([key, value])
}

impl Absent {
    fn new(field: &FieldDescriptor, plan: &ValuePlan, options: &ProtobufOptions) -> Result<Self, String> {
        if field.supports_presence() && !options.read_default_values {
            return Ok(Self::Null);
        }
        let number = |number| DefaultValue::Number(number);
        Ok(Self::Default(match (plan, field.default_value()) {
            (ValuePlan::Message(_) | ValuePlan::EncodedMessage, _) => DefaultValue::Message,
            (ValuePlan::Timestamp(_), _) => number(Number::Signed(0)),
            (_, Value::Bool(value)) => number(Number::Bool(value)),
            (_, Value::I32(value) | Value::EnumNumber(value)) => number(Number::Signed(value.into())),
            (_, Value::I64(value)) => number(Number::Signed(value)),
            (_, Value::U32(value)) => number(Number::Unsigned32(value)),
            (_, Value::U64(value)) => number(Number::Unsigned64(value)),
            (_, Value::F32(value)) => number(Number::Float(value.into())),
            (_, Value::F64(value)) => number(Number::Float(value)),
            (_, Value::String(value)) => DefaultValue::Text(value),
            (_, Value::Bytes(value)) => DefaultValue::Bytes(value.to_vec()),
            _ => return Err("its default is of another type".to_owned()),
        }))
    }
}

impl ValuePlan {
    fn new(field: &FieldDescriptor, target: &DataType, options: &ProtobufOptions) -> Result<Self, String> {
        let kind = field.kind();
        if field.is_group() {
            return Err("groups are not supported yet".to_owned());
        }
        let refused = || format!("a field of type {kind:?} cannot be read as {target}");
        let number = match &kind {
            Kind::String if *target == DataType::Utf8 => return Ok(Self::Text),
            Kind::Bytes if *target == DataType::Binary => return Ok(Self::Bytes),
            Kind::Message(message) => {
                return match target {
                    DataType::Struct(columns) => {
                        Ok(Self::Message(MessagePlan::new(message, columns, options)?))
                    }
                    DataType::Timestamp(unit, _) if message.full_name() == TIMESTAMP => {
                        Ok(Self::Timestamp(*unit))
                    }
                    DataType::Binary => Ok(Self::EncodedMessage),
                    _ => Err(format!("a message {} cannot be read as {target}", message.full_name())),
                };
            }
            Kind::Enum(values) => {
                let target = match target {
                    DataType::Utf8 => NumberTarget::Name(
                        values
                            .values()
                            .map(|value| (value.number().into(), value.name().to_owned()))
                            .collect(),
                    ),
                    DataType::Int32 => NumberTarget::Int32,
                    _ => return Err(format!("an enum {} cannot be read as {target}", values.full_name())),
                };
                return Ok(Self::Number(NumberKind::Int32, target));
            }
            Kind::Bool => NumberKind::Bool,
            Kind::Int32 => NumberKind::Int32,
            Kind::Int64 => NumberKind::Int64,
            Kind::Uint32 => NumberKind::Uint32,
            Kind::Uint64 => NumberKind::Uint64,
            Kind::Sint32 => NumberKind::Sint32,
            Kind::Sint64 => NumberKind::Sint64,
            Kind::Fixed32 => NumberKind::Fixed32,
            Kind::Fixed64 => NumberKind::Fixed64,
            Kind::Sfixed32 => NumberKind::Sfixed32,
            Kind::Sfixed64 => NumberKind::Sfixed64,
            Kind::Float => NumberKind::Float,
            Kind::Double => NumberKind::Double,
            Kind::String | Kind::Bytes => return Err(refused()),
        };
        Ok(Self::Number(number, number.target(target).ok_or_else(refused)?))
    }
}

impl NumberKind {
    fn target(self, target: &DataType) -> Option<NumberTarget> {
        use NumberKind::{
            Bool, Double, Fixed32, Fixed64, Float, Int32, Int64, Sfixed32, Sfixed64, Sint32, Sint64, Uint32,
            Uint64,
        };
        Some(match (self, target) {
            (Bool, DataType::Boolean) => NumberTarget::Boolean,
            (Int32 | Sint32 | Sfixed32, DataType::Int8 | DataType::Int16 | DataType::Int32) => {
                NumberTarget::Int32
            }
            (Uint32 | Fixed32, DataType::Int32) => NumberTarget::Int32,
            (Int32 | Sint32 | Sfixed32 | Uint32 | Fixed32, DataType::Int64) => NumberTarget::Int64,
            (Int64 | Sint64 | Sfixed64 | Uint64 | Fixed64, DataType::Int64) => NumberTarget::Int64,
            (Uint64 | Fixed64, DataType::UInt64) => NumberTarget::Unsigned,
            (Uint64 | Fixed64, DataType::Decimal128(_, 0)) => NumberTarget::Decimal,
            (Float, DataType::Float32 | DataType::Float64) | (Double, DataType::Float64) => {
                NumberTarget::Float
            }
            _ => return None,
        })
    }

    /// Returns whether a value has 64 or 32 bits on the wire; `None` for a varint.
    pub(super) fn fixed_bits(self) -> Option<u32> {
        match self {
            Self::Fixed64 | Self::Sfixed64 | Self::Double => Some(64),
            Self::Fixed32 | Self::Sfixed32 | Self::Float => Some(32),
            _ => None,
        }
    }

    /// Returns the number of a varint.
    pub(super) fn of_varint(self, varint: u64) -> Number {
        match self {
            Self::Bool => Number::Bool(varint != 0),
            Self::Int64 => Number::Signed(varint as i64),
            Self::Uint32 => Number::Unsigned32(varint as u32),
            Self::Uint64 => Number::Unsigned64(varint),
            Self::Sint32 => {
                let bits = varint as u32;
                Number::Signed(i64::from((bits >> 1) as i32 ^ -((bits & 1) as i32)))
            }
            Self::Sint64 => Number::Signed((varint >> 1) as i64 ^ -((varint & 1) as i64)),
            // those of other wire types do not occur
            _ => Number::Signed(i64::from(varint as i32)),
        }
    }

    /// Returns the number of 64 bits.
    pub(super) fn of_64_bits(self, bits: u64) -> Number {
        match self {
            Self::Double => Number::Float(f64::from_bits(bits)),
            Self::Sfixed64 => Number::Signed(bits as i64),
            _ => Number::Unsigned64(bits),
        }
    }

    /// Returns the number of 32 bits.
    pub(super) fn of_32_bits(self, bits: u32) -> Number {
        match self {
            Self::Float => Number::Float(f32::from_bits(bits).into()),
            Self::Sfixed32 => Number::Signed(i64::from(bits as i32)),
            _ => Number::Unsigned32(bits),
        }
    }
}
