//! Change logs in JSON: one event to the rows that it changes, with their kinds. The members of an event may
//! have any order: it is scanned once, and only what is wanted is read from where it was found.
//!
//! - `debezium`, `envelope`: `debezium-json`; `row_images`: `canal-json` and `maxwell-json`, whose events
//!   have the changed columns of the row before;
//! - `metadata`: the metadata columns of all three.

mod debezium;
mod envelope;
mod metadata;
mod row_images;
#[cfg(test)]
mod tests;

pub(super) use envelope::{Envelope, EnvelopeFinder, missing_row, refused_truncate};
pub use metadata::{ChangeLogFormat, metadata_columns};

use super::batch_decoder::{BatchDecoder, Decoded, DecodedBatch, RowKind};
use super::column::Column;
use super::column_buffer::ColumnBuffer;
use super::json::plan::{EventContext, Failure, RecordPlan};
use super::json::scanner::{Grammar, Mark, Scanner, Token};
use super::json::{FlinkJsonOptions, text};
use super::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::datatypes::{Field, Schema, SchemaRef};
use metadata::MetadataColumn;
use std::sync::Arc;

/// Says whether the changes of a table are wanted, by the names of its database and itself.
pub type TableFilter = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Decodes the events of a change log to rows with kinds, by the rules of Flink's formats. The columns are
/// those of the rows, then those of the wanted metadata.
pub struct ChangeLogRows {
    format: ChangeLogFormat,
    options: FlinkJsonOptions,
    filter: Option<TableFilter>,
    schema: SchemaRef,
    plan: RecordPlan,
    /// Of the rows, then of the metadata.
    buffers: Vec<ColumnBuffer>,
    /// How many of the buffers are of the rows.
    width: usize,
    metadata: Vec<MetadataColumn>,
    envelopes: EnvelopeFinder,
    kinds: Vec<RowKind>,
    bytes: usize,
    numbers: Option<Vec<u64>>,
    /// How rows that are removed are read when the last row of each key is enough.
    removal: Option<Removal>,
    /// Whether the rows before those of the batch are removed.
    clears: bool,
}

/// The columns of the key, by which rows are removed.
struct Removal {
    columns: Vec<usize>,
    plan: RecordPlan,
    /// Whether a truncate is a change of all rows.
    has_truncates: bool,
}

impl std::fmt::Debug for ChangeLogRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeLogRows").field("format", &self.format).finish_non_exhaustive()
    }
}

impl ChangeLogRows {
    /// Creates a decoder of rows with these columns and the metadata of these keys ([`metadata_columns`]),
    /// which become columns of the same names.
    ///
    /// # Errors
    /// `Schema` when a column has a type that JSON does not have, or the format has no such metadata.
    pub fn new(
        format: ChangeLogFormat,
        columns: &[Column],
        metadata: &[&str],
        options: FlinkJsonOptions,
    ) -> CodecResult<Self> {
        let metadata: Vec<MetadataColumn> =
            metadata.iter().map(|key| MetadataColumn::new(format, key)).collect::<CodecResult<_>>()?;
        let mut buffers = RecordPlan::buffers(columns)?;
        let width = buffers.len();
        for column in &metadata {
            buffers.push(column.buffer()?);
        }
        let fields = columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.data_type(), column.nullable))
            .chain(metadata.iter().map(|column| column.field.clone()));
        Ok(Self {
            format,
            options,
            filter: None,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            plan: RecordPlan::new(columns)?,
            buffers,
            width,
            metadata,
            envelopes: Envelope::finder(),
            kinds: Vec::new(),
            bytes: 0,
            numbers: None,
            removal: None,
            clears: false,
        })
    }

    /// Makes rows those of which the last one of each key is the current one: an update has no row before it,
    /// and a removed row of Debezium has only the columns of the key. What an event says of other columns
    /// before the change is not looked at. With `has_truncates`, a truncate removes all rows
    /// ([`DecodedBatch::clears`]); without it, it is an error.
    ///
    /// # Errors
    /// `Schema` when a column of the key is not there.
    pub fn with_key(mut self, columns: &[Column], key: &[usize], has_truncates: bool) -> CodecResult<Self> {
        let of_key = key.iter().map(|index| columns.get(*index).cloned()).collect::<Option<Vec<Column>>>();
        let of_key = of_key.ok_or_else(|| CodecError::Schema("a column of the key is not there".into()))?;
        let fields = self.schema.fields().iter().enumerate().map(|(index, field)| {
            let is_nullable = field.is_nullable() || !key.contains(&index);
            Field::clone(field).with_nullable(is_nullable)
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let plan = RecordPlan::new(&of_key)?;
        self.removal = Some(Removal { columns: key.to_vec(), plan, has_truncates });
        Ok(self)
    }

    /// Leaves out the changes of tables that the filter does not want (`database.include`, `table.include`).
    #[must_use]
    pub fn with_filter(self, filter: TableFilter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Makes batches have the numbers of their rows' events.
    #[must_use]
    pub fn with_event_numbers(self) -> Self {
        Self { numbers: Some(Vec::new()), ..self }
    }

    /// Decodes one event; an empty one has no rows.
    ///
    /// # Errors
    /// `Payload` when it is not an event of the format. Then it leaves no row.
    pub fn push(&mut self, event: &[u8], number: u64) -> CodecResult<()> {
        let rows = self.kinds.len();
        if let Err(failure) = self.append(event) {
            self.kinds.truncate(rows);
            self.buffers.iter_mut().for_each(|buffer| buffer.truncate(rows));
            if !self.options.ignore_parse_errors {
                let type_name = match self.format {
                    ChangeLogFormat::DebeziumJson { .. } => "Debezium envelope",
                    ChangeLogFormat::CanalJson => "Canal message",
                    ChangeLogFormat::MaxwellJson => "Maxwell message",
                };
                return Err(CodecError::Payload { type_name: type_name.into(), reason: failure.to_string() });
            }
        }
        self.bytes += event.len();
        if let Some(numbers) = &mut self.numbers {
            numbers.resize(self.kinds.len(), number);
        }
        Ok(())
    }

    fn append(&mut self, event: &[u8]) -> Result<(), Failure> {
        let text = text(event)?;
        if text.is_empty() {
            return Ok(());
        }
        let mut scanner = Scanner::new(text, Grammar::Lenient);
        match self.format {
            ChangeLogFormat::DebeziumJson { schema_include } => {
                self.append_debezium(&mut scanner, schema_include)
            }
            ChangeLogFormat::CanalJson => self.append_canal(&mut scanner),
            ChangeLogFormat::MaxwellJson => self.append_maxwell(&mut scanner),
        }
    }

    /// Appends a row from the object at a mark.
    fn append_row(
        &mut self,
        kind: RowKind,
        row: Mark,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        scanner.rewind(row);
        let Token::Object = scanner.value()? else {
            return Err(Failure::Event("a row is not an object".into()));
        };
        let (buffers, _) = self.buffers.split_at_mut(self.width);
        self.plan.append_members(buffers, scanner, cx)?;
        self.kinds.push(kind);
        Ok(())
    }

    /// Appends the columns of the key of a row that is removed.
    fn append_removed(
        &mut self,
        row: Mark,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let Some(removal) = &mut self.removal else {
            return self.append_row(RowKind::Delete, row, scanner, cx);
        };
        scanner.rewind(row);
        let Token::Object = scanner.value()? else {
            return Err(Failure::Event("a row is not an object".into()));
        };
        let mut marks = vec![None; removal.columns.len()];
        let mut is_first = true;
        while scanner.member(is_first)? {
            is_first = false;
            let name = scanner.name()?.decode();
            let mark = scanner.mark();
            if let Some(place) = removal.plan.position(&name).and_then(|place| marks.get_mut(place)) {
                *place = Some(mark);
            }
            scanner.skip()?;
        }
        for (index, buffer) in self.buffers.iter_mut().take(self.width).enumerate() {
            let place = removal.columns.iter().position(|column| *column == index);
            match place.map(|place| (place, marks.get(place).copied().flatten())) {
                None => buffer.push_null(),
                Some((place, Some(mark))) => {
                    scanner.rewind(mark);
                    removal.plan.append_column(place, buffer, scanner, cx)?;
                }
                Some(_) => {
                    let name = self.schema.field(index).name();
                    let reason = format!("the row that is removed has no column {name} of the key");
                    return Err(Failure::Event(reason));
                }
            }
        }
        self.kinds.push(RowKind::Delete);
        Ok(())
    }

    /// Removes all rows.
    fn truncate_table(&mut self) {
        self.kinds.clear();
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(0));
        self.numbers.iter_mut().for_each(Vec::clear);
        self.clears = true;
    }

    /// Appends the row before an update: the changed columns, and the others as they are after it.
    fn append_row_before(
        &mut self,
        marks: [Mark; 2],
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let (buffers, _) = self.buffers.split_at_mut(self.width);
        self.plan.append_merged(buffers, marks, scanner, cx)?;
        self.kinds.push(RowKind::UpdateBefore);
        Ok(())
    }

    /// Gives the event's rows, those from `first` on, their metadata.
    fn append_metadata(
        &mut self,
        first: usize,
        places: metadata::Places,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let (_, buffers) = self.buffers.split_at_mut(self.width);
        for (column, buffer) in self.metadata.iter_mut().zip(buffers) {
            for _ in first..self.kinds.len() {
                column.append(buffer, places, scanner, cx)?;
            }
        }
        Ok(())
    }

    fn is_wanted(&self, database: Option<&str>, table: Option<&str>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter(database.unwrap_or_default(), table.unwrap_or_default()))
    }

    /// Returns whether the rows are to be taken before more are decoded.
    pub fn is_full(&self) -> bool {
        self.kinds.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }
}

impl BatchDecoder for ChangeLogRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded {
        Decoded::one_by_one(self, (events, number), Self::is_full, |rows, event, number| {
            rows.push(event, number)
        })
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        let (kinds, clears) = (std::mem::take(&mut self.kinds), std::mem::take(&mut self.clears));
        self.bytes = 0;
        if kinds.is_empty() && !clears {
            return Ok(None);
        }
        let events = self.numbers.as_mut().map(std::mem::take);
        let rows = ColumnBuffer::finish_all(&mut self.buffers, &self.schema, kinds.len())?;
        Ok(Some(DecodedBatch { rows, kinds: Some(kinds), events, clears }))
    }
}
