//! Joins whose rows can be forgotten: of equal windows, and of times whose distance is limited.

use super::properties::{Properties, TimeBound};
use super::time_bounds::{self, bound, shifted};
use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

/// When the rows of a join are forgotten.
#[derive(Debug)]
pub(super) struct JoinTimes {
    /// The time of the rows of each side.
    pub(super) times: [Expr; 2],
    /// How long they are kept.
    pub(super) keep_ms: [i64; 2],
    /// By how much a row that is passed on may be behind one that was just read.
    pub(super) delay_ms: [i64; 2],
    /// Rows behind the watermark are dropped.
    pub(super) is_window: bool,
}

/// Returns when the rows of a join are forgotten; `None` for one that keeps them.
pub(super) fn join_times(
    pairs: &[(&Expr, &Expr)],
    filter: Option<&Expr>,
    schemas: [&DFSchema; 2],
    sides: [&Properties; 2],
) -> Option<JoinTimes> {
    if sides.iter().any(|side| !side.has_watermark) {
        return None;
    }
    windows(pairs, schemas, sides).or_else(|| interval(pairs, filter, schemas, sides))
}

fn forgotten(
    times: [&Expr; 2],
    bounds: [TimeBound; 2],
    limits: [i64; 2],
    is_window: bool,
) -> Option<JoinTimes> {
    // a row is of no use when those of the other side that may come are too far away
    let keep_ms = [limits[0].checked_add(bounds[1].behind_ms)?, limits[1].checked_add(bounds[0].behind_ms)?];
    let delay = |side: usize| keep_ms[side].saturating_sub(bounds[side].behind_ms).max(0);
    Some(JoinTimes { times: times.map(Clone::clone), keep_ms, delay_ms: [delay(0), delay(1)], is_window })
}

/// A join of windows: both their starts and their ends are equal.
fn windows(pairs: &[(&Expr, &Expr)], schemas: [&DFSchema; 2], sides: [&Properties; 2]) -> Option<JoinTimes> {
    let bounds = pairs.iter().filter_map(|(left, right)| {
        let bounds = [bound(left, schemas[0], sides[0])?, bound(right, schemas[1], sides[1])?];
        bounds.iter().all(|bound| bound.is_window).then_some(([*left, *right], bounds))
    });
    let bounds: Vec<_> = bounds.collect();
    let (times, bounds) = match bounds.len() {
        0 | 1 => return None,
        _ => bounds.into_iter().min_by_key(|(_, bounds)| bounds[0].behind_ms.max(bounds[1].behind_ms))?,
    };
    forgotten(times, bounds, [0, 0], true)
}

/// A comparison of a time of one side with one of the other.
struct Distance<'a> {
    /// The times, and the side of the smaller one.
    times: [&'a Expr; 2],
    smaller: usize,
    /// The smaller time is at most the larger one plus this.
    most_ms: i64,
}

/// An interval join: `right ≤ left + x` and `left ≤ right + y`.
fn interval(
    pairs: &[(&Expr, &Expr)],
    filter: Option<&Expr>,
    schemas: [&DFSchema; 2],
    sides: [&Properties; 2],
) -> Option<JoinTimes> {
    let mut distances = Vec::new();
    for (left, right) in pairs {
        distances.extend(distance((left, right, false), schemas, sides));
        distances.extend(distance((right, left, false), schemas, sides));
    }
    for conjunct in filter.into_iter().flat_map(split_conjunction) {
        match conjunct {
            Expr::Between(Between { expr, negated: false, low, high }) => {
                distances.extend(distance((low, expr, false), schemas, sides));
                distances.extend(distance((expr, high, false), schemas, sides));
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                distances.extend(distance((left, right, false), schemas, sides));
                distances.extend(distance((right, left, false), schemas, sides));
            }
            other => {
                let comparison = time_bounds::smaller(other);
                distances.extend(comparison.and_then(|it| distance(it, schemas, sides)));
            }
        }
    }
    let times = distances.first()?.times;
    let limit = |smaller: usize| {
        let of_times = distances.iter().filter(|it| it.times == times && it.smaller == smaller);
        of_times.map(|it| it.most_ms).min()
    };
    // of a left row, how far right ones go; of a right row, how far left ones go
    let limits = [limit(1)?, limit(0)?];
    let bounds = [bound(times[0], schemas[0], sides[0])?, bound(times[1], schemas[1], sides[1])?];
    forgotten(times, bounds, limits, false)
}

fn distance<'a>(
    (small, large, is_strict): (&'a Expr, &'a Expr, bool),
    schemas: [&DFSchema; 2],
    sides: [&Properties; 2],
) -> Option<Distance<'a>> {
    let ((small, small_ms), (large, large_ms)) = (shifted(small), shifted(large));
    let (smaller, larger) = (side(small, schemas, sides)?, side(large, schemas, sides)?);
    let most_ms = large_ms.checked_sub(small_ms)?.checked_sub(i64::from(is_strict))?;
    let times = match (smaller, larger) {
        (0, 1) => [small, large],
        (1, 0) => [large, small],
        _ => return None,
    };
    Some(Distance { times, smaller, most_ms })
}

/// Returns the side that has a column which is the time of rows.
fn side(time: &Expr, schemas: [&DFSchema; 2], sides: [&Properties; 2]) -> Option<usize> {
    let Expr::Column(column) = time else { return None };
    (0..2).find(|side| {
        let index = schemas[*side].index_of_column(column).ok();
        index.and_then(|index| sides[*side].time(index)).is_some_and(|bound| !bound.is_window)
    })
}
