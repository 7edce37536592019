//! Functions of dates and times that take a unit: TIMESTAMPADD, TIMESTAMPDIFF, and FLOOR and CEIL to a unit.

use super::time_unit::{NANOS_PER_DAY, TimeUnitName};
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Registers the functions.
pub(crate) fn register_time(context: &SessionContext) {
    for kind in [Kind::Floor, Kind::Ceil, Kind::Add, Kind::Difference] {
        let arguments = if matches!(kind, Kind::Floor | Kind::Ceil) { 2 } else { 3 };
        let signature = Signature::any(arguments, Volatility::Immutable);
        context.register_udf(ScalarUDF::new_from_impl(TimeFunction { kind, signature }));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// `floor_time(unit, x)`.
    Floor,
    /// `ceil_time(unit, x)`.
    Ceil,
    /// `timestampadd(unit, count, x)`.
    Add,
    /// `timestampdiff(unit, from, to)`.
    Difference,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeFunction {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for TimeFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Floor => "floor_time",
            Kind::Ceil => "ceil_time",
            Kind::Add => "timestampadd",
            Kind::Difference => "timestampdiff",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of {} depends on its unit", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let unit = arguments.scalar_arguments.first().copied().flatten();
        let unit = self.unit(unit.and_then(|unit| unit.try_as_str().flatten()))?;
        let types: Vec<&DataType> =
            arguments.arg_fields.iter().skip(1).map(|field| field.data_type()).collect();
        let data_type = self.result_type(unit, &types)?;
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = match arguments.args.first() {
            Some(ColumnarValue::Scalar(unit)) => self.unit(unit.try_as_str().flatten())?,
            _ => self.unit(None)?,
        };
        let result = arguments.return_type().clone();
        let arrays = ColumnarValue::values_to_arrays(arguments.args.get(1..).unwrap_or_default())?;
        let values = match (self.kind, arrays.as_slice()) {
            (Kind::Floor, [x]) => self.moments(&moments(x)?, &result, |x| unit.floor(x))?,
            (Kind::Ceil, [x]) => self.moments(&moments(x)?, &result, |x| unit.ceil(x))?,
            (Kind::Add, [count, x]) => {
                let count = cast(count, &DataType::Int64)?;
                let mut counts = count.as_primitive::<Int64Type>().iter();
                let moved = moments(x)?.into_iter().map(|x| match (x, counts.next().flatten()) {
                    (Some(x), Some(count)) => match unit.add(count, x) {
                        Some(moved) => Ok(Some(moved)),
                        None => self.out_of_range(),
                    },
                    _ => Ok(None),
                });
                let moved = moved.collect::<Result<Vec<_>>>()?;
                self.moments(&moved, &result, Some)?
            }
            (Kind::Difference, [from, to]) => {
                let pairs = moments(from)?.into_iter().zip(moments(to)?);
                let counts = pairs.map(|pair| match pair {
                    (Some(from), Some(to)) => {
                        let count = unit.between(from, to).and_then(|count| i32::try_from(count).ok());
                        count.map_or_else(|| self.out_of_range(), |count| Ok(Some(count)))
                    }
                    _ => Ok(None),
                });
                Arc::new(counts.collect::<Result<Int32Array>>()?)
            }
            _ => return exec_err!("{} has other arguments", self.name()),
        };
        Ok(ColumnarValue::Array(values))
    }
}

impl TimeFunction {
    fn unit(&self, name: Option<&str>) -> Result<TimeUnitName> {
        match name.and_then(TimeUnitName::parse) {
            Some(unit) => Ok(unit),
            None => plan_err!("{}: unknown unit {:.40}", self.name(), name.unwrap_or_default()),
        }
    }

    /// Returns the type of the result for these arguments after the unit.
    fn result_type(&self, unit: TimeUnitName, types: &[&DataType]) -> Result<DataType> {
        let times = if self.kind == Kind::Add { types.get(1..) } else { Some(types) };
        for data_type in times.unwrap_or_default() {
            let is_time = matches!(data_type, DataType::Time32(_) | DataType::Time64(_));
            let is_moment = matches!(data_type, DataType::Date32 | DataType::Timestamp(..) | DataType::Null);
            if !(is_moment || is_time && unit.is_of_time()) {
                return plan_err!("{}: {data_type} is neither a date nor a timestamp", self.name());
            }
        }
        let Some(moment) = types.last().copied() else {
            return plan_err!("{} has too few arguments", self.name());
        };
        if self.kind == Kind::Add && !types.first().is_some_and(|count| count.is_integer() || count.is_null())
        {
            return plan_err!("{}: the number of units must be an integer", self.name());
        }
        Ok(match (self.kind, moment) {
            (Kind::Difference, _) => DataType::Int32,
            (Kind::Add, DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone))
                if unit == TimeUnitName::Microsecond =>
            {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            (Kind::Add, DataType::Date32) if unit.is_of_time() => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            (_, DataType::Null) => DataType::Timestamp(TimeUnit::Millisecond, None),
            (_, other) => other.clone(),
        })
    }

    fn out_of_range<T>(&self) -> Result<T> {
        exec_err!("{}: the result is out of range", self.name())
    }

    /// Returns moments, each converted, as an array of a type.
    fn moments(
        &self,
        moments: &[Option<i128>],
        data_type: &DataType,
        convert: impl Fn(i128) -> Option<i128>,
    ) -> Result<ArrayRef> {
        let factor = factor(data_type);
        let is_time = matches!(data_type, DataType::Time32(_) | DataType::Time64(_));
        let raw = moments.iter().map(|moment| match moment {
            None => Ok(None),
            Some(moment) => {
                let wrapped = |moment: i128| if is_time { moment.rem_euclid(NANOS_PER_DAY) } else { moment };
                let raw = convert(*moment).map(|moment| wrapped(moment).div_euclid(factor));
                let raw = raw.and_then(|raw| i64::try_from(raw).ok());
                raw.map_or_else(|| self.out_of_range(), |raw| Ok(Some(raw)))
            }
        });
        let raw: ArrayRef = Arc::new(raw.collect::<Result<Int64Array>>()?);
        if matches!(data_type, DataType::Date32 | DataType::Time32(_)) {
            return Ok(cast(&cast(&raw, &DataType::Int32)?, data_type)?);
        }
        Ok(cast(&raw, data_type)?)
    }
}

/// Returns the nanoseconds of a unit of a type.
fn factor(data_type: &DataType) -> i128 {
    match data_type {
        DataType::Date32 => NANOS_PER_DAY,
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        },
        _ => 1,
    }
}

/// Returns dates or timestamps as nanoseconds since 1970.
fn moments(array: &ArrayRef) -> Result<Vec<Option<i128>>> {
    let factor = factor(array.data_type());
    let raw = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    Ok(raw.as_primitive::<Int64Type>().iter().map(|raw| raw.map(|raw| i128::from(raw) * factor)).collect())
}
