//! Containment of objects: members by name, unmentioned names, member counts and dependencies.
//!
//! The region of a member depends on the writer's content model: under an open one an unmentioned name may
//! have any value, under a closed one none.

use super::{ContainmentResult, EMPTY_DEPTH, Prover};
use crate::json_schema::draft::Draft;
use crate::json_schema::node::{Keywords, Node, TypeSet};
use crate::json_schema::reason::{Finding, Rule};
use crate::json_schema::reference::escape_token;
use crate::json_schema::region::{MemberName, Region};
use crate::json_schema::schema_pair::{SchemaPair, SubschemaId};
use crate::json_schema::witness::{self, Hints};
use serde_json::Value;
use std::collections::BTreeSet;

/// The maximum number of patterns for which names are generated.
const MAX_PATTERNS: usize = 50;

/// The reader's subschema for some members.
struct ReaderSchema<'k> {
    schema: usize,
    /// The path to it, such as `/properties/a`.
    keyword: String,
    /// The described name or pattern; `None` for the keywords that close the content.
    described: Option<&'k str>,
}

impl Prover<'_, '_> {
    pub(super) fn object(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        if !region.possible_types(self.pair, EMPTY_DEPTH).intersects(TypeSet::OBJECT) {
            return;
        }
        let region = &region.with_types(self.pair, TypeSet::OBJECT);
        self.required(out, region, reader, keywords);
        self.member_counts(out, region, reader, keywords);
        self.members(out, region, reader, keywords);
        self.names(out, region, reader, keywords);
        self.dependencies(out, region, reader, keywords);
    }

    fn required(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        for name in keywords.assertions.required.difference(&region.present) {
            if self.is_complete(out) {
                return;
            }
            let message = format!("{name:?} is required, and the writer need not write it");
            let finding = self.finding(Rule::RequiredAdded, region, reader, "/required", message);
            self.record_near(out, region, reader, finding, &Hints::default());
        }
    }

    fn member_counts(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let present = u64::try_from(region.present.len()).unwrap_or(u64::MAX);
        let min = region.lower_limit(self.pair, |keywords| keywords.assertions.min_properties).max(present);
        if let Some(limit) = keywords.assertions.min_properties
            && limit > min
        {
            let message = format!("objects of fewer than {limit} members are not accepted");
            let finding = self.finding(Rule::MinPropertiesRaised, region, reader, "/minProperties", message);
            self.record_near(out, region, reader, finding, &Hints::default());
        }
        if let Some(limit) = keywords.assertions.max_properties
            && self.max_members(region).is_none_or(|max| max > limit)
        {
            let message = format!("objects of more than {limit} members are not accepted");
            let finding = self.finding(Rule::MaxPropertiesLowered, region, reader, "/maxProperties", message);
            let hints = Hints { counts: vec![limit.saturating_add(1)], ..Hints::default() };
            self.record_near(out, region, reader, finding, &hints);
        }
    }

    /// Returns the maximum number of members of an object: stated, or the number of names of a closed
    /// content.
    fn max_members(&self, region: &Region) -> Option<u64> {
        let stated = region.upper_limit(self.pair, |keywords| keywords.assertions.max_properties);
        let is_open =
            !region.name_patterns(self.pair).is_empty() || self.can_have_member(region, MemberName::Other);
        if is_open {
            return stated;
        }
        let names = region.mentioned_names(self.pair);
        let possible =
            names.iter().filter(|name| self.can_have_member(region, MemberName::Named(name))).count();
        let possible = u64::try_from(possible).unwrap_or(u64::MAX);
        Some(stated.map_or(possible, |stated| stated.min(possible)))
    }

    /// Returns whether an object may have such a member.
    fn can_have_member(&self, region: &Region, name: MemberName<'_>) -> bool {
        region.member(self.pair, name).is_some_and(|member| !member.is_empty(self.pair, EMPTY_DEPTH))
    }

    fn members(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let describes_members = !keywords.properties.is_empty()
            || !keywords.pattern_properties.is_empty()
            || keywords.additional_properties.is_some()
            || keywords.unevaluated_properties.is_some();
        if !describes_members {
            return;
        }
        let mut names = region.mentioned_names(self.pair);
        names.extend(keywords.properties.keys().cloned());
        for name in &names {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            self.named_member(out, region, reader, keywords, name);
        }
        let patterns = region.name_patterns(self.pair);
        for pattern in &patterns {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            self.unnamed_members(
                out,
                region,
                reader,
                keywords,
                (MemberName::Matching(pattern), &patterns),
                &names,
            );
        }
        self.unnamed_members(out, region, reader, keywords, (MemberName::Other, &patterns), &names);
    }

    fn named_member(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
        name: &str,
    ) {
        let Some(member) = region.member(self.pair, MemberName::Named(name)) else { return };
        if member.is_empty(self.pair, EMPTY_DEPTH) {
            return;
        }
        let mut schemas = Vec::new();
        let mut is_named = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            is_named = Some(true);
            let keyword = format!("/properties/{}", escape_token(name));
            schemas.push((ReaderSchema { schema: *schema, keyword, described: Some(name) }, true));
        }
        for entry in &keywords.pattern_properties {
            let matches = self.pair.name_matches(entry, name);
            if matches == Some(true) {
                is_named = Some(true);
            } else if matches.is_none() {
                is_named = is_named.filter(|is_named| *is_named);
            }
            if matches != Some(false) {
                let keyword = format!("/patternProperties/{}", escape_token(&entry.text));
                let schema = ReaderSchema { schema: entry.schema, keyword, described: Some(&entry.text) };
                schemas.push((schema, matches.is_some()));
            }
        }
        if is_named != Some(true) {
            schemas.extend(
                self.closing_schema(reader, keywords, Some(name)).map(|schema| (schema, is_named.is_some())),
            );
        }
        let names = BTreeSet::from([name.to_owned()]);
        for (schema, _) in schemas {
            self.compare_member(out, region, reader, &member, &schema, &names);
        }
    }

    /// Returns the reader's subschema for members that no other keyword describes.
    fn closing_schema<'k>(
        &self,
        reader: SubschemaId,
        keywords: &Keywords,
        name: Option<&str>,
    ) -> Option<ReaderSchema<'k>> {
        if let Some(schema) = keywords.additional_properties {
            return Some(ReaderSchema {
                schema,
                keyword: "/additionalProperties".to_owned(),
                described: None,
            });
        }
        let schema = keywords.unevaluated_properties?;
        if self.evaluates_member(reader, name) {
            return None;
        }
        Some(ReaderSchema { schema, keyword: "/unevaluatedProperties".to_owned(), described: None })
    }

    /// Returns whether the reader's in-place keywords certainly evaluate the member.
    fn evaluates_member(&self, reader: SubschemaId, name: Option<&str>) -> bool {
        let mut pending = vec![reader];
        while let Some(id) = pending.pop() {
            let Some(keywords) = self.pair.keywords(id) else { continue };
            let evaluates_all = keywords.additional_properties.is_some()
                || (id != reader && keywords.unevaluated_properties.is_some());
            let is_listed = name.is_some_and(|name| {
                keywords.properties.contains_key(name)
                    || keywords
                        .pattern_properties
                        .iter()
                        .any(|entry| self.pair.name_matches(entry, name) == Some(true))
            });
            if evaluates_all || is_listed {
                return true;
            }
            if !self.pair.spend(1) {
                return false;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            pending.extend(inner.map(|number| id.sibling(number)));
        }
        false
    }

    fn unnamed_members(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
        (name, written): (MemberName<'_>, &BTreeSet<String>),
        mentioned_names: &BTreeSet<String>,
    ) {
        let Some(member) = region.member(self.pair, name) else { return };
        if member.is_empty(self.pair, EMPTY_DEPTH) {
            return;
        }
        let names = generate_unmentioned_names(region, keywords, name, mentioned_names, self.pair);
        let mut is_described = false;
        for entry in &keywords.pattern_properties {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            match name {
                MemberName::Matching(pattern) => is_described |= pattern == entry.text,
                // these names match no pattern of the writer, and this is one of its patterns
                _ if written.contains(&entry.text) => continue,
                _ => {}
            }
            let keyword = format!("/patternProperties/{}", escape_token(&entry.text));
            let schema = ReaderSchema { schema: entry.schema, keyword, described: Some(&entry.text) };
            self.compare_member(out, region, reader, &member, &schema, &names);
        }
        if !is_described && let Some(schema) = self.closing_schema(reader, keywords, None) {
            self.compare_member(out, region, reader, &member, &schema, &names);
        }
    }

    /// Compares the region of a member with the reader's subschema for it.
    fn compare_member(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        member: &Region,
        member_schema: &ReaderSchema<'_>,
        names: &BTreeSet<String>,
    ) {
        let inner = self.check_nested(member, reader.sibling(member_schema.schema));
        let rejects_all =
            self.pair.node(reader.sibling(member_schema.schema)).and_then(Node::as_boolean) == Some(false);
        let is_unconstrained = member.positive_ids().next().is_none();
        let rule = match member_schema.described {
            None if !rejects_all => None,
            None if member_schema.keyword == "/unevaluatedProperties" => Some(Rule::UnevaluatedClosed),
            None if is_unconstrained => Some(Rule::AdditionalPropertiesClosed),
            None => Some(Rule::PropertyRemovedFromClosedContent),
            Some(_) if is_unconstrained => Some(Rule::PropertyAddedToOpenContent),
            Some(_) => None,
        };
        let Some(rule) = rule else { return self.confirm_member(out, region, reader, names, inner) };
        if inner.is_proven() {
            return out.merge(inner);
        }
        // one reason for the whole member is clearer than one for every keyword inside it
        let message = match (rule, names.iter().next()) {
            (Rule::PropertyAddedToOpenContent, _) => {
                let what = member_schema.described.unwrap_or_default();
                format!("the writer's open content allows any value at {what:?}")
            }
            (Rule::PropertyRemovedFromClosedContent, Some(name)) => {
                format!("the writer may write {name:?}, and the content is closed")
            }
            _ => "the writer may write other names, and the content is closed".to_owned(),
        };
        let finding = self.finding(rule, region, reader, &member_schema.keyword, message);
        let mut values = inner.witnesses();
        values.extend(self.candidates(member).into_iter().take(4));
        let candidates = self.objects_with_member(region, names, &values);
        self.record(out, region, reader, finding, candidates);
    }

    fn confirm_member(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        names: &BTreeSet<String>,
        inner: ContainmentResult,
    ) {
        out.merge(ContainmentResult { refuted: Vec::new(), ..inner.clone() });
        for finding in inner.refuted {
            let value: Vec<Value> = finding.witness.clone().into_iter().collect();
            let candidates = self.objects_with_member(region, names, &value);
            self.record(out, region, reader, finding, candidates);
        }
    }

    fn objects_with_member(&self, region: &Region, names: &BTreeSet<String>, values: &[Value]) -> Vec<Value> {
        let mut objects = Vec::new();
        if self.is_proof_only {
            return objects;
        }
        for value in values.iter().take(6) {
            for name in names {
                objects.extend(witness::objects(self.pair, region, &[(name.clone(), value.clone())]));
            }
        }
        objects
    }

    fn names(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let Some(schema) = keywords.property_names else { return };
        let names_schema = reader.sibling(schema);
        for name in region.mentioned_names(self.pair) {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            let text = Value::from(name.as_str());
            if !self.can_have_member(region, MemberName::Named(&name))
                || self.pair.accepts(names_schema, &text) == Some(true)
            {
                continue;
            }
            let message = format!("the name {name:?} is not accepted");
            let finding =
                self.finding(Rule::PropertyNamesNarrowed, region, reader, "/propertyNames", message);
            let member = region.member(self.pair, MemberName::Named(&name));
            let values = member.map(|member| self.candidates(&member)).unwrap_or_default();
            let candidates = self.objects_with_member(region, &BTreeSet::from([name]), &values);
            self.record(out, region, reader, finding, candidates);
        }
        let patterns = region.name_patterns(self.pair);
        let unnamed: Vec<MemberName<'_>> =
            patterns.iter().map(|text| MemberName::Matching(text)).chain([MemberName::Other]).collect();
        if !unnamed.iter().any(|name| self.can_have_member(region, *name)) {
            return;
        }
        let inner = self.check_nested(&region.names(self.pair), names_schema);
        if inner.is_proven() {
            return out.merge(inner);
        }
        let message = "the writer may write names that are not accepted";
        let finding = self.finding(Rule::PropertyNamesNarrowed, region, reader, "/propertyNames", message);
        let mut names: BTreeSet<String> =
            inner.witnesses().iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        for text in patterns.iter().take(8) {
            names.extend(self.pair.generate_names(text).iter().take(8).cloned());
        }
        let mut candidates = Vec::new();
        for name in names {
            let member = region.member(self.pair, MemberName::Named(&name));
            let values = member.map(|member| self.candidates(&member)).unwrap_or_default();
            candidates.extend(self.objects_with_member(region, &BTreeSet::from([name]), &values));
        }
        self.record(out, region, reader, finding, candidates);
    }

    fn dependencies(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let keywords_of_draft = if self.pair.draft(reader) < Draft::Draft201909 {
            ["/dependencies", "/dependencies"]
        } else {
            ["/dependentRequired", "/dependentSchemas"]
        };
        for (name, required) in &keywords.assertions.dependent_required {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            let restricted = region.with_name(self.pair, name);
            if !self.can_have_member(region, MemberName::Named(name))
                || required.is_subset(&restricted.present)
                || self.is_unsatisfiable(&restricted, out)
            {
                continue;
            }
            let message =
                format!("beside {name:?} other names are required, and the writer need not write them");
            let keyword = format!("{}/{}", keywords_of_draft[0], escape_token(name));
            let finding = self.finding(Rule::DependencyAdded, region, reader, &keyword, message);
            let candidates = self.candidates_with_name(region, &restricted, name);
            self.record(out, region, reader, finding, candidates);
        }
        for (name, schema) in &keywords.dependent_schemas {
            if !self.pair.spend(1) || self.is_complete(out) {
                return;
            }
            let restricted = region.with_name(self.pair, name);
            if !self.can_have_member(region, MemberName::Named(name)) {
                continue;
            }
            let inner = self.check(&restricted, reader.sibling(*schema));
            if inner.is_proven() {
                out.merge(inner);
                continue;
            }
            let witnesses = inner.witnesses();
            let is_undecided = inner.refuted.is_empty();
            self.confirm(out, region, reader, inner);
            if is_undecided {
                let message = format!("beside {name:?} there are further requirements");
                let keyword = format!("{}/{}", keywords_of_draft[1], escape_token(name));
                let finding: Finding = self.finding(Rule::DependencyAdded, region, reader, &keyword, message);
                let mut candidates = self.candidates_with_name(region, &restricted, name);
                candidates.extend(witnesses);
                self.record(out, region, reader, finding, candidates);
            }
        }
    }

    fn candidates_with_name(&self, region: &Region, restricted: &Region, name: &str) -> Vec<Value> {
        let mut candidates = self.candidates(restricted);
        let member = region.member(self.pair, MemberName::Named(name));
        let values = member.map(|member| self.candidates(&member)).unwrap_or_default();
        candidates.extend(self.objects_with_member(region, &BTreeSet::from([name.to_owned()]), &values));
        candidates
    }
}

/// Generates names that the writer's schema does not mention, for witnesses.
fn generate_unmentioned_names(
    region: &Region,
    keywords: &Keywords,
    name: MemberName<'_>,
    mentioned_names: &BTreeSet<String>,
    pair: &SchemaPair<'_>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut of_pattern = |text: &str| names.extend(pair.generate_names(text).iter().take(4).cloned());
    match name {
        MemberName::Matching(pattern) => of_pattern(pattern),
        _ => {
            keywords.pattern_properties.iter().take(MAX_PATTERNS).for_each(|entry| of_pattern(&entry.text));
            names.extend(["other".to_owned(), "x-other".to_owned(), "0".to_owned()]);
            let allowed = witness::values(pair, &region.names(pair));
            names.extend(allowed.iter().filter_map(|name| name.as_str().map(str::to_owned)).take(4));
        }
    }
    names.retain(|name| !mentioned_names.contains(name));
    names
}
