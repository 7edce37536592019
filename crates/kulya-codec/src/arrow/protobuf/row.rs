//! One message as the values of one row. A message may come in parts, which are read as if they were one:
//! a field that is there more than once.

use super::plan::{
    Absent, AbsentItems, DefaultValue, FieldPlan, Lookup, MessagePlan, Number, NumberTarget, Shape, ValuePlan,
};
use super::wire::{Raw, fixed32, fixed64, next_field, varint};
use crate::arrow::column_buffer::{ColumnBuffer, Scalar, in_unit};
use arrow::datatypes::TimeUnit;
use std::collections::HashMap;

/// The maximum number of values of one message: nested messages of few bytes may have many columns.
pub(super) const MAX_VALUES: usize = 1_000_000;

/// What a message has for a column.
#[derive(Clone)]
enum Slot<'a> {
    Empty,
    Last(Raw<'a>),
    /// The items of a list or map, or the parts of a message.
    All(Vec<Raw<'a>>),
}

/// Appends the values of a message to the columns. `values` is the number of values so far.
///
/// # Errors
/// The reason why the parts are no message, or do not fit the columns. Some values may have been appended.
pub(super) fn push_message<'a>(
    plan: &MessagePlan,
    parts: impl Iterator<Item = &'a [u8]>,
    columns: &mut [ColumnBuffer],
    values: &mut usize,
) -> Result<(), String> {
    let slots = slots(plan, parts)?;
    for ((field, slot), column) in plan.fields.iter().zip(slots).zip(columns) {
        push_field(field, slot, column, values)
            .map_err(|reason| format!("field {}: {reason}", field.name))?;
        if !field.is_nullable && column.is_last_null() {
            return Err(format!("column {} must not be null", field.name));
        }
    }
    Ok(())
}

fn slots<'a>(plan: &MessagePlan, parts: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Slot<'a>>, String> {
    let mut slots = vec![Slot::Empty; plan.fields.len()];
    for mut rest in parts {
        let mut next = 0;
        while !rest.is_empty() {
            let (number, raw) = next_field(&mut rest)?;
            let (lookup, Some(raw)) = (plan.find(number, &mut next), raw) else { continue };
            let oneof = match lookup {
                None => continue,
                Some(Lookup::Clears(oneof)) => Some(oneof),
                Some(Lookup::Column(position)) => {
                    let (Some(field), Some(slot)) = (plan.fields.get(position), slots.get_mut(position))
                    else {
                        continue;
                    };
                    check_wire_type(&field.shape, raw)
                        .map_err(|reason| format!("field {}: {reason}", field.name))?;
                    match (&field.shape, &mut *slot) {
                        (Shape::Single(ValuePlan::Number(..) | ValuePlan::Text | ValuePlan::Bytes, _), _) => {
                            *slot = Slot::Last(raw);
                        }
                        (_, Slot::All(raws)) => raws.push(raw),
                        _ => *slot = Slot::All(vec![raw]),
                    }
                    field.oneof
                }
            };
            if oneof.is_some() {
                let others = plan.fields.iter().zip(&mut slots).enumerate();
                for (position, (field, slot)) in others {
                    if field.oneof == oneof
                        && !matches!(lookup, Some(Lookup::Column(this)) if this == position)
                    {
                        *slot = Slot::Empty;
                    }
                }
            }
        }
    }
    Ok(slots)
}

fn check_wire_type(shape: &Shape, raw: Raw<'_>) -> Result<(), String> {
    let (plan, is_list) = match shape {
        // no field has it
        Shape::Missing => return Ok(()),
        Shape::Single(plan, _) => (plan, false),
        Shape::List(plan, _) => (plan, true),
        Shape::Map(..) => (&ValuePlan::Bytes, false),
    };
    check_value_type(plan, is_list, raw)
}

fn check_value_type(plan: &ValuePlan, is_list: bool, raw: Raw<'_>) -> Result<(), String> {
    let is_expected = match (plan, raw) {
        (ValuePlan::Number(..), Raw::Bytes(_)) => is_list,
        (ValuePlan::Number(kind, _), Raw::Varint(_)) => kind.fixed_bits().is_none(),
        (ValuePlan::Number(kind, _), Raw::Fixed64(_)) => kind.fixed_bits() == Some(64),
        (ValuePlan::Number(kind, _), Raw::Fixed32(_)) => kind.fixed_bits() == Some(32),
        (_, Raw::Bytes(_)) => true,
        _ => false,
    };
    if is_expected { Ok(()) } else { Err("it has another wire type than its type".to_owned()) }
}

fn push_field(
    field: &FieldPlan,
    slot: Slot<'_>,
    column: &mut ColumnBuffer,
    values: &mut usize,
) -> Result<(), String> {
    count(values)?;
    match (&field.shape, slot) {
        (Shape::Missing, _) => {
            column.push_null();
            Ok(())
        }
        (Shape::Single(plan, absent), Slot::Empty) => push_absent(plan, absent, column, values),
        (Shape::Single(plan, _), Slot::Last(raw)) => push_value(plan, &[raw], column, values),
        (Shape::Single(plan, _), Slot::All(raws)) => push_value(plan, &raws, column, values),
        (Shape::List(_, AbsentItems::Null) | Shape::Map(_, AbsentItems::Null), Slot::Empty) => {
            column.push_null();
            Ok(())
        }
        (Shape::List(plan, absent), slot) => {
            let raws = raws(slot);
            let items = column.items().ok_or("its column is no array")?;
            let before = items.len();
            for raw in raws {
                push_items(plan, raw, items, values)?;
            }
            // packed items may be none
            if items.len() == before && *absent == AbsentItems::Null {
                column.push_null();
            } else {
                column.complete_list();
            }
            Ok(())
        }
        (Shape::Map(parts, _), slot) => {
            push_entries(parts, &raws(slot), column, values)?;
            column.complete_list();
            Ok(())
        }
    }
}

fn raws(slot: Slot<'_>) -> Vec<Raw<'_>> {
    match slot {
        Slot::Empty => Vec::new(),
        Slot::Last(raw) => vec![raw],
        Slot::All(raws) => raws,
    }
}

fn count(values: &mut usize) -> Result<(), String> {
    *values += 1;
    if *values > MAX_VALUES { Err(format!("it has more than {MAX_VALUES} values")) } else { Ok(()) }
}

/// Appends the items of a repeated field's value, which may be packed.
fn push_items(
    plan: &ValuePlan,
    raw: Raw<'_>,
    items: &mut ColumnBuffer,
    values: &mut usize,
) -> Result<(), String> {
    let (ValuePlan::Number(kind, target), Raw::Bytes(mut rest)) = (plan, raw) else {
        count(values)?;
        return push_value(plan, &[raw], items, values);
    };
    while !rest.is_empty() {
        count(values)?;
        let number = match kind.fixed_bits() {
            Some(64) => kind.of_64_bits(fixed64(&mut rest)?),
            Some(_) => kind.of_32_bits(fixed32(&mut rest)?),
            None => kind.of_varint(varint(&mut rest)?),
        };
        push_number(number, target, items)?;
    }
    Ok(())
}

/// Appends the entries of a map; of several with one key the last.
fn push_entries(
    [key, value]: &[(ValuePlan, Absent); 2],
    written: &[Raw<'_>],
    column: &mut ColumnBuffer,
    values: &mut usize,
) -> Result<(), String> {
    let mut entries: Vec<(Slot<'_>, Slot<'_>)> = Vec::with_capacity(written.len());
    let mut places: HashMap<Option<Raw<'_>>, usize> = HashMap::new();
    for raw in written {
        let Raw::Bytes(mut rest) = *raw else { continue };
        let (mut entry_key, mut entry_value) = (None, Vec::new());
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (1, Some(raw)) => {
                    check_value_type(&key.0, false, raw)?;
                    entry_key = Some(raw);
                }
                (2, Some(raw)) => {
                    check_value_type(&value.0, false, raw)?;
                    entry_value.push(raw);
                }
                _ => {}
            }
        }
        let value = if entry_value.is_empty() { Slot::Empty } else { Slot::All(entry_value) };
        let place = *places.entry(entry_key).or_insert(entries.len());
        match entries.get_mut(place) {
            Some(entry) => entry.1 = value,
            None => entries.push((entry_key.map_or(Slot::Empty, Slot::Last), value)),
        }
    }
    let [keys, items] = column.entries().ok_or("its column is no map")?;
    for (entry_key, entry_value) in entries {
        count(values)?;
        for ((plan, absent), slot, column) in
            [(key, entry_key, &mut *keys), (value, entry_value, &mut *items)]
        {
            match slot {
                Slot::Empty => push_absent(plan, absent, column, values)?,
                slot => push_value(plan, &raws_of_value(plan, raws(slot)), column, values)?,
            }
        }
    }
    Ok(())
}

/// Of several values of a field that is no message, the last counts.
fn raws_of_value<'a>(plan: &ValuePlan, mut raws: Vec<Raw<'a>>) -> Vec<Raw<'a>> {
    if matches!(plan, ValuePlan::Number(..) | ValuePlan::Text | ValuePlan::Bytes)
        && let Some(last) = raws.pop()
    {
        return vec![last];
    }
    raws
}

fn push_absent(
    plan: &ValuePlan,
    absent: &Absent,
    column: &mut ColumnBuffer,
    values: &mut usize,
) -> Result<(), String> {
    match (absent, plan) {
        (Absent::Null, _) => {
            column.push_null();
            Ok(())
        }
        (Absent::Default(DefaultValue::Text(text)), _) => column.push(Scalar::Text(text)),
        (Absent::Default(DefaultValue::Bytes(bytes)), _) => column.push(Scalar::Bytes(bytes)),
        (Absent::Default(DefaultValue::Number(number)), ValuePlan::Number(_, target)) => {
            push_number(*number, target, column)
        }
        (Absent::Default(_), plan) => push_value(plan, &[], column, values),
    }
}

/// Appends a value; a message from all its parts.
fn push_value(
    plan: &ValuePlan,
    raws: &[Raw<'_>],
    column: &mut ColumnBuffer,
    values: &mut usize,
) -> Result<(), String> {
    let mut parts =
        raws.iter().filter_map(|raw| if let Raw::Bytes(bytes) = raw { Some(*bytes) } else { None });
    match plan {
        ValuePlan::Number(kind, target) => {
            let number = match raws.last() {
                Some(Raw::Varint(bits)) => kind.of_varint(*bits),
                Some(Raw::Fixed64(bits)) => kind.of_64_bits(*bits),
                Some(Raw::Fixed32(bits)) => kind.of_32_bits(*bits),
                Some(Raw::Bytes(_)) | None => return Err("it has another wire type than its type".to_owned()),
            };
            push_number(number, target, column)
        }
        ValuePlan::Text => {
            let text = std::str::from_utf8(parts.next_back().unwrap_or_default());
            column.push(Scalar::Text(text.map_err(|_| "it is not UTF-8")?))
        }
        ValuePlan::Bytes => column.push(Scalar::Bytes(parts.next_back().unwrap_or_default())),
        ValuePlan::EncodedMessage => {
            let whole: Vec<u8> = parts.flatten().copied().collect();
            column.push(Scalar::Bytes(&whole))
        }
        ValuePlan::Timestamp(unit) => column.push(Scalar::Integer(timestamp(parts, *unit)?)),
        ValuePlan::Message(plan) => {
            let members = column.members().ok_or("its column is no row")?;
            push_message(plan, parts, members, values)?;
            column.complete_list();
            Ok(())
        }
    }
}

fn push_number(number: Number, target: &NumberTarget, column: &mut ColumnBuffer) -> Result<(), String> {
    let signed = |bits: i64| Scalar::Integer(bits);
    let scalar = match (target, number) {
        (NumberTarget::Boolean, Number::Bool(value)) => Scalar::Boolean(value),
        (NumberTarget::Int32 | NumberTarget::Int64, Number::Signed(value)) => signed(value),
        (NumberTarget::Int32, Number::Unsigned32(value)) => signed(i64::from(value as i32)),
        (NumberTarget::Int64, Number::Unsigned32(value)) => signed(value.into()),
        (NumberTarget::Int64, Number::Unsigned64(value)) => signed(value as i64),
        (NumberTarget::Unsigned, Number::Unsigned64(value)) => Scalar::Unsigned(value),
        (NumberTarget::Decimal, Number::Unsigned64(value)) => Scalar::Decimal(value.into()),
        (NumberTarget::Float, Number::Float(value)) => Scalar::Float(value),
        (NumberTarget::Name(names), Number::Signed(value)) => {
            return match names.get(&value) {
                Some(name) => column.push(Scalar::Text(name)),
                None => column.push(Scalar::Text(&value.to_string())),
            };
        }
        _ => return Err("its number is of another type than its column".to_owned()),
    };
    column.push(scalar)
}

/// Reads a timestamp's seconds and nanoseconds.
fn timestamp<'a>(parts: impl Iterator<Item = &'a [u8]>, unit: TimeUnit) -> Result<i64, String> {
    let (mut seconds, mut nanoseconds) = (0_i64, 0_i32);
    for mut rest in parts {
        while !rest.is_empty() {
            match next_field(&mut rest)? {
                (1, Some(Raw::Varint(bits))) => seconds = bits as i64,
                (2, Some(Raw::Varint(bits))) => nanoseconds = bits as i32,
                (1 | 2, _) => return Err("it has another wire type than its type".to_owned()),
                _ => {}
            }
        }
    }
    in_unit(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds), unit)
        .ok_or_else(|| "the timestamp is beyond the range of its column".to_owned())
}
