//! Encoding of the JSON of an event by a plan, in one pass.
//!
//! Lengths and counts stand before what they count: those that the JSON does not tell in advance are inserted
//! when the end is known, as Avro's writers have them, in one block.

use super::cursor::Cursor;
use super::error::NotEncodable;
use super::plan::{Member, Node};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

type Encoded = Result<(), NotEncodable>;

/// Appends the encoding of an event.
pub(super) fn event(root: &Node, json: &[u8], out: &mut Vec<u8>) -> Encoded {
    let text = std::str::from_utf8(json).map_err(|_| NotEncodable::new("the event is not UTF-8"))?;
    let mut json = Cursor::new(text);
    value(root, &mut json, out)?;
    json.end()
}

fn value(node: &Node, json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    match node {
        Node::Boolean => boolean(json, out),
        Node::Integer(bits) => integer(*bits, json, out),
        Node::Float => {
            let number: f32 = float(json)?;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(())
        }
        Node::Double => {
            let number: f64 = float(json)?;
            out.extend_from_slice(&number.to_le_bytes());
            Ok(())
        }
        Node::Text => text(json, out),
        Node::Bytes => bytes(json, out),
        Node::Array(items) => array(json, out, |json, out| value(items, json, out)),
        Node::Map(values) => map(values, json, out),
        Node::Entries(entry) => array(json, out, |json, out| {
            json.expect(b'[')?;
            value(&entry.0, json, out)?;
            json.expect(b',')?;
            value(&entry.1, json, out)?;
            json.expect(b']')
        }),
        Node::Record(members) => record(members, json, out),
        Node::Optional { is_null_first, value: node } => {
            if json.take(b"null") {
                write_null(*is_null_first, out);
                return Ok(());
            }
            out.push(if *is_null_first { 2 } else { 0 });
            value(node, json, out)
        }
    }
}

/// Writes the null of a union: the index of its type.
fn write_null(is_null_first: bool, out: &mut Vec<u8>) {
    out.push(if is_null_first { 0 } else { 2 });
}

fn record(members: &[Member], json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    json.expect(b'{')?;
    let mut members = members.iter();
    let mut is_followed = json.peek() != Some(b'}');
    if !is_followed {
        json.expect(b'}')?;
    }
    while is_followed {
        let Some(member) = next_member(&mut members, json, out)? else {
            return Err(NotEncodable::new("an object has a member that the schema does not have here"));
        };
        value(&member.value, json, out).map_err(|error| error.within(&member.name))?;
        is_followed = json.is_followed(b'}')?;
    }
    members.try_for_each(|member| absent(member, out))
}

/// Reads the name of the next member. Members before it are absent.
fn next_member<'m>(
    members: &mut std::slice::Iter<'m, Member>,
    json: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<&'m Member>, NotEncodable> {
    for member in members {
        if json.take(&member.json) {
            return Ok(Some(member));
        }
        absent(member, out)?;
    }
    Ok(None)
}

/// Writes a member that an object does not have.
fn absent(member: &Member, out: &mut Vec<u8>) -> Encoded {
    match member.value {
        Node::Optional { is_null_first, .. } => {
            write_null(is_null_first, out);
            Ok(())
        }
        _ => Err(NotEncodable::new("an object lacks it").within(&member.name)),
    }
}

fn boolean(json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    let found = match json.peek() {
        Some(b't') if json.take(b"true") => 1,
        Some(b'f') if json.take(b"false") => 0,
        _ => return Err(json.unexpected("a boolean")),
    };
    out.push(found);
    Ok(())
}

fn integer(bits: u32, json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    let text = json.number()?;
    let number = text.parse::<i64>().ok().filter(|number| {
        let limit = i64::MAX >> (64 - bits);
        (!limit..=limit).contains(number)
    });
    match number {
        Some(number) => {
            write_long(number, out);
            Ok(())
        }
        None => Err(NotEncodable::new(format!("{text} is not an integer of {bits} bits"))),
    }
}

fn float<T: std::str::FromStr>(json: &mut Cursor<'_>) -> Result<T, NotEncodable> {
    let text = match json.peek() {
        // what JSON has no numbers for
        Some(b'"') => match json.text()?.bytes {
            b"NaN" => "NaN",
            b"Infinity" => "inf",
            b"-Infinity" => "-inf",
            _ => return Err(NotEncodable::new("a number is expected, not a text")),
        },
        _ => json.number()?,
    };
    text.parse().map_err(|_| NotEncodable::new(format!("{text} is not a number")))
}

fn text(json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    let text = json.text()?;
    if !text.has_escapes {
        write_length(text.bytes.len(), out);
        out.extend_from_slice(text.bytes);
        return Ok(());
    }
    let start = out.len();
    text.unescape(out)?;
    insert_length(out.len() - start, start, out);
    Ok(())
}

fn bytes(json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    let text = json.text()?.bytes;
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let length = (text.len() / 4 * 3).saturating_sub(padding);
    write_length(length, out);
    let start = out.len();
    out.resize(start + length, 0);
    let decoded = out.get_mut(start..).and_then(|rest| STANDARD.decode_slice(text, rest).ok());
    match decoded == Some(length) {
        true => Ok(()),
        false => Err(NotEncodable::new("bytes in base64 are expected, not another text")),
    }
}

/// Encodes an array, whose items `item` encodes.
fn array(
    json: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    item: impl Fn(&mut Cursor<'_>, &mut Vec<u8>) -> Encoded,
) -> Encoded {
    json.expect(b'[')?;
    items(b']', json, out, item)
}

fn map(values: &Node, json: &mut Cursor<'_>, out: &mut Vec<u8>) -> Encoded {
    json.expect(b'{')?;
    items(b'}', json, out, |json, out| {
        text(json, out)?;
        json.expect(b':')?;
        value(values, json, out)
    })
}

/// Encodes items up to the end of an array or object, in one block.
fn items(
    end: u8,
    json: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    item: impl Fn(&mut Cursor<'_>, &mut Vec<u8>) -> Encoded,
) -> Encoded {
    if json.peek() == Some(end) {
        json.expect(end)?;
        out.push(0);
        return Ok(());
    }
    let start = out.len();
    let mut count = 0;
    loop {
        item(json, out)?;
        count += 1;
        if !json.is_followed(end)? {
            break;
        }
    }
    insert_length(count, start, out);
    out.push(0);
    Ok(())
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    write_long(i64::try_from(length).unwrap_or(i64::MAX), out);
}

/// Inserts a length or count before what was written since `start`.
fn insert_length(length: usize, start: usize, out: &mut Vec<u8>) {
    let end = out.len();
    write_length(length, out);
    let size = out.len() - end;
    if let Some(written) = out.get_mut(start..) {
        written.rotate_right(size);
    }
}

/// Writes an integer as Avro does: zigzag, seven bits a byte, the lowest first.
fn write_long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
