//! The rows of a snapshot as events, each table's committed with its cut.

use super::catalog::TableInfo;
use super::checkpoint::history_text;
use super::connection::{RowStream, TextRow};
use super::event_table::EventTable;
use super::events::EventWriter;
use super::offset::{LogPoint, MysqlPosition};
use super::schema_changes::SchemaChanges;
use super::schema_history::SchemaHistory;
use super::snapshot::{Snapshot, read_error};
use super::source_block::Origin;
use crate::debezium::envelope::ProcessingTime;
use crate::debezium::snapshot_mark::TablePlace;
use crate::output::Output;
use crate::{CdcError, CdcResult, Checkpoint, Position, Progress};
use std::sync::Arc;

/// What the rows of one table have in common.
#[derive(Clone, Copy)]
struct TableOrigin<'a> {
    origin: Origin<'a>,
    place: TablePlace,
}

/// Returns the origin of what a snapshot reads at a place of the log.
fn origin<'a>(place: &'a LogPoint, output: &Output<'_>) -> Origin<'a> {
    // whole seconds, as Debezium has them
    let seconds = i64::try_from(output.clock.since_epoch().as_secs()).unwrap_or_default();
    Origin {
        micros: seconds.saturating_mul(1_000_000),
        snapshot: "true",
        server_id: 0,
        gtid: None,
        file: &place.file,
        position: place.position,
        row: 0,
        thread: None,
        query: None,
    }
}

/// Writes the statements that would create the tables of a snapshot.
pub(crate) fn describe(snapshot: &Snapshot, changes: &SchemaChanges, output: &mut Output<'_>) {
    let now = ProcessingTime::new(output.clock.since_epoch());
    let origin = origin(&snapshot.position.point, output);
    changes.write_snapshot(snapshot, &origin, &now, &mut output.batch);
}

/// Hands over the rows of all tables of a snapshot, and commits each table's with its cut. `history` has the
/// tables' definitions.
///
/// # Errors
/// `Unreachable` when a table was changed meanwhile, or for the network: what is not committed is read again.
pub(crate) async fn read(
    snapshot: &mut Snapshot,
    position: &mut MysqlPosition,
    history: &SchemaHistory,
    writer: &mut EventWriter,
    output: &mut Output<'_>,
) -> CdcResult<()> {
    let tables = snapshot.tables.clone();
    let rows = tables.iter().map(|table| table.rows).sum();
    (output.on_progress)(Progress::SnapshotStarted { tables: tables.len(), rows });
    let cut = snapshot.position.cut();
    let place = snapshot.position.point.clone();
    let origin = origin(&place, output);
    let mut with_rows = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        if snapshot.has_rows(table).await? {
            with_rows.push(index);
        }
    }
    let mut history = Some(history_text(history)?);
    for (index, table) in tables.iter().enumerate() {
        let place = TablePlace { is_first: index == 0, is_last: with_rows.last() == Some(&index) };
        let converter = declare(snapshot, table, writer, output)?;
        if with_rows.contains(&index) {
            read_table(snapshot, table, converter, &TableOrigin { origin, place }, writer, output).await?;
        }
        position.cuts.insert(table.name.clone(), cut.clone());
        output
            .commit(Checkpoint { position: Position::Mysql(position.clone()), history: history.take() })
            .await?;
    }
    Ok(())
}

/// Declares a table of a snapshot to the batch.
///
/// # Errors
/// `Source` for a table without a definition.
pub(crate) fn declare(
    snapshot: &Snapshot,
    table: &TableInfo,
    writer: &mut EventWriter,
    output: &mut Output<'_>,
) -> CdcResult<Arc<EventTable>> {
    let definition = snapshot.definitions.history.table(&table.name.database, &table.name.table).cloned();
    let definition = definition
        .ok_or_else(|| CdcError::source(format!("table {} is not in the schema history", table.name)))?;
    let converter = writer.table(&Arc::new(definition), &mut output.batch);
    output.batch.declare(&converter.events.destination);
    Ok(converter)
}

async fn read_table(
    snapshot: &mut Snapshot,
    info: &TableInfo,
    mut table: Arc<EventTable>,
    origin: &TableOrigin<'_>,
    writer: &mut EventWriter,
    output: &mut Output<'_>,
) -> CdcResult<()> {
    snapshot.hold(info).await?;
    let sql = format!("SELECT {} FROM {}", table.rows.select_list(), info.quoted());
    let rows = snapshot.session.query_rows(&sql).await.map_err(|error| read_error(info, error))?;
    let mut rows = rows.cutting_long_rows();
    // a row is held back until it is known whether it is the last one
    let (mut row, mut next) = (TextRow::default(), TextRow::default());
    let mut count = 0;
    let mut is_row = next_row(&mut rows, &mut row, (info, &table), output).await?;
    while is_row {
        let is_followed = next_row(&mut rows, &mut next, (info, &table), output).await?;
        let origin = Origin { snapshot: origin.place.mark(count == 0, !is_followed), ..origin.origin };
        let now = ProcessingTime::new(output.clock.since_epoch());
        writer.write_snapshot_row(&mut table, &row, &origin, &now, &mut output.batch);
        if output.is_full() {
            output.stage().await?;
        }
        count += 1;
        output.on_snapshot_row(count)?;
        std::mem::swap(&mut row, &mut next);
        is_row = is_followed;
    }
    drop(rows);
    output.on_snapshot_table_end(count);
    snapshot.release().await
}

/// Reads the next row; false after the last one. Events of rows that are larger than an event can be are left
/// out.
async fn next_row(
    rows: &mut RowStream<'_>,
    row: &mut TextRow,
    (info, table): (&TableInfo, &EventTable),
    output: &mut Output<'_>,
) -> CdcResult<bool> {
    while rows.next_into(row).await.map_err(|error| read_error(info, error))? {
        match row.cut_from() {
            Some(bytes) => EventWriter::omit_snapshot_row(table, row, bytes, &mut output.batch),
            None => return Ok(true),
        }
    }
    Ok(false)
}
