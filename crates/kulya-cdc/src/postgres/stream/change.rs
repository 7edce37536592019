//! Changes of rows: their records, with the row before and after the change.

use super::state::{ReplicationStream, origin};
use crate::CdcResult;
use crate::debezium::Compatibility;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::Operation;
use crate::debezium::required_columns::write_with_optional_columns;
use crate::debezium::row_image::Findings;
use crate::output::Output;
use crate::postgres::pgoutput::{Cell, Message, OldTuple, Tuple};
use crate::postgres::snapshot_rows::TableChange;
use crate::postgres::table::{Image, TableRow};
use crate::postgres::transaction::Transaction;
use std::sync::Arc;

/// A change of a row as the log has it.
struct RowChange<'a> {
    operation: Operation,
    before: Option<(&'a [Cell<'a>], Image)>,
    after: Option<&'a Tuple<'a>>,
    lsn: u64,
}

impl ReplicationStream<'_> {
    pub(super) fn on_change(
        &mut self,
        message: Message<'_>,
        lsn: u64,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        match message {
            Message::Insert { relation, new } => {
                let change = |operation| RowChange { operation, before: None, after: Some(&new), lsn };
                self.write_row_change(relation, change(Operation::Create), output)
            }
            Message::Update { relation, old, new } => {
                let new = fill_unchanged(new, old.as_ref());
                let before = old.as_ref().map(image);
                let change = RowChange { operation: Operation::Update, before, after: Some(&new), lsn };
                self.write_row_change(relation, change, output)
            }
            Message::Delete { relation, old } => {
                let before = Some(image(&old));
                let change = RowChange { operation: Operation::Delete, before, after: None, lsn };
                self.write_row_change(relation, change, output)
            }
            Message::Truncate { relations } => {
                for relation in relations {
                    let change = RowChange { operation: Operation::Truncate, before: None, after: None, lsn };
                    self.write_row_change(relation, change, output)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes the records of a change.
    fn write_row_change(
        &mut self,
        relation: u32,
        change: RowChange<'_>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let Some(mut table) = self.table(relation)? else { return Ok(()) };
        let Some(change) = self.without_snapshot_rows(relation, change)? else { return Ok(()) };
        let RowChange { operation, before, after, lsn } = change;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let compat = self.events.modes.compat;
        if compat == Compatibility::Debezium && table.has_no_columns() && operation != Operation::Truncate {
            // without values Debezium has no event
            return Ok(());
        }
        if self.events.format.skipped_operations.contains(operation) {
            transaction.has_skipped_changes = true;
            return Ok(());
        }
        let has_metadata = self.events.format.provide_transaction_metadata;
        if has_metadata {
            transaction.write_begin(lsn, compat, &self.transactions, &mut output.batch);
        }
        let origin = origin(&self.source, Some(transaction), lsn, self.last_commit);
        let mut findings = Findings::default();
        let schema = Arc::clone(&table.events.schema);
        let is_changed = write_with_optional_columns(
            &mut output.batch,
            &mut table,
            &mut || has_metadata.then(|| transaction.count(&schema.table_name(), lsn)),
            &mut findings,
            |table, batch, order, findings| {
                let row = |cells, image| TableRow { table, cells, image };
                let before = before.map(|(cells, image)| row(cells, image));
                let after = after.map(|cells| row(cells, Image::Complete));
                let context = ChangeContext {
                    events: self.events,
                    table: &table.events,
                    now: &self.now,
                    source: &|out| origin.write(&table.source_members, out),
                };
                let change = Change { operation, before: before.as_ref(), after: after.as_ref() };
                write_change(batch, &change, &context, order, findings);
            },
            |table, nulls| table.with_optional(self.events, nulls),
        );
        self.replaced_values.report(&findings.replaced);
        if is_changed {
            self.relations.insert(relation, Some(table));
        }
        Ok(())
    }

    /// Returns what the rows of snapshots do not contain of a change; `None` for nothing.
    fn without_snapshot_rows<'c>(
        &self,
        relation: u32,
        change: RowChange<'c>,
    ) -> CdcResult<Option<RowChange<'c>>> {
        let Some((read, transaction)) = self.read_tables.get(&relation).zip(self.transaction.as_ref()) else {
            return Ok(Some(change));
        };
        let contained = read.contained(TableChange {
            xid: transaction.xid,
            commit_lsn: transaction.commit_lsn,
            is_update: change.operation == Operation::Update,
            old: change.before.map(|(cells, _)| cells),
            new: change.after.map(Vec::as_slice),
        })?;
        Ok(contained.rest_of(change.operation).map(|operation| RowChange {
            operation,
            before: change.before.filter(|_| operation != Operation::Create),
            after: change.after.filter(|_| operation != Operation::Delete),
            lsn: change.lsn,
        }))
    }

    /// Returns whether the rows of snapshots contain the change of a row of which only the first cells are
    /// there.
    pub(super) fn is_cut_row_in_snapshot(&self, relation: u32, cells: &[Cell<'_>]) -> bool {
        self.read_tables.get(&relation).zip(self.transaction.as_ref()).is_some_and(|(read, transaction)| {
            let Transaction { xid, commit_lsn, .. } = *transaction;
            let (old, new) = (None, Some(cells));
            read.contains_cut_row(TableChange { xid, commit_lsn, is_update: false, old, new })
        })
    }
}

fn image<'a>(old: &'a OldTuple<'a>) -> (&'a [Cell<'a>], Image) {
    match old {
        OldTuple::Full(cells) => (cells, Image::Complete),
        OldTuple::Key(cells) => (cells, Image::Identity),
    }
}

/// Fills the unchanged TOAST values of a new row from the old row. Of an old row that is the replica identity
/// only, the other columns are null.
fn fill_unchanged<'a>(mut new: Tuple<'a>, old: Option<&OldTuple<'a>>) -> Tuple<'a> {
    if let Some(OldTuple::Full(old) | OldTuple::Key(old)) = old {
        let is_missing = |(new, old): &(&mut Cell<'_>, &Cell<'_>)| {
            **new == Cell::Unchanged && matches!(old, Cell::Text(_))
        };
        new.iter_mut().zip(old).filter(is_missing).for_each(|(new, old)| *new = *old);
    }
    new
}
