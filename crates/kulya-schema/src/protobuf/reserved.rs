//! Reuse of reserved names and numbers: whether a later schema uses what an earlier one reserved.
//!
//! Separate from [`can_read`](super::can_read), because it depends on the order of the versions and not on
//! who reads: the guides recommend to remove a field and reserve its number, and forbid to use a reserved
//! number; reader and writer look the same in both cases.

use super::describe;
use super::reason::{Incompatibility, Rule};
use super::schema::{Enum, Kind, Message, Safety, Schema};
use super::traversal::{Pair, Traversal};
use crate::Budget;
use std::ops::RangeInclusive;

/// Returns each number that `new` uses and `old` reserved, and each name too if the events may be JSON. `new`
/// is the reader in the reasons.
pub fn reuses_reserved(new: &Schema, old: &Schema, safety: Safety) -> Vec<Incompatibility> {
    reuses_reserved_with_budget(new, old, safety, &Budget::default())
}

/// Compares like [`reuses_reserved`], within a shared budget.
pub fn reuses_reserved_with_budget(
    new: &Schema,
    old: &Schema,
    safety: Safety,
    budget: &Budget,
) -> Vec<Incompatibility> {
    let mut traversal = Traversal::new(new, old, budget);
    while let Some(pair) = traversal.next() {
        let (Some(new_message), Some(old_message)) = (new.message(pair.reader), old.message(pair.writer))
        else {
            continue;
        };
        compare_fields(&mut traversal, pair, (new, new_message), old_message, safety);
        for field in &new_message.fields {
            let Some(old_field) = old_message.field(field.number) else { continue };
            let steps = (field.name.as_str(), old_field.name.as_str());
            if let (Some(to), Some(from)) = (field.kind.message(), old_field.kind.message()) {
                traversal.enqueue(pair, steps, (to, from));
            }
            if let (Kind::Enum(to), Kind::Enum(from)) = (field.kind, old_field.kind)
                && let (Some(new_enum), Some(old_enum)) = (new.enumeration(to), old.enumeration(from))
                && traversal.visit_enums(pair, (to, from))
            {
                compare_values(&mut traversal, pair, steps, new_enum, old_enum, safety);
            }
        }
    }
    traversal.into_reasons()
}

fn compare_fields(
    traversal: &mut Traversal<'_>,
    pair: Pair,
    (new, new_message): (&Schema, &Message),
    old_message: &Message,
    safety: Safety,
) {
    for field in &new_message.fields {
        let range = old_message.reserved.range(field.number);
        let is_name_reserved = safety == Safety::Json && old_message.reserved.names.contains(&field.name);
        let reader = || describe::field(new, field);
        if let Some(range) = range {
            let incompatibility = Incompatibility {
                reader: reader(),
                writer: range_text(range),
                ..reserved_number_used(field.number)
            };
            traversal.report(pair, (&field.name, ""), incompatibility);
        }
        if is_name_reserved {
            let incompatibility = Incompatibility {
                reader: reader(),
                writer: format!("reserved {:?}", field.name),
                ..reserved_name_used(&field.name)
            };
            traversal.report(pair, (&field.name, ""), incompatibility);
        }
    }
}

fn compare_values(
    traversal: &mut Traversal<'_>,
    pair: Pair,
    steps: (&str, &str),
    new_enum: &Enum,
    old_enum: &Enum,
    safety: Safety,
) {
    for value in &new_enum.values {
        let path = format!("{}.{}", steps.0, value.0);
        if let Some(range) = old_enum.reserved.range(value.1) {
            let incompatibility = Incompatibility {
                reader: describe::enum_value(value),
                writer: range_text(range),
                ..reserved_number_used(value.1)
            };
            traversal.report(pair, (&path, steps.1), incompatibility);
        }
        if safety == Safety::Json && old_enum.reserved.names.contains(&value.0) {
            let incompatibility = Incompatibility {
                reader: describe::enum_value(value),
                writer: format!("reserved {:?}", value.0),
                ..reserved_name_used(&value.0)
            };
            traversal.report(pair, (&path, steps.1), incompatibility);
        }
    }
}

fn range_text(range: &RangeInclusive<i32>) -> String {
    let (first, last) = (range.start(), range.end());
    if first == last { format!("reserved {first}") } else { format!("reserved {first} to {last}") }
}

fn reserved_number_used(number: i32) -> Incompatibility {
    Incompatibility {
        message: format!("number {number} is reserved: older events may have another field under it"),
        fix: "choose a number that was never used".to_owned(),
        ..Incompatibility::new(Rule::ReservedNumberUsed)
    }
}

fn reserved_name_used(name: &str) -> Incompatibility {
    Incompatibility {
        message: format!("the name {name} is reserved: older events in JSON may have another field under it"),
        fix: "choose a name that was never used".to_owned(),
        ..Incompatibility::new(Rule::ReservedNameUsed)
    }
}
