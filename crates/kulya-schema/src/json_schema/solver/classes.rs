//! Classes of equal subschemas, over both schemas: two subschemas are in one class if their keywords are the
//! same and their inner subschemas are in the same classes. What the keywords mean does not matter.
//!
//! The classes are the coarsest partition that is stable under this rule, so recursive definitions that are
//! written alike are equal, too. It is found by refinement: a subschema is looked at again when the class of
//! one of its inner subschemas has changed.

use crate::json_schema::draft::Draft;
use crate::json_schema::node::{Assertions, Body, Bound, Keywords, Node};
use crate::json_schema::schema_pair::{Role, SchemaPair, SubschemaId};
use crate::json_schema::value_set::{hash, keyed_hash};
use rustc_hash::FxHashMap;

/// The number of a class.
pub(super) type Class = u32;

/// The classes of all subschemas of a pair.
pub(super) struct Classes {
    of_node: Vec<Class>,
    writer_count: usize,
    /// A subschema of each class in each role.
    members: Vec<[Option<SubschemaId>; 2]>,
}

impl Classes {
    pub(super) fn new(pair: &SchemaPair<'_>) -> Self {
        let writer_count = pair.schema(Role::Writer).nodes.len();
        let count = writer_count + pair.schema(Role::Reader).nodes.len();
        let id = |index: usize| {
            if index < writer_count {
                SubschemaId { role: Role::Writer, number: index }
            } else {
                SubschemaId { role: Role::Reader, number: index - writer_count }
            }
        };
        let index = |id: SubschemaId| match id.role {
            Role::Writer => id.number,
            Role::Reader => writer_count + id.number,
        };
        let target: Vec<usize> = (0..count).map(|number| index(pair.dereference(id(number)))).collect();
        let children: Vec<Vec<(bool, usize)>> = (0..count)
            .map(|number| {
                let keywords =
                    if target.get(number) == Some(&number) { pair.keywords(id(number)) } else { None };
                let inner = |(is_ordered, inner): (bool, usize)| {
                    (is_ordered, target.get(index(id(number).sibling(inner))).copied().unwrap_or(number))
                };
                keywords
                    .map(|keywords| ordered_children(keywords).into_iter().map(inner).collect())
                    .unwrap_or_default()
            })
            .collect();
        pair.spend(count / 2);
        let keys: Vec<u128> = (0..count)
            .map(|number| if target.get(number) == Some(&number) { local_key(pair, id(number)) } else { 0 })
            .collect();
        let of_node = refine(pair, &keys, &children, &target);
        let class_count = of_node.iter().max().map_or(0, |max| max + 1);
        let mut members = vec![[None, None]; usize::try_from(class_count).unwrap_or(0)];
        for number in (0..count).rev() {
            let class = of_node.get(number).and_then(|class| usize::try_from(*class).ok());
            if let Some(of_class) = class.and_then(|class| members.get_mut(class)) {
                let slot: &mut Option<SubschemaId> = &mut of_class[usize::from(number >= writer_count)];
                // a subschema that only refers to another is no place to report
                if target.get(number) == Some(&number) || slot.is_none() {
                    *slot = Some(id(number));
                }
            }
        }
        Self { of_node, writer_count, members }
    }

    pub(super) fn of(&self, id: SubschemaId) -> Class {
        let index = match id.role {
            Role::Writer => id.number,
            Role::Reader => self.writer_count + id.number,
        };
        self.of_node.get(index).copied().unwrap_or_default()
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Returns a subschema of the class, of the given role if there is one.
    pub(super) fn member(&self, class: Class, role: Role) -> Option<SubschemaId> {
        let members = self.members.get(usize::try_from(class).ok()?)?;
        let [writer, reader] = *members;
        match role {
            Role::Writer => writer.or(reader),
            Role::Reader => reader.or(writer),
        }
    }
}

/// Refines the partition by keys until it is stable.
fn refine(
    pair: &SchemaPair<'_>,
    keys: &[u128],
    children: &[Vec<(bool, usize)>],
    target: &[usize],
) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::with_capacity(keys.len());
    let mut by_key: FxHashMap<u128, Class> = FxHashMap::default();
    for key in keys {
        let next = u32::try_from(by_key.len()).unwrap_or(u32::MAX);
        classes.push(*by_key.entry(*key).or_insert(next));
    }
    let mut sizes = vec![0usize; by_key.len()];
    let at = |class: Class| usize::try_from(class).unwrap_or(usize::MAX);
    for class in &classes {
        if let Some(size) = sizes.get_mut(at(*class)) {
            *size += 1;
        }
    }
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); keys.len()];
    for (parent, inner) in children.iter().enumerate() {
        for (_, child) in inner {
            if let Some(parents) = parents.get_mut(*child) {
                parents.push(parent);
            }
        }
    }
    let mut pending: Vec<usize> = (0..keys.len()).collect();
    while !pending.is_empty() {
        pending.sort_unstable();
        pending.dedup();
        let mut groups: FxHashMap<(Class, u128), Vec<usize>> = FxHashMap::default();
        let mut looked_at: FxHashMap<Class, usize> = FxHashMap::default();
        for number in pending.drain(..) {
            let class = classes.get(number).copied().unwrap_or_default();
            let inner = children.get(number).map_or(&[][..], Vec::as_slice);
            // without understanding: when the budget ends, everything is different
            let signature =
                if pair.spend(inner.len() / 8) { signature(&classes, inner) } else { keyed_hash(&number) };
            groups.entry((class, signature)).or_default().push(number);
            *looked_at.entry(class).or_default() += 1;
        }
        let mut groups: Vec<((Class, u128), Vec<usize>)> = groups.into_iter().collect();
        groups.sort_unstable_by_key(|((class, _), numbers)| {
            (*class, std::cmp::Reverse(numbers.len()), numbers.first().copied())
        });
        let mut kept: Option<Class> = None;
        for ((class, _), numbers) in groups {
            let is_first = kept != Some(class);
            kept = Some(class);
            let untouched =
                sizes.get(at(class)).copied().unwrap_or(0) - looked_at.get(&class).copied().unwrap_or(0);
            // the largest group keeps the number, unless others of the class were not looked at
            if is_first && untouched == 0 {
                continue;
            }
            let fresh = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
            sizes.push(numbers.len());
            if let Some(size) = sizes.get_mut(at(class)) {
                *size -= numbers.len();
            }
            if let Some(looked_at) = looked_at.get_mut(&class) {
                *looked_at -= numbers.len();
            }
            for number in numbers {
                if let Some(class) = classes.get_mut(number) {
                    *class = fresh;
                }
                pending.extend(parents.get(number).into_iter().flatten());
            }
        }
    }
    for number in 0..classes.len() {
        let class = target.get(number).and_then(|target| classes.get(*target)).copied();
        if let (Some(slot), Some(class)) = (classes.get_mut(number), class) {
            *slot = class;
        }
    }
    classes
}

fn signature(classes: &[Class], inner: &[(bool, usize)]) -> u128 {
    let class = |number: &usize| classes.get(*number).copied().unwrap_or_default();
    let ordered: Vec<Class> = inner.iter().filter(|(ordered, _)| *ordered).map(|(_, n)| class(n)).collect();
    let mut others: Vec<Class> =
        inner.iter().filter(|(ordered, _)| !*ordered).map(|(_, n)| class(n)).collect();
    others.sort_unstable();
    keyed_hash(&(ordered, others))
}

/// Returns the inner subschemas, each with whether its place in the order matters. Lists of alternatives are
/// told apart by their lengths, which are part of the key, and by the order of the lists.
fn ordered_children(keywords: &Keywords) -> Vec<(bool, usize)> {
    let is_only_list = |list: &Vec<usize>| {
        let lists = [Some(&keywords.all_of), keywords.any_of.as_ref(), keywords.one_of.as_ref()];
        lists.into_iter().flatten().filter(|list| !list.is_empty()).count() == 1 && !list.is_empty()
    };
    let list_of = |name: &str| match name.split(' ').next() {
        Some("all") => Some(&keywords.all_of),
        Some("any") => keywords.any_of.as_ref(),
        Some("one") => keywords.one_of.as_ref(),
        _ => None,
    };
    let mut inner: Vec<(bool, usize)> = keywords
        .children()
        .into_iter()
        .map(|(name, number)| {
            let is_alternative = ["all of ", "any of ", "one of "].iter().any(|list| name.starts_with(list));
            (!(is_alternative && list_of(&name).is_some_and(is_only_list)), number)
        })
        .collect();
    inner.extend(keywords.legacy_dependencies.values().map(|number| (true, *number)));
    inner.extend(keywords.dynamic_targets.iter().map(|number| (true, *number)));
    inner
}

/// Hashes what a subschema says apart from its inner subschemas.
fn local_key(pair: &SchemaPair<'_>, id: SubschemaId) -> u128 {
    let Some(Node { body, .. }) = pair.node(id) else { return 0 };
    let keywords = match body {
        Body::Boolean(value) => return u128::from(*value) + 1,
        Body::Keywords(keywords) => keywords,
    };
    if keywords.is_trivial() {
        return 2;
    }
    let is_modern = pair.draft(id) >= Draft::Draft202012;
    // `contains` evaluates items in the latest draft only
    let depends_on_draft = keywords.contains.is_some() || keywords.unevaluated_items.is_some();
    let external = keywords.external_reference().map(|uri| {
        let is_dynamic =
            [Role::Reader, Role::Writer].iter().any(|role| pair.schema(*role).has_dynamic_anchors);
        // a relative reference, or one that may lead back, means something else in each document
        (uri, (is_dynamic || !uri.contains(':')).then_some(id.role))
    });
    let names: Vec<&String> = keywords
        .properties
        .keys()
        .chain(keywords.dependent_schemas.keys())
        .chain(keywords.legacy_dependencies.keys())
        .chain(keywords.pattern_properties.iter().map(|entry| &entry.text))
        .collect();
    let counts = [
        keywords.prefix_items.len(),
        keywords.all_of.len(),
        keywords.any_of.as_ref().map_or(usize::MAX, Vec::len),
        keywords.one_of.as_ref().map_or(usize::MAX, Vec::len),
        keywords.properties.len(),
        keywords.dependent_schemas.len(),
        keywords.legacy_dependencies.len(),
    ];
    let present: Vec<bool> = [
        keywords.reference_number(),
        keywords.additional_items.map(|(number, _)| number),
        keywords.contains,
        keywords.unevaluated_items,
        keywords.additional_properties,
        keywords.unevaluated_properties,
        keywords.property_names,
        keywords.not,
        keywords.condition.map(|condition| condition.when),
        keywords.condition.and_then(|condition| condition.then),
        keywords.condition.and_then(|condition| condition.otherwise),
    ]
    .iter()
    .map(Option::is_some)
    .collect();
    let shape = keyed_hash(&(names, counts, present, external, depends_on_draft && is_modern));
    keyed_hash(&(shape, assertions_key(&keywords.assertions)))
}

fn assertions_key(assertions: &Assertions) -> u128 {
    let bound = |bound: &Option<Bound>| bound.map(|bound| (bound.value, bound.is_exclusive));
    let values = assertions.values.as_ref().or(assertions.constant.as_ref()).map(|set| set.sorted_hashes());
    // an `enum` and a `const` beside each other are rare, and then both count
    let constant =
        assertions.values.as_ref().and(assertions.constant.as_ref()).map(|set| set.sorted_hashes());
    let scalars = keyed_hash(&(
        (assertions.types, values, constant, assertions.draft4_integer),
        (bound(&assertions.minimum), bound(&assertions.maximum), assertions.multiple_of),
        (assertions.min_length, assertions.max_length, &assertions.pattern, &assertions.format),
    ));
    let content: Vec<(&str, u128)> =
        assertions.content.iter().map(|(name, value)| (*name, hash(value))).collect();
    let unsupported: Vec<(&str, u128)> =
        assertions.unsupported.iter().map(|entry| (entry.keyword, hash(&entry.value))).collect();
    keyed_hash(&(
        scalars,
        (assertions.min_items, assertions.max_items, assertions.unique_items),
        (assertions.min_contains, assertions.max_contains),
        (&assertions.required, assertions.min_properties, assertions.max_properties),
        (&assertions.dependent_required, content, unsupported),
    ))
}
