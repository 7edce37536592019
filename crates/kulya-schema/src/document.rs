//! A schema's JSON text as values, weighed first: two bytes of text are a whole value, which takes dozens in memory, and so
//! eight megabytes could take a gigabyte. Weighing also counts what each list and object holds, so that none of them grows
//! while it is read: the old and the new room of a list that doubles would be there at once.

use crate::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::{Cell, RefCell};
use std::fmt;

/// The most that a schema's JSON document may take in memory, in bytes: a record of 8 MiB of the shortest fields fits.
pub const MAX_DOCUMENT_MEMORY_BYTES: usize = 160_000_000;

/// A value in an array, and one in an object beside its name's letters.
const ITEM: usize = size_of::<Value>();
const MEMBER: usize = size_of::<Value>() + size_of::<String>() + size_of::<u64>();
/// What the smallest allocation takes.
const LEAST: usize = 16;

/// Reads a JSON document.
///
/// # Errors
/// It is no JSON, or would take more than [`MAX_DOCUMENT_MEMORY_BYTES`].
pub(crate) fn read(text: &str) -> Result<Value> {
    let weight = weighed(text, MAX_DOCUMENT_MEMORY_BYTES, Some(RefCell::default()))?;
    let counts = RefCell::new(weight.counts.unwrap_or_default().into_inner().into_iter());
    Build(&counts).deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(format!("not a JSON document: {error}"))
}

/// About how many bytes the document takes as a tree of [`Value`]s.
///
/// # Errors
/// It is no JSON, or takes more than `most`.
pub fn weigh(text: &str, most: usize) -> Result<usize> {
    Ok(weighed(text, most, None)?.bytes.get())
}

fn weighed(text: &str, most: usize, counts: Option<RefCell<Vec<u32>>>) -> Result<Weight> {
    let weight = Weight { bytes: Cell::new(0), most, counts };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = weight.seed().deserialize(&mut reader).and_then(|()| reader.end());
    if weight.bytes.get() > most {
        return Err(Error::new(format!(
            "the document holds so many values that it would take more than {most} bytes of memory: divide it"
        )));
    }
    read.map_err(not_json)?;
    Ok(weight)
}

struct Weight {
    bytes: Cell<usize>,
    most: usize,
    /// How many values each list and each object holds, in the order in which they begin; `None` where nobody reads them.
    counts: Option<RefCell<Vec<u32>>>,
}

#[derive(Clone, Copy)]
struct Seed<'w>(&'w Weight);

impl Weight {
    fn seed(&self) -> Seed<'_> {
        Seed(self)
    }

    fn add<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let sum = self.bytes.get().saturating_add(bytes);
        self.bytes.set(sum);
        if sum > self.most { Err(E::custom("too large")) } else { Ok(()) }
    }

    /// A list or an object begins: the place of its count.
    fn begin(&self) -> usize {
        let Some(counts) = &self.counts else { return 0 };
        let mut counts = counts.borrow_mut();
        counts.push(0);
        counts.len() - 1
    }

    fn end(&self, place: usize, count: usize) {
        if let Some(counts) = &self.counts {
            counts.borrow_mut()[place] = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
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
        self.0.add(text.len().max(LEAST))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let place = self.0.begin();
        let mut count = 0_usize;
        while items.next_element_seed(self)?.is_some() {
            // a list doubles when it is full, from four on
            if count == 0 {
                self.0.add(4 * ITEM)?;
            } else if count >= 4 && count.is_power_of_two() {
                self.0.add(count * ITEM)?;
            }
            count += 1;
        }
        self.0.end(place, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let place = self.0.begin();
        let (mut count, mut room) = (0_usize, 0_usize);
        while members.next_key_seed(self)?.is_some() {
            if count == room {
                // as many as fit a table of 4, 8, 16, … places, seven eighths of which are used
                let next = match room {
                    0 => 3,
                    3 => 7,
                    room => room * 2,
                };
                self.0.add((next - room) * (MEMBER + 10) + if room == 0 { 24 } else { 0 })?;
                room = next;
            }
            count += 1;
            members.next_value_seed(self)?;
        }
        self.0.end(place, count);
        Ok(())
    }
}

/// Reads what was weighed, from the counts of its lists and objects.
#[derive(Clone, Copy)]
struct Build<'c>(&'c RefCell<std::vec::IntoIter<u32>>);

impl Build<'_> {
    /// What the list or object that begins now holds.
    fn count(self) -> usize {
        self.0.borrow_mut().next().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
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
    fn what_is_short_and_takes_much_memory_is_refused() {
        let of = |text: &str| weigh(text, 1_000_000);
        assert_eq!(of("1"), Ok(0));
        assert!(of("{\"a\":[1,2,{}]}").unwrap() > 3 * ITEM);
        for bomb in ["0", "[]", "{}", r#"{"a":0}"#, r#""""#] {
            let text = format!("[{}]", vec![bomb; 50_000].join(","));
            let refused = of(&text).unwrap_err().to_string();
            assert!(refused.contains("divide it"), "{refused}");
        }
        assert!(of(&format!("\"{}\"", "x".repeat(900_000))).is_ok(), "a long text is no more than it is");
        assert!(of("[1,").unwrap_err().to_string().contains("not a JSON document"));
        assert!(of("1 2").unwrap_err().to_string().contains("not a JSON document"));
    }

    #[test]
    fn what_is_read_is_what_the_text_says() {
        let text = r#" {"a":[1,-2,3.5,"x\u0041",null,true,[],{}],"b":{"c":[[1],[2,3]],"a":0,"a":{"z":1}},"$serde_json::private::RawValue":"1"} "#;
        let value = read(text).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"a":[1,-2,3.5,"xA",null,true,[],{}],"b":{"c":[[1],[2,3]],"a":{"z":1}},"$serde_json::private::RawValue":"1"}"#
        );
        let Value::Array(list) = &value["a"] else { panic!("{value}") };
        assert_eq!(list.capacity(), 8, "no room that nobody needs");
        assert!(read("[1,").unwrap_err().to_string().contains("not a JSON document"));
    }

    #[test]
    fn the_largest_record_of_the_shortest_fields_is_read() {
        let fields: Vec<_> = (0..265_000).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
        let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
        assert!(text.len() > 8_000_000 && text.len() < crate::limits::MAX_SCHEMA_BYTES, "{}", text.len());
        let weight = weigh(&text, MAX_DOCUMENT_MEMORY_BYTES).unwrap();
        assert!(weight > 100_000_000, "{weight}");
    }
}
