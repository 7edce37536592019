//! The two schemas side by side, and how much work may still be spent on them.

use super::node::{Keywords, Node};
use super::{Draft, Schema};
use std::cell::Cell;
use std::collections::HashSet;

/// How many steps a comparison may take: a step looks at one subschema, name or value. More is answered with
/// `Unknown`.
pub const MAX_STEPS: u64 = 500_000;

/// Whose subschema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    Writer,
    Reader,
}

/// A subschema of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) side: Side,
    pub(super) number: usize,
}

impl Id {
    /// Another subschema of the same side.
    pub(super) fn beside(self, number: usize) -> Self {
        Self { number, ..self }
    }
}

pub(super) struct World<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    steps: Cell<u64>,
}

impl<'a> World<'a> {
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema) -> Self {
        Self { reader, writer, steps: Cell::new(MAX_STEPS) }
    }

    pub(super) fn schema(&self, side: Side) -> &'a Schema {
        match side {
            Side::Reader => self.reader,
            Side::Writer => self.writer,
        }
    }

    pub(super) fn node(&self, id: Id) -> Option<&'a Node> {
        self.schema(id.side).nodes.get(id.number)
    }

    pub(super) fn keywords(&self, id: Id) -> Option<&'a Keywords> {
        self.node(id)?.keywords()
    }

    pub(super) fn draft(&self, id: Id) -> Draft {
        self.schema(id.side).draft
    }

    /// The subschema that this one only refers to, through any number of steps.
    pub(super) fn unwrapped(&self, id: Id) -> Id {
        let mut id = id;
        while let Some(only) = self.keywords(id).and_then(Keywords::wraps)
            && self.spend(1)
        {
            id = id.beside(only);
        }
        id
    }

    /// False when nothing is left to spend.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let left = self.steps.get().saturating_sub(u64::try_from(steps).unwrap_or(u64::MAX));
        self.steps.set(left);
        left > 0
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }

    pub(super) fn steps_left(&self) -> u64 {
        self.steps.get()
    }

    /// Whether both subschemas assert the same in the same words, as far as their references lead.
    pub(super) fn same(&self, one: Id, other: Id) -> bool {
        let mut seen = HashSet::new();
        let mut ahead = vec![(one, other)];
        while let Some((one, other)) = ahead.pop() {
            if one == other || !seen.insert((one, other)) {
                continue;
            }
            if !self.spend(1) {
                return false;
            }
            let (Some(one_node), Some(other_node)) = (self.node(one), self.node(other)) else { return false };
            let (one_keywords, other_keywords) = match (one_node.keywords(), other_node.keywords()) {
                (Some(one), Some(other)) => (one, other),
                (None, None) if one_node.always() == other_node.always() => continue,
                _ => return false,
            };
            if !self.same_words(one, one_keywords, other, other_keywords) {
                return false;
            }
            let (inner, other_inner) = (one_keywords.inner(), other_keywords.inner());
            if inner.len() != other_inner.len() || !self.spend(inner.len()) {
                return false;
            }
            for ((name, number), (other_name, other_number)) in inner.into_iter().zip(other_inner) {
                if name != other_name {
                    return false;
                }
                ahead.push((one.beside(number), other.beside(other_number)));
            }
        }
        true
    }

    fn same_words(&self, one: Id, keywords: &Keywords, other: Id, other_keywords: &Keywords) -> bool {
        let drafts = self.draft(one) == self.draft(other);
        // drafts differ in what an integer is, and in what `contains` has seen
        let telling = |keywords: &Keywords| {
            keywords.scalars.types.is_some()
                || keywords.unevaluated_items.is_some()
                || keywords.unevaluated_properties.is_some()
        };
        if !drafts && (telling(keywords) || telling(other_keywords)) {
            return false;
        }
        let outside = |keywords: &Keywords| keywords.outside().map(str::to_owned);
        let dynamic = self.schema(one.side).dynamic || self.schema(other.side).dynamic;
        let known = |uri: &String| uri.contains(':') && !dynamic;
        keywords.scalars.unsure.is_empty()
            && keywords.scalars == other_keywords.scalars
            && outside(keywords) == outside(other_keywords)
            && outside(keywords).as_ref().is_none_or(known)
    }
}
