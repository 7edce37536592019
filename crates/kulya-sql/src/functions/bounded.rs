//! Size limits of functions whose result may be much larger than their arguments, and of regular expressions.
//!
//! The memory pool counts the memory of operators, but not the result of a function for one batch:
//! `repeat('x', 2000000000)` would allocate two gigabytes. Here the size of a result is computed first. If
//! only an upper bound is known, the function is invoked on a few rows at a time, and the actual sizes are
//! summed.

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use regex::RegexBuilder;
use std::collections::BTreeSet;

/// The maximum size of a compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The maximum number of distinct patterns in a batch, because each is compiled.
const MAX_PATTERNS: usize = 64;

/// The way in which the size of a function's result depends on its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// `repeat(text, n)`.
    Repeat,
    /// `lpad(text, n, fill)`: `n` characters.
    Pad,
    /// The concatenation of all arguments.
    Concat,
    /// `replace(text, from, to)`.
    Replace,
    /// `regexp_replace(text, pattern, replacement, flags)`.
    RegexReplace,
    /// A small result; only the pattern is limited.
    Regex,
}

const BOUNDED_FUNCTIONS: &[(&str, Growth)] = &[
    ("repeat", Growth::Repeat),
    ("lpad", Growth::Pad),
    ("rpad", Growth::Pad),
    ("concat", Growth::Concat),
    ("concat_ws", Growth::Concat),
    ("overlay", Growth::Concat),
    ("replace", Growth::Replace),
    ("regexp_replace", Growth::RegexReplace),
    ("regexp_like", Growth::Regex),
    ("regexp_match", Growth::Regex),
    ("regexp_count", Growth::Regex),
    ("regexp_instr", Growth::Regex),
];

/// Replaces functions of a session by versions whose result for a batch has at most `max_bytes`.
pub(crate) fn register_bounded(context: &SessionContext, max_bytes: usize) {
    let state = context.state();
    for (name, growth) in BOUNDED_FUNCTIONS {
        if let Some(function) = state.scalar_functions().get(*name) {
            let inner = function.as_ref().clone();
            let bounded = BoundedFunction { inner, growth: *growth, max_bytes: max_bytes as u64 };
            context.register_udf(ScalarUDF::new_from_impl(bounded));
        }
    }
}

/// A function with a limited result size. It has no simplification, which would replace it by the unlimited
/// function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BoundedFunction {
    inner: ScalarUDF,
    growth: Growth,
    max_bytes: u64,
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
        if matches!(self.growth, Growth::Regex | Growth::RegexReplace) {
            self.check_patterns(&arguments)?;
        }
        if self.growth == Growth::Regex {
            return self.inner.invoke_with_args(arguments);
        }
        let is_constant = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { arguments.number_rows };
        let texts = Arguments::of(&arguments, rows)?;
        let bounds: Vec<u64> = (0..rows).map(|row| texts.bound(self.growth, row)).collect();
        if let Some(bytes) = bounds.iter().find(|bytes| **bytes > self.max_bytes) {
            return self.size_error(*bytes);
        }
        if bounds.iter().fold(0u64, |sum, bytes| sum.saturating_add(*bytes)) <= self.max_bytes {
            return self.inner.invoke_with_args(arguments);
        }
        self.invoke_in_parts(&arguments, &bounds)
    }
}

impl BoundedFunction {
    fn size_error<T>(&self, bytes: u64) -> Result<T> {
        exec_err!(
            "{} would return a value, or a column of a batch, of {bytes} bytes: the limit is {}, an eighth of the query's memory (--memory)",
            self.name(),
            self.max_bytes
        )
    }

    /// Invokes the function on a few rows at a time; fails when the results are too large.
    fn invoke_in_parts(&self, arguments: &ScalarFunctionArgs, bounds: &[u64]) -> Result<ColumnarValue> {
        let (mut parts, mut total, mut from) = (Vec::<ArrayRef>::new(), 0u64, 0);
        while from < bounds.len() {
            let (mut to, mut sum) = (from, 0u64);
            while let Some(bytes) = bounds.get(to)
                && (to == from || sum.saturating_add(*bytes) <= self.max_bytes)
            {
                sum = sum.saturating_add(*bytes);
                to += 1;
            }
            let sliced = arguments.args.iter().map(|value| match value {
                ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, to - from)),
                scalar => scalar.clone(),
            });
            let part =
                ScalarFunctionArgs { args: sliced.collect(), number_rows: to - from, ..arguments.clone() };
            let part = self.inner.invoke_with_args(part)?.into_array(to - from)?;
            total = total.saturating_add(part.get_buffer_memory_size() as u64);
            if total > self.max_bytes {
                return self.size_error(total);
            }
            parts.push(part);
            from = to;
        }
        if parts.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(arguments.return_type())));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }

    /// Checks the patterns' compiled size and number.
    fn check_patterns(&self, arguments: &ScalarFunctionArgs) -> Result<()> {
        let Some(patterns) = arguments.args.get(1) else { return Ok(()) };
        let texts = Text::of(patterns)?;
        let mut distinct = BTreeSet::new();
        for row in 0..texts.array.len() {
            let Some(pattern) = texts.text(row) else { continue };
            if distinct.insert(pattern) {
                let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
                // the function itself reports syntax errors
                if matches!(compiled, Err(regex::Error::CompiledTooBig(_))) {
                    return exec_err!(
                        "{}: the pattern {:.40?} exceeds {MAX_PATTERN_BYTES} bytes when compiled: reduce its repetitions",
                        self.name(),
                        pattern
                    );
                }
            }
            if distinct.len() > MAX_PATTERNS {
                return exec_err!(
                    "{}: more than {MAX_PATTERNS} distinct patterns in one batch: use fewer patterns from a column",
                    self.name()
                );
            }
        }
        Ok(())
    }
}

/// The texts of one argument.
struct Text {
    /// An array of type Utf8View, of one row for a literal.
    array: ArrayRef,
}

impl Text {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let array = match value {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        // a view shares the text's memory
        Ok(Self { array: cast(&array, &DataType::Utf8View)? })
    }

    fn text(&self, row: usize) -> Option<&str> {
        let row = if self.array.len() == 1 { 0 } else { row };
        let texts = self.array.as_string_view();
        (row < texts.len() && texts.is_valid(row)).then(|| texts.value(row))
    }

    fn bytes(&self, row: usize) -> u64 {
        self.text(row).map_or(0, |text| text.len() as u64)
    }
}

/// The arguments of a function that determine the size of its result.
struct Arguments {
    texts: Vec<Text>,
    /// The second argument, if it is an integer.
    count: Option<ArrayRef>,
}

impl Arguments {
    fn of(arguments: &ScalarFunctionArgs, rows: usize) -> Result<Self> {
        let count = match arguments.args.get(1) {
            Some(value) if value.data_type().is_integer() => {
                Some(cast(&value.to_array(rows)?, &DataType::Int64)?)
            }
            _ => None,
        };
        let texts = arguments
            .args
            .iter()
            .filter(|value| !value.data_type().is_integer())
            .map(Text::of)
            .collect::<Result<_>>()?;
        Ok(Self { texts, count })
    }

    fn bytes(&self, argument: usize, row: usize) -> u64 {
        self.texts.get(argument).map_or(0, |text| text.bytes(row))
    }

    fn count(&self, row: usize) -> u64 {
        let counts = self.count.as_ref().map(|counts| counts.as_primitive::<Int64Type>());
        let count = counts.filter(|counts| row < counts.len() && counts.is_valid(row)).map(|c| c.value(row));
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    }

    /// Returns an upper bound of the result's size for a row, in bytes.
    fn bound(&self, growth: Growth, row: usize) -> u64 {
        let text = self.bytes(0, row);
        match growth {
            Growth::Repeat => text.saturating_mul(self.count(row)),
            Growth::Pad => {
                let fill = self.texts.get(1).and_then(|fill| fill.text(row)).unwrap_or(" ");
                let widest = fill.chars().map(char::len_utf8).max().unwrap_or_default() as u64;
                text.saturating_add(self.count(row).saturating_mul(widest))
            }
            Growth::Concat => {
                let sum = (0..self.texts.len()).map(|argument| self.bytes(argument, row)).sum::<u64>();
                // concat_ws inserts its first argument between the others
                sum.saturating_add(text.saturating_mul(self.texts.len() as u64))
            }
            Growth::Replace => {
                let found = text / self.bytes(1, row).max(1) + 1;
                text.saturating_add(found.saturating_mul(self.bytes(2, row)))
            }
            Growth::RegexReplace => {
                let replacement = self.bytes(2, row);
                let is_global =
                    self.texts.get(3).and_then(|flags| flags.text(row)).is_some_and(|f| f.contains('g'));
                let found = if is_global { text + 1 } else { 1 };
                // each \1 of the replacement inserts a part of the text
                text.saturating_add(found.saturating_mul(replacement))
                    .saturating_add((replacement / 2).saturating_mul(text))
            }
            Growth::Regex => 0,
        }
    }
}
