//! Kinds, values, numbers and texts.

use super::super::Draft;
use super::super::accept::format_sample;
use super::super::decimal::{Decimal, equal};
use super::super::node::{Bound, Keywords, Types};
use super::super::reason::Rule;
use super::super::region::Region;
use super::super::sample::Hints;
use super::super::world::Id;
use super::{Judgement, Prover};

impl Prover<'_, '_> {
    pub(super) fn plain(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let types = region.possible_types(self.world, super::EMPTY_DEPTH);
        self.types(out, region, reader, keywords, types);
        self.values(out, region, reader, keywords);
        if types.meets(Types::NUMBER) {
            self.numbers(out, region, reader, keywords, types);
        }
        if types.meets(Types::STRING) {
            self.texts(out, region, reader, keywords);
        }
        let of_texts = keywords.scalars.format.as_deref().is_some_and(|name| format_sample(name).is_some());
        if types.meets(Types::STRING) || !of_texts {
            self.formats(out, region, reader, keywords);
        }
    }

    fn types(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords, types: Types) {
        let Some(own) = keywords.scalars.types else { return };
        let missing = types.without(own);
        if !missing.is_empty() {
            let message = format!("type {} is not taken, only {}", missing.words(), own.words());
            let finding = self.finding(Rule::TypeNarrowed, region, reader, "/type", message);
            self.claim_near(out, &region.clone(), reader, finding, &Hints::default());
            return;
        }
        let strict = |id: Id, keywords: &Keywords| {
            let integers = keywords
                .scalars
                .types
                .is_some_and(|types| types.meets(Types::INTEGER) && !types.meets(Types::FRACTION));
            integers && self.world.draft(id) == Draft::Draft4
        };
        if types.meets(Types::INTEGER)
            && strict(reader, keywords)
            && !region.positives(self.world).any(|(id, keywords)| strict(id, keywords))
        {
            let message = "an integer of draft 4 may not be written as 1.0, the writer's may";
            let finding = self.finding(Rule::Draft4Integer, region, reader, "/type", message);
            out.open.push(finding);
        }
    }

    fn values(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let scalars = &keywords.scalars;
        let lists = [
            ("/const", scalars.constant.as_ref().map(std::slice::from_ref)),
            ("/enum", scalars.values.as_deref()),
        ];
        for (word, list) in lists {
            let Some(list) = list else { continue };
            let written = region.finite(self.world);
            let taken = written.as_ref().is_some_and(|values| {
                self.world.spend(values.len().saturating_mul(list.len()))
                    && values.iter().all(|value| list.iter().any(|own| equal(own, value)))
            });
            if taken || self.covers_kinds(region, list) {
                continue;
            }
            let message = "the writer may write values that are not listed here";
            let finding = self.finding(Rule::ValuesNarrowed, region, reader, word, message);
            self.claim_near(out, region, reader, finding, &Hints::default());
        }
    }

    /// `null`, `true` and `false` may be all there is.
    fn covers_kinds(&self, region: &Region, list: &[serde_json::Value]) -> bool {
        use serde_json::Value;
        let has = |value: Value| list.contains(&value);
        let types = region.possible_types(self.world, 1);
        types.without(Types::NULL.or(Types::BOOLEAN)).is_empty()
            && (!types.meets(Types::NULL) || has(Value::Null))
            && (!types.meets(Types::BOOLEAN) || (has(Value::Bool(true)) && has(Value::Bool(false))))
    }

    fn numbers(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &Keywords,
        types: Types,
    ) {
        let scalars = &keywords.scalars;
        let whole = !types.meets(Types::FRACTION);
        let (lower, upper) = region.range(self.world);
        if let Some(bound) = scalars.minimum
            && !lower.is_some_and(|lower| keeps(lower, bound, whole))
        {
            let message = format!("numbers below {} are not taken", told(bound));
            let finding =
                self.finding(Rule::MinimumRaised, region, reader, &format!("/{}", bound.keyword), message);
            self.claim_near(out, region, reader, finding, &near(bound.at));
        }
        let mirrored = |bound: Bound| Bound { at: bound.at.negated(), ..bound };
        if let Some(bound) = scalars.maximum
            && !upper.is_some_and(|upper| keeps(mirrored(upper), mirrored(bound), whole))
        {
            let message = format!("numbers above {} are not taken", told(bound));
            let finding =
                self.finding(Rule::MaximumLowered, region, reader, &format!("/{}", bound.keyword), message);
            self.claim_near(out, region, reader, finding, &near(bound.at));
        }
        if let Some(unit) = scalars.multiple_of {
            let mut units = region.positives(self.world).filter_map(|(_, k)| k.scalars.multiple_of);
            let kept = units.any(|written| written.is_multiple_of(unit) == Some(true))
                || (whole && Decimal::ONE.is_multiple_of(unit) == Some(true));
            if !kept {
                let message = format!("numbers that are no multiple of {} are not taken", unit.to_value());
                let finding = self.finding(Rule::MultipleOfNarrowed, region, reader, "/multipleOf", message);
                let hints = Hints { units: vec![unit], ..Hints::default() };
                self.claim_near(out, region, reader, finding, &hints);
            }
        }
    }

    fn texts(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let scalars = &keywords.scalars;
        let least = region.least(self.world, |keywords| keywords.scalars.min_length);
        let most = region.most(self.world, |keywords| keywords.scalars.max_length);
        if let Some(own) = scalars.min_length
            && own > least
        {
            let message = format!("texts shorter than {own} are not taken");
            let finding = self.finding(Rule::MinLengthRaised, region, reader, "/minLength", message);
            self.claim_near(out, region, reader, finding, &lengths(own.saturating_sub(1)));
        }
        if let Some(own) = scalars.max_length
            && most.is_none_or(|most| most > own)
        {
            let message = format!("texts longer than {own} are not taken");
            let finding = self.finding(Rule::MaxLengthLowered, region, reader, "/maxLength", message);
            self.claim_near(out, region, reader, finding, &lengths(own.saturating_add(1)));
        }
        if let Some(pattern) = &scalars.pattern {
            let everything = matches!(pattern.as_str(), "" | ".*" | "^" | "$" | "^.*" | ".*$");
            let kept = region.positives(self.world).any(|(_, k)| k.scalars.pattern.as_ref() == Some(pattern));
            if !kept && !everything {
                let message = format!("texts that do not match {pattern:?} are not taken");
                let finding = self.finding(Rule::PatternChanged, region, reader, "/pattern", message);
                self.claim_near(out, region, reader, finding, &Hints::default());
            }
        }
        for (word, value) in &scalars.content {
            let kept =
                region.positives(self.world).any(|(_, k)| k.scalars.content.contains(&(word, value.clone())));
            if !kept {
                let message = format!("whether {word} refuses a text is the validator's choice");
                let finding =
                    self.finding(Rule::ContentChanged, region, reader, &format!("/{word}"), message);
                out.open.push(finding);
            }
        }
    }

    fn formats(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let Some(format) = &keywords.scalars.format else { return };
        if region.positives(self.world).any(|(_, k)| k.scalars.format.as_ref() == Some(format)) {
            return;
        }
        let message = format!("whether format {format} refuses a value is the validator's choice");
        let finding = self.finding(Rule::FormatChanged, region, reader, "/format", message);
        out.open.push(finding);
    }
}

/// Whether what keeps to the lower bound `written` keeps to `own`.
fn keeps(written: Bound, own: Bound, whole: bool) -> bool {
    if written.at > own.at || (written.at == own.at && (written.exclusive || !own.exclusive)) {
        return true;
    }
    if !whole {
        return false;
    }
    // among integers, above 2.5 is from 3 on
    let first = |bound: Bound| {
        let first = bound.at.ceiling()?;
        if bound.exclusive && first == bound.at { first.plus(Decimal::ONE) } else { Some(first) }
    };
    matches!((first(written), first(own)), (Some(written), Some(own)) if written >= own)
}

fn told(bound: Bound) -> String {
    let number = bound.at.to_value();
    if bound.exclusive { format!("{number}, and itself,") } else { number.to_string() }
}

fn near(number: Decimal) -> Hints {
    Hints { numbers: vec![number], ..Hints::default() }
}

fn lengths(length: u64) -> Hints {
    Hints { lengths: vec![length], ..Hints::default() }
}
