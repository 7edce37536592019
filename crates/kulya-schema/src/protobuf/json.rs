//! A descriptor set as JSON, in the layout of Google's Java library, which the Java server returns in a
//! group's history (contract §1.2).

use super::size_limits;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::ser::{Formatter, Serializer};
use std::io::{Result, Write};

/// Prints a descriptor set as JSON; `None` if the bytes are not a descriptor set.
pub(crate) fn json_text(bytes: &[u8]) -> Option<String> {
    size_limits::check(bytes).ok()?;
    let set = DescriptorPool::global().get_message_by_name("google.protobuf.FileDescriptorSet")?;
    let set = DynamicMessage::decode(set, bytes).ok()?;
    let mut text = Vec::new();
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut serializer = Serializer::with_formatter(&mut text, JavaFormatter::default());
    set.serialize_with_options(&mut serializer, &options).ok()?;
    String::from_utf8(text).ok()
}

/// A formatter with members on lines of their own, and the elements of a list on one line.
#[derive(Default)]
struct JavaFormatter {
    depth: usize,
    has_member: bool,
}

impl JavaFormatter {
    fn indent<W: ?Sized + Write>(&self, out: &mut W) -> Result<()> {
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }
}

impl Formatter for JavaFormatter {
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth += 1;
        self.has_member = false;
        out.write_all(b"{\n")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        if !first {
            out.write_all(b",\n")?;
        }
        self.indent(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.has_member = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth -= 1;
        if self.has_member {
            out.write_all(b"\n")?;
        }
        self.indent(out)?;
        out.write_all(b"}")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of the Java server 0.6.
    #[test]
    fn a_set_is_printed_as_by_java() {
        let set = b"\x0a\x0e\x0a\x07m.proto\x22\x03\x0a\x01M";
        let expected = "{\n  \"file\": [{\n    \"name\": \"m.proto\",\n    \"message_type\": [{\n      \"name\": \"M\"\n    }]\n  }]\n}";
        assert_eq!(json_text(set).as_deref(), Some(expected));
        assert_eq!(json_text(b"").as_deref(), Some("{\n}"));
        assert_eq!(json_text(b"\xff"), None);
    }
}
