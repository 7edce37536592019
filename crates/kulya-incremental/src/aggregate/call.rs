//! Calls of aggregate functions, as a plan describes them.

use super::accumulator::Accumulator;
use super::count::Count;
use super::distinct::Distinct;
use super::float::FloatSum;
use super::integer::{DecimalSum, IntegerSum};
use super::ordered::{OrderedValues, Pick};
use super::total::{Output, Rounding};
use crate::error::{Problem, Result};
use crate::expression::{ExpressionRef, data_type};
use arrow_schema::{DataType, Field, Schema, SortOptions};
use std::sync::Arc;

/// An aggregate function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AggregateFunction {
    /// The number of rows, or of those whose argument is not null.
    Count,
    /// The sum of integers, decimals or floats; null without any.
    Sum,
    /// Their mean; null without any.
    Average(Rounding),
    /// The smallest value that is not null.
    Min,
    /// The largest value that is not null.
    Max,
    /// The first value in the call's order, by default the order of arrival.
    First,
    /// The last value.
    Last,
    /// A list of the values in the call's order, by default the order of arrival.
    ArrayAgg,
}

/// An expression to order by.
#[derive(Clone, Debug)]
pub struct Ordering {
    /// What is compared.
    pub expression: ExpressionRef,
    /// Its direction, and where nulls are.
    pub options: SortOptions,
}

impl Ordering {
    /// Ascending, nulls first.
    pub fn ascending(expression: ExpressionRef) -> Self {
        Self { expression, options: SortOptions::default() }
    }

    /// Descending, nulls last: the exact opposite of [`Self::ascending`].
    pub fn descending(expression: ExpressionRef) -> Self {
        Self { expression, options: SortOptions { descending: true, nulls_first: false } }
    }
}

/// A call of an aggregate function: a column of the output.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub(super) name: String,
    pub(super) function: AggregateFunction,
    pub(super) argument: Option<ExpressionRef>,
    pub(super) condition: Option<ExpressionRef>,
    pub(super) order: Vec<Ordering>,
    is_distinct: bool,
    ignores_nulls: bool,
    wraps: bool,
    data_type: Option<DataType>,
}

impl AggregateCall {
    /// `COUNT(*)` as the column `name`.
    pub fn count_rows(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            function: AggregateFunction::Count,
            argument: None,
            condition: None,
            order: Vec::new(),
            is_distinct: false,
            ignores_nulls: false,
            wraps: false,
            data_type: None,
        }
    }

    /// A function of an argument as the column `name`.
    pub fn new(name: impl Into<String>, function: AggregateFunction, argument: ExpressionRef) -> Self {
        Self { function, argument: Some(argument), ..Self::count_rows(name) }
    }

    /// Takes only rows for which the condition is true (FILTER).
    pub fn filter(mut self, condition: ExpressionRef) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Takes each value once (DISTINCT). ARRAY_AGG then has the values ascending, or in an order by the
    /// argument itself, which is the same [`ExpressionRef`].
    pub fn distinct(mut self) -> Self {
        self.is_distinct = true;
        self
    }

    /// Leaves out null (IGNORE NULLS), which FIRST_VALUE, LAST_VALUE and ARRAY_AGG else have among their
    /// values.
    pub fn ignore_nulls(mut self) -> Self {
        self.ignores_nulls = true;
        self
    }

    /// The order of FIRST_VALUE, LAST_VALUE and ARRAY_AGG. Rows that are equal in it are in the order of
    /// their values, so that the result does not depend on the order of changes.
    pub fn order_by(mut self, order: impl IntoIterator<Item = Ordering>) -> Self {
        self.order = order.into_iter().collect();
        self
    }

    /// The type of the result, instead of the default: for SUM `Int64`, `UInt64`, `Float64` or a decimal of
    /// the argument's scale with all digits, for means `Float64` or such a decimal with four more digits
    /// behind the point, else the argument's.
    pub fn returning(mut self, data_type: DataType) -> Self {
        self.data_type = Some(data_type);
        self
    }

    /// A sum of integers beyond the range of its type wraps around, as SQL engines without checks have it;
    /// otherwise it is an error.
    pub fn wrapping(mut self) -> Self {
        self.wraps = true;
        self
    }

    /// The output column for rows of the schema.
    pub(super) fn field(&self, schema: &Schema) -> Result<Field> {
        let argument = self.argument_type(schema)?;
        let data_type = match (&self.data_type, self.function) {
            (_, AggregateFunction::Count) => DataType::Int64,
            (_, AggregateFunction::ArrayAgg) => DataType::List(Arc::new(Field::new("item", argument, true))),
            (Some(data_type), _) => data_type.clone(),
            (None, AggregateFunction::Sum) => default_sum(&argument)?,
            (None, AggregateFunction::Average(_)) => default_average(&argument)?,
            (None, _) => argument,
        };
        Ok(Field::new(&self.name, data_type, self.function != AggregateFunction::Count))
    }

    /// Whether nothing but the argument itself orders the values.
    fn orders_by_argument(&self) -> bool {
        let argument = self.argument.as_ref();
        self.order
            .iter()
            .all(|order| argument.is_some_and(|argument| Arc::ptr_eq(argument, &order.expression)))
    }

    fn argument_type(&self, schema: &Schema) -> Result<DataType> {
        self.argument.as_ref().map_or(Ok(DataType::Null), |argument| data_type(argument, schema))
    }

    /// The accumulator for rows of the schema. With insertions only, an extreme is all that it keeps.
    pub(super) fn accumulator(&self, schema: &Schema, is_insert_only: bool) -> Result<Box<dyn Accumulator>> {
        let argument = self.argument_type(schema)?;
        let data_type = self.field(schema)?.data_type().clone();
        let output = |average| Output { data_type: data_type.clone(), average, wraps: self.wraps };
        let inner: Box<dyn Accumulator> = match self.function {
            AggregateFunction::Count => Box::new(Count::new(self.argument.is_some())),
            AggregateFunction::Sum => sum(&argument, output(None))?,
            AggregateFunction::Average(rounding) => sum(&argument, output(Some(rounding)))?,
            AggregateFunction::Min => return self.ordered(schema, Pick::First, is_insert_only),
            AggregateFunction::Max => return self.ordered(schema, Pick::Last, is_insert_only),
            AggregateFunction::First => return self.ordered(schema, Pick::First, is_insert_only),
            AggregateFunction::Last => return self.ordered(schema, Pick::Last, is_insert_only),
            AggregateFunction::ArrayAgg => return self.ordered(schema, Pick::All, false),
        };
        match (self.is_distinct, &self.argument) {
            (true, Some(_)) => Ok(Box::new(Distinct::new(argument, inner)?)),
            (true, None) => Err(Problem::unsupported("COUNT(DISTINCT *)")),
            (false, _) => Ok(inner),
        }
    }

    fn ordered(&self, schema: &Schema, pick: Pick, is_insert_only: bool) -> Result<Box<dyn Accumulator>> {
        let argument = self.argument_type(schema)?;
        let is_extreme = matches!(self.function, AggregateFunction::Min | AggregateFunction::Max);
        let order = match is_extreme {
            true => Vec::new(),
            false => self
                .order
                .iter()
                .map(|order| Ok((data_type(&order.expression, schema)?, order.options)))
                .collect::<Result<_>>()?,
        };
        if self.is_distinct && pick == Pick::All && !self.orders_by_argument() {
            // a value could be there twice, with different places
            return Err(Problem::unsupported("DISTINCT with an order by something else than the argument"));
        }
        let is_by_arrival = !is_extreme && order.is_empty() && !(pick == Pick::All && self.is_distinct);
        Ok(Box::new(OrderedValues::new(
            order,
            argument,
            pick,
            super::ordered::Settings {
                is_by_arrival,
                keeps_extreme_only: is_insert_only && pick != Pick::All,
                ignores_nulls: is_extreme || self.ignores_nulls,
                is_distinct: self.is_distinct,
            },
        )?))
    }
}

fn sum(argument: &DataType, output: Output) -> Result<Box<dyn Accumulator>> {
    Ok(match argument {
        DataType::Float32 | DataType::Float64 => Box::new(FloatSum::new(output)?),
        DataType::Decimal128(..) | DataType::Decimal256(..) => Box::new(DecimalSum::new(argument, output)?),
        argument => Box::new(IntegerSum::new(argument, output)?),
    })
}

fn default_sum(argument: &DataType) -> Result<DataType> {
    Ok(match argument {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::UInt64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            DataType::Decimal128(38, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal256(76, *scale),
        other => return Err(Problem::unsupported(format!("the sum of {other}"))),
    })
}

fn default_average(argument: &DataType) -> Result<DataType> {
    let more = |scale: i8, most: i8| scale.saturating_add(4).min(most);
    Ok(match default_sum(argument)? {
        DataType::Decimal128(precision, scale) => DataType::Decimal128(precision, more(scale, 38)),
        DataType::Decimal256(precision, scale) => DataType::Decimal256(precision, more(scale, 76)),
        _ => DataType::Float64,
    })
}
