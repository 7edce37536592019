//! Functions of regular expressions. An invalid pattern gives null, as in Flink; positions count code points.

use super::rows::{Out, Parameter, Returns, Row, RowFunction, Scope};
use super::text::PART_BYTES;
use Parameter::{Integer, Text};
use datafusion::common::Result;
use regex::{Captures, Regex};

pub(super) const FUNCTIONS: &[RowFunction] = &[
    RowFunction::new("REGEXP", &[Text, Text], Returns::Boolean, |row, scope| {
        with_pattern(row, scope, |regex, text| Ok(Out::Boolean(regex.is_match(text))))
    }),
    RowFunction::new("REGEXP_REPLACE", &[Text, Text, Text], Returns::Text, |row, scope| {
        let replacement = row.text(2);
        with_pattern(row, scope, |regex, text| {
            let (mut replaced, mut copied) = (String::new(), 0);
            for found in regex.find_iter(text) {
                replaced.push_str(text.get(copied..found.start()).unwrap_or_default());
                // Flink inserts the text as it is, without references to groups
                replaced.push_str(replacement);
                copied = found.end();
                scope.check_bytes(replaced.len())?;
            }
            replaced.push_str(text.get(copied..).unwrap_or_default());
            Ok(Out::text(replaced))
        })
    }),
    RowFunction::new("REGEXP_EXTRACT", &[Text, Text, Integer], Returns::Text, |row, scope| {
        let group = usize::try_from(row.integer(2).unwrap_or(0)).ok();
        with_pattern(row, scope, |regex, text| {
            let found = regex.captures(text).zip(group);
            Ok(found.and_then(|(found, group)| group_text(&found, group)).map(Out::text).into())
        })
    })
    .optional(1),
    RowFunction::new("REGEXP_EXTRACT_ALL", &[Text, Text, Integer], Returns::Texts, |row, scope| {
        let group = usize::try_from(row.integer(2).unwrap_or(1)).ok();
        with_pattern(row, scope, |regex, text| {
            let Some(group) = group.filter(|group| *group < regex.captures_len()) else {
                return Ok(Out::Null);
            };
            let mut texts = Vec::new();
            for found in regex.captures_iter(text) {
                texts.push(group_text(&found, group));
                scope.check_bytes(texts.len().saturating_mul(PART_BYTES))?;
            }
            Ok(Out::Texts(texts))
        })
    })
    .optional(1),
    RowFunction::new("REGEXP_COUNT", &[Text, Text], Returns::Int, |row, scope| {
        with_pattern(row, scope, |regex, text| {
            Ok(Out::Int(i32::try_from(regex.find_iter(text).count()).unwrap_or(i32::MAX)))
        })
    }),
    RowFunction::new("REGEXP_INSTR", &[Text, Text], Returns::Int, |row, scope| {
        with_pattern(row, scope, |regex, text| {
            let before = regex.find(text).and_then(|found| text.get(..found.start()));
            let position = before.map_or(0, |before| before.chars().count() + 1);
            Ok(Out::Int(i32::try_from(position).unwrap_or(i32::MAX)))
        })
    }),
    RowFunction::new("REGEXP_SUBSTR", &[Text, Text], Returns::Text, |row, scope| {
        with_pattern(row, scope, |regex, text| {
            Ok(regex.find(text).map(|found| Out::text(found.as_str().to_owned())).into())
        })
    }),
    RowFunction::new("STR_TO_MAP", &[Text, Text, Text], Returns::TextMap, str_to_map).optional(2),
];

/// Computes a result with the pattern of the second argument and the text of the first.
fn with_pattern<'a>(
    row: &Row<'a>,
    scope: &Scope,
    compute: impl FnOnce(&Regex, &'a str) -> Result<Out<'a>>,
) -> Result<Out<'a>> {
    match scope.patterns.regex(row.text(1))? {
        Some(regex) => compute(&regex, row.text(0)),
        None => Ok(Out::Null),
    }
}

fn group_text(found: &Captures<'_>, group: usize) -> Option<String> {
    found.get(group).map(|group| group.as_str().to_owned())
}

/// The delimiters are regular expressions; the last value of a key counts.
fn str_to_map<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let text = row.text(0);
    let pairs = scope.patterns.regex(row.some_text(1).unwrap_or(","))?;
    let values = scope.patterns.regex(row.some_text(2).unwrap_or("="))?;
    let (Some(pairs), Some(values)) = (pairs, values) else {
        return scope.invalid("a delimiter is no regular expression");
    };
    if text.is_empty() {
        return Ok(Out::TextMap(Vec::new()));
    }
    let mut entries: Vec<(String, Option<String>)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for pair in pairs.split(text) {
        scope.check_bytes(entries.len().saturating_mul(4 * PART_BYTES))?;
        let mut parts = values.splitn(pair, 2);
        let (key, value) = (parts.next().unwrap_or_default().to_owned(), parts.next().map(str::to_owned));
        match positions.get(&key) {
            Some(position) => {
                if let Some((_, known)) = entries.get_mut(*position) {
                    *known = value;
                }
            }
            None => {
                positions.insert(key.clone(), entries.len());
                entries.push((key, value));
            }
        }
    }
    Ok(Out::TextMap(entries))
}
