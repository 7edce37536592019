//! A schema's JSON text as values, weighed first: two bytes of text are a whole value, which takes dozens in memory, and so
//! eight megabytes could take a gigabyte.

use crate::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::Cell;
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
    weigh(text, MAX_DOCUMENT_MEMORY_BYTES)?;
    serde_json::from_str(text).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(format!("not a JSON document: {error}"))
}

/// About how many bytes the document takes as a tree of [`Value`]s.
///
/// # Errors
/// It is no JSON, or takes more than `most`.
pub fn weigh(text: &str, most: usize) -> Result<usize> {
    let weight = Weight { bytes: Cell::new(0), most };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = weight.seed().deserialize(&mut reader).and_then(|()| reader.end());
    if weight.bytes.get() > most {
        return Err(Error::new(format!(
            "the document holds so many values that it would take more than {most} bytes of memory: divide it"
        )));
    }
    read.map_err(not_json)?;
    Ok(weight.bytes.get())
}

struct Weight {
    bytes: Cell<usize>,
    most: usize,
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
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
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
        Ok(())
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
    fn the_largest_record_of_the_shortest_fields_is_read() {
        let fields: Vec<_> = (0..265_000).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
        let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
        assert!(text.len() > 8_000_000 && text.len() < crate::limits::MAX_SCHEMA_BYTES, "{}", text.len());
        let weight = weigh(&text, MAX_DOCUMENT_MEMORY_BYTES).unwrap();
        assert!(weight > 100_000_000, "{weight}");
    }
}
