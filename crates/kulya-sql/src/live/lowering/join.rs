//! Joins: of two changing sides by operators with state, with constants without it.

use super::builder::{Lowering, Relation};
use super::constants::{ConstantList, member};
use super::expression::expression;
use super::join_times::{JoinTimes, join_times};
use super::properties::{ColumnTraits, Properties};
use super::rows::column_position;
use crate::live::plan::Stop;
use arrow::array::RecordBatch;
use datafusion::common::{DFSchema, JoinType, NullEquality, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{self as logical, Expr, LogicalPlan, Operator, binary_expr, lit};
use kulya_incremental::{
    Expiry, ExpressionRef, Join, JoinKind, JoinOptions, NotIn, Project, Union, Unnest, UnnestOptions, column,
};
use std::sync::Arc;

/// A side of a join.
struct Side<'a> {
    relation: Relation,
    schema: &'a DFSchema,
    keys: Vec<&'a Expr>,
}

impl Lowering {
    pub(super) fn lower_join(&mut self, join: &logical::Join) -> Result<Relation, Stop> {
        if join.join_type == JoinType::Inner {
            for (constants, other) in [(&join.right, &join.left), (&join.left, &join.right)] {
                if let Some(constants_rows) = self.constant_rows(constants)? {
                    let is_left = Arc::ptr_eq(constants, &join.left);
                    return self.lower_constant_join(join, other, constants_rows, is_left);
                }
            }
        }
        let (left, right) = (self.lower(&join.left)?, self.lower(&join.right)?);
        let (left_keys, right_keys) = join.on.iter().map(|(left, right)| (left, right)).unzip();
        let left = Side { relation: left, schema: join.left.schema(), keys: left_keys };
        let right = Side { relation: right, schema: join.right.schema(), keys: right_keys };
        let (kind, [left, right]) = match join.join_type {
            JoinType::Inner => (JoinKind::Inner, [left, right]),
            JoinType::Left => (JoinKind::Left, [left, right]),
            JoinType::Right => (JoinKind::Right, [left, right]),
            JoinType::Full => (JoinKind::Full, [left, right]),
            JoinType::LeftSemi => (JoinKind::LeftSemi, [left, right]),
            JoinType::RightSemi => (JoinKind::LeftSemi, [right, left]),
            JoinType::LeftAnti if join.null_aware => return self.lower_not_in(join, &left, &right),
            JoinType::LeftAnti => (JoinKind::LeftAnti, [left, right]),
            JoinType::RightAnti => (JoinKind::LeftAnti, [right, left]),
            JoinType::LeftMark => return self.lower_mark(join, [left, right]),
            JoinType::RightMark => return self.lower_mark(join, [right, left]),
        };
        self.join_sides(join, kind, &left, &right)
    }

    fn join_sides(
        &mut self,
        join: &logical::Join,
        kind: JoinKind,
        left: &Side<'_>,
        right: &Side<'_>,
    ) -> Result<Relation, Stop> {
        for side in [left, right] {
            for key in &side.keys {
                self.check(key, side.schema, &side.relation.properties)?;
            }
        }
        let sides = [left.relation.properties.clone(), right.relation.properties.clone()];
        let pairs: Vec<(&Expr, &Expr)> = left.keys.iter().copied().zip(right.keys.iter().copied()).collect();
        let schemas = [left.schema, right.schema];
        let times = join_times(&pairs, join.filter.as_ref(), schemas, [&sides[0], &sides[1]]);
        let expiry = |side: usize, time: &Option<JoinTimes>| -> Result<Option<Expiry>, Stop> {
            let Some(times) = time else { return Ok(None) };
            let (time, keep_ms) = (expression(&times.times[side], schemas[side])?, times.keep_ms[side]);
            Ok(Some(Expiry { time, keep_ms, drops_late: times.is_window }))
        };
        let condition = match &join.filter {
            None => None,
            Some(filter) => Some(self.condition(filter, schemas, &sides)?),
        };
        let options = JoinOptions {
            condition,
            nulls_are_equal: join.null_equality == NullEquality::NullEqualsNull,
            left_expiry: expiry(0, &times)?,
            right_expiry: expiry(1, &times)?,
        };
        let on = self.on(left, right)?;
        let (left_fields, right_fields) =
            (Arc::clone(&left.relation.schema), Arc::clone(&right.relation.schema));
        let operator = Join::new(left_fields, right_fields, on, kind, options)?;
        let output = self.add("join", operator, &[left.relation.output, right.relation.output])?;
        if times.is_none() {
            self.warn_of_join(left, right);
        }
        let positions = |side: &Side<'_>| -> Option<Vec<usize>> {
            side.keys.iter().map(|key| column_position(key, side.schema)).collect()
        };
        let properties = joined(kind, &sides, &times, [positions(left), positions(right)]);
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    fn condition(
        &self,
        filter: &Expr,
        [left, right]: [&DFSchema; 2],
        sides: &[Properties; 2],
    ) -> Result<ExpressionRef, Stop> {
        let schema = left.join(right)?;
        let columns = sides.iter().flat_map(|side| side.columns.iter().cloned()).collect();
        self.check(filter, &schema, &Properties { columns, ..Properties::default() })?;
        expression(filter, &schema)
    }

    /// The keys of both sides. Without any, all rows have the same.
    fn on(&self, left: &Side<'_>, right: &Side<'_>) -> Result<Vec<(ExpressionRef, ExpressionRef)>, Stop> {
        if left.keys.is_empty() {
            return Ok(vec![(expression(&lit(true), left.schema)?, expression(&lit(true), right.schema)?)]);
        }
        let pairs = left.keys.iter().zip(&right.keys);
        pairs
            .map(|(own, other)| Ok((expression(own, left.schema)?, expression(other, right.schema)?)))
            .collect()
    }

    fn warn_of_join(&mut self, left: &Side<'_>, right: &Side<'_>) {
        for (name, side) in [("left", left), ("right", right)] {
            let properties = &side.relation.properties;
            if properties.grows && properties.insert_only {
                self.warn(&format!("keeps all rows of its {name} side, to which rows are added without end"));
            }
        }
        let has_one_row = |side: &Side<'_>| side.relation.properties.has_one_row();
        if left.keys.is_empty() && !has_one_row(left) && !has_one_row(right) {
            self.warn("compares each change of one side with all rows of the other one");
        }
    }

    /// NOT IN, for which a null among the values matters.
    fn lower_not_in(
        &mut self,
        join: &logical::Join,
        left: &Side<'_>,
        right: &Side<'_>,
    ) -> Result<Relation, Stop> {
        let on = self.on(left, right)?;
        let (None, [(value, in_values)]) = (&join.filter, on.as_slice()) else {
            return Err(Stop::rerun("NOT IN of a subquery that refers to the query around it"));
        };
        let (left_fields, right_fields) =
            (Arc::clone(&left.relation.schema), Arc::clone(&right.relation.schema));
        let operator = NotIn::new(left_fields, right_fields, Arc::clone(value), Arc::clone(in_values))?;
        let output = self.add("not in", operator, &[left.relation.output, right.relation.output])?;
        self.warn_of_join(left, right);
        let sides = [left.relation.properties.clone(), right.relation.properties.clone()];
        let properties = joined(JoinKind::LeftAnti, &sides, &None, [None, None]);
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// The left rows with a last column that says whether they have a match.
    fn lower_mark(&mut self, join: &logical::Join, [left, right]: [Side<'_>; 2]) -> Result<Relation, Stop> {
        if join.null_aware {
            return Err(Stop::rerun("IN of a subquery as a value that may be null"));
        }
        let mut outputs = Vec::new();
        let mut properties = Properties::default();
        for (kind, mark) in [(JoinKind::LeftSemi, true), (JoinKind::LeftAnti, false)] {
            let relation = self.join_sides(join, kind, &left, &right)?;
            let fields = join.schema.fields();
            let names = fields.iter().map(|field| field.name().clone());
            let mark = Expr::Literal(ScalarValue::Boolean(Some(mark)), None);
            let columns = (0..relation.schema.fields().len()).map(column);
            let columns = columns.chain([expression(&mark, left.schema)?]);
            let operator =
                Project::new(Arc::clone(&relation.schema), names.zip(columns).collect::<Vec<_>>())?;
            outputs.push(self.add("mark", operator, &[relation.output])?);
            properties = relation.properties;
        }
        let schema = self.schema(outputs[0])?;
        let operator = Union::new(vec![Arc::clone(&schema), schema])?;
        let output = self.add("union", operator, &outputs)?;
        properties.insert_only = false;
        properties.columns.push(ColumnTraits::default());
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// A join with constants, which become a list at each row.
    fn lower_constant_join(
        &mut self,
        join: &logical::Join,
        other: &LogicalPlan,
        (rows, constants): (RecordBatch, Properties),
        is_left: bool,
    ) -> Result<Relation, Stop> {
        let input = self.lower(other)?;
        let (width, count) = (input.schema.fields().len(), rows.num_columns());
        let has_one = rows.num_rows() < 2;
        let list = Arc::new(ConstantList::new(rows));
        let operator = Unnest::new(Arc::clone(&input.schema), list, "constants", UnnestOptions::default())?;
        let output = self.add("constants", operator, &[input.output])?;
        let own = (0..width).map(|index| (index, column(index)));
        let members = (0..count).map(|index| (width + index, member(width, index)));
        let columns: Vec<(usize, ExpressionRef)> = match is_left {
            true => members.chain(own).collect(),
            false => own.chain(members).collect(),
        };
        let mut properties = input.properties.clone();
        properties.columns.extend(constants.columns);
        if !has_one {
            properties.key = None;
        }
        let positions: Vec<Option<usize>> = columns.iter().map(|(position, _)| Some(*position)).collect();
        let properties = properties.project(&positions);
        let names = join.schema.fields().iter().map(|field| field.name().clone());
        let columns = names.zip(columns.into_iter().map(|(_, column)| column));
        let operator = Project::new(self.schema(output)?, columns.collect::<Vec<_>>())?;
        let output = self.add("columns", operator, &[output])?;
        let relation = Relation { schema: self.schema(output)?, output, properties };
        let equal = match join.null_equality {
            NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
            NullEquality::NullEqualsNothing => Operator::Eq,
        };
        let pairs = join.on.iter().map(|(left, right)| binary_expr(left.clone(), equal, right.clone()));
        match conjunction(pairs.chain(join.filter.clone())) {
            Some(condition) => self.filtered(relation, &join.schema, &condition),
            None => Ok(relation),
        }
    }
}

/// What is known about the rows of a join. `keys` are the columns of both sides that are equal, if the keys
/// are columns.
fn joined(
    kind: JoinKind,
    [left, right]: &[Properties; 2],
    times: &Option<JoinTimes>,
    keys: [Option<Vec<usize>>; 2],
) -> Properties {
    let has_pairs = !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    let columns_of = |side: usize, properties: &Properties| -> Vec<ColumnTraits> {
        let of = |column: &ColumnTraits| {
            // a row that is kept may be passed on later
            let time = times.as_ref().zip(column.time).map(|(times, mut bound)| {
                bound.behind_ms = bound.behind_ms.saturating_add(times.delay_ms[side]);
                bound
            });
            ColumnTraits { time, lengths: None, is_arrival: column.is_arrival }
        };
        properties.columns.iter().map(of).collect()
    };
    let mut columns = columns_of(0, left);
    if has_pairs {
        columns.extend(columns_of(1, right));
    }
    let insert_only = left.insert_only
        && right.insert_only
        && (matches!(kind, JoinKind::Inner | JoinKind::LeftSemi) || times.is_some());
    Properties {
        insert_only,
        key: if has_pairs { pair_key(kind, [left, right], &keys) } else { left.key.clone() },
        columns,
        facts: Vec::new(),
        has_watermark: left.has_watermark && right.has_watermark,
        grows: left.grows || right.grows,
    }
}

/// Returns the columns by which pairs are unique. If the equal columns of a side are unique there, those of
/// the other side are enough.
fn pair_key(
    kind: JoinKind,
    [left, right]: [&Properties; 2],
    keys: &[Option<Vec<usize>>; 2],
) -> Option<Vec<usize>> {
    let width = left.columns.len();
    let (left_key, right_key) = (left.key.as_ref(), right.key.as_ref());
    let is_matched_once = |side: usize, key: Option<&Vec<usize>>| {
        let equal = keys[side].as_deref().unwrap_or_default();
        key.is_some_and(|key| key.iter().all(|column| equal.contains(column)))
    };
    let of_right = |key: &Vec<usize>| key.iter().map(|column| width + column).collect::<Vec<_>>();
    if matches!(kind, JoinKind::Inner | JoinKind::Left) && is_matched_once(1, right_key) {
        return left_key.cloned();
    }
    if matches!(kind, JoinKind::Inner | JoinKind::Right) && is_matched_once(0, left_key) {
        return right_key.map(of_right);
    }
    Some([left_key?.clone(), of_right(right_key?)].concat())
}
