//! The watch of the publication while the log is streamed: tables that are put into it later have rows that
//! the log lacks, which the next snapshot reads.
//!
//! A table that is dropped and made again under its name is such a table once it is in the publication again.
//! It is found when the log describes it, or else at the next look at the catalog. With a publication for all
//! tables the log has each table from its first row on, and there is nothing to watch.

use super::connection::session::{Session, literal};
use super::offset::Coverage;
use super::publication::{self, Publication, VERSION_WITH_FILTERS};
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult};
use std::time::Duration;

/// The time in which the server must answer a look at the catalog, which must not hold up the stream.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What was seen last of the publication and of the database's tables.
#[derive(Debug, Default)]
pub(crate) struct PublicationWatch {
    seen: Option<String>,
    /// The statement that has failed.
    failed: Option<String>,
}

/// Returns the error by which a stream ends because the rows of added tables must be read.
pub(crate) fn added_tables() -> CdcError {
    CdcError::new(CdcErrorKind::Busy, "tables were added to the publication: their rows are read")
}

/// Returns whether a table that the log describes has rows that the log lacks.
///
/// # Errors
/// Those of the session.
pub(crate) async fn is_added(
    session: &Session,
    settings: &CaptureSettings,
    version: u32,
    coverage: &Coverage,
    table: u32,
) -> CdcResult<bool> {
    if coverage.published.is_none() {
        return Ok(false);
    }
    let name = literal(&settings.publication);
    let of_schema = if version >= VERSION_WITH_FILTERS {
        format!(
            " UNION ALL SELECT m.oid FROM pg_publication_namespace m JOIN pg_publication p ON p.oid = m.pnpubid \
             JOIN pg_class c ON c.relnamespace = m.pnnspid WHERE p.pubname = {name} AND c.oid = {table}"
        )
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT m.oid FROM pg_publication_rel m JOIN pg_publication p ON p.oid = m.prpubid \
         WHERE p.pubname = {name} AND (m.prrelid = {table} OR m.prrelid IN \
         (SELECT relid FROM pg_partition_ancestors({table}))){of_schema}"
    );
    let rows = session.rows(&sql).await?;
    let mut memberships = rows.iter().filter_map(|row| row.get(0)?.parse::<u32>().ok());
    if rows.is_empty() || memberships.any(|oid| coverage.memberships.contains(&oid)) {
        // one that is gone has no rows
        return Ok(false);
    }
    let publication = publication::read(session, settings, version).await?;
    Ok(publication.added_since(coverage).iter().any(|added| added.info.oid == table))
}

impl PublicationWatch {
    /// Looks whether the publication has tables whose rows the stream lacks; adds those that are captured
    /// and not in it, if it is the capture's own and nothing is rejected then. A failure is not reported:
    /// the stream fails by itself.
    pub(crate) async fn has_added(
        &mut self,
        session: &Session,
        settings: &CaptureSettings,
        version: u32,
        coverage: &Coverage,
    ) -> bool {
        if coverage.published.is_none() {
            return false;
        }
        let publication = match tokio::time::timeout(TIMEOUT, self.changed(session, settings, version)).await
        {
            Ok(Ok(publication)) => publication,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot read the publication");
                None
            }
            Err(_) => None,
        };
        let Some(publication) = publication else { return false };
        let is_completed = self.complete(session, settings, &publication).await;
        is_completed || !publication.added_since(coverage).is_empty()
    }

    /// Returns the publication, if it or the list of tables is another one than at the last look.
    async fn changed(
        &mut self,
        session: &Session,
        settings: &CaptureSettings,
        version: u32,
    ) -> CdcResult<Option<Publication>> {
        let seen = fingerprint(session, settings, version).await?;
        if self.seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        let publication = publication::read(session, settings, version).await?;
        self.seen = Some(seen);
        Ok(Some(publication))
    }

    /// Adds captured tables to the capture's own publication. Returns whether it has done so.
    async fn complete(
        &mut self,
        session: &Session,
        settings: &CaptureSettings,
        publication: &Publication,
    ) -> bool {
        if settings.publication != settings.default_publication() {
            return false;
        }
        let Some(add) = publication.add_missing_with_identity(settings) else { return false };
        let result = publication::add_without_waiting(session, &add).await;
        if let Err(error) = &result
            && self.failed.as_ref() != Some(&add)
        {
            tracing::warn!(%error, statement = %add, "captured tables are missing in the publication");
            self.failed = Some(add);
        }
        if result.as_ref().is_err_and(|error| error.kind() == CdcErrorKind::Unreachable) {
            // a lock: tried again at the next look
            self.seen = None;
        }
        result.is_ok()
    }
}

/// Returns a text that is another one when tables, or what puts them into a publication, have changed.
async fn fingerprint(session: &Session, settings: &CaptureSettings, version: u32) -> CdcResult<String> {
    let name = literal(&settings.publication);
    let of_schemas = if version >= VERSION_WITH_FILTERS {
        "UNION ALL SELECT m.oid, m.pnpubid FROM pg_publication_namespace m "
    } else {
        ""
    };
    let sql = format!(
        "SELECT concat_ws(' ', (SELECT string_agg(m.oid::text, ',' ORDER BY m.oid) FROM ( \
         SELECT oid, prpubid FROM pg_publication_rel {of_schemas}) AS m (oid, publication) \
         JOIN pg_publication p ON p.oid = m.publication WHERE p.pubname = {name}), \
         count(*), sum(oid::bigint), sum(hashtext(relname || relnamespace::text)::bigint)) \
         FROM pg_class WHERE relkind IN ('r', 'p') AND relpersistence <> 't'"
    );
    session.value(&sql).await
}
