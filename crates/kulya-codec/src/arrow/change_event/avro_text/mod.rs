//! Avro change events as the text of Debezium's JSON, in one pass without values between: only the operation,
//! the rows, and the log position in `source`. All else is skipped.

mod schema;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_schema::avro::{MAX_DATUM_DEPTH, MAX_DATUM_VALUES, VarintError, read_long};
use schema::{Names, Node};
use serde_json::{Value, json};

/// The fields of an event that are read.
const EVENT_FIELDS: [&str; 4] = ["before", "after", "op", "source"];

/// A writer's schema.
#[derive(Debug)]
pub(super) struct AvroText {
    root: Node,
    /// The types with names, to which nodes refer by their number.
    named: Vec<Node>,
}

/// Why a payload is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Truncated,
    Corrupt(&'static str),
    TooLarge,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("it is truncated: its bytes end within a value"),
            Self::Corrupt(problem) => write!(f, "it is corrupt: {problem}"),
            Self::TooLarge => write!(
                f,
                "it holds more than {MAX_DATUM_VALUES} values, or nests deeper than {MAX_DATUM_DEPTH}"
            ),
        }
    }
}

impl AvroText {
    /// Reads the schema of change events.
    ///
    /// # Errors
    /// What it lacks.
    pub(super) fn new(schema: &[u8]) -> Result<Self, String> {
        let schema: Value = serde_json::from_slice(schema).map_err(|e| e.to_string())?;
        let mut names = Names::default();
        let root = names.node(&schema, "", &EVENT_FIELDS, 0).ok_or("its schema has unknown types")?;
        Ok(Self { root, named: names.nodes })
    }

    /// Appends the text of a payload to `out`. Only zero bytes may follow the event.
    ///
    /// # Errors
    /// The payload is not one of the schema.
    pub(super) fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
        let mut walker = Walker { text: self, rest: payload, values: 0 };
        walker.value(&self.root, Some(out), 0)?;
        if walker.rest.iter().any(|byte| *byte != 0) {
            return Err(Invalid::Corrupt("other bytes follow it"));
        }
        Ok(())
    }
}

struct Walker<'a> {
    text: &'a AvroText,
    rest: &'a [u8],
    values: usize,
}

impl<'a> Walker<'a> {
    /// Reads a value, and writes it if `out` is there.
    fn value(&mut self, node: &Node, mut out: Option<&mut Vec<u8>>, depth: usize) -> Result<(), Invalid> {
        self.values += 1;
        if self.values > MAX_DATUM_VALUES || depth > MAX_DATUM_DEPTH {
            return Err(Invalid::TooLarge);
        }
        let written = match node {
            Node::Null => "null".to_owned(),
            Node::Boolean => match self.take(1)? {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                _ => return Err(Invalid::Corrupt("neither true nor false")),
            },
            Node::Int | Node::Long => {
                let number = self.long()?;
                if matches!(node, Node::Int) && i32::try_from(number).is_err() {
                    return Err(Invalid::Corrupt("an int of more than 32 bits"));
                }
                if let Some(out) = out {
                    write_integer(number, out);
                }
                return Ok(());
            }
            Node::Float => {
                let bytes = self.take(4)?.first_chunk().ok_or(Invalid::Truncated)?;
                let number = f32::from_le_bytes(*bytes);
                // the digits of the number's own type
                if out.is_some() {
                    float(number.to_string().parse().unwrap_or(f64::NAN))
                } else {
                    String::new()
                }
            }
            Node::Double => {
                let bytes = self.take(8)?.first_chunk().ok_or(Invalid::Truncated)?;
                if out.is_some() { float(f64::from_le_bytes(*bytes)) } else { String::new() }
            }
            Node::Bytes => {
                let bytes = self.length_prefixed()?;
                write_base64(bytes, out);
                return Ok(());
            }
            Node::Fixed(size) => {
                let bytes = self.take(*size)?;
                write_base64(bytes, out);
                return Ok(());
            }
            Node::Text => {
                let text = std::str::from_utf8(self.length_prefixed()?);
                let text = text.map_err(|_| Invalid::Corrupt("a string that is not UTF-8"))?;
                write_text(text, out);
                return Ok(());
            }
            Node::Enum(count) => {
                let index = usize::try_from(self.long()?).ok().filter(|index| index < count);
                index.ok_or(Invalid::Corrupt("no symbol of an enum"))?;
                // change events have no enums
                "null".to_owned()
            }
            Node::Array(items) => {
                return self.blocks(out, *b"[]", |walker, out| walker.value(items, out, depth + 1));
            }
            Node::Map(values) => {
                return self.blocks(out, *b"{}", |walker, mut out| {
                    let name = std::str::from_utf8(walker.length_prefixed()?);
                    let name = name.map_err(|_| Invalid::Corrupt("a key that is not UTF-8"))?;
                    write_text(name, out.as_deref_mut());
                    if let Some(out) = &mut out {
                        out.push(b':');
                    }
                    walker.value(values, out, depth + 1)
                });
            }
            Node::Union(members) => {
                let member = usize::try_from(self.long()?).ok().and_then(|index| members.get(index));
                return self.value(member.ok_or(Invalid::Corrupt("no member of a union"))?, out, depth + 1);
            }
            Node::Named(number) => {
                let text = self.text;
                let node = text.named.get(*number).ok_or(Invalid::Corrupt("a type without a definition"))?;
                return self.value(node, out, depth + 1);
            }
            Node::Record(fields) => {
                let mut separator = b'{';
                for field in fields {
                    let mut out = out.as_deref_mut().filter(|_| field.is_wanted);
                    if let Some(out) = &mut out {
                        out.push(std::mem::replace(&mut separator, b','));
                        out.extend_from_slice(field.name.as_bytes());
                    }
                    self.value(&field.node, out, depth + 1)?;
                }
                if let Some(out) = out {
                    out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
                }
                return Ok(());
            }
        };
        if let Some(out) = out {
            out.extend_from_slice(written.as_bytes());
        }
        Ok(())
    }

    /// Reads blocks of items: a negative count is followed by the block's size.
    fn blocks(
        &mut self,
        mut out: Option<&mut Vec<u8>>,
        [open, close]: [u8; 2],
        mut item: impl FnMut(&mut Self, Option<&mut Vec<u8>>) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        let mut is_first = true;
        if let Some(out) = &mut out {
            out.push(open);
        }
        loop {
            let count = self.long()?;
            // an empty block takes time too
            self.values += 1;
            if count == 0 {
                if let Some(out) = out {
                    out.push(close);
                }
                return Ok(());
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                if let Some(out) = &mut out
                    && !std::mem::take(&mut is_first)
                {
                    out.push(b',');
                }
                item(self, out.as_deref_mut())?;
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Invalid::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn length_prefixed(&mut self) -> Result<&'a [u8], Invalid> {
        let length = usize::try_from(self.long()?).map_err(|_| Invalid::Corrupt("a negative length"))?;
        self.take(length)
    }

    fn long(&mut self) -> Result<i64, Invalid> {
        read_long(&mut self.rest).map_err(|error| match error {
            VarintError::Truncated => Invalid::Truncated,
            VarintError::TooLong => Invalid::Corrupt("a number of more than 64 bits"),
        })
    }
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    // a vector accepts everything
    let _ = write!(out, "{number}");
}

/// Returns the text of a number; JSON has none for some.
fn float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "\"NaN\"".to_owned(),
        f64::INFINITY => "\"Infinity\"".to_owned(),
        f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
        number => json!(number).to_string(),
    }
}

fn write_base64(bytes: &[u8], out: Option<&mut Vec<u8>>) {
    if let Some(out) = out {
        out.push(b'"');
        out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        out.push(b'"');
    }
}

fn write_text(text: &str, out: Option<&mut Vec<u8>>) {
    let Some(out) = out else { return };
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(Value::String(text.to_owned()).to_string().as_bytes());
    }
}
