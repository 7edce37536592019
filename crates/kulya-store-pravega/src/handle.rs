//! The journal of an open store: found or made, read by a task of its own, and asked through a queue.

use crate::committer::{self, Job};
use crate::controller::OWN_SCOPE;
use crate::journal::Journal;
use crate::segments::Segments;
use crate::state::State;
use kulya_store::supervision::Supervisor;
use kulya_store::{
    Error, ErrorKind, HealthStatus, Result, Scope, SegmentId, StreamConfig, StreamId, StreamName,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The stream that the journal is.
pub(crate) fn journal_stream() -> StreamId {
    StreamId { scope: Scope::system(OWN_SCOPE), name: StreamName::system("_journal") }
}

/// A journal that is read to its end and can be asked.
pub(crate) struct JournalHandle {
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) segment: SegmentId,
}

impl JournalHandle {
    /// Reads the journal to its end, and finishes what another process left unfinished there.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub(crate) async fn open(segments: &Arc<Segments>, instance: u128, tasks: &Supervisor) -> Result<Self> {
        let stream = journal_stream();
        let found = segments.controller.open_segments(&stream).await?;
        let Some((journal, _)) = found.into_iter().next() else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{stream}, this store's journal, is sealed: nothing can be written any more"),
            ));
        };
        let mut reader = Journal::open(Arc::clone(segments), journal.clone(), instance).await?;
        reader.catch_up().await?;
        let state = reader.state();
        find_plain_scopes(segments, &state).await?;
        let (jobs, queue) = mpsc::unbounded_channel();
        tasks.spawn("store.pravega.journal", HealthStatus::Failed, committer::run(reader, queue));
        Ok(Self { jobs, state, segment: journal })
    }

    /// The same, where there may be none yet.
    pub(crate) async fn make(segments: &Arc<Segments>, instance: u128, tasks: &Supervisor) -> Result<Self> {
        let stream = journal_stream();
        segments.controller.create_scope(&stream.scope).await?;
        segments.controller.create_stream(&stream, &StreamConfig::with_segments(1)).await?;
        Self::open(segments, instance, tasks).await
    }
}

/// System scopes with tables, which an earlier version made under their plain names in Pravega: a scope is made before its
/// first table, so one that is not there under its name of today is there under the other.
async fn find_plain_scopes(segments: &Segments, state: &Mutex<State>) -> Result<()> {
    let scopes: BTreeSet<Scope> = {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tables.keys().map(|table| table.scope.clone()).filter(Scope::is_system).collect()
    };
    for scope in scopes.iter().filter(|scope| scope.as_str() != OWN_SCOPE) {
        if !segments.controller.scope_exists(scope).await? {
            segments.controller.keep_name_of(scope);
        }
    }
    Ok(())
}
