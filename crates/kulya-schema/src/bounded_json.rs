//! JSON documents parsed with bounded memory. Two bytes of text can be a whole value, which takes dozens of
//! bytes in memory, so a document of 8 MiB could take a gigabyte. A first pass therefore estimates the memory
//! and counts the elements of each array and object, so that the second pass allocates each of them once: a
//! list that grows by doubling would hold its old and its new buffer at the same time.

use crate::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::{Cell, RefCell};
use std::fmt;

/// The maximum memory of a schema's JSON document, in bytes: a record of 8 MiB of the shortest fields fits.
pub const MAX_DOCUMENT_MEMORY_BYTES: usize = 160_000_000;

/// The bytes of a value in an array, and of a member in an object without the text of its name.
const ITEM_BYTES: usize = size_of::<Value>();
const MEMBER_BYTES: usize = size_of::<Value>() + size_of::<String>() + size_of::<u64>();
/// The bytes of the smallest allocation.
const MIN_ALLOCATION_BYTES: usize = 16;

/// Parses a JSON document, nested at most as deeply as `serde_json` reads it.
///
/// # Errors
/// The text is not JSON, or would take more than [`MAX_DOCUMENT_MEMORY_BYTES`].
pub(crate) fn parse(text: &str) -> Result<Value> {
    parse_document(text, None)
}

/// Parses a JSON document, nested at most this deeply.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_nested(text: &str, max_depth: usize) -> Result<Value> {
    parse_document(text, Some(max_depth))
}

fn parse_document(text: &str, max_depth: Option<usize>) -> Result<Value> {
    let estimate = estimate(text, MAX_DOCUMENT_MEMORY_BYTES, Some(RefCell::default()), max_depth)?;
    let counts = RefCell::new(estimate.counts.unwrap_or_default().into_inner().into_iter());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if max_depth.is_some() {
        // the estimate has checked the depth
        deserializer.disable_recursion_limit();
    }
    ValueBuilder(&counts).deserialize(&mut deserializer).map_err(invalid_json)
}

fn invalid_json(error: serde_json::Error) -> Error {
    Error::new(format!("not a JSON document: {error}"))
}

/// Estimates the bytes that the document takes in memory as a tree of [`Value`]s.
///
/// # Errors
/// The text is not JSON, or takes more than `max_bytes`.
pub fn json_memory_bytes(text: &str, max_bytes: usize) -> Result<usize> {
    Ok(estimate(text, max_bytes, None, None)?.bytes.get())
}

fn estimate(
    text: &str,
    max_bytes: usize,
    counts: Option<RefCell<Vec<u32>>>,
    max_depth: Option<usize>,
) -> Result<MemoryEstimate> {
    let (bytes, remaining_depth) = (Cell::new(0), Cell::new(max_depth.unwrap_or(usize::MAX)));
    let estimate = MemoryEstimate { bytes, max_bytes, remaining_depth, counts };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if max_depth.is_some() {
        // the estimate counts the depth itself
        deserializer.disable_recursion_limit();
    }
    let parsed = estimate.visitor().deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if estimate.bytes.get() > max_bytes {
        return Err(Error::new(format!(
            "the document holds so many values that it would take more than {max_bytes} bytes of memory: divide it"
        )));
    }
    parsed.map_err(invalid_json)?;
    Ok(estimate)
}

struct MemoryEstimate {
    bytes: Cell<usize>,
    max_bytes: usize,
    /// The number of levels that may still be entered.
    remaining_depth: Cell<usize>,
    /// The number of elements of each array and object, in document order; `None` when they are not needed.
    counts: Option<RefCell<Vec<u32>>>,
}

#[derive(Clone, Copy)]
struct SizeVisitor<'w>(&'w MemoryEstimate);

impl MemoryEstimate {
    fn visitor(&self) -> SizeVisitor<'_> {
        SizeVisitor(self)
    }

    fn add<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let sum = self.bytes.get().saturating_add(bytes);
        self.bytes.set(sum);
        if sum > self.max_bytes { Err(E::custom("too large")) } else { Ok(()) }
    }

    /// Enters an array or object.
    fn enter<E: serde::de::Error>(&self) -> Result<(), E> {
        let Some(remaining) = self.remaining_depth.get().checked_sub(1) else {
            return Err(E::custom("the document nests too deeply"));
        };
        self.remaining_depth.set(remaining);
        Ok(())
    }

    fn leave(&self) {
        self.remaining_depth.set(self.remaining_depth.get().saturating_add(1));
    }

    /// Reserves the index at which an array's or object's count is stored.
    fn reserve_count(&self) -> usize {
        let Some(counts) = &self.counts else { return 0 };
        let mut counts = counts.borrow_mut();
        counts.push(0);
        counts.len() - 1
    }

    fn set_count(&self, index: usize, count: usize) {
        if let Some(counts) = &self.counts {
            counts.borrow_mut()[index] = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }
}

impl<'de> DeserializeSeed<'de> for SizeVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SizeVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.add(text.len().max(MIN_ALLOCATION_BYTES))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let index = self.0.reserve_count();
        let mut count = 0_usize;
        while items.next_element_seed(self)?.is_some() {
            // a `Vec` doubles when it is full, from a capacity of four on
            if count == 0 {
                self.0.add(4 * ITEM_BYTES)?;
            } else if count >= 4 && count.is_power_of_two() {
                self.0.add(count * ITEM_BYTES)?;
            }
            count += 1;
        }
        self.0.set_count(index, count);
        self.0.leave();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let index = self.0.reserve_count();
        let (mut count, mut capacity) = (0_usize, 0_usize);
        while members.next_key_seed(self)?.is_some() {
            if count == capacity {
                // the capacity of a hash table of 4, 8, 16, … slots, seven eighths of which are used
                let next = match capacity {
                    0 => 3,
                    3 => 7,
                    capacity => capacity * 2,
                };
                self.0.add((next - capacity) * (MEMBER_BYTES + 10) + if capacity == 0 { 24 } else { 0 })?;
                capacity = next;
            }
            count += 1;
            members.next_value_seed(self)?;
        }
        self.0.set_count(index, count);
        self.0.leave();
        Ok(())
    }
}

/// Builds the values, with the element counts of the first pass.
#[derive(Clone, Copy)]
struct ValueBuilder<'c>(&'c RefCell<std::vec::IntoIter<u32>>);

impl ValueBuilder<'_> {
    /// Returns the element count of the next array or object.
    fn count(self) -> usize {
        self.0.borrow_mut().next().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for ValueBuilder<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueBuilder<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::with_capacity(self.count());
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::with_capacity(self.count());
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_that_takes_much_memory_is_rejected() {
        let of = |text: &str| json_memory_bytes(text, 1_000_000);
        assert_eq!(of("1"), Ok(0));
        assert!(of("{\"a\":[1,2,{}]}").unwrap() > 3 * ITEM_BYTES);
        for element in ["0", "[]", "{}", r#"{"a":0}"#, r#""""#] {
            let text = format!("[{}]", vec![element; 50_000].join(","));
            let message = of(&text).unwrap_err().to_string();
            assert!(message.contains("divide it"), "{message}");
        }
        assert!(of(&format!("\"{}\"", "x".repeat(900_000))).is_ok(), "a long text takes its own length");
        assert!(of("[1,").unwrap_err().to_string().contains("not a JSON document"));
        assert!(of("1 2").unwrap_err().to_string().contains("not a JSON document"));
    }

    #[test]
    fn a_parsed_document_equals_its_text() {
        let text = r#" {"a":[1,-2,3.5,"x\u0041",null,true,[],{}],"b":{"c":[[1],[2,3]],"a":0,"a":{"z":1}},"$serde_json::private::RawValue":"1"} "#;
        let value = parse(text).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"a":[1,-2,3.5,"xA",null,true,[],{}],"b":{"c":[[1],[2,3]],"a":{"z":1}},"$serde_json::private::RawValue":"1"}"#
        );
        let Value::Array(list) = &value["a"] else { panic!("{value}") };
        assert_eq!(list.capacity(), 8, "no spare capacity");
        assert!(parse("[1,").unwrap_err().to_string().contains("not a JSON document"));
    }

    #[test]
    fn the_largest_record_of_the_shortest_fields_is_accepted() {
        let fields: Vec<_> = (0..265_000).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
        let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
        assert!(text.len() > 8_000_000 && text.len() < crate::limits::MAX_SCHEMA_BYTES, "{}", text.len());
        let estimate = json_memory_bytes(&text, MAX_DOCUMENT_MEMORY_BYTES).unwrap();
        assert!(estimate > 100_000_000, "{estimate}");
    }
}
