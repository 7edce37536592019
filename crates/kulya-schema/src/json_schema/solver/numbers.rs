//! Numbers within bounds that are multiples of some units and not of others.

use super::Solver;
use super::facts::Facts;
use super::settling::Examples;
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::TypeSet;
use crate::json_schema::reason::Rule;
use serde_json::Value;

/// The maximum number of numbers that are tried one after the other.
const MAX_TRIED: usize = 3_000;

impl Solver<'_, '_> {
    /// Finds numbers that meet the facts.
    pub(super) fn numbers(&self, facts: &Facts) -> Examples {
        let mut found = Examples::none();
        if facts.types.intersects(TypeSet::INTEGER) {
            self.on_grid(facts, Some(Decimal::ONE), &mut found);
        }
        if facts.types.intersects(TypeSet::FRACTION) {
            if facts.multiples.is_empty() {
                self.fractions(facts, &mut found);
            } else {
                self.on_grid(facts, None, &mut found);
            }
        }
        if !found.is_exhaustive && found.values.is_empty() {
            let class = facts.excluded.first().copied().unwrap_or_default();
            let message = "the multiples of several numbers are not followed further";
            found.doubt = Some(self.doubt(Rule::MultipleOfNarrowed, class, "", message));
        }
        found
    }

    fn is_excluded(&self, facts: &Facts, value: &Value) -> bool {
        self.excluded_sets(facts).iter().any(|set| set.contains(value))
    }

    /// Returns the value of a number that meets the facts.
    fn value_if_fitting(&self, facts: &Facts, number: Decimal) -> Option<Value> {
        let is_above = |lower: crate::json_schema::node::Bound| {
            if lower.is_exclusive { number > lower.value } else { number >= lower.value }
        };
        let is_below = |upper: crate::json_schema::node::Bound| {
            if upper.is_exclusive { number < upper.value } else { number <= upper.value }
        };
        let kind = if number.is_integer() { TypeSet::INTEGER } else { TypeSet::FRACTION };
        let fits = facts.types.intersects(kind)
            && facts.lower.is_none_or(is_above)
            && facts.upper.is_none_or(is_below)
            && facts.multiples.iter().all(|unit| number.is_multiple_of(*unit) == Some(true))
            && facts.non_multiples.iter().all(|unit| number.is_multiple_of(*unit) == Some(false));
        let value = fits.then(|| number.to_value())?;
        (!self.is_excluded(facts, &value)).then_some(value)
    }

    /// Tries the multiples of all units, from the nearest bound on; for `None` those that are no integers.
    fn on_grid(&self, facts: &Facts, first: Option<Decimal>, found: &mut Examples) {
        let units = first.into_iter().chain(facts.multiples.iter().copied());
        let step = units.map(Some).reduce(|one, other| one?.least_common_multiple(other?)).flatten();
        let Some(step) = step else {
            found.is_exhaustive = false;
            return;
        };
        // each multiple of the step is a multiple of this unit, or an integer
        let is_impossible = facts.non_multiples.iter().any(|unit| step.is_multiple_of(*unit) == Some(true))
            || (first.is_none() && step.is_integer());
        if is_impossible {
            return;
        }
        let upwards = facts.lower.is_some() || facts.upper.is_none();
        let start = match (facts.lower, facts.upper) {
            (Some(lower), _) => lower.value.next_multiple(step),
            (None, Some(upper)) => upper.value.negated().next_multiple(step).map(Decimal::negated),
            (None, None) => Some(Decimal::ZERO),
        };
        let step = if upwards { step } else { step.negated() };
        let mut next = start;
        let excluded: usize = self.excluded_sets(facts).iter().map(|set| set.values().len()).sum();
        for _ in 0..MAX_TRIED.saturating_add(excluded) {
            let Some(number) = next.filter(|_| self.pair.spend(1)) else {
                found.is_exhaustive = false;
                return;
            };
            let is_beyond = if upwards {
                facts.upper.is_some_and(|upper| number > upper.value)
            } else {
                facts.lower.is_some_and(|lower| number < lower.value)
            };
            if is_beyond {
                return;
            }
            if let Some(value) = self.value_if_fitting(facts, number) {
                found.values.push(value);
                if found.values.len() >= 3 {
                    return;
                }
            }
            next = number.plus(step);
        }
        found.is_exhaustive = false;
    }

    /// Tries fractions between the bounds: there are infinitely many, or none.
    fn fractions(&self, facts: &Facts, found: &mut Examples) {
        if let (Some(lower), Some(upper)) = (facts.lower, facts.upper)
            && (lower.value > upper.value || (lower.value == upper.value && lower.value.is_integer()))
        {
            return;
        }
        let tenth = Decimal::ONE.tenth();
        let mut bases = vec![facts.lower.map_or(Decimal::ZERO, |lower| lower.value)];
        bases.extend(facts.upper.map(|upper| upper.value));
        let mut width = match (facts.lower, facts.upper) {
            (Some(lower), Some(upper)) => upper.value.plus(lower.value.negated()).unwrap_or(tenth),
            _ => Decimal::from_integer(5),
        };
        let before = found.values.len();
        for _ in 0..6 {
            width = width.tenth();
            for base in &bases {
                let mut offset = Some(Decimal::ZERO);
                for _ in 0..9 {
                    for signed in [offset, offset.map(Decimal::negated)].into_iter().flatten() {
                        let value = base.plus(signed).and_then(|number| self.value_if_fitting(facts, number));
                        found.values.extend(value);
                    }
                    if found.values.len() >= before + 3 {
                        return;
                    }
                    offset = offset.and_then(|offset| offset.plus(width));
                }
            }
        }
        if found.values.len() == before {
            found.is_exhaustive = false;
        }
    }
}
