//! Containment of types, enumerated values, numbers and strings.

use super::{ContainmentResult, Prover};
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::{Bound, Keywords, TypeSet};
use crate::json_schema::reason::Rule;
use crate::json_schema::region::Region;
use crate::json_schema::schema_pair::SubschemaId;
use crate::json_schema::validate::format_example;
use crate::json_schema::witness::Hints;

impl Prover<'_, '_> {
    pub(super) fn scalars(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let types = region.possible_types(self.pair, super::EMPTY_DEPTH);
        self.types(out, region, reader, keywords, types);
        self.values(out, region, reader, keywords);
        if types.intersects(TypeSet::NUMBER) {
            self.numbers(out, region, reader, keywords, types);
        }
        if types.intersects(TypeSet::STRING) {
            self.strings(out, region, reader, keywords);
        }
        let is_string_format =
            keywords.assertions.format.as_deref().is_some_and(|name| format_example(name).is_some());
        if types.intersects(TypeSet::STRING) || !is_string_format {
            self.formats(out, region, reader, keywords);
        }
    }

    fn types(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
        types: TypeSet,
    ) {
        let Some(accepted) = keywords.assertions.types else { return };
        let missing = types.without(accepted);
        if !missing.is_empty() {
            let message =
                format!("type {} is not accepted, only {}", missing.type_names(), accepted.type_names());
            let finding = self.finding(Rule::TypeNarrowed, region, reader, "/type", message);
            self.record_near(out, &region.clone(), reader, finding, &Hints::default());
            return;
        }
        if types.intersects(TypeSet::INTEGER)
            && keywords.assertions.draft4_integer
            && !region.positive_schemas(self.pair).any(|(_, keywords)| keywords.assertions.draft4_integer)
        {
            let message = "an integer of draft 4 must not be written as 1.0, and the writer's may be";
            let finding = self.finding(Rule::Draft4Integer, region, reader, "/type", message);
            out.undecided.push(finding);
        }
    }

    fn values(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let assertions = &keywords.assertions;
        let lists = [("/const", assertions.constant.as_ref()), ("/enum", assertions.values.as_ref())];
        for (keyword, list) in lists {
            let Some(list) = list else { continue };
            let written = region.enumerated_values(self.pair);
            let is_covered = written.as_ref().is_some_and(|values| {
                self.pair.spend(values.len() / 4) && values.iter().all(|value| list.contains(value))
            });
            if is_covered || self.covers_types(region, list.values()) {
                continue;
            }
            let message = "the writer may write values that are not listed here";
            let finding = self.finding(Rule::ValuesNarrowed, region, reader, keyword, message);
            self.record_near(out, region, reader, finding, &Hints::default());
        }
    }

    /// Returns whether the list contains every value of the region, if that has only `null`, `true` and
    /// `false`.
    fn covers_types(&self, region: &Region, list: &[serde_json::Value]) -> bool {
        use serde_json::Value;
        let has = |value: Value| list.contains(&value);
        let types = region.possible_types(self.pair, 1);
        types.without(TypeSet::NULL.or(TypeSet::BOOLEAN)).is_empty()
            && (!types.intersects(TypeSet::NULL) || has(Value::Null))
            && (!types.intersects(TypeSet::BOOLEAN) || (has(Value::Bool(true)) && has(Value::Bool(false))))
    }

    fn numbers(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
        types: TypeSet,
    ) {
        let assertions = &keywords.assertions;
        let is_integral = !types.intersects(TypeSet::FRACTION);
        let (lower, upper) = region.numeric_range(self.pair);
        if let Some(bound) = assertions.minimum
            && !lower.is_some_and(|lower| implies_bound(lower, bound, is_integral))
        {
            let message = format!("numbers below {} are not accepted", format_bound(bound));
            let finding =
                self.finding(Rule::MinimumRaised, region, reader, &format!("/{}", bound.keyword), message);
            self.record_near(out, region, reader, finding, &near_number(bound.value));
        }
        let negate_bound = |bound: Bound| Bound { value: bound.value.negated(), ..bound };
        if let Some(bound) = assertions.maximum
            && !upper
                .is_some_and(|upper| implies_bound(negate_bound(upper), negate_bound(bound), is_integral))
        {
            let message = format!("numbers above {} are not accepted", format_bound(bound));
            let finding =
                self.finding(Rule::MaximumLowered, region, reader, &format!("/{}", bound.keyword), message);
            self.record_near(out, region, reader, finding, &near_number(bound.value));
        }
        if let Some(unit) = assertions.multiple_of {
            let mut units = region.positive_schemas(self.pair).filter_map(|(_, k)| k.assertions.multiple_of);
            let is_implied = units.any(|written| written.is_multiple_of(unit) == Some(true))
                || (is_integral && Decimal::ONE.is_multiple_of(unit) == Some(true));
            if !is_implied {
                let message =
                    format!("numbers that are not a multiple of {} are not accepted", unit.to_value());
                let finding = self.finding(Rule::MultipleOfNarrowed, region, reader, "/multipleOf", message);
                let hints = Hints { units: vec![unit], ..Hints::default() };
                self.record_near(out, region, reader, finding, &hints);
            }
        }
    }

    fn strings(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let assertions = &keywords.assertions;
        let min = region.lower_limit(self.pair, |keywords| keywords.assertions.min_length);
        let max = region.upper_limit(self.pair, |keywords| keywords.assertions.max_length);
        if let Some(limit) = assertions.min_length
            && limit > min
        {
            let message = format!("strings shorter than {limit} are not accepted");
            let finding = self.finding(Rule::MinLengthRaised, region, reader, "/minLength", message);
            self.record_near(out, region, reader, finding, &near_length(limit.saturating_sub(1)));
        }
        if let Some(limit) = assertions.max_length
            && max.is_none_or(|max| max > limit)
        {
            let message = format!("strings longer than {limit} are not accepted");
            let finding = self.finding(Rule::MaxLengthLowered, region, reader, "/maxLength", message);
            self.record_near(out, region, reader, finding, &near_length(limit.saturating_add(1)));
        }
        if let Some(pattern) = &assertions.pattern {
            let matches_everything = matches!(pattern.as_str(), "" | ".*" | "^" | "$" | "^.*" | ".*$");
            let is_implied = region
                .positive_schemas(self.pair)
                .any(|(_, k)| k.assertions.pattern.as_ref() == Some(pattern));
            if !is_implied && !matches_everything {
                let message = format!("strings that do not match {pattern:?} are not accepted");
                let finding = self.finding(Rule::PatternChanged, region, reader, "/pattern", message);
                self.record_near(out, region, reader, finding, &Hints::default());
            }
        }
        for (keyword, value) in &assertions.content {
            let is_implied = region
                .positive_schemas(self.pair)
                .any(|(_, k)| k.assertions.content.contains(&(keyword, value.clone())));
            if !is_implied {
                let message = format!("whether {keyword} rejects a string is the validator's choice");
                let finding =
                    self.finding(Rule::ContentChanged, region, reader, &format!("/{keyword}"), message);
                out.undecided.push(finding);
            }
        }
    }

    fn formats(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let Some(format) = &keywords.assertions.format else { return };
        if region.positive_schemas(self.pair).any(|(_, k)| k.assertions.format.as_ref() == Some(format)) {
            return;
        }
        let message = format!("whether format {format} rejects a value is the validator's choice");
        let finding = self.finding(Rule::FormatChanged, region, reader, "/format", message);
        out.undecided.push(finding);
    }
}

/// Returns whether the lower bound `written` implies the lower bound `required`.
fn implies_bound(written: Bound, required: Bound, is_integral: bool) -> bool {
    if written.value > required.value
        || (written.value == required.value && (written.is_exclusive || !required.is_exclusive))
    {
        return true;
    }
    if !is_integral {
        return false;
    }
    // among integers, `above 2.5` means `from 3 on`
    let first = |bound: Bound| {
        let first = bound.value.ceiling()?;
        if bound.is_exclusive && first == bound.value { first.plus(Decimal::ONE) } else { Some(first) }
    };
    matches!((first(written), first(required)), (Some(written), Some(required)) if written >= required)
}

fn format_bound(bound: Bound) -> String {
    let number = bound.value.to_value();
    if bound.is_exclusive { format!("{number} (inclusive)") } else { number.to_string() }
}

fn near_number(number: Decimal) -> Hints {
    Hints { numbers: vec![number], ..Hints::default() }
}

fn near_length(length: u64) -> Hints {
    Hints { lengths: vec![length], ..Hints::default() }
}
