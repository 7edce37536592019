//! Tables of live queries: what is known about their changes, and their watermark.

use crate::dialect::CHANGE_KIND;
use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DFSchemaRef, Result, not_impl_err};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The column with the watermark of each row, behind those of a table.
pub(crate) const WATERMARK: &str = "watermark of the table";

/// What is known about the changes of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableTraits {
    /// Rows are only added.
    pub(crate) is_append: bool,
    /// The columns of the primary key, as positions in the table.
    pub(crate) key: Vec<usize>,
}

/// A table of a live query, whose filters stay above it.
#[derive(Debug)]
pub(crate) struct LiveTable {
    pub(crate) name: String,
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) traits: TableTraits,
}

#[async_trait]
impl TableProvider for LiveTable {
    fn schema(&self) -> SchemaRef {
        self.provider.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("a table of a live query is not scanned")
    }
}

/// Rows with watermarks: the last column of the input has that of each row.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct WatermarkNode {
    pub(super) input: LogicalPlan,
    /// The name of the column that is the time of rows.
    pub(super) time: String,
}

impl WatermarkNode {
    /// Returns the rows of a plan without its last column, by which they have watermarks.
    pub(crate) fn plan(input: LogicalPlan, time: &str) -> Result<LogicalPlan> {
        let columns = input.schema().columns();
        let columns = columns.into_iter().map(Expr::Column).filter(|column| !is_watermark(column));
        let columns: Vec<Expr> = columns.collect();
        let node = Arc::new(Self { input, time: time.to_owned() });
        LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node })).project(columns)?.build()
    }
}

/// The changes of rows as rows, with their kind as the last column.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChangesNode {
    pub(super) input: LogicalPlan,
    /// The names of the columns of the rows' key; empty without one.
    pub(super) key: Vec<String>,
    schema: DFSchemaRef,
}

impl ChangesNode {
    fn new(input: LogicalPlan, key: Vec<String>) -> Result<Self> {
        let fields = input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field)));
        let kind = (None, Arc::new(Field::new(CHANGE_KIND, DataType::Utf8, false)));
        let fields = fields.chain([kind]).collect();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input, key, schema })
    }

    /// Returns the changes of the rows of a plan.
    pub(crate) fn plan(input: LogicalPlan, key: Vec<String>) -> Result<LogicalPlan> {
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(Self::new(input, key)?) }))
    }
}

impl PartialOrd for ChangesNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for ChangesNode {
    fn name(&self) -> &str {
        "Changes"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes: key [{}]", self.key.join(", "))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([input]) => Self::new(input, self.key.clone()),
            Err(_) => not_impl_err!("the changes of several inputs"),
        }
    }
}

fn is_watermark(column: &Expr) -> bool {
    matches!(column, Expr::Column(column) if column.name == WATERMARK)
}

impl PartialOrd for WatermarkNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for WatermarkNode {
    fn name(&self) -> &str {
        "Watermark"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watermark: {}", self.time)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([input]) => Ok(Self { input, time: self.time.clone() }),
            Err(_) => not_impl_err!("a watermark over several inputs"),
        }
    }

    /// The watermark is read whatever else is.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let is_needed = |index: &usize| {
            output_columns.contains(index) || self.input.schema().field(*index).name() == WATERMARK
        };
        Some(vec![(0..self.input.schema().fields().len()).filter(is_needed).collect()])
    }
}
