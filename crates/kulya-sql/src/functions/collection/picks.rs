//! What the functions of collections pick, row by row.

use Argument::{Element, Flag, List, Number, Value};
use arrow::row::Rows;
use std::collections::HashSet;
use std::ops::Range;

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    List,
    /// A value of the elements' type.
    Element,
    /// A value of the type that all have.
    Value,
    Number,
    Flag,
}

/// What a row gives.
pub(super) enum Picked {
    Null,
    /// An array of the elements at these positions.
    List(Vec<usize>),
    /// The element at this position.
    One(usize),
    Boolean(bool),
    Int(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returns {
    List,
    Element,
    Boolean,
    Int,
}

/// The arguments of a row. Elements are positions in one column of all elements.
pub(super) struct Picker<'a> {
    pub(super) operands: &'a [Operand],
    pub(super) keys: &'a Rows,
    pub(super) is_null: &'a dyn Fn(usize) -> bool,
    pub(super) row: usize,
}

pub(super) enum Operand {
    Lists(Vec<Option<Range<usize>>>),
    /// The position of the first row's value.
    Elements(usize),
    Numbers(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
}

impl Picker<'_> {
    fn list(&self, argument: usize) -> Option<Range<usize>> {
        match self.operands.get(argument)? {
            Operand::Lists(lists) => lists.get(self.row)?.clone(),
            _ => None,
        }
    }

    /// Returns the position of an argument that is a value.
    fn element(&self, argument: usize) -> usize {
        match self.operands.get(argument) {
            Some(Operand::Elements(first)) => first + self.row,
            _ => 0,
        }
    }

    fn number(&self, argument: usize) -> Option<i64> {
        match self.operands.get(argument)? {
            Operand::Numbers(numbers) => *numbers.get(self.row)?,
            _ => None,
        }
    }

    /// Returns a flag; `default` where it was left out.
    fn flag(&self, argument: usize, default: bool) -> Option<bool> {
        match self.operands.get(argument) {
            None => Some(default),
            Some(Operand::Flags(flags)) => *flags.get(self.row)?,
            Some(_) => None,
        }
    }

    fn equal(&self, one: usize, other: usize) -> bool {
        self.keys.row(one) == self.keys.row(other)
    }

    /// Returns the positions of elements that differ, each the first of its value.
    fn distinct(&self, positions: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut seen = HashSet::new();
        positions.into_iter().filter(|position| seen.insert(self.keys.row(*position))).collect()
    }
}

pub(super) type Pick = fn(&Picker<'_>) -> Result<Option<Picked>, String>;

/// A function; `None` of its computation is null.
#[derive(Clone, Copy)]
pub(super) struct Declared {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [Argument],
    pub(super) optional: usize,
    pub(super) repeats: bool,
    pub(super) returns: Returns,
    pub(super) pick: Pick,
}

pub(super) const fn declared(
    name: &'static str,
    arguments: &'static [Argument],
    returns: Returns,
    pick: Pick,
) -> Declared {
    Declared { name, arguments, optional: 0, repeats: false, returns, pick }
}

pub(super) const FUNCTIONS: &[Declared] = &[
    declared("array_append", &[List, Element], Returns::List, |it| {
        let Some(list) = it.list(0) else { return Ok(None) };
        Ok(Some(Picked::List(list.chain([it.element(1)]).collect())))
    }),
    declared("array_prepend", &[List, Element], Returns::List, |it| {
        let Some(list) = it.list(0) else { return Ok(None) };
        Ok(Some(Picked::List([it.element(1)].into_iter().chain(list).collect())))
    }),
    declared("array_contains", &[List, Element], Returns::Boolean, |it| {
        let Some(mut list) = it.list(0) else { return Ok(None) };
        Ok(Some(Picked::Boolean(list.any(|position| it.equal(position, it.element(1))))))
    }),
    declared("array_position", &[List, Element], Returns::Int, |it| {
        let Some(mut list) = it.list(0).filter(|_| !(it.is_null)(it.element(1))) else { return Ok(None) };
        let found = list.position(|position| it.equal(position, it.element(1)));
        Ok(Some(Picked::Int(found.map_or(0, |found| found + 1))))
    }),
    declared("array_remove", &[List, Element], Returns::List, |it| {
        let Some(list) = it.list(0) else { return Ok(None) };
        Ok(Some(Picked::List(list.filter(|position| !it.equal(*position, it.element(1))).collect())))
    }),
    declared("array_distinct", &[List], Returns::List, |it| {
        Ok(it.list(0).map(|list| Picked::List(it.distinct(list))))
    }),
    declared("array_reverse", &[List], Returns::List, |it| {
        Ok(it.list(0).map(|list| Picked::List(list.rev().collect())))
    }),
    Declared { optional: 1, ..declared("array_slice", &[List, Number, Number], Returns::List, slice) },
    Declared { optional: 2, ..declared("array_sort", &[List, Flag, Flag], Returns::List, sort) },
    declared("array_union", &[List, List], Returns::List, |it| {
        let Some((one, other)) = it.list(0).zip(it.list(1)) else { return Ok(None) };
        Ok(Some(Picked::List(it.distinct(one.chain(other)))))
    }),
    declared("array_except", &[List, List], Returns::List, |it| {
        let Some((one, other)) = it.list(0).zip(it.list(1)) else { return Ok(None) };
        let other: HashSet<_> = other.map(|position| it.keys.row(position)).collect();
        Ok(Some(Picked::List(it.distinct(one.filter(|position| !other.contains(&it.keys.row(*position)))))))
    }),
    declared("array_intersect", &[List, List], Returns::List, |it| {
        let Some((one, other)) = it.list(0).zip(it.list(1)) else { return Ok(None) };
        let other: HashSet<_> = other.map(|position| it.keys.row(position)).collect();
        Ok(Some(Picked::List(it.distinct(one.filter(|position| other.contains(&it.keys.row(*position)))))))
    }),
    Declared {
        repeats: true,
        ..declared("array_concat", &[List], Returns::List, |it| {
            let lists: Option<Vec<_>> = (0..it.operands.len()).map(|argument| it.list(argument)).collect();
            Ok(lists.map(|lists| Picked::List(lists.into_iter().flatten().collect())))
        })
    },
    declared("array_max", &[List], Returns::Element, |it| Ok(extreme(it, it.list(0), true, false))),
    declared("array_min", &[List], Returns::Element, |it| Ok(extreme(it, it.list(0), false, false))),
    declared("element", &[List], Returns::Element, |it| match it.list(0) {
        Some(list) if list.len() > 1 => Err("the array has more than one element".to_owned()),
        list => Ok(list.and_then(|mut list| list.next()).map(Picked::One)),
    }),
    Declared {
        repeats: true,
        ..declared("greatest", &[Value], Returns::Element, |it| {
            Ok(extreme(it, Some((0..it.operands.len()).map(|argument| it.element(argument))), true, true))
        })
    },
    Declared {
        repeats: true,
        ..declared("least", &[Value], Returns::Element, |it| {
            Ok(extreme(it, Some((0..it.operands.len()).map(|argument| it.element(argument))), false, true))
        })
    },
];

/// Returns the greatest or smallest of values that are not null; null beside a null if `strict`.
fn extreme(
    it: &Picker<'_>,
    positions: Option<impl Iterator<Item = usize>>,
    greatest: bool,
    strict: bool,
) -> Option<Picked> {
    let mut found: Option<usize> = None;
    for position in positions? {
        if (it.is_null)(position) {
            if strict {
                return None;
            }
            continue;
        }
        let is_better = found.is_none_or(|best| match greatest {
            true => it.keys.row(position) > it.keys.row(best),
            false => it.keys.row(position) < it.keys.row(best),
        });
        if is_better {
            found = Some(position);
        }
    }
    found.map(Picked::One)
}

/// Offsets begin at 1, or below zero at the end; 0 is the first one too.
fn slice(it: &Picker<'_>) -> Result<Option<Picked>, String> {
    let Some((list, from)) = it.list(0).zip(it.number(1)) else { return Ok(None) };
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let to = if it.operands.len() > 2 { it.number(2) } else { Some(length) };
    let Some(to) = to else { return Ok(None) };
    let from_start =
        |offset: i64| if offset < 0 { length.saturating_add(offset).saturating_add(1) } else { offset };
    let (from, to) = (from_start(from), from_start(to));
    let is_empty = length == 0 || from > to || from > length || to < 0 || (to == 0 && from < 0);
    if is_empty {
        return Ok(Some(Picked::List(Vec::new())));
    }
    let (from, to) = (from.max(1), to.clamp(1, length));
    let skipped = usize::try_from(from - 1).unwrap_or(0);
    let count = usize::try_from(to - from + 1).unwrap_or(0);
    Ok(Some(Picked::List(list.skip(skipped).take(count).collect())))
}

fn sort(it: &Picker<'_>) -> Result<Option<Picked>, String> {
    let Some((list, ascending)) = it.list(0).zip(it.flag(1, true)) else { return Ok(None) };
    let Some(nulls_first) = it.flag(2, ascending) else { return Ok(None) };
    let (nulls, mut sorted): (Vec<usize>, Vec<usize>) = list.partition(|position| (it.is_null)(*position));
    sorted.sort_by(|one, other| match ascending {
        true => it.keys.row(*one).cmp(&it.keys.row(*other)),
        false => it.keys.row(*other).cmp(&it.keys.row(*one)),
    });
    Ok(Some(Picked::List(if nulls_first { [nulls, sorted].concat() } else { [sorted, nulls].concat() })))
}
