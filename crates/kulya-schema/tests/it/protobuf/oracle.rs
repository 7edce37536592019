//! What an independent codec makes of the writer's messages, against what the rules promise of it.

use kulya_testkit::SeededRng;
use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};

const MAX_DEPTH: usize = 3;

/// A message that its schema allows: required fields are there, one field of each oneof at most.
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
    let whole = if rng.one_in(2) { rng.pick(&WHOLE) } else { rng.next_u64() as i64 };
    match field.kind() {
        // within what the text of a timestamp and a duration can say
        Kind::Int64 if is_time(field) => Value::I64(whole.rem_euclid(100_000)),
        Kind::Int32 if is_time(field) => Value::I32((whole.rem_euclid(1_000_000_000)) as i32),
        Kind::Double => Value::F64((whole % 1_000_000) as f64 / 8.0),
        Kind::Float => Value::F32((whole % 100_000) as f32 / 8.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(whole as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(whole),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(whole as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(whole as u64),
        Kind::Bool => Value::Bool(whole & 1 == 1),
        Kind::String => Value::String((rng.pick(&["", "a", "żubr", "1", "\u{1f9a9} two\n"])).to_owned()),
        Kind::Bytes => {
            Value::Bytes((0..rng.index(6)).map(|_| rng.next_u64() as u8).collect::<Vec<_>>().into())
        }
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

/// Whether the reader decodes it, and finds in each field that both know what the rules promise.
pub(super) fn reads_wire(reader: &MessageDescriptor, written: &DynamicMessage) -> Result<(), String> {
    let bytes = written.encode_to_vec();
    let read = DynamicMessage::decode(reader.clone(), bytes.as_slice()).map_err(|e| e.to_string())?;
    agree(written, &read)
}

/// The same as ProtoJSON, by a reader that passes over what it does not know.
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
                    let (wrote, got) = (written.get_field(&from), read.get_field(&to));
                    return Err(format!("{}: {wrote:?} became {got:?}", what()));
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
    let (wrote, got) = (written.get_field(from), read.get_field(to));
    let (had, has) = (written.has_field(from), read.has_field(to));
    Ok(match (&*wrote, &*got) {
        (Value::Map(wrote), Value::Map(got)) => return maps_agree(from, wrote, to, got),
        (Value::Map(wrote), Value::List(got)) => wrote.len() == got.len(),
        // of equal keys the last stays
        (Value::List(wrote), Value::Map(got)) => {
            got.len() <= wrote.len() && got.is_empty() == wrote.is_empty()
        }
        (Value::List(wrote), Value::List(got)) => {
            wrote.len() == got.len()
                && all_agree(wrote.iter().map(|it| (from, it)).zip(got.iter().map(|it| (to, it))))?
        }
        (Value::List(wrote), got) => match wrote.last() {
            None => !has,
            // its elements are merged
            Some(Value::Message(_)) if matches!(got, Value::Message(_)) => has,
            Some(last) => value_agrees((from, last), (to, got))?,
        },
        (wrote, Value::List(got)) if had => got.len() == 1 && value_agrees((from, wrote), (to, &got[0]))?,
        (_, Value::List(got)) => got.is_empty(),
        (_, Value::Message(_)) if !had => !has,
        (Value::Message(_), Value::Bytes(got)) if !had => !has && got.is_empty(),
        (wrote, got) => {
            (had || !has)
                && (has || !had || !to.supports_presence())
                && value_agrees((from, wrote), (to, got))?
        }
    })
}

type Place<'a> = (&'a FieldDescriptor, &'a Value);

fn all_agree<'a>(pairs: impl Iterator<Item = (Place<'a>, Place<'a>)>) -> Result<bool, String> {
    for (wrote, got) in pairs {
        if !value_agrees(wrote, got)? {
            return Ok(false);
        }
    }
    Ok(true)
}

type Entries = std::collections::HashMap<MapKey, Value>;

fn maps_agree(
    from: &FieldDescriptor,
    wrote: &Entries,
    to: &FieldDescriptor,
    got: &Entries,
) -> Result<bool, String> {
    let (Kind::Message(from), Kind::Message(to)) = (from.kind(), to.kind()) else { return Ok(false) };
    let keys = (from.map_entry_key_field(), to.map_entry_key_field());
    let values = (from.map_entry_value_field(), to.map_entry_value_field());
    for (key, value) in wrote {
        let key = Value::from(key.clone());
        let mut found = Vec::new();
        for (other, got) in got {
            if value_agrees((&keys.0, &key), (&keys.1, &Value::from(other.clone())))? {
                found.push(got);
            }
        }
        let [found] = found.as_slice() else { return Ok(false) };
        // two keys may be cast to one: either value may stay
        if got.len() == wrote.len() && !value_agrees((&values.0, value), (&values.1, found))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value_agrees((from, wrote): Place<'_>, (to, got): Place<'_>) -> Result<bool, String> {
    Ok(match (wrote, got) {
        (Value::Message(wrote), Value::Message(got)) => return agree(wrote, got).map(|()| true),
        (Value::Message(wrote), Value::Bytes(got)) => {
            let again = DynamicMessage::decode(wrote.descriptor(), got.clone()).map_err(|e| e.to_string())?;
            return agree(wrote, &again).map(|()| true);
        }
        (Value::String(wrote), Value::Bytes(got)) => wrote.as_bytes() == got.as_ref(),
        (Value::F64(_) | Value::F32(_) | Value::String(_) | Value::Bytes(_), _) => wrote == got,
        _ if group(&from.kind()) == group(&to.kind()) => match (bits(from, wrote), bits(to, got)) {
            (Some(wrote), Some(got)) => cast(to, wrote) == got,
            _ => false,
        },
        _ => whole(wrote).is_some() && whole(wrote) == whole(got),
    })
}

/// Within a group a number is cast; between groups it must be the same.
fn group(kind: &Kind) -> u8 {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => 0,
        Kind::Sint32 | Kind::Sint64 => 1,
        Kind::Fixed32 | Kind::Sfixed32 => 2,
        Kind::Fixed64 | Kind::Sfixed64 => 3,
        _ => 4,
    }
}

fn whole(value: &Value) -> Option<i128> {
    Some(match value {
        Value::I32(it) | Value::EnumNumber(it) => (*it).into(),
        Value::I64(it) => (*it).into(),
        Value::U32(it) => (*it).into(),
        Value::U64(it) => (*it).into(),
        Value::Bool(it) => (*it).into(),
        _ => return None,
    })
}

/// A number as it stands on the wire.
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

/// What C++ makes of it in the reader's type, as it would stand on the wire again.
fn cast(to: &FieldDescriptor, bits: u64) -> u64 {
    match to.kind() {
        Kind::Int32 | Kind::Enum(_) => i64::from(bits as i32) as u64,
        Kind::Uint32 | Kind::Sint32 => u64::from(bits as u32),
        Kind::Bool => u64::from(bits != 0),
        _ => bits,
    }
}
