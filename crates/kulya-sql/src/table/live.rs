//! A table as live queries read it: what changed between two cuts.

use super::captured_schema::CapturedSchema;
use super::definition::TableRows;
use super::provider::StreamTable;
use crate::scan::{CapturedScan, EventScan, ScanColumn, ScanKey, TickScan};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{Field, Schema, SchemaRef};
use kulya_store::StreamId;
use std::sync::Arc;

/// How the rows of a table change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowChanges {
    /// Each event adds rows.
    Append,
    /// Each event is a change, and tells the row that is no longer there.
    Retract,
    /// The last event of a key is its row; the key are the columns at these positions among those scanned.
    Upsert(Vec<usize>),
    /// Each event is a change of a captured table: a row may lack what has not changed, and a truncate
    /// removes the rows before it. The key are the columns at these positions among those scanned; without
    /// one, rows are counted.
    Captured(Vec<usize>),
}

/// A table of a live query.
pub(crate) struct TickTable {
    pub(crate) streams: Vec<StreamId>,
    pub(crate) scan: TickScan,
    /// The columns that are scanned.
    pub(crate) schema: SchemaRef,
    /// The columns of the query among them.
    pub(crate) output: Vec<usize>,
    pub(crate) changes: RowChanges,
    /// Of a captured table, what its source may change.
    pub(crate) captured: Option<CapturedSchema>,
}

impl StreamTable {
    /// Returns the table as a live query reads it, of these columns.
    ///
    /// # Errors
    /// `NotSupported` for a table that cannot be read so; `name` is its name.
    pub(crate) fn live(&self, name: &str, projection: &[usize]) -> SqlResult<TickTable> {
        let definition = &self.definition;
        if self.is_bounded {
            let what = format!(
                "a live query of table {name} with options that say where reading begins or ends: remove \
                 'scan.start-…', 'scan.end-…' and 'scan.event-pointer'"
            );
            return Err(SqlError::new(SqlErrorKind::NotSupported, format!("{what} (not supported yet)")));
        }
        let TableRows::Events { format, columns } = &definition.rows else {
            return self.live_capture(name, projection);
        };
        let is_change_log = format.is_change_log();
        let key: Vec<usize> =
            definition.key.iter().filter_map(|name| definition.schema.index_of(name).ok()).collect();
        let is_keyed = is_change_log && !key.is_empty();
        let mut scanned = projection.to_vec();
        if is_keyed {
            scanned.extend(key.iter().filter(|index| !projection.contains(index)));
        }
        // the decoder has its columns in the order of the table
        scanned.sort_unstable();
        scanned.dedup();
        let place = |index: &usize| scanned.iter().position(|other| other == index).unwrap_or_default();
        let is_physical = |index: &usize| matches!(columns.get(*index), Some(ScanColumn::Physical(_)));
        let of_scan: Vec<ScanColumn> =
            scanned.iter().filter_map(|index| columns.get(*index).cloned()).collect();
        // a removed row may have only its key
        let field = |index: &usize| {
            let field: &Field = definition.schema.field(*index);
            let is_nullable = field.is_nullable() || is_change_log;
            field.clone().with_nullable(is_nullable)
        };
        let schema: SchemaRef = Arc::new(Schema::new(scanned.iter().map(field).collect::<Vec<_>>()));
        let scan_key = is_keyed.then(|| ScanKey {
            // the places among the columns of the format
            columns: key
                .iter()
                .map(|index| scanned.iter().filter(|other| is_physical(other) && *other < index).count())
                .collect(),
            has_truncates: self.parts.len() == 1,
        });
        let part = crate::scan::no_events(&definition.sink);
        let template =
            EventScan::new(self.context.clone(), Arc::clone(&schema), part, Arc::clone(format), of_scan)
                .with_key(scan_key);
        let changes = match (is_change_log, is_keyed) {
            (false, _) => RowChanges::Append,
            (true, false) => RowChanges::Retract,
            (true, true) => RowChanges::Upsert(key.iter().map(place).collect()),
        };
        let (streams, output) = (definition.streams.clone(), projection.iter().map(place).collect());
        Ok(TickTable { streams, scan: TickScan::Events(template), schema, output, changes, captured: None })
    }

    /// Returns a captured table as a live query reads it: the columns of its key, then the others.
    fn live_capture(&self, name: &str, projection: &[usize]) -> SqlResult<TickTable> {
        let definition = &self.definition;
        let TableRows::Changelog { columns, form, history } = &definition.rows else {
            return Err(SqlError::internal());
        };
        let key: Vec<usize> =
            definition.key.iter().filter_map(|name| definition.schema.index_of(name).ok()).collect();
        // without a key, rows differ by any of the columns
        let identity = if key.is_empty() { (0..columns.len()).collect() } else { key.clone() };
        let others = projection.iter().copied().filter(|index| !identity.contains(index));
        let scanned: Vec<usize> = identity.iter().copied().chain(others).collect();
        let scan = CapturedScan {
            context: self.context.clone(),
            columns: columns.clone(),
            key: definition.key.clone(),
            wanted: scanned.clone(),
            form: *form,
            history: history.clone(),
            is_ordered: self.parts.len() == 1,
        };
        let place = |index: &usize| scanned.iter().position(|other| other == index).unwrap_or_default();
        let rows = scan.decoder()?.schema();
        let width = scanned.len();
        let fields: Vec<_> = rows.fields().iter().take(width).cloned().collect();
        Ok(TickTable {
            streams: definition.streams.clone(),
            schema: Arc::new(Schema::new(fields)),
            output: projection.iter().map(place).collect(),
            changes: RowChanges::Captured(key.iter().map(place).collect()),
            captured: CapturedSchema::new(name, definition, &self.context, &scanned),
            scan: TickScan::Captured(scan),
        })
    }
}
