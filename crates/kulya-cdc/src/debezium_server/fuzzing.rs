//! Fuzz entry point for settings of Debezium Server: the file with variables of the environment, the conversion
//! of what it says, and regular expressions for tables.

use super::{DebeziumServerSettings, MAX_VALUE_BYTES, Properties, find, nearest};
use crate::name_patterns::NamePatterns;
use crate::table_filter::TableFilter;
use std::collections::BTreeMap;

/// Names of tables that are compared with expressions, besides the names in the input.
const NAMES: [&str; 6] = ["public.orders", "a.b", "ab.ba", "inventory.customers", "x.y_1", "aa.bb"];
/// Number of values that are read as expressions.
const MAX_LISTS: usize = 2;

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
            if converted.refused.is_empty() {
                let _ = converted.capture.store_settings();
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Reads a list of expressions, and compares a filter of tables with each of them.
fn check_list(list: &str) {
    let Ok(patterns) = NamePatterns::parse(list) else { return };
    let again = Vec::<String>::from(patterns.clone());
    assert_eq!(NamePatterns::try_from(again).as_ref(), Ok(&patterns));
    let mut names: Vec<&str> = list.split([',', '|', '(', ')', '^', '$']).collect();
    names.extend(NAMES);
    let filter = TableFilter { tables: patterns.clone(), ..TableFilter::default() };
    for name in names {
        let Some((schema, table)) = name.split_once('.') else { continue };
        let is_match = patterns.iter().any(|pattern| pattern.is_match(name));
        assert_eq!(filter.accepts(schema, table), patterns.is_empty() || is_match, "{patterns:?} {name}");
    }
}
