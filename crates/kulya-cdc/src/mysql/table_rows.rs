//! The rows of a snapshot, table by table, as events.

use super::connection::TextRow;
use super::event_table::EventTable;
use super::events::EventWriter;
use super::snapshot::Snapshot;
use super::source_block::Origin;
use crate::debezium::envelope::ProcessingTime;
use crate::output::Output;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress};
use std::sync::Arc;

/// The number of rows between two progress notifications, and between two checks for cancellation.
const ROWS_PER_PROGRESS: u64 = 1000;

/// A row that is held back until it is known whether it is the last one.
struct PendingRow {
    table: Arc<EventTable>,
    row: TextRow,
    is_first_of_table: bool,
    is_first: bool,
}

/// Hands over the rows of all tables; the caller commits.
///
/// # Errors
/// `Unreachable` when a table was changed meanwhile, or for the network: read the snapshot again.
pub(crate) async fn read(
    snapshot: &mut Snapshot,
    mut writer: EventWriter,
    output: &mut Output<'_>,
) -> CdcResult<()> {
    let tables = snapshot.tables.clone();
    let rows = tables.iter().map(|table| table.rows).sum();
    (output.on_progress)(Progress::SnapshotStarted { tables: tables.len(), rows });
    let point = snapshot.position.point.clone();
    let origin = Origin {
        // whole seconds, as in Debezium's
        micros: i64::try_from(output.clock.since_epoch().as_secs()).unwrap_or(i64::MAX / 1_000_000) * 1_000_000,
        snapshot: "true",
        server_id: 0,
        gtid: None,
        file: &point.file,
        position: point.position,
        row: 0,
        thread: None,
        query: None,
    };
    let mut pending: Option<PendingRow> = None;
    // the memory of the row before
    let mut next = TextRow::default();
    for info in &tables {
        snapshot.hold(info).await?;
        let definition = snapshot.history.table(&info.name.database, &info.name.table).cloned();
        let definition = Arc::new(definition.ok_or_else(|| {
            CdcError::source(format!("table {} is not in the schema history", info.name))
        })?);
        let table = writer.table(&definition, &mut output.batch);
        output.batch.declare(&table.events.destination);
        let sql = format!("SELECT {} FROM {}", table.rows.select_list(), info.quoted());
        let failed = |error| {
            let error = CdcError::from(error);
            CdcError::new(error.kind(), format!("reading table {} failed: {error}", info.name)).because(error)
        };
        let mut rows = snapshot.session.query_rows(&sql).await.map_err(failed)?;
        let mut count = 0;
        while rows.next_into(&mut next).await.map_err(failed)? {
            let is_first = count == 0 && pending.is_none();
            let row = std::mem::take(&mut next);
            let read = PendingRow { table: Arc::clone(&table), row, is_first_of_table: count == 0, is_first };
            if let Some(row) = pending.replace(read) {
                next = write(&mut writer, output, row, count == 0, false, &origin);
                if output.is_full() {
                    output.stage().await?;
                }
            }
            count += 1;
            if count % ROWS_PER_PROGRESS == 0 {
                (output.on_progress)(Progress::SnapshotRows(ROWS_PER_PROGRESS));
                if output.cancel.is_cancelled() {
                    return Err(CdcError::new(CdcErrorKind::Unreachable, "cancelled during the snapshot"));
                }
            }
        }
        (output.on_progress)(Progress::SnapshotRows(count % ROWS_PER_PROGRESS));
    }
    if let Some(row) = pending {
        write(&mut writer, output, row, true, true, &origin);
    }
    Ok(())
}

/// Writes a row and returns its memory.
fn write(
    writer: &mut EventWriter,
    output: &mut Output<'_>,
    row: PendingRow,
    is_last_of_table: bool,
    is_last: bool,
    origin: &Origin<'_>,
) -> TextRow {
    let snapshot = match (is_last, is_last_of_table, row.is_first, row.is_first_of_table) {
        (true, ..) => "last",
        (_, true, ..) => "last_in_data_collection",
        (_, _, true, _) => "first",
        (_, _, _, true) => "first_in_data_collection",
        _ => "true",
    };
    let origin = Origin { snapshot, ..*origin };
    let now = ProcessingTime::new(output.clock.since_epoch());
    writer.write_snapshot_row(&row.table, &row.row, &origin, &now, &mut output.batch);
    row.row
}
