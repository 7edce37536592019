//! Rows that SQL has read, not the log: their events, and the records of those that are too large for one.
//! The initial and the incremental snapshots write them.

use super::pgoutput::Cell;
use super::source_block::Origin;
use super::table::{Image, Table, TableRow};
use crate::batch::Batch;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::EventContext;
use crate::debezium::required_columns::write_with_optional_columns;
use crate::debezium::row_image::Findings;
use std::sync::Arc;

/// Writes a row. A null in a required column makes `table` a version with that column optional. Returns what
/// was found in the values.
pub(super) fn write(
    batch: &mut Batch,
    table: &mut Arc<Table>,
    cells: &[Cell<'_>],
    (events, origin, now): (&EventContext, &Origin<'_>, &ProcessingTime),
) -> Findings {
    let mut findings = Findings::default();
    write_with_optional_columns(
        batch,
        table,
        &mut || None,
        &mut findings,
        |table, batch, order, findings| {
            let after = TableRow { table, cells, image: Image::Complete };
            let change = Change { operation: Operation::Read, before: None, after: Some(&after) };
            let context = ChangeContext {
                events,
                table: &table.events,
                now,
                source: &|out| origin.write(&table.source_members, out),
            };
            write_change(batch, &change, &context, order, findings);
        },
        |table, nulls| table.with_optional(events, nulls),
    );
    findings
}

/// Leaves out an event whose row has `bytes` bytes, more than an event can have. `cells` are those of its
/// beginning; the last one may have been cut.
pub(super) fn omit(batch: &mut Batch, table: &Table, cells: &[Cell<'_>], bytes: usize) {
    let whole = cells.split_last().map_or(&[][..], |(_, whole)| whole);
    let key = table.write_cut_key(whole, batch.buffer());
    batch.omit(&table.events.destination, key, bytes);
}
