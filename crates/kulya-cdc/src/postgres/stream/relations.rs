//! The tables of the log: their descriptions, which precede the changes of their rows.

use super::state::ReplicationStream;
use crate::debezium::envelope::Operation;
use crate::output::Output;
use crate::postgres::catalog::{is_captured_partition, quoted};
use crate::postgres::pgoutput::{Cell, Relation, ReplicaIdentity};
use crate::postgres::snapshot_rows::TableChange;
use crate::postgres::table::Table;
use crate::postgres::transaction::Transaction;
use crate::snapshot_progress::Contained;
use crate::{CdcError, CdcResult};
use std::sync::Arc;

impl ReplicationStream<'_> {
    pub(super) async fn on_relation(&mut self, relation: Relation, output: &mut Output<'_>) -> CdcResult<()> {
        let settings = &self.target.settings;
        let is_captured = settings.is_captured(&relation.schema, &relation.table)
            || is_captured_partition(self.session, settings, relation.id).await?;
        let table = if is_captured {
            let earlier = self.relations.get(&relation.id).and_then(Option::as_deref);
            let table = self.catalog.relation_table(self.session, self.events, &relation, earlier).await?;
            output.batch.declare(&table.events.destination);
            if relation.identity == ReplicaIdentity::Default
                && !relation.columns.iter().any(|c| c.is_identity)
            {
                let table = quoted(&relation.schema, &relation.table);
                tracing::warn!(
                    table,
                    statement = format!("ALTER TABLE {table} REPLICA IDENTITY FULL"),
                    "a captured table has no primary key: PostgreSQL rejects UPDATE and DELETE on it"
                );
            }
            Some(Arc::new(table))
        } else {
            None
        };
        self.read_tables.remove(&relation.id);
        if let Some(read) = table.as_ref().and_then(|t| self.snapshot_rows.table(t, relation.identity)) {
            self.read_tables.insert(relation.id, read);
        }
        self.relations.insert(relation.id, table);
        Ok(())
    }

    /// Returns the table of a change; `None` if it is not captured.
    pub(super) fn table(&self, relation: u32) -> CdcResult<Option<Arc<Table>>> {
        self.relations.get(&relation).cloned().ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} without describing it first"))
        })
    }

    /// Returns what the rows of snapshots contain of a change of the present transaction, with the rows before
    /// and after it.
    ///
    /// # Errors
    /// `Position` for a change that cannot be assigned to the ranges of an interrupted snapshot.
    pub(super) fn in_snapshot(
        &self,
        relation: u32,
        operation: Operation,
        old: Option<&[Cell<'_>]>,
        new: Option<&[Cell<'_>]>,
    ) -> CdcResult<Contained> {
        let Some((read, transaction)) = self.read_tables.get(&relation).zip(self.transaction.as_ref()) else {
            return Ok(Contained::Nothing);
        };
        let Transaction { xid, commit_lsn, .. } = *transaction;
        read.contained(TableChange { xid, commit_lsn, is_update: operation == Operation::Update, old, new })
    }
}
