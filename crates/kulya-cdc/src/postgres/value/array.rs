//! Writing of arrays, item by item as they are parsed.

use super::super::column::{ArrayKind, Kind};
use super::super::literal::{ArrayParser, ArrayPart};
use crate::debezium::Compatibility;
use crate::debezium::Written;
use crate::debezium::json::write_null;
use kulya_store::framing::MAX_EVENT_BYTES;

/// Writes an array; `write_item` writes an item. What is written of a text that is not an array of such items
/// is to be removed by the caller. An array that is larger than an event can be ends with the item that made
/// it so.
pub(super) fn write_array(
    text: &[u8],
    array: &ArrayKind,
    out: &mut Vec<u8>,
    mut write_item: impl FnMut(&[u8], &mut Vec<u8>) -> Written,
) -> Written {
    let Some(mut parser) = ArrayParser::new(text, array.delimiter) else { return Written::NotAValue };
    let mut result = Written::Value;
    let mut depth = 0;
    let mut inner_start = None;
    let is_null_with_null =
        array.compat == Compatibility::Debezium && matches!(array.items, Kind::Enum(_) | Kind::Ltree);
    let start = out.len();
    while !parser.is_finished() {
        let Some(part) = parser.next_part() else { return Written::NotAValue };
        if part != ArrayPart::End && depth > 0 && out.last() != Some(&b'[') {
            out.push(b',');
        }
        match part {
            ArrayPart::Start => {
                depth += 1;
                if depth == 2 {
                    inner_start = Some(out.len());
                }
                out.push(b'[');
            }
            ArrayPart::End => {
                depth -= 1;
                out.push(b']');
                if array.compat == Compatibility::Debezium
                    && depth == 1
                    && let Some(start) = inner_start.take()
                {
                    out.truncate(start);
                    write_null(out);
                }
            }
            ArrayPart::Null if is_null_with_null => {
                // its schema has no null
                out.truncate(start);
                return Written::Null;
            }
            ArrayPart::Null => write_null(out),
            ArrayPart::Item(item) => match write_item(item, out) {
                Written::NotAValue => return Written::NotAValue,
                Written::Lossy => result = Written::Lossy,
                Written::Null => write_null(out),
                Written::Value => {}
            },
        }
        if out.len() - start > MAX_EVENT_BYTES {
            // the event is left out: the rest would only take memory, with Debezium a kilobyte for each digit
            // of numeric(p,-s)
            break;
        }
    }
    result
}
