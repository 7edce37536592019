//! Where a record has the field of a name: asked so often that it matters how.

use super::Field;
use std::collections::HashMap;

/// Of so many fields each is looked at, which takes less than to hash all of them first.
const FEW: usize = 16;

/// The places of a record's fields.
pub(super) enum Places<'a> {
    Few(&'a [Field]),
    Many(&'a [Field], HashMap<&'a str, usize>),
}

impl<'a> Places<'a> {
    pub(super) fn of(fields: &'a [Field]) -> Self {
        if fields.len() <= FEW {
            return Self::Few(fields);
        }
        let known = fields.iter().enumerate().map(|(place, field)| (field.name.as_str(), place)).collect();
        Self::Many(fields, known)
    }

    /// The place of a name. `near` is where it stands in the other record: from one version to the next most stay.
    pub(super) fn get(&self, name: &str, near: usize) -> Option<usize> {
        let (Self::Few(fields) | Self::Many(fields, _)) = self;
        if fields.get(near).is_some_and(|field| field.name == name) {
            return Some(near);
        }
        match self {
            Self::Few(fields) => fields.iter().position(|field| field.name == name),
            Self::Many(_, known) => known.get(name).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::{Shape, parse};

    #[test]
    fn few_and_many_fields_are_found_wherever_they_are_expected() {
        for count in [0, 1, FEW, FEW + 1, 3 * FEW] {
            let fields: Vec<_> = (0..count).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
            let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
            let schema = parse(&text).unwrap();
            let Shape::Record(fields) = &schema.named[0].shape else { panic!("a record") };
            let places = Places::of(fields);
            for near in [0, 1, FEW, 100] {
                for place in 0..count {
                    assert_eq!(places.get(&format!("f{place}"), near), Some(place), "{count} {near}");
                }
                assert_eq!(places.get("none", near), None);
            }
        }
    }
}
