//! The journal of an open store: opened or created, read by its own task, and accessed through a queue.

use crate::committer;
use crate::controller::JOURNAL_SCOPE;
use crate::journal::Journal;
use crate::plan::{Request, Response};
use crate::segments::Segments;
use crate::state::State;
use kulya_store::log_backend::queue::{JobSender, job_queue};
use kulya_store::supervision::Supervisor;
use kulya_store::{
    Error, ErrorKind, HealthStatus, Result, Scope, SegmentId, StreamConfig, StreamId, StreamName,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Returns the stream of the journal.
pub(crate) fn journal_stream() -> StreamId {
    StreamId { scope: Scope::system(JOURNAL_SCOPE), name: StreamName::system("_journal") }
}

/// Access to an open journal.
pub(crate) struct JournalHandle {
    pub(crate) jobs: JobSender<Request, Response>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) segment: SegmentId,
}

impl JournalHandle {
    /// Opens the journal: reads it to its end, and finishes what another process left unfinished there.
    ///
    /// # Errors
    /// `NotFound` when it does not exist; `Corrupt` when it is sealed or holds something else.
    pub(crate) async fn open(segments: &Arc<Segments>, instance: u128, tasks: &Supervisor) -> Result<Self> {
        let stream = journal_stream();
        let found = segments.controller.open_segments(&stream).await?;
        let Some((journal, _)) = found.into_iter().next() else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("journal {stream} is sealed: the store is read-only"),
            ));
        };
        let mut reader = Journal::open(Arc::clone(segments), journal.clone(), instance).await?;
        reader.catch_up().await?;
        let state = reader.state();
        detect_unprefixed_scopes(segments, &state).await?;
        let (jobs, queue) = job_queue();
        tasks.spawn("store.pravega.journal", HealthStatus::Failed, committer::run(reader, queue));
        Ok(Self { jobs, state, segment: journal })
    }

    /// Opens the journal, and creates it if it does not exist.
    pub(crate) async fn create(segments: &Arc<Segments>, instance: u128, tasks: &Supervisor) -> Result<Self> {
        let stream = journal_stream();
        segments.controller.create_scope(&stream.scope).await?;
        segments.controller.create_stream(&stream, &StreamConfig::with_segments(1)).await?;
        Self::open(segments, instance, tasks).await
    }
}

/// Detects system scopes with tables that an earlier version created unprefixed in Pravega: a scope is
/// created before its first table, so one that does not exist under its prefixed name exists under the other.
async fn detect_unprefixed_scopes(segments: &Segments, state: &Mutex<State>) -> Result<()> {
    let scopes: BTreeSet<Scope> = {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tables.iter().map(|(table, _)| table.scope.clone()).filter(Scope::is_system).collect()
    };
    for scope in scopes.iter().filter(|scope| scope.as_str() != JOURNAL_SCOPE) {
        if !segments.controller.scope_exists(scope).await? {
            segments.controller.use_unprefixed_name(scope);
        }
    }
    Ok(())
}
