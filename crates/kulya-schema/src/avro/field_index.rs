//! An index of a record's fields by name.

use super::schema::Field;
use std::collections::HashMap;

/// The maximum number of fields that are searched linearly, which is faster than hashing all of them first.
const MAX_LINEAR: usize = 16;

/// The positions of a record's fields by name.
pub(super) enum FieldIndex<'a> {
    Linear(&'a [Field]),
    Hashed(&'a [Field], HashMap<&'a str, usize>),
}

impl<'a> FieldIndex<'a> {
    pub(super) fn of(fields: &'a [Field]) -> Self {
        if fields.len() <= MAX_LINEAR {
            return Self::Linear(fields);
        }
        let by_name =
            fields.iter().enumerate().map(|(position, field)| (field.name.as_str(), position)).collect();
        Self::Hashed(fields, by_name)
    }

    /// Returns the position of a field. `hint` is its position in the other record: between versions most
    /// fields keep theirs.
    pub(super) fn get(&self, name: &str, hint: usize) -> Option<usize> {
        let (Self::Linear(fields) | Self::Hashed(fields, _)) = self;
        if fields.get(hint).is_some_and(|field| field.name == name) {
            return Some(hint);
        }
        match self {
            Self::Linear(fields) => fields.iter().position(|field| field.name == name),
            Self::Hashed(_, by_name) => by_name.get(name).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::{parse, schema::Definition};

    #[test]
    fn fields_are_found_with_any_hint() {
        for count in [0, 1, MAX_LINEAR, MAX_LINEAR + 1, 3 * MAX_LINEAR] {
            let fields: Vec<_> = (0..count).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
            let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
            let schema = parse(&text).unwrap();
            let Definition::Record(fields) = &schema.named[0].definition else { panic!("a record") };
            let index = FieldIndex::of(fields);
            for hint in [0, 1, MAX_LINEAR, 100] {
                for position in 0..count {
                    assert_eq!(index.get(&format!("f{position}"), hint), Some(position), "{count} {hint}");
                }
                assert_eq!(index.get("none", hint), None);
            }
        }
    }
}
