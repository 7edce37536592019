//! The regions of members and items of a region's objects and arrays.

use super::{MemberName, Region};
use crate::json_schema::node::{Keywords, TypeSet};
use crate::json_schema::schema_pair::{SchemaPair, SubschemaId};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

impl Region {
    /// Returns the region of a member; `None` if an object of this region has no such member.
    pub(in crate::json_schema) fn member(&self, pair: &SchemaPair<'_>, name: MemberName<'_>) -> Option<Self> {
        let mut region = Self::everything();
        for (id, keywords) in self.positive_schemas(pair) {
            if !pair.spend(1) {
                return Some(Self::everything());
            }
            let evaluated = match name {
                MemberName::Named(name) => {
                    if self.absent.contains(name) || !allows_name(pair, id, keywords, name) {
                        return None;
                    }
                    region.evaluate_named(pair, id, keywords, name)
                }
                MemberName::Matching(pattern) => {
                    pair.spend(keywords.pattern_properties.len() / 16);
                    let mut same = keywords.pattern_properties.iter().filter(|entry| entry.text == pattern);
                    match same.next() {
                        Some(entry) => {
                            region.conditions.insert((id.sibling(entry.schema), true));
                            Some(true)
                        }
                        None if keywords.pattern_properties.is_empty() => Some(false),
                        None => None,
                    }
                }
                MemberName::Other => Some(false),
            };
            if evaluated == Some(false) {
                if let Some(additional) = keywords.additional_properties {
                    region.conditions.insert((id.sibling(additional), true));
                } else if let Some(unevaluated) = keywords.unevaluated_properties
                    && !may_evaluate_member(pair, id, keywords, name)
                {
                    region.conditions.insert((id.sibling(unevaluated), true));
                }
            }
        }
        region.propagate(pair);
        Some(region)
    }

    /// Adds the conditions on the named member. Returns whether any keyword evaluates it, if that can be
    /// decided.
    fn evaluate_named(
        &mut self,
        pair: &SchemaPair<'_>,
        id: SubschemaId,
        keywords: &Keywords,
        name: &str,
    ) -> Option<bool> {
        let mut evaluated = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            self.conditions.insert((id.sibling(*schema), true));
            evaluated = Some(true);
        }
        for entry in &keywords.pattern_properties {
            match pair.name_matches(entry, name) {
                Some(true) => {
                    self.conditions.insert((id.sibling(entry.schema), true));
                    evaluated = Some(true);
                }
                Some(false) => {}
                None => evaluated = evaluated.filter(|evaluated| *evaluated),
            }
        }
        evaluated
    }

    /// Returns the region of an item at this index; `None` for the items after every prefix.
    pub(in crate::json_schema) fn item(&self, pair: &SchemaPair<'_>, index: Option<usize>) -> Self {
        let mut region = Self::everything();
        for (id, keywords) in self.positive_schemas(pair) {
            let prefix = index.and_then(|index| keywords.prefix_items.get(index)).copied();
            if let Some(schema) = prefix.or(keywords.additional_items.map(|(rest, _)| rest)) {
                region.conditions.insert((id.sibling(schema), true));
            } else if let Some(unevaluated) = keywords.unevaluated_items
                && keywords.contains.is_none()
                // an external or a dynamic reference may evaluate it too
                && keywords.external_reference().is_none()
                && keywords.assertions.unsupported.is_empty()
                && !all_in_place(pair, id, keywords).iter().any(|(_, inner)| evaluates_items(inner))
            {
                region.conditions.insert((id.sibling(unevaluated), true));
            }
        }
        region.propagate(pair);
        region
    }

    /// Returns the region of a member's name.
    pub(in crate::json_schema) fn names(&self, pair: &SchemaPair<'_>) -> Self {
        let mut region = Self { allowed_types: TypeSet::STRING, ..Self::everything() };
        for (id, keywords) in self.positive_schemas(pair) {
            region.conditions.extend(keywords.property_names.map(|names| (id.sibling(names), true)));
        }
        region.propagate(pair);
        region
    }

    /// Returns every name that its subschemas mention.
    pub(in crate::json_schema) fn mentioned_names(&self, pair: &SchemaPair<'_>) -> BTreeSet<String> {
        let mut names = self.present.clone();
        pair.spend(names.len());
        names.extend(self.absent.iter().cloned());
        for (id, keywords) in self.positive_schemas(pair) {
            for (_, inner) in all_in_place(pair, id, keywords).into_iter().chain([(id, keywords)]) {
                if !pair.spend(1 + inner.properties.len()) {
                    return names;
                }
                names.extend(inner.properties.keys().cloned());
                names.extend(inner.assertions.dependent_required.keys().cloned());
                names.extend(inner.dependent_schemas.keys().cloned());
            }
        }
        names
    }

    /// Returns the `patternProperties` patterns of its subschemas.
    pub(in crate::json_schema) fn name_patterns(&self, pair: &SchemaPair<'_>) -> BTreeSet<String> {
        let all = self.positive_schemas(pair).flat_map(|(_, keywords)| &keywords.pattern_properties);
        let texts: BTreeSet<String> = all.map(|entry| entry.text.clone()).collect();
        pair.spend(texts.len() / 4);
        texts
    }

    /// Returns the maximum number of items of an array: an impossible item ends it.
    pub(in crate::json_schema) fn max_items(&self, pair: &SchemaPair<'_>, depth: usize) -> Option<u64> {
        let stated_max = self.upper_limit(pair, |keywords| keywords.assertions.max_items);
        let prefix = self.prefix_length(pair);
        let checked = stated_max.map_or(prefix, |max| prefix.min(usize::try_from(max).unwrap_or(usize::MAX)));
        for index in 0..checked {
            if !pair.spend(1) {
                return stated_max;
            }
            if self.item(pair, Some(index)).is_empty(pair, depth) {
                return u64::try_from(index).ok();
            }
        }
        if stated_max.is_none_or(|max| usize::try_from(max).is_ok_and(|max| max > prefix))
            && self.item(pair, None).is_empty(pair, depth)
        {
            return u64::try_from(prefix).ok();
        }
        stated_max
    }

    /// Returns the length of the longest `prefixItems`.
    pub(in crate::json_schema) fn prefix_length(&self, pair: &SchemaPair<'_>) -> usize {
        self.positive_schemas(pair).map(|(_, keywords)| keywords.prefix_items.len()).max().unwrap_or(0)
    }
}

fn allows_name(pair: &SchemaPair<'_>, id: SubschemaId, keywords: &Keywords, name: &str) -> bool {
    let rejects = |names: usize| pair.accepts(id.sibling(names), &Value::from(name)) == Some(false);
    !keywords.property_names.is_some_and(rejects)
}

/// Returns every subschema that applies to the same value, through any number of references.
fn all_in_place<'w>(
    pair: &SchemaPair<'w>,
    id: SubschemaId,
    keywords: &Keywords,
) -> Vec<(SubschemaId, &'w Keywords)> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut pending = keywords.in_place();
    while let Some(number) = pending.pop() {
        if !pair.spend(1) || !seen.insert(number) {
            continue;
        }
        if let Some(inner) = pair.keywords(id.sibling(number)) {
            found.push((id.sibling(number), inner));
            pending.extend(inner.in_place());
        }
    }
    found
}

fn evaluates_items(keywords: &Keywords) -> bool {
    !keywords.prefix_items.is_empty()
        || keywords.additional_items.is_some()
        || keywords.contains.is_some()
        || keywords.unevaluated_items.is_some()
        || keywords.external_reference().is_some()
        || !keywords.assertions.unsupported.is_empty()
}

/// Returns whether an in-place subschema may have evaluated the member before `unevaluatedProperties` does.
fn may_evaluate_member(
    pair: &SchemaPair<'_>,
    id: SubschemaId,
    keywords: &Keywords,
    name: MemberName<'_>,
) -> bool {
    if keywords.external_reference().is_some()
        || !keywords.assertions.unsupported.is_empty()
        || pair.is_exhausted()
    {
        return true;
    }
    all_in_place(pair, id, keywords).iter().any(|(_, inner)| {
        inner.additional_properties.is_some()
            || inner.unevaluated_properties.is_some()
            || inner.external_reference().is_some()
            || !inner.assertions.unsupported.is_empty()
            || match name {
                MemberName::Named(name) => {
                    inner.properties.contains_key(name)
                        || inner
                            .pattern_properties
                            .iter()
                            .any(|entry| pair.name_matches(entry, name) != Some(false))
                }
                MemberName::Matching(_) | MemberName::Other => !inner.pattern_properties.is_empty(),
            }
    })
}
