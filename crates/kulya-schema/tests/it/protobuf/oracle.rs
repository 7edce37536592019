//! Verification by an independent codec: it decodes the writer's messages, and the result is compared with
//! what the rules promise.

use kulya_testkit::SeededRng;
use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};

const MAX_DEPTH: usize = 3;

/// Generates a valid message: with all required fields, and at most one field of each oneof.
pub(super) fn random_message(of: &MessageDescriptor, rng: &mut SeededRng, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        let nested = matches!(field.kind(), Kind::Message(_));
        if (nested && depth >= MAX_DEPTH) || (!field.is_required() && rng.one_in(3)) {
            continue;
        }
        let value = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("a map's kind is its entry") };
            let one = |rng: &mut SeededRng| {
                let key = random_value(&entry.map_entry_key_field(), rng, depth);
                let value = random_value(&entry.map_entry_value_field(), rng, depth);
                (key.into_map_key().expect("a key's type"), value)
            };
            Value::Map((0..rng.index(3)).map(|_| one(rng)).collect())
        } else if field.is_list() {
            Value::List((0..rng.index(4)).map(|_| random_value(&field, rng, depth)).collect())
        } else {
            random_value(&field, rng, depth)
        };
        message.set_field(&field, value);
    }
    message
}

fn random_value(field: &FieldDescriptor, rng: &mut SeededRng, depth: usize) -> Value {
    const WHOLE: [i64; 12] =
        [0, 1, -1, 2, 127, -300, 1 << 31, (1 << 31) - 1, -(1 << 31), (1 << 32) + 5, i64::MAX, i64::MIN];
    let integer = if rng.one_in(2) { rng.pick(&WHOLE) } else { rng.next_u64() as i64 };
    match field.kind() {
        // within the range of the text form of timestamps and durations
        Kind::Int64 if is_time(field) => Value::I64(integer.rem_euclid(100_000)),
        Kind::Int32 if is_time(field) => Value::I32((integer.rem_euclid(1_000_000_000)) as i32),
        Kind::Double => Value::F64((integer % 1_000_000) as f64 / 8.0),
        Kind::Float => Value::F32((integer % 100_000) as f32 / 8.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(integer as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(integer),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(integer as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(integer as u64),
        Kind::Bool => Value::Bool(integer & 1 == 1),
        Kind::String => Value::String((rng.pick(&["", "a", "żubr", "1", "\u{1f9a9} two\n"])).to_owned()),
        Kind::Bytes => Value::Bytes((0..rng.index(6)).map(|_| rng.next_u64() as u8).collect::<Vec<_>>().into()),
        Kind::Enum(it) => {
            let numbers: Vec<_> = it.values().map(|value| value.number()).collect();
            Value::EnumNumber(rng.pick(&numbers))
        }
        Kind::Message(it) => Value::Message(random_message(&it, rng, depth + 1)),
    }
}

fn is_time(field: &FieldDescriptor) -> bool {
    matches!(field.parent_message().full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration")
}

/// Checks that the reader decodes it, and that each common field has the promised value.
pub(super) fn reads_wire(reader: &MessageDescriptor, written: &DynamicMessage) -> Result<(), String> {
    let bytes = written.encode_to_vec();
    let read = DynamicMessage::decode(reader.clone(), bytes.as_slice()).map_err(|e| e.to_string())?;
    agree(written, &read)
}

/// Checks the same for ProtoJSON, with a reader that ignores unknown fields.
pub(super) fn reads_json(reader: &MessageDescriptor, written: &DynamicMessage) -> Result<(), String> {
    let text = serde_json::to_string(written).map_err(|e| format!("it cannot be written as JSON: {e}"))?;
    let mut parser = serde_json::Deserializer::from_str(&text);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let read = DynamicMessage::deserialize_with_options(reader.clone(), &mut parser, &options)
        .map_err(|e| format!("{e} in {text}"))?;
    agree(written, &read)
}

fn agree(written: &DynamicMessage, read: &DynamicMessage) -> Result<(), String> {
    for to in read.descriptor().fields() {
        let present = read.has_field(&to);
        if to.is_required() && !present {
            return Err(format!("{} is required, and absent", to.full_name()));
        }
        match written.descriptor().get_field(to.number()) {
            None if present => return Err(format!("{} was never written", to.full_name())),
            None => {}
            Some(from) => {
                let what = || format!("{} as {}", from.full_name(), to.full_name());
                let same =
                    field_agrees((&from, written), (&to, read)).map_err(|e| format!("{}: {e}", what()))?;
                if !same {
                    let (written_value, read_value) = (written.get_field(&from), read.get_field(&to));
                    return Err(format!("{}: {written_value:?} became {read_value:?}", what()));
                }
            }
        }
    }
    Ok(())
}

fn field_agrees(
    (from, written): (&FieldDescriptor, &DynamicMessage),
    (to, read): (&FieldDescriptor, &DynamicMessage),
) -> Result<bool, String> {
    let (written_value, read_value) = (written.get_field(from), read.get_field(to));
    let (had, has) = (written.has_field(from), read.has_field(to));
    Ok(match (&*written_value, &*read_value) {
        (Value::Map(written_value), Value::Map(read_value)) => {
            return maps_agree(from, written_value, to, read_value);
        }
        (Value::Map(written_value), Value::List(read_value)) => written_value.len() == read_value.len(),
        // of equal keys the last wins
        (Value::List(written_value), Value::Map(read_value)) => {
            read_value.len() <= written_value.len() && read_value.is_empty() == written_value.is_empty()
        }
        (Value::List(written_value), Value::List(read_value)) => {
            written_value.len() == read_value.len()
                && all_agree(
                    written_value.iter().map(|it| (from, it)).zip(read_value.iter().map(|it| (to, it))),
                )?
        }
        (Value::List(written_value), read_value) => match written_value.last() {
            None => !has,
            // the elements are merged
            Some(Value::Message(_)) if matches!(read_value, Value::Message(_)) => has,
            Some(last) => value_agrees((from, last), (to, read_value))?,
        },
        (written_value, Value::List(read_value)) if had => {
            read_value.len() == 1 && value_agrees((from, written_value), (to, &read_value[0]))?
        }
        (_, Value::List(read_value)) => read_value.is_empty(),
        (_, Value::Message(_)) if !had => !has,
        (Value::Message(_), Value::Bytes(read_value)) if !had => !has && read_value.is_empty(),
        (written_value, read_value) => {
            (had || !has)
                && (has || !had || !to.supports_presence())
                && value_agrees((from, written_value), (to, read_value))?
        }
    })
}

type Place<'a> = (&'a FieldDescriptor, &'a Value);

fn all_agree<'a>(pairs: impl Iterator<Item = (Place<'a>, Place<'a>)>) -> Result<bool, String> {
    for (written_value, read_value) in pairs {
        if !value_agrees(written_value, read_value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

type Entries = std::collections::HashMap<MapKey, Value>;

fn maps_agree(
    from: &FieldDescriptor,
    written_value: &Entries,
    to: &FieldDescriptor,
    read_value: &Entries,
) -> Result<bool, String> {
    let (Kind::Message(from), Kind::Message(to)) = (from.kind(), to.kind()) else { return Ok(false) };
    let keys = (from.map_entry_key_field(), to.map_entry_key_field());
    let values = (from.map_entry_value_field(), to.map_entry_value_field());
    for (key, value) in written_value {
        let key = Value::from(key.clone());
        let mut found = Vec::new();
        for (other, read_value) in read_value {
            if value_agrees((&keys.0, &key), (&keys.1, &Value::from(other.clone())))? {
                found.push(read_value);
            }
        }
        let [found] = found.as_slice() else { return Ok(false) };
        // two keys may be cast to the same one, and either value may win
        if read_value.len() == written_value.len() && !value_agrees((&values.0, value), (&values.1, found))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value_agrees((from, written_value): Place<'_>, (to, read_value): Place<'_>) -> Result<bool, String> {
    Ok(match (written_value, read_value) {
        (Value::Message(written_value), Value::Message(read_value)) => {
            return agree(written_value, read_value).map(|()| true);
        }
        (Value::Message(written_value), Value::Bytes(read_value)) => {
            let again = DynamicMessage::decode(written_value.descriptor(), read_value.clone())
                .map_err(|e| e.to_string())?;
            return agree(written_value, &again).map(|()| true);
        }
        (Value::String(written_value), Value::Bytes(read_value)) => {
            written_value.as_bytes() == read_value.as_ref()
        }
        (Value::F64(_) | Value::F32(_) | Value::String(_) | Value::Bytes(_), _) => {
            written_value == read_value
        }
        _ if group(&from.kind()) == group(&to.kind()) => {
            match (bits(from, written_value), bits(to, read_value)) {
                (Some(written_value), Some(read_value)) => cast(to, written_value) == read_value,
                _ => false,
            }
        }
        _ => integer(written_value).is_some() && integer(written_value) == integer(read_value),
    })
}

/// Returns the group of a type. Within a group a number is cast; between groups it must be equal.
fn group(kind: &Kind) -> u8 {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => 0,
        Kind::Sint32 | Kind::Sint64 => 1,
        Kind::Fixed32 | Kind::Sfixed32 => 2,
        Kind::Fixed64 | Kind::Sfixed64 => 3,
        _ => 4,
    }
}

fn integer(value: &Value) -> Option<i128> {
    Some(match value {
        Value::I32(it) | Value::EnumNumber(it) => (*it).into(),
        Value::I64(it) => (*it).into(),
        Value::U32(it) => (*it).into(),
        Value::U64(it) => (*it).into(),
        Value::Bool(it) => (*it).into(),
        _ => return None,
    })
}

/// Returns a number's bits on the wire.
fn bits(field: &FieldDescriptor, value: &Value) -> Option<u64> {
    Some(match (field.kind(), value) {
        (Kind::Sint32, Value::I32(it)) => u64::from(((it << 1) ^ (it >> 31)) as u32),
        (Kind::Sint64, Value::I64(it)) => ((it << 1) ^ (it >> 63)) as u64,
        (Kind::Sfixed32, Value::I32(it)) => u64::from(*it as u32),
        (_, Value::I32(it) | Value::EnumNumber(it)) => i64::from(*it) as u64,
        (_, Value::I64(it)) => *it as u64,
        (_, Value::U32(it)) => u64::from(*it),
        (_, Value::U64(it)) => *it,
        (_, Value::Bool(it)) => u64::from(*it),
        _ => return None,
    })
}

/// Casts wire bits to the reader's type as C++ does, and returns the wire bits of the result.
fn cast(to: &FieldDescriptor, bits: u64) -> u64 {
    match to.kind() {
        Kind::Int32 | Kind::Enum(_) => i64::from(bits as i32) as u64,
        Kind::Uint32 | Kind::Sint32 => u64::from(bits as u32),
        Kind::Bool => u64::from(bits != 0),
        _ => bits,
    }
}
