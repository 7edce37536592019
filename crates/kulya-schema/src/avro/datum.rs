//! Where one datum ends: the bytes of an event, walked by the schema that they were written with. No values are made.
//!
//! Decoders take what they need and leave the rest; of a datum that was cut off, that was damaged or behind which something
//! stands, they may make values all the same. Who walks it first knows that there is exactly one, and how much it holds.

use super::{Kind, Node, Primitive, Schema, Shape};
use std::fmt;

/// The most values of one datum, those included that take no byte: the items of an array of nulls are any number.
pub const MAX_DATUM_VALUES: usize = 2_000_000;
/// How deep values may nest: a type may hold itself.
pub const MAX_DATUM_DEPTH: usize = 200;

/// What one datum takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its length in bytes.
    pub bytes: usize,
    /// How many values it holds.
    pub values: usize,
}

/// Why bytes are no datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// They end within it.
    CutOff,
    /// At this byte stands what the schema has not.
    Wrong(usize, &'static str),
    /// It holds more than [`MAX_DATUM_VALUES`], or nests deeper than [`MAX_DATUM_DEPTH`].
    TooLarge,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff => f.write_str("it is cut off: its bytes end within a value"),
            Self::Wrong(at, what) => write!(f, "it is damaged: {what} at byte {at}"),
            Self::TooLarge => write!(
                f,
                "it holds more than {MAX_DATUM_VALUES} values, or nests deeper than {MAX_DATUM_DEPTH}"
            ),
        }
    }
}

impl Schema {
    /// The extent of the datum that the bytes begin with.
    ///
    /// # Errors
    /// They begin with none.
    pub fn extent(&self, bytes: &[u8]) -> Result<Extent, Damage> {
        let mut walk = Walk { schema: self, bytes, at: 0, values: 0 };
        walk.node(&self.root, 0)?;
        Ok(Extent { bytes: walk.at, values: walk.values })
    }
}

struct Walk<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<(), Damage> {
        self.values += 1;
        if self.values > MAX_DATUM_VALUES || depth > MAX_DATUM_DEPTH {
            return Err(Damage::TooLarge);
        }
        match &node.kind {
            Kind::Primitive(primitive) => self.primitive(*primitive),
            Kind::Array(items) => self.blocks(depth, |walk| walk.node(items, depth + 1)),
            Kind::Map(values) => self.blocks(depth, |walk| {
                walk.text()?;
                walk.node(values, depth + 1)
            }),
            Kind::Union(members) => {
                let begin = self.at;
                let number = usize::try_from(self.long()?).ok();
                let member = number.and_then(|number| members.get(number));
                let member = member.ok_or(Damage::Wrong(begin, "no member of a union"))?;
                self.node(member, depth + 1)
            }
            Kind::Named(number) => match self.schema.named.get(*number).map(|named| &named.shape) {
                Some(Shape::Record(fields)) => {
                    fields.iter().try_for_each(|field| self.node(&field.node, depth + 1))
                }
                Some(Shape::Enum { symbols, .. }) => {
                    let begin = self.at;
                    let symbol = usize::try_from(self.long()?).ok().and_then(|number| symbols.get(number));
                    symbol.map(|_| ()).ok_or(Damage::Wrong(begin, "no symbol of an enum"))
                }
                Some(Shape::Fixed(size)) => {
                    let size = usize::try_from(*size).map_err(|_| Damage::CutOff)?;
                    self.take(size).map(|_| ())
                }
                Some(Shape::Pending) | None => Err(Damage::Wrong(self.at, "a type without a definition")),
            },
        }
    }

    fn primitive(&mut self, primitive: Primitive) -> Result<(), Damage> {
        let begin = self.at;
        match primitive {
            Primitive::Null => Ok(()),
            Primitive::Boolean => match self.take(1)? {
                [0 | 1] => Ok(()),
                _ => Err(Damage::Wrong(begin, "neither true nor false")),
            },
            Primitive::Int => {
                let number = self.long()?;
                i32::try_from(number)
                    .map(|_| ())
                    .map_err(|_| Damage::Wrong(begin, "an int of more than 32 bits"))
            }
            Primitive::Long => self.long().map(|_| ()),
            Primitive::Float => self.take(4).map(|_| ()),
            Primitive::Double => self.take(8).map(|_| ()),
            Primitive::Bytes => self.counted().map(|_| ()),
            Primitive::String => self.text(),
        }
    }

    /// Blocks of items, each with their number, and a negative one with their size too; the last has none.
    fn blocks(
        &mut self,
        depth: usize,
        mut item: impl FnMut(&mut Self) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        if depth >= MAX_DATUM_DEPTH {
            return Err(Damage::TooLarge);
        }
        loop {
            let begin = self.at;
            let count = self.long()?;
            // a block without an item takes time all the same
            self.values += 1;
            if count == 0 {
                return Ok(());
            }
            let size = if count < 0 { Some(self.long()?) } else { None };
            let first = self.at;
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
            // a reader that passes over the block goes by its size
            if size.is_some_and(|size| usize::try_from(size) != Ok(self.at - first)) {
                return Err(Damage::Wrong(begin, "a block of another size than it says"));
            }
        }
    }

    fn text(&mut self) -> Result<(), Damage> {
        let begin = self.at;
        let bytes = self.counted()?;
        std::str::from_utf8(bytes).map(|_| ()).map_err(|_| Damage::Wrong(begin, "a string that is no UTF-8"))
    }

    fn counted(&mut self) -> Result<&'a [u8], Damage> {
        let begin = self.at;
        let length = self.long()?;
        if length < 0 {
            return Err(Damage::Wrong(begin, "a negative length"));
        }
        self.take(usize::try_from(length).map_err(|_| Damage::CutOff)?)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let end = self.at.checked_add(length).ok_or(Damage::CutOff)?;
        let taken = self.bytes.get(self.at..end).ok_or(Damage::CutOff)?;
        self.at = end;
        Ok(taken)
    }

    /// A number in zigzag, seven bits a byte.
    fn long(&mut self) -> Result<i64, Damage> {
        let begin = self.at;
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else { return Err(Damage::CutOff) };
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(Damage::Wrong(begin, "a number of more than 64 bits"))
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
    const WHOLE: &[u8] = b"\x02\x04ab\x04\x02\x03\x00\x02\x02k\x01\x00\x00\x02xy\x00";

    #[test]
    fn a_datum_ends_where_its_schema_says() {
        let schema = parse(EVERYTHING).unwrap();
        let whole = schema.extent(WHOLE).unwrap();
        assert_eq!(whole.bytes, WHOLE.len());
        for end in 0..WHOLE.len() {
            assert_eq!(schema.extent(&WHOLE[..end]), Err(Damage::CutOff), "{end}");
        }
        assert_eq!(schema.extent(&[WHOLE, b"more"].concat()), Ok(whole));
        // the same array as a block with its size
        let sized = [&WHOLE[..4], b"\x03\x04\x02\x03\x00", &WHOLE[8..]].concat();
        assert_eq!(schema.extent(&sized).unwrap().bytes, sized.len());
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let of = |schema: &str, bytes: &[u8]| parse(schema).unwrap().extent(bytes).unwrap_err().to_string();
        let array = r#"{"type":"array","items":"int"}"#;
        for (schema, bytes, says) in [
            (r#""boolean""#, &b"\x02"[..], "neither true nor false at byte 0"),
            (r#""int""#, b"\xfe\xff\xff\xff\xff\x01", "more than 32 bits"),
            (r#""long""#, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "more than 64 bits"),
            (r#""string""#, b"\x02\xff", "no UTF-8"),
            (r#""bytes""#, b"\x01", "a negative length"),
            (r#""bytes""#, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut off"),
            (r#"["null","int"]"#, b"\x04", "no member"),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, b"\x02", "no symbol"),
            (array, b"\x01\x04\x02\x00", "another size"),
            (array, b"\x02\x02", "cut off"),
        ] {
            let why = of(schema, bytes);
            assert!(why.contains(says), "{schema}: {why}");
        }
    }

    /// Items that take no byte, and blocks that have none, may be any number.
    #[test]
    fn what_takes_no_bytes_is_counted() {
        for items in [
            r#""null""#,
            r#"{"type":"record","name":"R","fields":[]}"#,
            r#"{"type":"fixed","name":"F","size":0}"#,
        ] {
            let schema = parse(&format!(r#"{{"type":"array","items":{items}}}"#)).unwrap();
            // 300 blocks of 1,000,000, in a negative and in a positive way, and one of as many as there are numbers
            let block = b"\x80\x89\x7a";
            let blocks = [block.repeat(300), b"\x00".to_vec()].concat();
            assert_eq!(schema.extent(&blocks), Err(Damage::TooLarge), "{items}");
            let endless = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";
            assert_eq!(schema.extent(endless), Err(Damage::TooLarge), "{items}");
            assert!(schema.extent(&[&block[..], b"\x00"].concat()).is_ok(), "{items}");
        }
        let list =
            parse(r#"{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}"#).unwrap();
        assert_eq!(list.extent(&b"\x02".repeat(100_000)), Err(Damage::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(extent) = parse(EVERYTHING).unwrap().extent(&bytes) {
                prop_assert!(extent.bytes <= bytes.len());
            }
        }
    }
}
