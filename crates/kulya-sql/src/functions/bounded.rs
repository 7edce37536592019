//! Limits of DataFusion's functions of regular expressions: of the compiled size of patterns, and of
//! their number
//! in a batch. Those of Flink's functions are in [`super::patterns`].

use super::patterns::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use crate::{SqlError, SqlErrorKind};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use regex::RegexBuilder;
use std::collections::BTreeSet;

/// Functions whose second argument is a pattern.
const FUNCTIONS: [&str; 2] = ["regexp_like", "regexp_match"];

/// Replaces functions of a session by versions with limits.
pub(super) fn register_bounded(context: &SessionContext) {
    let state = context.state();
    for name in FUNCTIONS {
        if let Some(function) = state.scalar_functions().get(name) {
            let inner = function.as_ref().clone();
            context.register_udf(ScalarUDF::new_from_impl(BoundedFunction { inner }));
        }
    }
}

/// A function with limited patterns. It has no simplification, which would replace it by the unlimited
/// function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BoundedFunction {
    inner: ScalarUDF,
}

impl ScalarUDFImpl for BoundedFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check_patterns(&arguments)?;
        self.inner.invoke_with_args(arguments)
    }
}

impl BoundedFunction {
    /// Checks the patterns' compiled size and number.
    fn check_patterns(&self, arguments: &ScalarFunctionArgs) -> Result<()> {
        let Some(patterns) = arguments.args.get(1) else { return Ok(()) };
        let array = match patterns {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        // a view shares the text's memory
        let texts = cast(&array, &DataType::Utf8View)?;
        let mut distinct = BTreeSet::new();
        for pattern in texts.as_string_view().iter().flatten() {
            if distinct.insert(pattern) {
                let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
                // the function itself reports syntax errors
                if matches!(compiled, Err(regex::Error::CompiledTooBig(_))) {
                    return self.refused(format!(
                        "the pattern {pattern:.40?} exceeds {MAX_PATTERN_BYTES} bytes when compiled: reduce its repetitions"
                    ));
                }
            }
            if distinct.len() > MAX_PATTERNS {
                return self.refused(format!(
                    "more than {MAX_PATTERNS} distinct patterns in one batch: use fewer patterns from a column"
                ));
            }
        }
        Ok(())
    }

    fn refused<T>(&self, what: String) -> Result<T> {
        Err(SqlError::new(SqlErrorKind::TooComplex, format!("{}: {what}", self.name())).into())
    }
}
