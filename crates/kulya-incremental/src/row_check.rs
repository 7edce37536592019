//! Checks of stored rows: whether bytes are a value in Arrow's row format.
//!
//! Arrow's own decoder trusts the bytes and panics at others. The values that state can hold are those whose
//! bytes can be checked here.

use crate::error::{Problem, Result};
use arrow_schema::{DataType, Field, IntervalUnit, SortOptions};
use std::str::from_utf8;

/// Refuses types whose values cannot be held in state.
pub(crate) fn supports(data_type: &DataType, options: SortOptions) -> Result<()> {
    let has_support = match data_type {
        DataType::Null => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        DataType::Struct(fields) => {
            return fields.iter().try_for_each(|field| supports(field.data_type(), options));
        }
        DataType::List(item) | DataType::LargeList(item) if !options.descending => {
            return supports(item.data_type(), options);
        }
        DataType::Map(entries, _) if !options.descending => {
            return supports(entries.data_type(), options);
        }
        other => fixed_width(other).is_some(),
    };
    match has_support {
        true => Ok(()),
        false => Err(Problem::unsupported(format!("type {data_type} as a value in an operator's state"))),
    }
}

/// The bytes of a value behind its first one, for types that always have as many.
fn fixed_width(data_type: &DataType) -> Option<usize> {
    Some(match data_type {
        DataType::Boolean => 1,
        DataType::FixedSizeBinary(size) => usize::try_from(*size).ok()?,
        DataType::Interval(IntervalUnit::DayTime) => 8,
        DataType::Interval(IntervalUnit::MonthDayNano) => 16,
        other => other.primitive_width()?,
    })
}

const VALID: u8 = 1;
const EMPTY: u8 = 1;
const NON_EMPTY: u8 = 2;
const SHORT_BLOCK: usize = 8;
const SHORT_BLOCKS: usize = 4;
const LONG_BLOCK: usize = 32;
const CONTINUATION: u8 = 0xff;

/// What is behind the value at the beginning of `bytes`, or None if there is no such value.
pub(crate) fn skip<'a>(bytes: &'a [u8], data_type: &DataType, options: SortOptions) -> Option<&'a [u8]> {
    let null = if options.nulls_first { 0 } else { 0xff };
    match data_type {
        DataType::Null => {
            let (value, rest) = bytes.split_first_chunk::<2>()?;
            let inverted = if options.descending { 0xff } else { 0 };
            (*value == [NON_EMPTY ^ inverted, 3 ^ inverted]).then_some(rest)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let (text, rest) = blocks(bytes, options)?;
            from_utf8(&text.unwrap_or_default()).ok()?;
            Some(rest)
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(blocks(bytes, options)?.1),
        DataType::Struct(fields) => {
            let (first, mut rest) = bytes.split_first()?;
            if *first != null && *first != VALID {
                return None;
            }
            for field in fields {
                rest = skip(rest, field.data_type(), options)?;
            }
            Some(rest)
        }
        DataType::List(item) | DataType::LargeList(item) => {
            skip_items(bytes, options, |item_bytes| skip_item(item_bytes, item, options))
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return None };
            skip_items(bytes, options, |mut item_bytes| {
                for field in fields {
                    item_bytes = skip_item(item_bytes, field, options)?;
                }
                Some(item_bytes)
            })
        }
        other => {
            let (value, rest) = bytes.split_at_checked(1 + fixed_width(other)?)?;
            (value[0] == null || value[0] == VALID).then_some(rest)
        }
    }
}

/// An item's field that is not nullable has no null: the decoder would panic.
fn skip_item<'a>(bytes: &'a [u8], field: &Field, options: SortOptions) -> Option<&'a [u8]> {
    let null = if options.nulls_first { 0 } else { 0xff };
    if !field.is_nullable() && bytes.first() == Some(&null) {
        return None;
    }
    skip(bytes, field.data_type(), options)
}

/// Skips items, each a byte string, up to an empty or a null one.
fn skip_items(
    bytes: &[u8],
    options: SortOptions,
    skip_one: impl for<'b> Fn(&'b [u8]) -> Option<&'b [u8]>,
) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let before = rest.len();
        let (item, behind) = blocks(rest, options)?;
        rest = behind;
        if before - rest.len() == 1 {
            return Some(rest);
        }
        if !skip_one(&item?)?.is_empty() {
            return None;
        }
    }
}

/// A byte string, None if it is null, and what is behind it.
fn blocks(bytes: &[u8], options: SortOptions) -> Option<(Option<Vec<u8>>, &[u8])> {
    let null = if options.nulls_first { 0 } else { 0xff };
    let inverted = if options.descending { 0xff } else { 0 };
    let (first, mut rest) = bytes.split_first()?;
    if *first == null {
        return Some((None, rest));
    }
    match first ^ inverted {
        EMPTY => return Some((Some(Vec::new()), rest)),
        NON_EMPTY => {}
        _ => return None,
    }
    let mut value = Vec::new();
    for number in 0.. {
        let size = if number < SHORT_BLOCKS { SHORT_BLOCK } else { LONG_BLOCK };
        let (block, behind) = rest.split_at_checked(size)?;
        let (last, behind) = behind.split_first()?;
        rest = behind;
        let last = last ^ inverted;
        let used = if last == CONTINUATION { size } else { usize::from(last) };
        if used == 0 || used > size {
            return None;
        }
        value.extend(block[..used].iter().map(|byte| byte ^ inverted));
        if last != CONTINUATION {
            break;
        }
    }
    Some((Some(value), rest))
}
