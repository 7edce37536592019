//! Conditions on a value and on its parts, which cases take in.

use super::classes::Class;
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::{Bound, TypeSet};
use crate::json_schema::reason::Rule;
use std::rc::Rc;

/// Whether a value is valid under the subschemas of a class, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal(u32);

impl Literal {
    pub(super) fn new(class: Class, holds: bool) -> Self {
        Self(class << 1 | u32::from(holds))
    }

    pub(super) fn class(self) -> Class {
        self.0 >> 1
    }

    pub(super) fn holds(self) -> bool {
        self.0 & 1 == 1
    }

    pub(super) fn negated(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// A keyword whose effect is not known, or not followed to the end: it keeps a case from being decided.
#[derive(Debug, PartialEq)]
pub(super) struct Doubt {
    pub(super) rule: Rule,
    pub(super) class: Class,
    /// The path from the subschema to the keyword.
    pub(super) keyword: String,
    pub(super) message: String,
    /// Whether the keyword stands against the value: a reader's, as a rule.
    pub(super) is_against: bool,
}

/// The values that a required member has: values of other members' tags tell alternatives apart.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    pub(super) name: Rc<str>,
    /// The hashes of the values, in ascending order.
    pub(super) values: Rc<[u128]>,
}

/// The names of a member that some object must have.
#[derive(Debug, Clone, Default)]
pub(super) struct NameCondition {
    /// Patterns that the name matches.
    pub(super) matching: Option<Rc<str>>,
    /// Subschemas that neither name it in `properties` nor match it in `patternProperties`.
    pub(super) outside: Vec<Class>,
    /// Conditions on the name as a text.
    pub(super) literals: Vec<Literal>,
    /// Whether it is none of the names that are known to be present.
    pub(super) is_new: bool,
    /// Names that it is not.
    pub(super) other_than: Vec<Rc<str>>,
    /// The subschema whose `unevaluatedProperties` applies to it.
    pub(super) unevaluated_by: Option<Class>,
}

/// A member that an object must have.
#[derive(Debug, Clone)]
pub(super) struct MemberDemand {
    pub(super) names: NameCondition,
    pub(super) literals: Vec<Literal>,
}

/// A subschema with `contains`, and whether the value has too many items for it.
pub(super) type CountedBy = (Class, bool);

/// An item at a chosen index, with its further conditions.
pub(super) type ChosenItem = (usize, Vec<Literal>, Option<CountedBy>);

/// An item that an array must have, at an index or after one.
#[derive(Debug, Clone)]
pub(super) struct ItemDemand {
    pub(super) from: usize,
    pub(super) is_exact: bool,
    pub(super) literals: Vec<Literal>,
    /// The `contains` that demands it, and whether against the value: its demands are met at different
    /// indexes, while those of another may be met at the same ones.
    pub(super) counted: Option<CountedBy>,
    /// The subschema whose `unevaluatedItems` applies to it.
    pub(super) unevaluated_by: Option<Class>,
}

impl ItemDemand {
    /// Demands the item at an index.
    pub(super) fn at(index: usize) -> Self {
        Self { is_exact: true, ..Self::from(index) }
    }

    /// Demands an item at an index or after it.
    pub(super) fn from(index: usize) -> Self {
        Self { from: index, is_exact: false, literals: Vec::new(), counted: None, unevaluated_by: None }
    }
}

/// A condition to be added.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Literal(Literal),
    /// At least one of these holds.
    AnyOf(Rc<[Class]>),
    Types(TypeSet),
    Lower(Bound),
    Upper(Bound),
    Multiple(Decimal, bool),
    Exclude(Class),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Rc<str>, bool),
    Atom(usize, bool),
    MinItems(u64),
    MaxItems(u64),
    Duplicates,
    AtMost(Class, u64),
    Evaluated(Class),
    EveryItem(Literal),
    Item(ItemDemand),
    Present(Rc<str>),
    Absent(Rc<str>),
    MinProperties(u64),
    MaxProperties(u64),
    Named(Rc<str>, Literal),
    Member(MemberDemand),
    Doubt(Rc<Doubt>),
}
