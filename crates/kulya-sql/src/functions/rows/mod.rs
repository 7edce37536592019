//! Functions that are computed row by row: their declaration, the check of their arguments, and the bound of
//! their results.
//!
//! A function is a row of a table: name, parameters, type of the result, and a computation that sees one row.
//! Arguments are not converted silently: a number is no text, as in Flink.

mod argument;
mod output;
mod parameter;

pub(super) use argument::{Cell, Row};
pub(super) use output::Out;
pub(super) use parameter::Parameter;

use super::patterns::Patterns;
use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind};
use argument::Column;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use output::Builder;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The type of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returns {
    Text,
    Int,
    BigInt,
    Double,
    Boolean,
    Bytes,
    Texts,
    /// A map of texts.
    TextMap,
    Date,
    Timestamp,
    Moment,
    /// The type of the argument at this position.
    Argument(usize),
}

/// What becomes of a row with a null argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// The result is null.
    Null,
    /// The computation sees it.
    Passed,
}

/// What a computation may use besides its row.
pub(super) struct Scope {
    /// The maximum size of a result, in bytes.
    pub(super) max_bytes: usize,
    pub(super) patterns: Patterns,
    name: &'static str,
}

/// Returns how a function is written in SQL.
fn shown(name: &'static str) -> &'static str {
    match name {
        "JSON_VALUE_BOOLEAN" | "JSON_VALUE_INT" | "JSON_VALUE_DOUBLE" => "JSON_VALUE",
        "JSON_QUERY_ARRAY" => "JSON_QUERY",
        "IS_JSON" => "IS JSON",
        "SIMILAR_TO" => "SIMILAR TO",
        "EXTRACT_OF" => "EXTRACT",
        "TRIM_TEXT" => "TRIM",
        "CHANGE_SIGN" => "FROM_CHANGELOG",
        other => other,
    }
}

impl Scope {
    /// Returns the error of a result of this many bytes, if it is too large.
    pub(super) fn check_bytes(&self, bytes: usize) -> Result<()> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        Err(self.error(
            SqlErrorKind::OutOfMemory,
            format!(
                "would return a value, or a column of a batch, of {bytes} bytes: the limit is {}, an eighth of the query's memory (--memory)",
                self.max_bytes
            ),
        ))
    }

    /// Returns an error of the function.
    pub(super) fn error(
        &self,
        kind: SqlErrorKind,
        what: impl std::fmt::Display,
    ) -> datafusion::error::DataFusionError {
        SqlError::new(kind, format!("{}: {what}", shown(self.name))).into()
    }

    /// Returns the error of an argument's value.
    pub(super) fn invalid<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(self.error(SqlErrorKind::InvalidValue, what))
    }
}

type Compute = for<'a> fn(&Row<'a>, &Scope) -> Result<Out<'a>>;

/// A function.
#[derive(Clone, Copy)]
pub(super) struct RowFunction {
    pub(super) name: &'static str,
    parameters: &'static [Parameter],
    /// How many of the last parameters may be left out.
    optional: usize,
    /// Whether the last parameter may be repeated.
    repeats: bool,
    returns: Returns,
    nulls: Nulls,
    compute: Compute,
}

impl RowFunction {
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        returns: Returns,
        compute: Compute,
    ) -> Self {
        let (optional, repeats, nulls) = (0, false, Nulls::Null);
        Self { name, parameters, optional, repeats, returns, nulls, compute }
    }

    pub(super) const fn optional(self, optional: usize) -> Self {
        Self { optional, ..self }
    }

    pub(super) const fn repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    pub(super) const fn passes_nulls(self) -> Self {
        Self { nulls: Nulls::Passed, ..self }
    }

    /// Returns the function for a session's registry.
    pub(super) fn udf(self, max_bytes: usize) -> ScalarUDF {
        let signature = Signature::one_of(
            vec![TypeSignature::VariadicAny, TypeSignature::Nullary],
            Volatility::Immutable,
        );
        ScalarUDF::new_from_impl(RowUdf {
            name: self.name.to_ascii_lowercase(),
            declared: self,
            signature,
            max_bytes,
        })
    }

    /// Returns the type of the result for arguments of these types.
    fn result_type(&self, types: &[DataType]) -> Result<DataType> {
        let refused =
            |kind, what: String| Err(SqlError::new(kind, format!("{}: {what}", shown(self.name))).into());
        let (least, most) = (self.parameters.len() - self.optional, self.parameters.len());
        if types.len() < least || (types.len() > most && !self.repeats) {
            let expected = match (least == most, self.repeats) {
                (_, true) => format!("at least {least}"),
                (true, _) => least.to_string(),
                (false, _) => format!("{least} to {most}"),
            };
            let plural = if expected == "1" { "" } else { "s" };
            let what = format!("expected {expected} argument{plural}, found {}", types.len());
            return refused(SqlErrorKind::UnknownFunction, what);
        }
        for (number, given) in types.iter().enumerate() {
            let Some(parameter) = self.parameters.get(number).or(self.parameters.last()) else { continue };
            if !parameter::fits(*parameter, given) {
                let (expected, found) = (parameter::expected(*parameter), type_name(given));
                let what = format!("argument {} must be {expected}, but is {found}", number + 1);
                return refused(SqlErrorKind::TypeMismatch, what);
            }
        }
        Ok(match self.returns {
            Returns::Text => DataType::Utf8,
            Returns::Int => DataType::Int32,
            Returns::BigInt => DataType::Int64,
            Returns::Double => DataType::Float64,
            Returns::Boolean => DataType::Boolean,
            Returns::Bytes => DataType::Binary,
            Returns::Texts => DataType::new_list(DataType::Utf8, true),
            Returns::TextMap => output::text_map(),
            Returns::Date => DataType::Date32,
            Returns::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            Returns::Moment => DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into())),
            Returns::Argument(number) => match types.get(number) {
                Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => DataType::Binary,
                _ => DataType::Utf8,
            },
        })
    }
}

struct RowUdf {
    name: String,
    declared: RowFunction,
    signature: Signature,
    max_bytes: usize,
}

impl std::fmt::Debug for RowUdf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowUdf").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Functions of the same name are the same.
impl PartialEq for RowUdf {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.max_bytes) == (&other.name, other.max_bytes)
    }
}

impl Eq for RowUdf {}

impl Hash for RowUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.max_bytes).hash(state);
    }
}

impl ScalarUDFImpl for RowUdf {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.declared.result_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(&self.name, self.declared.result_type(&types)?, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = arguments.return_type().clone();
        let is_constant = arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { arguments.number_rows };
        let mut columns = Vec::with_capacity(arguments.args.len());
        for (number, value) in arguments.args.iter().enumerate() {
            let parameter = self.declared.parameters.get(number).or(self.declared.parameters.last());
            columns.push(Column::new(value, parameter.copied().unwrap_or(Parameter::Any))?);
        }
        let scope = Scope {
            max_bytes: self.max_bytes,
            patterns: Patterns::new(shown(self.declared.name)),
            name: self.declared.name,
        };
        let mut builder = Builder::new(&returns, rows)?;
        let mut bytes = 0usize;
        for number in 0..rows {
            let row = Row::new(&columns, number);
            let value = if self.declared.nulls == Nulls::Null && row.has_null() {
                Out::Null
            } else {
                (self.declared.compute)(&row, &scope)?
            };
            bytes = bytes.saturating_add(value.bytes());
            scope.check_bytes(bytes)?;
            builder.push(value)?;
        }
        let array = builder.finish()?;
        if is_constant {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}
