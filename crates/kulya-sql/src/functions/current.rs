//! Functions of the moment: of the start of the query, as in Flink's batch mode, or of each row.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The names, and whether the value is that of the query's start.
const NAMES: &[(&str, Kind)] = &[
    ("current_timestamp", Kind::Moment),
    ("now", Kind::Moment),
    ("proctime", Kind::Moment),
    ("current_row_timestamp", Kind::Moment),
    ("localtimestamp", Kind::Timestamp),
    ("current_date", Kind::Date),
    ("current_time", Kind::Time),
    ("localtime", Kind::Time),
    ("unix_timestamp_now", Kind::Seconds),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Moment,
    Timestamp,
    Date,
    Time,
    Seconds,
}

/// Returns the functions.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    NAMES.iter().map(|(name, kind)| {
        let signature = Signature::nullary(Volatility::Stable);
        ScalarUDF::new_from_impl(Current { name, kind: *kind, signature })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Current {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for Current {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Moment => DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time32(TimeUnit::Millisecond),
            Kind::Seconds => DataType::Int64,
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{} has a value only at the start of a query", self.name)
    }

    fn simplify(&self, _: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(start) = context.query_execution_start_time() else {
            return exec_err!("{} has a value only at the start of a query", self.name);
        };
        let millis = start.timestamp_millis();
        let of_day = |whole: i64| i32::try_from(millis.rem_euclid(86_400_000) / whole * whole).ok();
        let value = match self.kind {
            Kind::Moment => ScalarValue::TimestampMillisecond(Some(millis), Some("+00:00".into())),
            Kind::Timestamp => ScalarValue::TimestampMillisecond(Some(millis), None),
            Kind::Date => ScalarValue::Date32(i32::try_from(millis.div_euclid(86_400_000)).ok()),
            Kind::Time => ScalarValue::Time32Millisecond(of_day(1000)),
            Kind::Seconds => ScalarValue::Int64(Some(millis.div_euclid(1000))),
        };
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }
}
