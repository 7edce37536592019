//! Objects: members by name, names that nobody mentions, how many there are, and which ask for each other.
//!
//! What stands at a name depends on the writer's content model: under an open one anything may stand at a name that
//! is not mentioned, under a closed one nothing.

use super::super::node::{Keywords, Node, Types};
use super::super::reason::{Finding, Rule};
use super::super::reference::step;
use super::super::region::{Name, Region};
use super::super::sample::{self, Hints};
use super::super::world::{Id, World};
use super::{EMPTY_DEPTH, Judgement, Prover};
use serde_json::Value;
use std::collections::BTreeSet;

/// Of so many patterns names are tried.
const MAX_TRIED: usize = 50;

/// What the reader says of some members.
struct Own<'k> {
    schema: usize,
    /// Steps to it, as `/properties/a`.
    keyword: String,
    /// `None` for the keywords that close the content.
    described: Option<&'k str>,
}

impl Prover<'_, '_> {
    pub(super) fn object(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        if !region.possible_types(self.world, EMPTY_DEPTH).meets(Types::OBJECT) {
            return;
        }
        let region = &region.with_kinds(self.world, Types::OBJECT);
        self.required(out, region, reader, keywords);
        self.member_counts(out, region, reader, keywords);
        self.members(out, region, reader, keywords);
        self.names(out, region, reader, keywords);
        self.dependencies(out, region, reader, keywords);
    }

    fn required(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        for name in keywords.scalars.required.difference(&region.present) {
            if self.is_enough(out) {
                return;
            }
            let message = format!("{name:?} is required, and the writer need not write it");
            let finding = self.finding(Rule::RequiredAdded, region, reader, "/required", message);
            self.claim_near(out, region, reader, finding, &Hints::default());
        }
    }

    fn member_counts(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let present = u64::try_from(region.present.len()).unwrap_or(u64::MAX);
        let least = region.least(self.world, |keywords| keywords.scalars.min_properties).max(present);
        if let Some(own) = keywords.scalars.min_properties
            && own > least
        {
            let message = format!("objects of fewer than {own} members are not taken");
            let finding = self.finding(Rule::MinPropertiesRaised, region, reader, "/minProperties", message);
            self.claim_near(out, region, reader, finding, &Hints::default());
        }
        if let Some(own) = keywords.scalars.max_properties
            && self.most_members(region).is_none_or(|most| most > own)
        {
            let message = format!("objects of more than {own} members are not taken");
            let finding = self.finding(Rule::MaxPropertiesLowered, region, reader, "/maxProperties", message);
            let hints = Hints { counts: vec![own.saturating_add(1)], ..Hints::default() };
            self.claim_near(out, region, reader, finding, &hints);
        }
    }

    /// How many members an object may have: stated, or the names of a closed content.
    fn most_members(&self, region: &Region) -> Option<u64> {
        let stated = region.most(self.world, |keywords| keywords.scalars.max_properties);
        let open = !region.name_patterns(self.world).is_empty() || self.possible(region, Name::Other);
        if open {
            return stated;
        }
        let names = region.mentioned(self.world);
        let possible = names.iter().filter(|name| self.possible(region, Name::Named(name))).count();
        let possible = u64::try_from(possible).unwrap_or(u64::MAX);
        Some(stated.map_or(possible, |stated| stated.min(possible)))
    }

    /// Whether an object may have such a member.
    fn possible(&self, region: &Region, name: Name<'_>) -> bool {
        region.member(self.world, name).is_some_and(|member| !member.is_empty(self.world, EMPTY_DEPTH))
    }

    fn members(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let describes = !keywords.properties.is_empty()
            || !keywords.pattern_properties.is_empty()
            || keywords.additional.is_some()
            || keywords.unevaluated_properties.is_some();
        if !describes {
            return;
        }
        let mut names = region.mentioned(self.world);
        names.extend(keywords.properties.keys().cloned());
        for name in &names {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            self.named_member(out, region, reader, keywords, name);
        }
        let patterns = region.name_patterns(self.world);
        for pattern in &patterns {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            self.unnamed_members(out, region, reader, keywords, (Name::Matching(pattern), &patterns), &names);
        }
        self.unnamed_members(out, region, reader, keywords, (Name::Other, &patterns), &names);
    }

    fn named_member(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &Keywords,
        name: &str,
    ) {
        let Some(member) = region.member(self.world, Name::Named(name)) else { return };
        if member.is_empty(self.world, EMPTY_DEPTH) {
            return;
        }
        let mut own = Vec::new();
        let mut named = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            named = Some(true);
            let keyword = format!("/properties/{}", step(name));
            own.push((Own { schema: *schema, keyword, described: Some(name) }, true));
        }
        for entry in &keywords.pattern_properties {
            let matches = self.world.names(entry, name);
            if matches == Some(true) {
                named = Some(true);
            } else if matches.is_none() {
                named = named.filter(|named| *named);
            }
            if matches != Some(false) {
                let keyword = format!("/patternProperties/{}", step(&entry.text));
                let own_schema = Own { schema: entry.schema, keyword, described: Some(&entry.text) };
                own.push((own_schema, matches.is_some()));
            }
        }
        if named != Some(true) {
            own.extend(self.closing(reader, keywords, Some(name)).map(|own| (own, named.is_some())));
        }
        let given = BTreeSet::from([name.to_owned()]);
        for (own, _) in own {
            self.compare_member(out, region, reader, &member, &own, &given);
        }
    }

    /// What the reader says of members that no other keyword describes.
    fn closing<'k>(&self, reader: Id, keywords: &Keywords, name: Option<&str>) -> Option<Own<'k>> {
        if let Some(schema) = keywords.additional {
            return Some(Own { schema, keyword: "/additionalProperties".to_owned(), described: None });
        }
        let schema = keywords.unevaluated_properties?;
        if self.member_judged(reader, name) {
            return None;
        }
        Some(Own { schema, keyword: "/unevaluatedProperties".to_owned(), described: None })
    }

    /// Whether the reader's keywords for the same value surely judge the member.
    fn member_judged(&self, reader: Id, name: Option<&str>) -> bool {
        let mut ahead = vec![reader];
        while let Some(id) = ahead.pop() {
            let Some(keywords) = self.world.keywords(id) else { continue };
            let every =
                keywords.additional.is_some() || (id != reader && keywords.unevaluated_properties.is_some());
            let listed = name.is_some_and(|name| {
                keywords.properties.contains_key(name)
                    || keywords
                        .pattern_properties
                        .iter()
                        .any(|entry| self.world.names(entry, name) == Some(true))
            });
            if every || listed {
                return true;
            }
            if !self.world.spend(1) {
                return false;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            ahead.extend(inner.map(|number| id.beside(number)));
        }
        false
    }

    fn unnamed_members(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &Keywords,
        (name, written): (Name<'_>, &BTreeSet<String>),
        mentioned: &BTreeSet<String>,
    ) {
        let Some(member) = region.member(self.world, name) else { return };
        if member.is_empty(self.world, EMPTY_DEPTH) {
            return;
        }
        let given = trial_names(region, keywords, name, mentioned, self.world);
        let mut described = false;
        for entry in &keywords.pattern_properties {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            match name {
                Name::Matching(pattern) => described |= pattern == entry.text,
                // a name of this pattern is not one of those that match none of the writer's
                _ if written.contains(&entry.text) => continue,
                _ => {}
            }
            let keyword = format!("/patternProperties/{}", step(&entry.text));
            let own = Own { schema: entry.schema, keyword, described: Some(&entry.text) };
            self.compare_member(out, region, reader, &member, &own, &given);
        }
        if !described && let Some(own) = self.closing(reader, keywords, None) {
            self.compare_member(out, region, reader, &member, &own, &given);
        }
    }

    /// Compares what the writer may write at a member with what the reader takes there.
    fn compare_member(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        member: &Region,
        own: &Own<'_>,
        names: &BTreeSet<String>,
    ) {
        let inner = self.within_inner(member, reader.beside(own.schema));
        let refused = self.world.node(reader.beside(own.schema)).and_then(Node::always) == Some(false);
        let untouched = member.holding().next().is_none();
        let rule = match own.described {
            None if !refused => None,
            None if own.keyword == "/unevaluatedProperties" => Some(Rule::UnevaluatedClosed),
            None if untouched => Some(Rule::AdditionalPropertiesClosed),
            None => Some(Rule::PropertyRemovedFromClosedContent),
            Some(_) if untouched => Some(Rule::PropertyAddedToOpenContent),
            Some(_) => None,
        };
        let Some(rule) = rule else { return self.lift_member(out, region, reader, names, inner) };
        if inner.is_yes() {
            return out.add(inner);
        }
        // one reason for the whole member says more than every keyword inside it
        let told = match (rule, names.iter().next()) {
            (Rule::PropertyAddedToOpenContent, _) => {
                let what = own.described.unwrap_or_default();
                format!("the writer's open content allows any value at {what:?}")
            }
            (Rule::PropertyRemovedFromClosedContent, Some(name)) => {
                format!("the writer may write {name:?}, and the content is closed")
            }
            _ => "the writer may write other names, and the content is closed".to_owned(),
        };
        let finding = self.finding(rule, region, reader, &own.keyword, told);
        let mut values = inner.witnesses();
        values.extend(self.samples(member).into_iter().take(4));
        let candidates = self.with_member(region, names, &values);
        self.claim(out, region, reader, finding, candidates);
    }

    fn lift_member(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        names: &BTreeSet<String>,
        inner: Judgement,
    ) {
        out.add(Judgement { certain: Vec::new(), ..inner.clone() });
        for finding in inner.certain {
            let value: Vec<Value> = finding.witness.clone().into_iter().collect();
            let candidates = self.with_member(region, names, &value);
            self.claim(out, region, reader, finding, candidates);
        }
    }

    fn with_member(&self, region: &Region, names: &BTreeSet<String>, values: &[Value]) -> Vec<Value> {
        let mut objects = Vec::new();
        if self.proving {
            return objects;
        }
        for value in values.iter().take(6) {
            for name in names {
                objects.extend(sample::objects(self.world, region, &[(name.clone(), value.clone())]));
            }
        }
        objects
    }

    fn names(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let Some(schema) = keywords.property_names else { return };
        let own = reader.beside(schema);
        for name in region.mentioned(self.world) {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            let text = Value::from(name.as_str());
            if !self.possible(region, Name::Named(&name)) || self.world.accepts(own, &text) == Some(true) {
                continue;
            }
            let message = format!("the name {name:?} is not taken");
            let finding =
                self.finding(Rule::PropertyNamesNarrowed, region, reader, "/propertyNames", message);
            let member = region.member(self.world, Name::Named(&name));
            let values = member.map(|member| self.samples(&member)).unwrap_or_default();
            let candidates = self.with_member(region, &BTreeSet::from([name]), &values);
            self.claim(out, region, reader, finding, candidates);
        }
        let patterns = region.name_patterns(self.world);
        let unnamed: Vec<Name<'_>> =
            patterns.iter().map(|text| Name::Matching(text)).chain([Name::Other]).collect();
        if !unnamed.iter().any(|name| self.possible(region, *name)) {
            return;
        }
        let inner = self.within_inner(&region.names(self.world), own);
        if inner.is_yes() {
            return out.add(inner);
        }
        let message = "the writer may write names that are not taken";
        let finding = self.finding(Rule::PropertyNamesNarrowed, region, reader, "/propertyNames", message);
        let mut names: BTreeSet<String> =
            inner.witnesses().iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        for text in patterns.iter().take(8) {
            names.extend(self.world.names_of(text).iter().take(8).cloned());
        }
        let mut candidates = Vec::new();
        for name in names {
            let member = region.member(self.world, Name::Named(&name));
            let values = member.map(|member| self.samples(&member)).unwrap_or_default();
            candidates.extend(self.with_member(region, &BTreeSet::from([name]), &values));
        }
        self.claim(out, region, reader, finding, candidates);
    }

    fn dependencies(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let word = if self.world.draft(reader) < super::super::Draft::Draft201909 {
            ["/dependencies", "/dependencies"]
        } else {
            ["/dependentRequired", "/dependentSchemas"]
        };
        for (name, required) in &keywords.scalars.dependent_required {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            let having = region.with_name(self.world, name);
            if !self.possible(region, Name::Named(name))
                || required.is_subset(&having.present)
                || self.refuted(&having, out)
            {
                continue;
            }
            let message =
                format!("beside {name:?} other names are required, and the writer need not write them");
            let keyword = format!("{}/{}", word[0], step(name));
            let finding = self.finding(Rule::DependencyAdded, region, reader, &keyword, message);
            let candidates = self.having(region, &having, name);
            self.claim(out, region, reader, finding, candidates);
        }
        for (name, schema) in &keywords.dependent_schemas {
            if !self.world.spend(1) || self.is_enough(out) {
                return;
            }
            let having = region.with_name(self.world, name);
            if !self.possible(region, Name::Named(name)) {
                continue;
            }
            let inner = self.within(&having, reader.beside(*schema));
            if inner.is_yes() {
                out.add(inner);
                continue;
            }
            let witnesses = inner.witnesses();
            let open = inner.certain.is_empty();
            self.lift(out, region, reader, inner);
            if open {
                let message = format!("beside {name:?} more is asked for");
                let keyword = format!("{}/{}", word[1], step(name));
                let finding: Finding = self.finding(Rule::DependencyAdded, region, reader, &keyword, message);
                let mut candidates = self.having(region, &having, name);
                candidates.extend(witnesses);
                self.claim(out, region, reader, finding, candidates);
            }
        }
    }

    fn having(&self, region: &Region, having: &Region, name: &str) -> Vec<Value> {
        let mut candidates = self.samples(having);
        let member = region.member(self.world, Name::Named(name));
        let values = member.map(|member| self.samples(&member)).unwrap_or_default();
        candidates.extend(self.with_member(region, &BTreeSet::from([name.to_owned()]), &values));
        candidates
    }
}

/// Names that the writer's schema does not mention, to build witnesses with.
fn trial_names(
    region: &Region,
    keywords: &Keywords,
    name: Name<'_>,
    mentioned: &BTreeSet<String>,
    world: &World<'_>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut of_pattern = |text: &str| names.extend(world.names_of(text).iter().take(4).cloned());
    match name {
        Name::Matching(pattern) => of_pattern(pattern),
        _ => {
            keywords.pattern_properties.iter().take(MAX_TRIED).for_each(|entry| of_pattern(&entry.text));
            names.extend(["other".to_owned(), "x-other".to_owned(), "0".to_owned()]);
            let allowed = sample::values(world, &region.names(world));
            names.extend(allowed.iter().filter_map(|name| name.as_str().map(str::to_owned)).take(4));
        }
    }
    names.retain(|name| !mentioned.contains(name));
    names
}
