//! The keyword by which a reader's schema rejects a value: the reason to report with a witness.

use super::decimal::number_of;
use super::node::{Bound, Keywords, TypeSet};
use super::reason::{Finding, Rule};
use super::reference::escape_token;
use super::schema_pair::{SchemaPair, SubschemaId};
use serde_json::Value;

/// The maximum number of subschemas on the way to the keyword.
const MAX_DEPTH: usize = 300;

/// Finds the keyword by which the reader's subschema rejects the value, and the writer's subschema for the
/// same part of it.
pub(super) fn explain(
    pair: &SchemaPair<'_>,
    reader: SubschemaId,
    writer: SubschemaId,
    witness: &Value,
) -> Finding {
    let mut place = Place { reader, writer, value: witness };
    for _ in 0..MAX_DEPTH {
        match reject(pair, &place) {
            Step::Inside(next) => place = next,
            Step::Keyword(rule, keyword, message) => {
                let (reader, writer) = (place.reader, Some(place.writer));
                return Finding { rule, reader, keyword, writer, message, witness: Some(witness.clone()) };
            }
        }
    }
    let message = "the writer may write a value that is not accepted here".to_owned();
    let (reader, writer) = (place.reader, Some(place.writer));
    Finding {
        rule: Rule::NothingAllowed,
        reader,
        keyword: String::new(),
        writer,
        message,
        witness: Some(witness.clone()),
    }
}

/// A part of the value, and the subschemas for it.
struct Place<'v> {
    reader: SubschemaId,
    writer: SubschemaId,
    value: &'v Value,
}

enum Step<'v> {
    Inside(Place<'v>),
    Keyword(Rule, String, String),
}

fn reject<'v>(pair: &SchemaPair<'_>, place: &Place<'v>) -> Step<'v> {
    let other = |rule: Rule, keyword: &str, message: &str| {
        Step::Keyword(rule, keyword.to_owned(), message.to_owned())
    };
    let Some(keywords) = pair.keywords(place.reader) else {
        return other(Rule::NothingAllowed, "", "nothing is allowed here");
    };
    let in_place = keywords.all_of.iter().copied().chain(keywords.reference_number());
    for number in in_place {
        let inner = place.reader.sibling(number);
        if pair.accepts(inner, place.value) == Some(false) {
            return Step::Inside(Place { reader: inner, ..*place });
        }
    }
    if let Some((rule, keyword, message)) = scalar(keywords, place.value) {
        return Step::Keyword(rule, format!("/{keyword}"), message);
    }
    match place.value {
        Value::Object(members) => {
            for name in &keywords.assertions.required {
                if !members.contains_key(name) {
                    let message = format!("{name:?} is required, and the writer need not write it");
                    return Step::Keyword(Rule::RequiredAdded, "/required".to_owned(), message);
                }
            }
            for (name, value) in members {
                if let Some(step) = member(pair, place, keywords, name, value) {
                    return step;
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let rest = keywords.additional_items.map(|(rest, _)| rest);
                let Some(number) = keywords.prefix_items.get(index).copied().or(rest) else { continue };
                let reader = place.reader.sibling(number);
                if pair.accepts(reader, item) == Some(false) {
                    let written = pair.keywords(pair.dereference(place.writer));
                    let number = written.and_then(|written| {
                        let rest = written.additional_items.map(|(rest, _)| rest);
                        written.prefix_items.get(index).copied().or(rest)
                    });
                    let writer = number.map_or(place.writer, |number| place.writer.sibling(number));
                    return Step::Inside(Place { reader, writer, value: item });
                }
            }
        }
        _ => {}
    }
    if keywords.any_of.as_ref().is_some_and(|list| none_accepts(pair, place, list)) {
        return other(
            Rule::AnyOfNotCovered,
            "/anyOf",
            "no alternative accepts everything that the writer may write",
        );
    }
    if let Some(list) = &keywords.one_of {
        if none_accepts(pair, place, list) {
            let message = "no alternative accepts everything that the writer may write";
            return other(Rule::OneOfNotCovered, "/oneOf", message);
        }
        let accepting =
            list.iter().filter(|n| pair.accepts(place.reader.sibling(**n), place.value) == Some(true));
        if accepting.count() > 1 {
            let message = "more than one alternative accepts what the writer may write";
            return other(Rule::OneOfNotCovered, "/oneOf", message);
        }
    }
    if keywords
        .not
        .is_some_and(|number| pair.accepts(place.reader.sibling(number), place.value) == Some(true))
    {
        return other(Rule::NotAdded, "/not", "the writer may write what is rejected here");
    }
    if let Some(condition) = keywords.condition {
        let holds = pair.accepts(place.reader.sibling(condition.when), place.value) == Some(true);
        let branch = if holds { condition.then } else { condition.otherwise };
        if let Some(number) = branch
            && pair.accepts(place.reader.sibling(number), place.value) == Some(false)
        {
            return Step::Inside(Place { reader: place.reader.sibling(number), ..*place });
        }
    }
    counted(keywords, place.value)
}

fn none_accepts(pair: &SchemaPair<'_>, place: &Place<'_>, list: &[usize]) -> bool {
    list.iter().all(|number| pair.accepts(place.reader.sibling(*number), place.value) == Some(false))
}

fn member<'v>(
    pair: &SchemaPair<'_>,
    place: &Place<'_>,
    keywords: &Keywords,
    name: &str,
    value: &'v Value,
) -> Option<Step<'v>> {
    let mut numbers: Vec<usize> = keywords.properties.get(name).copied().into_iter().collect();
    let matching =
        keywords.pattern_properties.iter().filter(|entry| pair.name_matches(entry, name) == Some(true));
    numbers.extend(matching.map(|entry| entry.schema));
    let is_closed = numbers.is_empty();
    numbers.extend(keywords.additional_properties.filter(|_| is_closed));
    for number in numbers {
        let reader = place.reader.sibling(number);
        if pair.accepts(reader, value) != Some(false) {
            continue;
        }
        if is_closed && pair.node(reader).and_then(super::node::Node::as_boolean) == Some(false) {
            let message = format!("the writer may write {name:?}, and the content is closed");
            let rule = Rule::PropertyRemovedFromClosedContent;
            return Some(Step::Keyword(rule, "/additionalProperties".to_owned(), message));
        }
        let written = pair.keywords(pair.dereference(place.writer));
        let number = written.and_then(|written| written.properties.get(name).copied());
        let writer = number.map_or(place.writer, |number| place.writer.sibling(number));
        return Some(Step::Inside(Place { reader, writer, value }));
    }
    if let Some(names) = keywords.property_names
        && pair.accepts(place.reader.sibling(names), &Value::from(name)) == Some(false)
    {
        let message = format!("the name {name:?} is not accepted");
        return Some(Step::Keyword(Rule::PropertyNamesNarrowed, "/propertyNames".to_owned(), message));
    }
    if let Some(required) = keywords.assertions.dependent_required.get(name)
        && let Value::Object(members) = place.value
        && required.iter().any(|other| !members.contains_key(other))
    {
        let message = format!("beside {name:?} other names are required, and the writer need not write them");
        let keyword = format!("/dependentRequired/{}", escape_token(name));
        return Some(Step::Keyword(Rule::DependencyAdded, keyword, message));
    }
    None
}

/// Returns the keyword of the subschema itself that rejects a value, other than those of its parts.
fn scalar(keywords: &Keywords, value: &Value) -> Option<(Rule, &'static str, String)> {
    let assertions = &keywords.assertions;
    if let Some(types) = assertions.types
        && !types.intersects(TypeSet::of(value))
    {
        let (kind, accepted) = (TypeSet::of(value).type_names(), types.type_names());
        return Some((Rule::TypeNarrowed, "type", format!("type {kind} is not accepted, only {accepted}")));
    }
    for (keyword, list) in [("const", &assertions.constant), ("enum", &assertions.values)] {
        if list.as_ref().is_some_and(|list| !list.contains(value)) {
            let message = "the writer may write values that are not listed here";
            return Some((Rule::ValuesNarrowed, keyword, message.to_owned()));
        }
    }
    if let Some(number) = number_of(value) {
        let is_beyond = |bound: Bound, beyond: bool| beyond || (bound.is_exclusive && number == bound.value);
        if let Some(bound) = assertions.minimum.filter(|bound| is_beyond(*bound, number < bound.value)) {
            let message = format!("numbers below {} are not accepted", bound.value);
            return Some((Rule::MinimumRaised, bound.keyword, message));
        }
        if let Some(bound) = assertions.maximum.filter(|bound| is_beyond(*bound, number > bound.value)) {
            let message = format!("numbers above {} are not accepted", bound.value);
            return Some((Rule::MaximumLowered, bound.keyword, message));
        }
        let unit = assertions.multiple_of.filter(|unit| number.is_multiple_of(*unit) == Some(false));
        if let Some(unit) = unit {
            let message = format!("numbers that are not a multiple of {unit} are not accepted");
            return Some((Rule::MultipleOfNarrowed, "multipleOf", message));
        }
        return None;
    }
    let Value::String(text) = value else { return None };
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(limit) = assertions.min_length.filter(|limit| length < *limit) {
        return Some((
            Rule::MinLengthRaised,
            "minLength",
            format!("strings shorter than {limit} are not accepted"),
        ));
    }
    if let Some(limit) = assertions.max_length.filter(|limit| length > *limit) {
        return Some((
            Rule::MaxLengthLowered,
            "maxLength",
            format!("strings longer than {limit} are not accepted"),
        ));
    }
    let pattern = assertions.pattern.as_ref()?;
    Some((Rule::PatternChanged, "pattern", format!("strings that do not match {pattern:?} are not accepted")))
}

/// Names the keyword that counts members or items; nothing else is left.
fn counted<'v>(keywords: &Keywords, value: &Value) -> Step<'v> {
    let assertions = &keywords.assertions;
    let step = |rule, keyword: &str, message: String| Step::Keyword(rule, keyword.to_owned(), message);
    match value {
        Value::Array(items) => {
            let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
            if let Some(limit) = assertions.min_items.filter(|limit| count < *limit) {
                let message = format!("arrays of fewer than {limit} items are not accepted");
                return step(Rule::MinItemsRaised, "/minItems", message);
            }
            if let Some(limit) = assertions.max_items.filter(|limit| count > *limit) {
                let message = format!("arrays of more than {limit} items are not accepted");
                return step(Rule::MaxItemsLowered, "/maxItems", message);
            }
            if keywords.contains.is_some() {
                let message = "the writer need not write such items, or may write too many".to_owned();
                return step(Rule::ContainsNarrowed, "/contains", message);
            }
            if assertions.unique_items {
                let message = "arrays with duplicate items are not accepted".to_owned();
                return step(Rule::UniqueItemsAdded, "/uniqueItems", message);
            }
            let message = "items that no other keyword evaluates are not accepted".to_owned();
            step(Rule::UnevaluatedClosed, "/unevaluatedItems", message)
        }
        Value::Object(members) => {
            let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
            if let Some(limit) = assertions.min_properties.filter(|limit| count < *limit) {
                let message = format!("objects of fewer than {limit} members are not accepted");
                return step(Rule::MinPropertiesRaised, "/minProperties", message);
            }
            if let Some(limit) = assertions.max_properties.filter(|limit| count > *limit) {
                let message = format!("objects of more than {limit} members are not accepted");
                return step(Rule::MaxPropertiesLowered, "/maxProperties", message);
            }
            if let Some(name) = keywords.dependent_schemas.keys().find(|name| members.contains_key(*name)) {
                let message = format!("beside {name:?} there are further requirements");
                return step(Rule::DependencyAdded, "/dependentSchemas", message);
            }
            let message = "members that no other keyword evaluates are not accepted".to_owned();
            step(Rule::UnevaluatedClosed, "/unevaluatedProperties", message)
        }
        _ => step(
            Rule::NothingAllowed,
            "",
            "the writer may write a value that is not accepted here".to_owned(),
        ),
    }
}
