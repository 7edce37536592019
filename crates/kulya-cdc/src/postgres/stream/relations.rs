//! The tables of the log: their descriptions, which precede the changes of their rows.

use super::state::ReplicationStream;
use crate::output::Output;
use crate::postgres::catalog::{is_captured_partition, quoted};
use crate::postgres::pgoutput::{Relation, ReplicaIdentity};
use crate::postgres::table::Table;
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
            self.note_table(&table);
            if relation.identity == ReplicaIdentity::Default
                && !relation.columns.iter().any(|c| c.is_identity)
            {
                let table = quoted(&relation.schema, &relation.table);
                tracing::warn!(
                    %table,
                    statement = %format!("ALTER TABLE {table} REPLICA IDENTITY FULL"),
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
        // while it is read from the spool, there is none here
        if let Some(spool) = &mut self.spool {
            self.described.insert(relation.id, spool.count_description());
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
}
