//! GROUP BY: of all rows so far, or of the rows of a window that the watermark closes.

use super::aggregate_call::{Calls, Finished};
use super::builder::{Lowering, Relation};
use super::expression::{expression, moved};
use super::properties::{ColumnTraits, Properties, TimeBound};
use super::rows::column_position;
use super::time_bounds::{bound, has_window};
use crate::live::plan::Stop;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{self as logical, Expr, GroupingSet};
use kulya_incremental::{
    Aggregate, AggregateOptions, ExpressionRef, Project, Union, WindowAggregate, WindowAggregateOptions,
};
use std::sync::Arc;

impl Lowering {
    pub(super) fn lower_aggregate(&mut self, aggregate: &logical::Aggregate) -> Result<Relation, Stop> {
        let input = self.lower(&aggregate.input)?;
        match aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => self.lower_grouping_sets(aggregate, sets, &input),
            groups => {
                let groups: Vec<&Expr> = groups.iter().collect();
                self.grouped(aggregate, &groups, &input)
            }
        }
    }

    /// The groups of rows by expressions, and the columns of all calls.
    fn grouped(
        &mut self,
        aggregate: &logical::Aggregate,
        groups: &[&Expr],
        input: &Relation,
    ) -> Result<Relation, Stop> {
        let schema = aggregate.input.schema();
        let mut keys = Vec::with_capacity(groups.len());
        for (index, group) in groups.iter().enumerate() {
            self.check(group, schema, &input.properties)?;
            keys.push((format!("key {index}"), expression(group, schema)?));
        }
        for call in &aggregate.aggr_expr {
            self.check(call, schema, &input.properties)?;
        }
        let results = aggregate.schema.fields();
        let results = &results[results.len() - aggregate.aggr_expr.len()..];
        let Calls { calls, finished, keeps_rows } = Calls::new(&aggregate.aggr_expr, results, schema)?;
        let insert_only = input.properties.insert_only;
        let window = window(groups, schema, &input.properties);
        let fields = Arc::clone(&input.schema);
        let has_calls = !calls.is_empty();
        let output = match &window {
            Some((group, bound)) => {
                // a window with the end e is closed at e - 1 ms
                let end = moved(expression(group, schema)?, bound.behind_ms.saturating_add(1));
                let options = WindowAggregateOptions { insert_only, keep_late: false };
                let operator = WindowAggregate::new(fields, keys, end, calls, options)?;
                self.add("window aggregate", operator, &[input.output])?
            }
            None => {
                let options = AggregateOptions { insert_only, keep_empty: true };
                let operator = Aggregate::new(fields, keys, calls, options)?;
                self.add("aggregate", operator, &[input.output])?
            }
        };
        if keeps_rows && window.is_none() && input.properties.grows {
            self.warn("keeps all values of each group, to which rows are added without end");
        }
        let output = self.finished(output, groups.len(), finished, results)?;
        let traits = |group: &&Expr| match column_position(group, schema) {
            Some(position) if window.is_some() => {
                input.properties.columns.get(position).cloned().unwrap_or_default()
            }
            _ if window.is_some() => {
                ColumnTraits { time: bound(group, schema, &input.properties), ..ColumnTraits::default() }
            }
            _ => ColumnTraits::default(),
        };
        let mut columns: Vec<ColumnTraits> = groups.iter().map(traits).collect();
        columns.resize(groups.len() + results.len(), ColumnTraits::default());
        let properties = Properties {
            // a group without values only comes into being
            insert_only: window.is_some() || (insert_only && !has_calls && !groups.is_empty()),
            key: Some((0..groups.len()).collect()),
            columns,
            facts: Vec::new(),
            has_watermark: input.properties.has_watermark,
            grows: window.is_some() && input.properties.grows,
        };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// Computes what the operator left of calls.
    fn finished(
        &mut self,
        output: kulya_incremental::Output,
        groups: usize,
        finished: Vec<Option<Finished>>,
        results: &[arrow::datatypes::FieldRef],
    ) -> Result<kulya_incremental::Output, Stop> {
        if finished.iter().all(Option::is_none) {
            return Ok(output);
        }
        let schema = self.schema(output)?;
        let own =
            (0..groups).map(|index| (schema.field(index).name().clone(), kulya_incremental::column(index)));
        let calls = finished.into_iter().zip(results).enumerate().map(|(index, (finished, field))| {
            let column = groups + index;
            let value: ExpressionRef = match finished {
                Some(finished) => finished.of(column),
                None => kulya_incremental::column(column),
            };
            (field.name().clone(), value)
        });
        let columns: Vec<_> = own.chain(calls).collect();
        self.add("results", Project::new(schema, columns)?, &[output])
    }

    /// GROUPING SETS, CUBE and ROLLUP: a union of groups by each set, in which the other keys are null.
    fn lower_grouping_sets(
        &mut self,
        aggregate: &logical::Aggregate,
        sets: &GroupingSet,
        input: &Relation,
    ) -> Result<Relation, Stop> {
        let all: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
        let sets = expanded(sets)?;
        // the keys, and the number of the set: a bit for each key that is not in it
        let fields = aggregate.schema.fields();
        let keys = fields.len() - aggregate.aggr_expr.len();
        let number_type = fields[keys - 1].data_type().clone();
        let empty = DFSchema::empty();
        let literal = |value: ScalarValue| expression(&Expr::Literal(value, None), &empty);
        let (mut outputs, mut insert_only) = (Vec::new(), true);
        for set in &sets {
            let groups: Vec<&Expr> = set.iter().collect();
            let relation = self.grouped(aggregate, &groups, input)?;
            insert_only &= relation.properties.insert_only;
            let mut columns = Vec::new();
            let mut number = 0u64;
            for (index, key) in all.iter().enumerate() {
                let place = set.iter().position(|other| other == key);
                number |= u64::from(place.is_none()) << (all.len() - 1 - index);
                columns.push(match place {
                    Some(place) => kulya_incremental::column(place),
                    None => literal(ScalarValue::try_from(fields[index].data_type())?)?,
                });
            }
            columns.push(literal(ScalarValue::UInt64(Some(number)).cast_to(&number_type)?)?);
            let calls = set.len()..relation.schema.fields().len();
            columns.extend(calls.map(kulya_incremental::column));
            let names = fields.iter().map(|field| field.name().clone());
            let columns: Vec<_> = names.zip(columns).collect();
            let operator = Project::new(Arc::clone(&relation.schema), columns)?;
            outputs.push(self.add("keys", operator, &[relation.output])?);
        }
        let Some(first) = outputs.first() else { return Err(Stop::rerun("grouping sets without a set")) };
        let schema = self.schema(*first)?;
        let operator = Union::new(vec![schema; outputs.len()])?;
        let output = self.add("union", operator, &outputs)?;
        let has_duplicates = sets.iter().enumerate().any(|(index, set)| sets[..index].contains(set));
        let properties = Properties {
            insert_only,
            key: (!has_duplicates).then(|| (0..keys).collect()),
            columns: vec![ColumnTraits::default(); fields.len()],
            has_watermark: input.properties.has_watermark,
            ..Properties::default()
        };
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }
}

/// Returns the sets that CUBE and ROLLUP stand for.
fn expanded(sets: &GroupingSet) -> Result<Vec<Vec<Expr>>, Stop> {
    Ok(match sets {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(keys) => (0..=keys.len()).rev().map(|count| keys[..count].to_vec()).collect(),
        GroupingSet::Cube(keys) if keys.len() <= MAX_CUBE_KEYS => {
            let is_in = |set: usize, index: usize| set & (1 << index) == 0;
            let of = |set: usize| {
                keys.iter()
                    .enumerate()
                    .filter(move |(index, _)| is_in(set, *index))
                    .map(|(_, key)| key.clone())
            };
            (0..1 << keys.len()).map(|set| of(set).collect()).collect()
        }
        GroupingSet::Cube(_) => {
            return Err(Stop::rerun(format!("CUBE of more than {MAX_CUBE_KEYS} columns")));
        }
    })
}

/// The most columns of CUBE, each of which doubles the number of operators.
const MAX_CUBE_KEYS: usize = 8;

/// Returns the group that says when the groups of a window are complete: the one that is so first. A window
/// of a table function has its start and its end among the groups, one of GROUP BY is there itself.
pub(super) fn window<'a>(
    groups: &[&'a Expr],
    schema: &DFSchema,
    properties: &Properties,
) -> Option<(&'a Expr, TimeBound)> {
    if !properties.has_watermark {
        return None;
    }
    let bounds = groups.iter().filter_map(|group| Some((*group, bound(group, schema, properties)?)));
    let bounds: Vec<_> = bounds.filter(|(_, bound)| bound.is_window).collect();
    let is_own = bounds.iter().any(|(group, _)| has_window(group));
    match bounds.len() {
        0 => None,
        1 if !is_own => None,
        _ => bounds.into_iter().min_by_key(|(_, bound)| bound.behind_ms),
    }
}
