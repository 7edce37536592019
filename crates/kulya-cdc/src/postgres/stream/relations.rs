//! The tables of the log: their descriptions, which precede the changes of their rows.

use super::state::ReplicationStream;
use crate::output::Output;
use crate::postgres::catalog::{is_captured_partition, quoted};
use crate::postgres::pgoutput::{Relation, ReplicaIdentity};
use crate::postgres::publication_watch;
use crate::postgres::table::Table;
use crate::{CdcError, CdcResult};
use std::sync::Arc;

impl ReplicationStream<'_> {
    pub(super) async fn on_relation(&mut self, relation: Relation, output: &mut Output<'_>) -> CdcResult<()> {
        let settings = &self.target.settings;
        let is_captured = settings.is_captured(&relation.schema, &relation.table)
            || is_captured_partition(self.session, settings, relation.id).await?;
        if is_captured && self.is_added(relation.id).await? {
            let table = quoted(&relation.schema, &relation.table);
            tracing::info!(%table, "a table is new in the publication: its rows are read");
            return Err(self.end_for_added_tables());
        }
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

    /// Returns whether a table that the log describes has rows that the log lacks.
    async fn is_added(&mut self, table: u32) -> CdcResult<bool> {
        let Some(coverage) = &self.position.coverage else { return Ok(false) };
        let settings = &self.target.settings;
        publication_watch::is_added(self.session, settings, self.server_version, coverage, table).await
    }

    /// Looks whether the rows of tables must be read that were put into the publication.
    ///
    /// # Errors
    /// That they must, by which the stream ends.
    pub(super) async fn watch_publication(&mut self) -> CdcResult<()> {
        let Some(coverage) = &self.position.coverage else { return Ok(()) };
        let (session, settings) = (self.session, &self.target.settings);
        match self.publication_watch.has_added(session, settings, self.server_version, coverage).await {
            true => {
                tracing::info!("tables are new in the publication: their rows are read");
                Err(self.end_for_added_tables())
            }
            false => Ok(()),
        }
    }

    fn end_for_added_tables(&mut self) -> CdcError {
        self.has_added_tables = true;
        publication_watch::added_tables()
    }

    /// Returns whether the stream has ended because the rows of tables must be read that were put into the
    /// publication.
    pub(crate) fn has_added_tables(&self) -> bool {
        self.has_added_tables
    }

    /// Returns the table of a change; `None` if it is not captured.
    pub(super) fn table(&self, relation: u32) -> CdcResult<Option<Arc<Table>>> {
        self.relations.get(&relation).cloned().ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} without describing it first"))
        })
    }
}
