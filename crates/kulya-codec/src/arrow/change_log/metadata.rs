//! The formats of change logs and their metadata columns: what an event says about a change beside the row.

use crate::arrow::column::{Column, ColumnType};
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::json::plan::{EventContext, Failure, RecordPlan};
use crate::arrow::json::scanner::{Mark, Scanner, Token};
use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use std::sync::Arc;

/// The format of a change log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeLogFormat {
    /// Debezium's envelopes.
    DebeziumJson {
        /// Whether the envelope is the member `payload` beside `schema` (`schema-include`).
        schema_include: bool,
    },
    /// The messages of Alibaba's Canal.
    CanalJson,
    /// The messages of Zendesk's Maxwell.
    MaxwellJson,
}

/// Where an event's metadata is: members of the event by their number in a format's list, and Debezium's
/// `source`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    pub(super) root: [Option<Mark>; 4],
    pub(super) source: Option<Mark>,
}

/// Where a column's value is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root(usize),
    Source,
    /// The first of two members of the source that is there.
    SourceMember([&'static str; 2]),
}

#[derive(Debug)]
pub(super) struct MetadataColumn {
    pub(super) field: Field,
    place: Place,
    plan: RecordPlan,
}

/// Returns the metadata of a format: the keys, and the types of the columns.
pub fn metadata_columns(format: ChangeLogFormat) -> Vec<Field> {
    table(format).into_iter().map(|(key, data_type, _)| Field::new(key, data_type, true)).collect()
}

fn table(format: ChangeLogFormat) -> Vec<(&'static str, DataType, Place)> {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    let texts = || DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let map = |value: DataType| {
        let fields = vec![Field::new("key", DataType::Utf8, false), Field::new("value", value, true)];
        let entries = DataType::Struct(Fields::from(fields));
        DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
    };
    let source = |name| Place::SourceMember([name, name]);
    match format {
        ChangeLogFormat::DebeziumJson { .. } => vec![
            ("schema", DataType::Utf8, Place::Root(0)),
            ("ingestion-timestamp", time(), Place::Root(1)),
            ("source.timestamp", time(), source("ts_ms")),
            ("source.database", DataType::Utf8, source("db")),
            ("source.schema", DataType::Utf8, source("schema")),
            ("source.table", DataType::Utf8, Place::SourceMember(["table", "collection"])),
            ("source.properties", map(DataType::Utf8), Place::Source),
        ],
        ChangeLogFormat::CanalJson => vec![
            ("database", DataType::Utf8, source("database")),
            ("table", DataType::Utf8, source("table")),
            ("sql-type", map(DataType::Int32), Place::Root(0)),
            ("pk-names", texts(), Place::Root(1)),
            ("ingestion-timestamp", time(), Place::Root(2)),
            ("event-timestamp", time(), Place::Root(3)),
        ],
        ChangeLogFormat::MaxwellJson => vec![
            ("database", DataType::Utf8, source("database")),
            ("table", DataType::Utf8, source("table")),
            ("primary-key-columns", texts(), Place::Root(1)),
            ("ingestion-timestamp", time(), Place::Root(2)),
        ],
    }
}

impl MetadataColumn {
    /// Finds the metadata of a key.
    pub(super) fn new(format: ChangeLogFormat, key: &str) -> CodecResult<Self> {
        let table = table(format);
        let keys = table.iter().map(|(key, ..)| *key).collect::<Vec<_>>().join(", ");
        let Some((key, data_type, place)) = table.into_iter().find(|(known, ..)| *known == key) else {
            return Err(CodecError::Schema(format!("the format has no metadata {key:?}; it has {keys}")));
        };
        let kind = match &data_type {
            DataType::Timestamp(..) => ColumnType::TimestampMillis,
            other => ColumnType::Flink(other.clone()),
        };
        let plan = RecordPlan::new(&[Column { name: key.to_owned(), nullable: true, kind }])?;
        Ok(Self { field: Field::new(key, data_type, true), place, plan })
    }

    pub(super) fn buffer(&self) -> CodecResult<ColumnBuffer> {
        ColumnBuffer::new(self.field.data_type()).ok_or_else(|| {
            CodecError::Schema(format!("metadata {}: {} is no type of JSON", self.field.name(), self.field))
        })
    }

    /// Appends the value of an event.
    pub(super) fn append(
        &mut self,
        buffer: &mut ColumnBuffer,
        places: Places,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let mark = match self.place {
            Place::Root(index) => places.root.get(index).copied().flatten(),
            Place::Source => places.source,
            Place::SourceMember(names) => match scanner.value_at(places.source)? {
                Token::Object => {
                    let [first, second] = scanner.members(&names)?;
                    let is_null = scanner.value_at(first)? == Token::Null;
                    if is_null { second } else { first }
                }
                _ => None,
            },
        };
        match mark {
            Some(mark) => {
                scanner.rewind(mark);
                self.plan.append_column(0, buffer, scanner, cx)
            }
            None => {
                buffer.push_null();
                Ok(())
            }
        }
    }
}
