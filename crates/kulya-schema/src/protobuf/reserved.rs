//! Whether a later schema uses what an earlier one reserved.
//!
//! Apart from [`can_read`](super::can_read), because it is a question of time and not of reading: to remove a field and
//! reserve its number is what the guides ask for, and to use a number that was reserved is what they forbid; reader and
//! writer look the same in both.

use super::walk::{Pair, Walk};
use super::{Enum, Incompatibility, Message, Rule, Safety, Schema, text};
use crate::Budget;
use std::ops::RangeInclusive;

/// Each number that `new` uses and `old` reserved, and each name too when the events may be JSON. `new` stands for the
/// reader in the reasons.
pub fn reuses_reserved(new: &Schema, old: &Schema, safety: Safety) -> Vec<Incompatibility> {
    reuses_reserved_within(new, old, safety, &Budget::default())
}

/// As [`reuses_reserved`], within a budget that other work shares.
pub fn reuses_reserved_within(
    new: &Schema,
    old: &Schema,
    safety: Safety,
    budget: &Budget,
) -> Vec<Incompatibility> {
    let mut walk = Walk::new(new, old, budget);
    while let Some(pair) = walk.next() {
        let (Some(now), Some(before)) = (new.message(pair.reader), old.message(pair.writer)) else {
            continue;
        };
        fields(&mut walk, pair, (new, now), before, safety);
        for field in &now.fields {
            let Some(was) = before.field(field.number) else { continue };
            let steps = (field.name.as_str(), was.name.as_str());
            if let (Some(to), Some(from)) = (field.kind.message(), was.kind.message()) {
                walk.below(pair, steps, (to, from));
            }
            if let (super::Kind::Enum(to), super::Kind::Enum(from)) = (field.kind, was.kind)
                && let (Some(now), Some(before)) = (new.enumeration(to), old.enumeration(from))
                && walk.enums(pair, (to, from))
            {
                values(&mut walk, pair, steps, now, before, safety);
            }
        }
    }
    walk.reasons()
}

fn fields(
    walk: &mut Walk<'_>,
    pair: Pair,
    (new, now): (&Schema, &Message),
    before: &Message,
    safety: Safety,
) {
    for field in &now.fields {
        let range = before.reserved.range(field.number);
        let name = safety == Safety::Json && before.reserved.names.contains(&field.name);
        let reader = || text::of_field(new, field);
        if let Some(range) = range {
            let why =
                Incompatibility { reader: reader(), writer: range_text(range), ..number_used(field.number) };
            walk.refuse(pair, (&field.name, ""), why);
        }
        if name {
            let why = Incompatibility {
                reader: reader(),
                writer: format!("reserved {:?}", field.name),
                ..name_used(&field.name)
            };
            walk.refuse(pair, (&field.name, ""), why);
        }
    }
}

fn values(walk: &mut Walk<'_>, pair: Pair, steps: (&str, &str), now: &Enum, before: &Enum, safety: Safety) {
    for value in &now.values {
        let place = format!("{}.{}", steps.0, value.0);
        if let Some(range) = before.reserved.range(value.1) {
            let why = Incompatibility {
                reader: text::of_value(value),
                writer: range_text(range),
                ..number_used(value.1)
            };
            walk.refuse(pair, (&place, steps.1), why);
        }
        if safety == Safety::Json && before.reserved.names.contains(&value.0) {
            let why = Incompatibility {
                reader: text::of_value(value),
                writer: format!("reserved {:?}", value.0),
                ..name_used(&value.0)
            };
            walk.refuse(pair, (&place, steps.1), why);
        }
    }
}

fn range_text(range: &RangeInclusive<i32>) -> String {
    let (first, last) = (range.start(), range.end());
    if first == last { format!("reserved {first}") } else { format!("reserved {first} to {last}") }
}

fn number_used(number: i32) -> Incompatibility {
    Incompatibility {
        message: format!("number {number} is reserved: older events may hold something else under it"),
        fix: "take a number that was never used".to_owned(),
        ..Incompatibility::new(Rule::ReservedNumberUsed)
    }
}

fn name_used(name: &str) -> Incompatibility {
    Incompatibility {
        message: format!(
            "the name {name} is reserved: older events in JSON may hold something else under it"
        ),
        fix: "take a name that was never used".to_owned(),
        ..Incompatibility::new(Rule::ReservedNameUsed)
    }
}
