//! Fuzz entry point for settings of Debezium Server: the file with variables of the environment, the conversion
//! of what it says, and regular expressions for tables.

use super::glob::{schema_globs, table_globs};
use super::patterns::{NamePattern, NamePatterns};
use super::{DebeziumServerSettings, MAX_VALUE_BYTES, Properties, find, nearest};
use crate::CaptureSettings;
use std::collections::BTreeMap;

/// Names of tables that are compared with expressions, besides the names in the input.
const NAMES: [&str; 6] = ["public.orders", "a.b", "ab.ba", "inventory.customers", "x.y_1", "aa.bb"];
/// Number of values that are read as expressions.
const MAX_LISTS: usize = 2;
/// Number of expressions of a list that are compared.
const MAX_PATTERNS: usize = 4;

/// Reads a file.
pub(crate) fn run(bytes: &[u8]) {
    let zero = bytes.iter().position(|byte| *byte == 0);
    let (variables, file) = zero.map_or((&b""[..], bytes), |at| bytes.split_at(at));
    let variables = String::from_utf8_lossy(variables);
    let pairs = variables.lines().filter_map(|line| line.split_once('='));
    let environment: BTreeMap<_, _> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let file = file.strip_prefix(&[0]).unwrap_or(file);
    let properties = match Properties::parse(file, &environment) {
        Ok(properties) => properties,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = Properties::parse(file, &environment).expect("the same file is read again");
    assert!(properties.iter().eq(again.iter()));
    for (key, property) in properties.iter() {
        match &property.value {
            Ok(value) => assert!(value.len() <= MAX_VALUE_BYTES),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let _ = find(key, None);
    }
    if let Some((key, _)) = properties.iter().next() {
        let _ = nearest(key);
    }
    convert(&properties);
    let values = properties.iter().filter_map(|(_, property)| property.value.as_deref().ok());
    values.take(MAX_LISTS).for_each(check_list);
}

fn convert(properties: &Properties) {
    match DebeziumServerSettings::from_properties(properties) {
        Ok(converted) => {
            let all = converted.refused.iter().chain(&converted.ignored);
            assert!(all.map(ToString::to_string).chain(converted.warnings()).all(|text| !text.is_empty()));
            if let Some(settings) = converted.postgres.filter(|_| converted.refused.is_empty()) {
                let _ = settings.clone().postgres_target();
                let _ = settings.store_settings();
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Reads a list of expressions. The patterns that an expression is converted to match the same tables.
fn check_list(list: &str) {
    let Ok(patterns) = NamePatterns::parse(list) else { return };
    let mut names: Vec<&str> = list.split([',', '|', '(', ')', '^', '$']).collect();
    names.extend(NAMES);
    for pattern in patterns.iter().take(MAX_PATTERNS) {
        let _ = schema_globs(pattern);
        let Ok(tables) = table_globs(pattern) else { continue };
        assert!(!tables.is_empty());
        let settings = CaptureSettings { tables, ..Default::default() };
        names.iter().for_each(|name| compare(pattern, &settings, name));
    }
}

/// Compares where both forms mean the same: upper case is another letter for patterns with `*` only, and `.`
/// matches no line break.
fn compare(pattern: &NamePattern, settings: &CaptureSettings, name: &str) {
    let is_plain =
        |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !byte.is_ascii_uppercase());
    let Some((schema, table)) = name.split_once('.').filter(|(_, table)| !table.contains('.')) else {
        return;
    };
    if schema.is_empty() || table.is_empty() || !is_plain(name) || !is_plain(pattern.as_str()) {
        return;
    }
    let is_captured = settings.is_captured(schema, table);
    assert_eq!(is_captured, pattern.is_match(name), "{pattern:?} {:?} {name}", settings.tables);
}
