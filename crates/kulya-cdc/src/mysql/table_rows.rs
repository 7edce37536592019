//! The rows of a snapshot as events, committed with what they complete.

use super::checkpoint::history_text;
use super::connection::Connection;
use super::event_table::EventTable;
use super::events::EventWriter;
use super::offset::MysqlPosition;
use super::schema_changes::SchemaChanges;
use super::schema_history::SchemaHistory;
use super::snapshot::Snapshot;
use super::snapshot::planner::{PlannedTable, Planner, key_changed, mark_places};
use super::snapshot::reader::{Reader, RowContext};
use super::snapshot_rows::listed_name;
use crate::debezium::events::EventContext;
use crate::debezium::snapshot_mark::TablePlace;
use crate::mysql::catalog::TableInfo;
use crate::output::Output;
use crate::snapshot_parts::{self, HandOver, ReadRange, SnapshotPosition};
use crate::snapshot_progress::TableList;
use crate::{CdcError, CdcResult, Checkpoint, Position, Progress};
use kulya_store::supervision::catch_and_log;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Writes the statements that would create the tables of a snapshot.
pub(crate) fn describe(snapshot: &Snapshot, changes: &SchemaChanges, output: &mut Output<'_>) {
    let context = RowContext::new(output.clock, snapshot.position.point.clone());
    changes.write_snapshot(snapshot, &context.origin("true"), &context.now(), &mut output.batch);
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

/// What a run of a snapshot has.
pub(crate) struct Run<'a> {
    pub(crate) events: &'a Arc<EventContext>,
    /// A session without a transaction.
    pub(crate) session: &'a mut Connection,
    pub(crate) position: &'a mut MysqlPosition,
    pub(crate) list: &'a mut TableList,
    /// The definitions of all tables, each at the place at which its rows are read.
    pub(crate) history: &'a mut SchemaHistory,
    /// The number of rows of a range; 0 to read tables as wholes.
    pub(crate) chunk_rows: u64,
}

/// Hands over the rows of all tables of a snapshot, and commits them with what they complete.
///
/// # Errors
/// `Unreachable` when a table was changed meanwhile, or for the network: what is not committed is read again.
/// `Position` when a table of which a part is read has another definition now.
pub(crate) async fn read(mut snapshot: Snapshot, run: Run<'_>, output: &mut Output<'_>) -> CdcResult<()> {
    let Run { events, session, position, list, history, chunk_rows } = run;
    let definitions = snapshot.definitions.history;
    let mut planned = plan(&snapshot.tables, position, list);
    take_definitions(&planned, &definitions, history)?;
    if let Some(first) = snapshot.readers.first_mut() {
        mark_places(&mut planned, first).await?;
    }
    let estimate = |table: &PlannedTable| table.info.rows.saturating_sub(table.read.rows);
    let rows = planned.iter().map(estimate).sum();
    (output.on_progress)(Progress::SnapshotStarted { tables: planned.len(), rows });
    let flavour = snapshot.facts.version.flavour;
    let context = Arc::new(RowContext::new(output.clock, snapshot.position.point.clone()));
    let count = u32::try_from(snapshot.readers.len()).unwrap_or(1);
    let (work, shared, parts) = snapshot_parts::connect(count);
    // ends the readers when this function ends, however it does
    let mut readers = JoinSet::new();
    let reads = position.snapshot_reads.get_or_insert_default();
    let (is_undivided, cuts) = (snapshot.cuts.len() > 1, snapshot.cuts.len());
    let first_cut = reads.progress.add_cuts(&mut reads.cuts, snapshot.cuts);
    for (index, session) in snapshot.readers.into_iter().enumerate() {
        // one for all, or one for each
        let cut = first_cut + index % cuts.max(1);
        let writer = EventWriter::new(Arc::clone(events), flavour);
        let reader = Reader::new((session, cut), &context, writer, HandOver::new(&shared));
        readers.spawn(catch_and_log("snapshot reader", reader.run()));
    }
    drop(shared);
    let numbers: Vec<usize> = planned.iter().map(|table| table.number).collect();
    let mut writer = EventWriter::new(Arc::clone(events), flavour);
    let mut planner =
        Planner { session, writer: &mut writer, definitions: &definitions, chunk_rows, is_undivided };
    let mut progress = Progressing { position, history: Some(history_text(history, list)?) };
    let collect = snapshot_parts::collect(parts, &mut progress, output);
    tokio::try_join!(planner.plan(planned, work), collect)?;
    position.snapshot_reads.get_or_insert_default().progress.check_complete(&numbers)
}

/// Sets the definitions of the tables to those of the snapshot. A table of which a part is read must have the
/// same one.
fn take_definitions(
    planned: &[PlannedTable],
    definitions: &SchemaHistory,
    history: &mut SchemaHistory,
) -> CdcResult<()> {
    for table in planned {
        let (database, name) = (&table.info.name.database, &table.info.name.table);
        let Some(definition) = definitions.table(database, name) else { continue };
        if !table.read.ranges.is_empty() && history.table(database, name) != Some(definition) {
            return Err(key_changed(&table.info));
        }
        history.set_table(definition.clone());
    }
    Ok(())
}

/// Numbers the tables, and looks up what is read of them.
fn plan(tables: &[TableInfo], position: &mut MysqlPosition, list: &mut TableList) -> Vec<PlannedTable> {
    let names: Vec<String> = tables.iter().map(|table| listed_name(&table.name)).collect();
    let progress = &mut position.snapshot_reads.get_or_insert_default().progress;
    let numbers = progress.number_tables(&names, list);
    let mut planned: Vec<PlannedTable> = tables
        .iter()
        .zip(numbers)
        .map(|(info, number)| PlannedTable {
            number,
            info: info.clone(),
            place: TablePlace { is_first: false, is_last: false },
            read: progress.table(number),
        })
        .collect();
    planned.sort_by_key(|table| table.number);
    planned
}

/// The position while a snapshot is read.
struct Progressing<'a> {
    position: &'a mut MysqlPosition,
    /// The definitions and the list of the snapshot's tables, until they are committed.
    history: Option<Arc<str>>,
}

impl SnapshotPosition for Progressing<'_> {
    fn add(&mut self, range: ReadRange, rows: u64) -> CdcResult<bool> {
        range.add_to(&mut self.position.snapshot_reads.get_or_insert_default().progress, rows)
    }

    fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint { position: Position::Mysql(self.position.clone()), history: self.history.take() }
    }
}
