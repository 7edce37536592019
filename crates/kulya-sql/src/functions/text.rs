//! Functions of texts. A character is a Unicode code point, as in Flink.

use super::rows::{Cell, Out, Parameter, Returns, Row, RowFunction, Scope};
use Parameter::{Any, Integer, Text, TextOrBytes, TextOrInteger};

/// The memory of a part of a split text, besides its characters.
pub(super) const PART_BYTES: usize = size_of::<Option<String>>();
use datafusion::common::Result;
use std::collections::{HashMap, HashSet};

pub(super) const FUNCTIONS: &[RowFunction] = &[
    RowFunction::new("CHAR_LENGTH", &[Text], Returns::Int, |row, _| Ok(length(row.text(0)))),
    RowFunction::new("CHARACTER_LENGTH", &[Text], Returns::Int, |row, _| Ok(length(row.text(0)))),
    RowFunction::new("UPPER", &[Text], Returns::Text, |row, _| Ok(Out::text(row.text(0).to_uppercase()))),
    RowFunction::new("LOWER", &[Text], Returns::Text, |row, _| Ok(Out::text(row.text(0).to_lowercase()))),
    RowFunction::new("POSITION", &[Text, Text], Returns::Int, |row, _| {
        Ok(position(row.text(1), row.text(0), 1))
    }),
    RowFunction::new("INSTR", &[Text, Text], Returns::Int, |row, _| {
        Ok(position(row.text(0), row.text(1), 1))
    }),
    RowFunction::new("LOCATE", &[Text, Text, Integer], Returns::Int, |row, _| {
        Ok(position(row.text(1), row.text(0), row.integer(2).unwrap_or(1)))
    })
    .optional(1),
    // trim_text(side, characters, text)
    RowFunction::new("TRIM_TEXT", &[Text, Text, Text], Returns::Text, |row, _| {
        Ok(trimmed(row.text(2), row.text(1), row.text(0) != "TRAILING", row.text(0) != "LEADING"))
    }),
    RowFunction::new("TRIM", &[Text], Returns::Text, |row, _| Ok(trimmed(row.text(0), " ", true, true))),
    RowFunction::new("LTRIM", &[Text, Text], Returns::Text, |row, _| {
        Ok(trimmed(row.text(0), row.some_text(1).unwrap_or(" "), true, false))
    })
    .optional(1),
    RowFunction::new("RTRIM", &[Text, Text], Returns::Text, |row, _| {
        Ok(trimmed(row.text(0), row.some_text(1).unwrap_or(" "), false, true))
    })
    .optional(1),
    RowFunction::new("BTRIM", &[Text, Text], Returns::Text, |row, _| {
        Ok(trimmed(row.text(0), row.some_text(1).unwrap_or(" "), true, true))
    })
    .optional(1),
    RowFunction::new("REPEAT", &[Text, Integer], Returns::Text, repeat),
    RowFunction::new("REVERSE", &[Text], Returns::Text, |row, _| {
        Ok(Out::text(row.text(0).chars().rev().collect::<String>()))
    }),
    RowFunction::new("OVERLAY", &[Text, Text, Integer, Integer], Returns::Text, overlay).optional(1),
    RowFunction::new("SUBSTRING", &[Text, Integer, Integer], Returns::Text, substring).optional(1),
    RowFunction::new("SUBSTR", &[Text, Integer, Integer], Returns::Text, substring).optional(1),
    RowFunction::new("LEFT", &[Text, Integer], Returns::Text, |row, _| {
        let count = usize::try_from(row.integer(1).unwrap_or(0)).unwrap_or(0);
        Ok(Out::text(slice(row.text(0), 0, count)))
    }),
    RowFunction::new("RIGHT", &[Text, Integer], Returns::Text, |row, _| {
        let text = row.text(0);
        let count = usize::try_from(row.integer(1).unwrap_or(0)).unwrap_or(0);
        let skipped = text.chars().count().saturating_sub(count);
        Ok(Out::text(slice(text, skipped, count)))
    }),
    RowFunction::new("LPAD", &[Text, Integer, Text], Returns::Text, |row, scope| pad(row, scope, true)),
    RowFunction::new("RPAD", &[Text, Integer, Text], Returns::Text, |row, scope| pad(row, scope, false)),
    RowFunction::new("REPLACE", &[Text, Text, Text], Returns::Text, |row, scope| {
        let (text, from, to) = (row.text(0), row.text(1), row.text(2));
        let found = text.matches(from).count();
        scope.check_bytes(text.len().saturating_add(found.saturating_mul(to.len())))?;
        Ok(Out::text(text.replace(from, to)))
    }),
    RowFunction::new("TRANSLATE", &[Text, Text, Text], Returns::Text, |row, _| {
        let mut to = row.text(2).chars();
        let mut translations: HashMap<char, Option<char>> = HashMap::new();
        for from in row.text(1).chars() {
            let to = to.next();
            translations.entry(from).or_insert(to);
        }
        let translated = row
            .text(0)
            .chars()
            .filter_map(|character| translations.get(&character).copied().unwrap_or(Some(character)));
        Ok(Out::text(translated.collect::<String>()))
    }),
    RowFunction::new("INITCAP", &[Text], Returns::Text, |row, _| Ok(Out::text(initcap(row.text(0))))),
    RowFunction::new("CONCAT", &[Text], Returns::Text, |row, scope| {
        let texts: Vec<&str> = (0..row.len()).map(|argument| row.text(argument)).collect();
        scope.check_bytes(texts.iter().map(|text| text.len()).sum())?;
        Ok(Out::text(texts.concat()))
    })
    .repeats(),
    RowFunction::new("CONCAT_WS", &[Text, Text], Returns::Text, concat_ws)
        .optional(1)
        .repeats()
        .passes_nulls(),
    RowFunction::new("ASCII", &[Text], Returns::Int, |row, _| {
        // Flink takes the first byte as a signed number
        Ok(Out::Int(row.text(0).bytes().next().map_or(0, |byte| i32::from(byte.cast_signed()))))
    }),
    RowFunction::new("CHR", &[Integer], Returns::Text, |row, _| {
        Ok(match row.integer(0) {
            None | Some(i64::MIN..=-1) => Out::text(""),
            Some(number) => Out::text(char::from((number & 0xff) as u8).to_string()),
        })
    }),
    RowFunction::new("STARTSWITH", &[TextOrBytes, TextOrBytes], Returns::Boolean, |row, scope| {
        affix(row, scope, |text, affix| text.starts_with(affix))
    }),
    RowFunction::new("ENDSWITH", &[TextOrBytes, TextOrBytes], Returns::Boolean, |row, scope| {
        affix(row, scope, |text, affix| text.ends_with(affix))
    }),
    RowFunction::new("SPLIT_INDEX", &[Text, TextOrInteger, Integer], Returns::Text, split_index),
    RowFunction::new("SPLIT", &[Text, Text], Returns::Texts, |row, scope| {
        let (text, delimiter) = (row.text(0), row.text(1));
        let count = if delimiter.is_empty() { text.len() } else { text.matches(delimiter).count() + 1 };
        scope.check_bytes(text.len().saturating_add(count.saturating_mul(PART_BYTES)))?;
        let parts: Vec<Option<String>> = if text.is_empty() {
            vec![Some(String::new())]
        } else if delimiter.is_empty() {
            text.chars().map(|character| Some(character.to_string())).collect()
        } else {
            text.split(delimiter).map(|part| Some(part.to_owned())).collect()
        };
        Ok(Out::Texts(parts))
    }),
    RowFunction::new("ELT", &[Integer, TextOrBytes], Returns::Argument(1), |row, _| {
        let index = row.integer(0).and_then(|index| usize::try_from(index).ok());
        Ok(match index.filter(|index| *index > 0).map_or(Cell::Null, |index| row.cell(index)) {
            Cell::Text(text) => Out::text(text),
            Cell::Bytes(bytes) => Out::Bytes(bytes.into()),
            _ => Out::Null,
        })
    })
    .repeats()
    .passes_nulls(),
    RowFunction::new("IS_ALPHA", &[Any], Returns::Boolean, |row, _| {
        Ok(all(row.some_text(0), char::is_alphabetic))
    })
    .passes_nulls(),
    RowFunction::new("IS_DIGIT", &[Any], Returns::Boolean, |row, _| {
        Ok(match row.cell(0) {
            Cell::Integer(number) => Out::Boolean(number >= 0),
            _ => all(row.some_text(0), char::is_numeric),
        })
    })
    .passes_nulls(),
    RowFunction::new("IS_DECIMAL", &[Any], Returns::Boolean, |row, _| {
        Ok(Out::Boolean(match row.cell(0) {
            Cell::Text(text) => is_decimal(text),
            Cell::Integer(_) | Cell::Number(_) => true,
            _ => false,
        }))
    })
    .passes_nulls(),
    RowFunction::new("LIKE", &[Text, Text, Text], Returns::Boolean, |row, scope| {
        let (text, pattern) = (row.text(0), row.text(1));
        let escape = escape(row, scope)?;
        match scope.patterns.like(pattern, escape)? {
            Some(regex) => Ok(Out::Boolean(regex.is_match(text))),
            None => scope.invalid(format!("the pattern {pattern:.40?} has an invalid escape sequence")),
        }
    })
    .optional(1),
    RowFunction::new("SIMILAR_TO", &[Text, Text, Text], Returns::Boolean, |row, scope| {
        let (text, pattern) = (row.text(0), row.text(1));
        let escape = escape(row, scope)?;
        match scope.patterns.similar(pattern, escape)? {
            Some(regex) => Ok(Out::Boolean(regex.is_match(text))),
            None => scope.invalid(format!("the pattern {pattern:.40?} is invalid")),
        }
    })
    .optional(1),
];

fn length(text: &str) -> Out<'static> {
    Out::Int(i32::try_from(text.chars().count()).unwrap_or(i32::MAX))
}

/// Returns the position, from 1, of the first occurrence at or after another position; 0 without one.
fn position(text: &str, needle: &str, from: i64) -> Out<'static> {
    let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
    let Some(start) = byte_of(text, skipped) else { return Out::Int(0) };
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    match rest.find(needle) {
        Some(found) => {
            let in_rest = rest.get(..found).unwrap_or_default().chars().count();
            Out::Int(i32::try_from(before.chars().count() + in_rest + 1).unwrap_or(i32::MAX))
        }
        None => Out::Int(0),
    }
}

/// Returns the byte at which a character begins; `None` beyond the end.
fn byte_of(text: &str, character: usize) -> Option<usize> {
    let starts = text.char_indices().map(|(start, _)| start);
    starts.chain([text.len()]).nth(character)
}

/// Returns so many characters.
fn slice(text: &str, skipped: usize, count: usize) -> &str {
    let Some(rest) = byte_of(text, skipped).and_then(|start| text.get(start..)) else { return "" };
    match byte_of(rest, count).and_then(|end| rest.get(..end)) {
        Some(slice) => slice,
        None => rest,
    }
}

fn trimmed<'a>(text: &'a str, characters: &str, start: bool, end: bool) -> Out<'a> {
    let removed: HashSet<char> = characters.chars().collect();
    let is_removed = |character: char| removed.contains(&character);
    let text = if start { text.trim_start_matches(is_removed) } else { text };
    Out::text(if end { text.trim_end_matches(is_removed) } else { text })
}

fn repeat<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let count = usize::try_from(row.integer(1).unwrap_or(0)).unwrap_or(0);
    scope.check_bytes(row.text(0).len().saturating_mul(count))?;
    let count = if row.text(0).is_empty() { 0 } else { count };
    Ok(Out::text(row.text(0).repeat(count)))
}

fn overlay<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let (text, replacement) = (row.text(0), row.text(1));
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let start = row.integer(2).unwrap_or(0);
    if start < 1 || start > length {
        return Ok(Out::text(text));
    }
    let replaced = match row.integer(3) {
        Some(count) => count,
        None => i64::try_from(replacement.chars().count()).unwrap_or(i64::MAX),
    };
    scope.check_bytes(text.len().saturating_add(replacement.len()))?;
    let first = usize::try_from(start - 1).unwrap_or(0);
    let before = slice(text, 0, first);
    let after = match usize::try_from(start.saturating_sub(1).saturating_add(replaced)) {
        Ok(end) if replaced >= 0 => slice(text, end, usize::MAX),
        _ => "",
    };
    Ok(Out::text(format!("{before}{replacement}{after}")))
}

/// Positions begin at 1, or below zero at the end; 0 is the first one too.
fn substring<'a>(row: &Row<'a>, _: &Scope) -> Result<Out<'a>> {
    let text = row.text(0);
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let count = if row.len() > 2 { row.integer(2) } else { Some(i64::MAX) };
    let (Some(position), Some(count)) = (row.integer(1), count) else { return Ok(Out::Null) };
    if count < 0 {
        return Ok(Out::Null);
    }
    let start = match position {
        0 => 0,
        1.. => position - 1,
        _ => length.saturating_add(position),
    };
    if start < 0 {
        return Ok(Out::text(""));
    }
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Ok(Out::text(slice(text, start, usize::try_from(count).unwrap_or(usize::MAX))))
}

fn pad<'a>(row: &Row<'a>, scope: &Scope, is_left: bool) -> Result<Out<'a>> {
    let (text, fill) = (row.text(0), row.text(2));
    let Ok(wanted) = usize::try_from(row.integer(1).unwrap_or(-1)) else { return Ok(Out::Null) };
    let missing = wanted.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(Out::text(slice(text, 0, wanted)));
    }
    if fill.is_empty() {
        return Ok(Out::Null);
    }
    let widest = fill.chars().map(char::len_utf8).max().unwrap_or(1);
    scope.check_bytes(text.len().saturating_add(missing.saturating_mul(widest)))?;
    let filling: String = fill.chars().cycle().take(missing).collect();
    Ok(Out::text(if is_left { filling + text } else { text.to_owned() + &filling }))
}

fn concat_ws<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let Some(separator) = row.some_text(0) else { return Ok(Out::Null) };
    let texts: Vec<&str> = (1..row.len()).filter_map(|argument| row.some_text(argument)).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    scope.check_bytes(bytes.saturating_add(separator.len().saturating_mul(texts.len())))?;
    Ok(Out::text(texts.join(separator)))
}

/// The first letter or digit after another character begins a word.
fn initcap(text: &str) -> String {
    let (mut capitalized, mut in_word) = (String::with_capacity(text.len()), false);
    for character in text.chars() {
        match in_word {
            true => capitalized.extend(character.to_lowercase()),
            false => capitalized.extend(character.to_uppercase()),
        }
        in_word = character.is_alphanumeric();
    }
    capitalized
}

fn affix<'a>(row: &Row<'a>, scope: &Scope, has: fn(&[u8], &[u8]) -> bool) -> Result<Out<'a>> {
    match (row.cell(0), row.cell(1)) {
        (Cell::Text(text), Cell::Text(affix)) => Ok(Out::Boolean(has(text.as_bytes(), affix.as_bytes()))),
        (Cell::Bytes(bytes), Cell::Bytes(affix)) => Ok(Out::Boolean(has(bytes, affix))),
        _ => scope.invalid("both arguments must be texts, or both bytes"),
    }
}

fn split_index<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let Ok(index) = usize::try_from(row.integer(2).unwrap_or(-1)) else { return Ok(Out::Null) };
    let delimiter = match row.cell(1) {
        Cell::Text(delimiter) => delimiter.to_owned(),
        Cell::Integer(code) => match u8::try_from(code) {
            Ok(code) => char::from(code).to_string(),
            Err(_) => return Ok(Out::Null),
        },
        _ => return scope.invalid("the delimiter is neither a text nor a character's code"),
    };
    if row.text(0).is_empty() {
        return Ok(Out::Null);
    }
    if delimiter.is_empty() {
        return Ok(row.text(0).split(' ').nth(index).map(Out::text).into());
    }
    Ok(row.text(0).split(delimiter.as_str()).nth(index).map(|part| Out::text(part.to_owned())).into())
}

fn all(text: Option<&str>, has: fn(char) -> bool) -> Out<'static> {
    Out::Boolean(text.is_some_and(|text| !text.is_empty() && text.chars().all(has)))
}

fn is_decimal(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (number, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && !exponent.is_empty()
        && digits(exponent)
}

/// Returns the escape character of LIKE and SIMILAR TO.
fn escape(row: &Row<'_>, scope: &Scope) -> Result<Option<char>> {
    let Some(text) = row.some_text(2) else { return Ok(None) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(escape), None) => Ok(Some(escape)),
        _ => scope.invalid("the escape must be one character"),
    }
}
