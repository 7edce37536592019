//! The size of one Avro datum: walks the bytes of an event by the schema they were written with, without
//! building values.
//!
//! Decoders consume what they need and ignore the rest, so they may build values of a datum that is
//! truncated, corrupt or followed by other bytes. A caller that checks the size first knows that there is
//! exactly one datum, and how many values it holds.

use super::schema::{Definition, Kind, Node, Primitive, Schema};
use super::varint::{VarintError, read_long};
use std::fmt;

/// The maximum number of values of one datum, including those that take no bytes: an array of nulls may have
/// any number of items.
pub const MAX_DATUM_VALUES: usize = 2_000_000;
/// The maximum nesting depth of values: a type may contain itself.
pub const MAX_DATUM_DEPTH: usize = 200;

/// The size of one datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatumSize {
    /// Its length in bytes.
    pub bytes: usize,
    /// The number of values it holds.
    pub values: usize,
}

/// The reason why bytes are not a datum of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatumError {
    /// The bytes end within a value.
    Truncated,
    /// The byte at this offset does not fit the schema.
    Invalid(usize, &'static str),
    /// The datum holds more than [`MAX_DATUM_VALUES`] values, or nests deeper than [`MAX_DATUM_DEPTH`].
    TooLarge,
}

impl fmt::Display for DatumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it is truncated: its bytes end within a value"),
            Self::Invalid(offset, problem) => write!(f, "it is corrupt: {problem} at byte {offset}"),
            Self::TooLarge => write!(
                f,
                "it holds more than {MAX_DATUM_VALUES} values, or nests deeper than {MAX_DATUM_DEPTH}"
            ),
        }
    }
}

impl Schema {
    /// Measures the datum at the start of the bytes.
    ///
    /// # Errors
    /// The bytes do not start with a datum of this schema.
    pub fn datum_size(&self, bytes: &[u8]) -> Result<DatumSize, DatumError> {
        let mut walker = DatumWalker { schema: self, bytes, offset: 0, values: 0 };
        walker.node(&self.root, 0)?;
        Ok(DatumSize { bytes: walker.offset, values: walker.values })
    }
}

impl Schema {
    /// Finds the fields of the record at the start of the bytes: `ends` gets the offset after each of them.
    ///
    /// # Errors
    /// The schema is not a record, or the bytes do not start with a datum of it.
    pub fn field_ends(&self, bytes: &[u8], ends: &mut Vec<usize>) -> Result<DatumSize, DatumError> {
        ends.clear();
        let definition = match &self.root.kind {
            Kind::Named(index) => self.named.get(*index).map(|named| &named.definition),
            _ => None,
        };
        let Some(Definition::Record(fields)) = definition else {
            return Err(DatumError::Invalid(0, "no record"));
        };
        let mut walker = DatumWalker { schema: self, bytes, offset: 0, values: 1 };
        for field in fields {
            walker.node(&field.node, 1)?;
            ends.push(walker.offset);
        }
        Ok(DatumSize { bytes: walker.offset, values: walker.values })
    }
}

/// Walks a datum and counts its bytes and values.
struct DatumWalker<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    offset: usize,
    values: usize,
}

impl<'a> DatumWalker<'a> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<(), DatumError> {
        self.values += 1;
        if self.values > MAX_DATUM_VALUES || depth > MAX_DATUM_DEPTH {
            return Err(DatumError::TooLarge);
        }
        match &node.kind {
            Kind::Primitive(primitive) => self.primitive(*primitive),
            Kind::Array(items) => self.blocks(depth, |walker| walker.node(items, depth + 1)),
            Kind::Map(values) => self.blocks(depth, |walker| {
                walker.string()?;
                walker.node(values, depth + 1)
            }),
            Kind::Union(members) => {
                let start = self.offset;
                let index = usize::try_from(self.long()?).ok();
                let member = index.and_then(|index| members.get(index));
                let member = member.ok_or(DatumError::Invalid(start, "no member of a union"))?;
                self.node(member, depth + 1)
            }
            Kind::Named(index) => match self.schema.named.get(*index).map(|named| &named.definition) {
                Some(Definition::Record(fields)) => {
                    fields.iter().try_for_each(|field| self.node(&field.node, depth + 1))
                }
                Some(Definition::Enum { symbols, .. }) => {
                    let start = self.offset;
                    let symbol = usize::try_from(self.long()?).ok().and_then(|index| symbols.get(index));
                    symbol.map(|_| ()).ok_or(DatumError::Invalid(start, "no symbol of an enum"))
                }
                Some(Definition::Fixed(size)) => {
                    let size = usize::try_from(*size).map_err(|_| DatumError::Truncated)?;
                    self.advance(size).map(|_| ())
                }
                Some(Definition::Pending) | None => {
                    Err(DatumError::Invalid(self.offset, "a type without a definition"))
                }
            },
        }
    }

    fn primitive(&mut self, primitive: Primitive) -> Result<(), DatumError> {
        let start = self.offset;
        match primitive {
            Primitive::Null => Ok(()),
            Primitive::Boolean => match self.advance(1)? {
                [0 | 1] => Ok(()),
                _ => Err(DatumError::Invalid(start, "neither true nor false")),
            },
            Primitive::Int => {
                let number = self.long()?;
                i32::try_from(number)
                    .map(|_| ())
                    .map_err(|_| DatumError::Invalid(start, "an int of more than 32 bits"))
            }
            Primitive::Long => self.long().map(|_| ()),
            Primitive::Float => self.advance(4).map(|_| ()),
            Primitive::Double => self.advance(8).map(|_| ()),
            Primitive::Bytes => self.length_prefixed().map(|_| ()),
            Primitive::String => self.string(),
        }
    }

    /// Walks blocks of items: each block has its item count, and a negative count is followed by the block's
    /// size; a count of 0 ends the list.
    fn blocks(
        &mut self,
        depth: usize,
        mut item: impl FnMut(&mut Self) -> Result<(), DatumError>,
    ) -> Result<(), DatumError> {
        if depth >= MAX_DATUM_DEPTH {
            return Err(DatumError::TooLarge);
        }
        loop {
            let start = self.offset;
            let count = self.long()?;
            // an empty block takes time too
            self.values += 1;
            if count == 0 {
                return Ok(());
            }
            let size = if count < 0 { Some(self.long()?) } else { None };
            let first = self.offset;
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
            // a reader that skips the block relies on its size
            if size.is_some_and(|size| usize::try_from(size) != Ok(self.offset - first)) {
                return Err(DatumError::Invalid(start, "a block of another size than declared"));
            }
        }
    }

    fn string(&mut self) -> Result<(), DatumError> {
        let start = self.offset;
        let bytes = self.length_prefixed()?;
        std::str::from_utf8(bytes)
            .map(|_| ())
            .map_err(|_| DatumError::Invalid(start, "a string that is not UTF-8"))
    }

    fn length_prefixed(&mut self) -> Result<&'a [u8], DatumError> {
        let start = self.offset;
        let length = self.long()?;
        if length < 0 {
            return Err(DatumError::Invalid(start, "a negative length"));
        }
        self.advance(usize::try_from(length).map_err(|_| DatumError::Truncated)?)
    }

    fn advance(&mut self, length: usize) -> Result<&'a [u8], DatumError> {
        let end = self.offset.checked_add(length).ok_or(DatumError::Truncated)?;
        let bytes = self.bytes.get(self.offset..end).ok_or(DatumError::Truncated)?;
        self.offset = end;
        Ok(bytes)
    }

    /// Reads a zigzag varint of up to 64 bits.
    fn long(&mut self) -> Result<i64, DatumError> {
        let mut rest = self.bytes.get(self.offset..).unwrap_or_default();
        let number = read_long(&mut rest).map_err(|error| match error {
            VarintError::Truncated => DatumError::Truncated,
            VarintError::TooLong => DatumError::Invalid(self.offset, "a number of more than 64 bits"),
        })?;
        self.offset = self.bytes.len() - rest.len();
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::parse;
    use proptest::prelude::*;

    const EVERYTHING: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"i","type":"int"},{"name":"s","type":"string"},
        {"name":"a","type":{"type":"array","items":"long"}},
        {"name":"m","type":{"type":"map","values":"boolean"}},
        {"name":"u","type":["null","double"]},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
        {"name":"f","type":{"type":"fixed","name":"F","size":2}},
        {"name":"n","type":["null","R"]}]}"#;
    #[test]
    fn fields_of_a_record_end_where_the_next_begins() {
        let schema = parse(EVERYTHING).unwrap();
        let mut ends = vec![7];
        let size = schema.field_ends(WHOLE, &mut ends).unwrap();
        assert_eq!(size, schema.datum_size(WHOLE).unwrap());
        assert_eq!((ends.len(), ends.last()), (8, Some(&size.bytes)));
        assert_eq!(ends[..2], [1, 4]);
        schema.field_ends(&WHOLE[..5], &mut ends).unwrap_err();
        parse("\"int\"").unwrap().field_ends(WHOLE, &mut ends).unwrap_err();
    }

    const WHOLE: &[u8] = b"\x02\x04ab\x04\x02\x03\x00\x02\x02k\x01\x00\x00\x02xy\x00";

    #[test]
    fn a_datum_ends_where_its_schema_says() {
        let schema = parse(EVERYTHING).unwrap();
        let whole = schema.datum_size(WHOLE).unwrap();
        assert_eq!(whole.bytes, WHOLE.len());
        for end in 0..WHOLE.len() {
            assert_eq!(schema.datum_size(&WHOLE[..end]), Err(DatumError::Truncated), "{end}");
        }
        assert_eq!(schema.datum_size(&[WHOLE, b"more"].concat()), Ok(whole));
        // the same array as a block with its size in bytes
        let sized = [&WHOLE[..4], b"\x03\x04\x02\x03\x00", &WHOLE[8..]].concat();
        assert_eq!(schema.datum_size(&sized).unwrap().bytes, sized.len());
    }

    #[test]
    fn errors_name_the_byte_offset() {
        let of =
            |schema: &str, bytes: &[u8]| parse(schema).unwrap().datum_size(bytes).unwrap_err().to_string();
        let array = r#"{"type":"array","items":"int"}"#;
        for (schema, bytes, expected) in [
            (r#""boolean""#, &b"\x02"[..], "neither true nor false at byte 0"),
            (r#""int""#, b"\xfe\xff\xff\xff\xff\x01", "more than 32 bits"),
            (r#""long""#, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "more than 64 bits"),
            (r#""string""#, b"\x02\xff", "not UTF-8"),
            (r#""bytes""#, b"\x01", "a negative length"),
            (r#""bytes""#, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated"),
            (r#"["null","int"]"#, b"\x04", "no member"),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, b"\x02", "no symbol"),
            (array, b"\x01\x04\x02\x00", "another size"),
            (array, b"\x02\x02", "truncated"),
        ] {
            let message = of(schema, bytes);
            assert!(message.contains(expected), "{schema}: {message}");
        }
    }

    /// Items that take no byte, and empty blocks, may occur any number of times.
    #[test]
    fn values_without_bytes_are_counted() {
        for items in [
            r#""null""#,
            r#"{"type":"record","name":"R","fields":[]}"#,
            r#"{"type":"fixed","name":"F","size":0}"#,
        ] {
            let schema = parse(&format!(r#"{{"type":"array","items":{items}}}"#)).unwrap();
            // 300 blocks of 1,000,000 items, and one block of the largest count
            let block = b"\x80\x89\x7a";
            let blocks = [block.repeat(300), b"\x00".to_vec()].concat();
            assert_eq!(schema.datum_size(&blocks), Err(DatumError::TooLarge), "{items}");
            let endless = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";
            assert_eq!(schema.datum_size(endless), Err(DatumError::TooLarge), "{items}");
            assert!(schema.datum_size(&[&block[..], b"\x00"].concat()).is_ok(), "{items}");
        }
        let list =
            parse(r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#).unwrap();
        assert_eq!(list.datum_size(&b"\x02".repeat(100_000)), Err(DatumError::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(datum_size) = parse(EVERYTHING).unwrap().datum_size(&bytes) {
                prop_assert!(datum_size.bytes <= bytes.len());
            }
        }
    }
}
