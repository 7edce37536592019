//! Emptiness of a region: a sound check that no value belongs to it.

use super::{MemberName, Region};
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::{Node, TypeSet};
use crate::json_schema::schema_pair::{SchemaPair, SubschemaId};

impl Region {
    /// Returns whether the region certainly contains no value.
    pub(in crate::json_schema) fn is_empty(&self, pair: &SchemaPair<'_>, depth: usize) -> bool {
        let is_contradiction = |(id, holds): &(SubschemaId, bool)| {
            pair.node(*id).and_then(Node::as_boolean).is_some_and(|value| value != *holds)
                || (*holds && self.conditions.contains(&(*id, false)))
        };
        self.conditions.iter().any(is_contradiction) || self.possible_types(pair, depth).is_empty()
    }

    /// Returns the types of which the region may contain a value.
    pub(in crate::json_schema) fn possible_types(&self, pair: &SchemaPair<'_>, depth: usize) -> TypeSet {
        let mut types = self.types(pair);
        if depth == 0 || !pair.spend(1 + self.conditions.len() / 4) {
            return types;
        }
        if let Some(values) = self.enumerated_values(pair) {
            let enumerated = values.iter().fold(TypeSet::NONE, |types, value| types.or(TypeSet::of(value)));
            types = types.and(enumerated);
        }
        if types.intersects(TypeSet::NUMBER) {
            types = types.without(self.impossible_numbers(pair));
        }
        if types.intersects(TypeSet::STRING) {
            let max = self.upper_limit(pair, |keywords| keywords.assertions.max_length);
            let min = self.lower_limit(pair, |keywords| keywords.assertions.min_length);
            if max.is_some_and(|max| max < min) {
                types = types.without(TypeSet::STRING);
            }
        }
        if types.intersects(TypeSet::ARRAY) && self.has_no_array(pair, depth - 1) {
            types = types.without(TypeSet::ARRAY);
        }
        if types.intersects(TypeSet::OBJECT) && self.has_no_object(pair, depth - 1) {
            types = types.without(TypeSet::OBJECT);
        }
        types
    }

    fn impossible_numbers(&self, pair: &SchemaPair<'_>) -> TypeSet {
        let (Some(lower), Some(upper)) = self.numeric_range(pair) else { return TypeSet::NONE };
        if lower.value > upper.value
            || (lower.value == upper.value && (lower.is_exclusive || upper.is_exclusive))
        {
            return TypeSet::NUMBER;
        }
        let mut impossible = TypeSet::NONE;
        let first = lower.value.ceiling();
        let first = first.and_then(|first| {
            if lower.is_exclusive && first == lower.value { first.plus(Decimal::ONE) } else { Some(first) }
        });
        if first.is_some_and(|first| first > upper.value || (first == upper.value && upper.is_exclusive)) {
            impossible = impossible.or(TypeSet::INTEGER);
        }
        if lower.value == upper.value && lower.value.is_integer() {
            impossible = impossible.or(TypeSet::FRACTION);
        }
        impossible
    }

    fn has_no_array(&self, pair: &SchemaPair<'_>, depth: usize) -> bool {
        let min = self.lower_limit(pair, |keywords| keywords.assertions.min_items);
        let stated_max = self.upper_limit(pair, |keywords| keywords.assertions.max_items);
        stated_max.is_some_and(|max| max < min)
            || (min > 0 && self.max_items(pair, depth).is_some_and(|max| max < min))
    }

    fn has_no_object(&self, pair: &SchemaPair<'_>, depth: usize) -> bool {
        let min = self.lower_limit(pair, |keywords| keywords.assertions.min_properties);
        let max = self.upper_limit(pair, |keywords| keywords.assertions.max_properties);
        let present = u64::try_from(self.present.len()).unwrap_or(u64::MAX);
        max.is_some_and(|max| max < min || max < present)
            || self.present.iter().any(|name| {
                self.member(pair, MemberName::Named(name)).is_none_or(|member| member.is_empty(pair, depth))
            })
    }
}
