//! The contract as functions: each takes an empty store and panics, with the sentence that is broken, when the
//! store does not keep it. A backend's test is one call of [`all`]; the oracle is
//! [`MemoryStore`](crate::memory::MemoryStore). What a backend lacks is not asked of it, and named in the [`Report`].

mod events;
mod streams;
mod tables;
mod transactions;

use crate::{
    Capability, Commit, ErrorKind, EventPointer, StreamConfig, StreamId, StreamStore, TableId, bounded_read,
};
use events::{
    a_large_event_is_refused_whole, a_repeated_commit_writes_nothing,
    a_tail_gives_every_event_and_ends_when_sealed, a_tail_wakes_its_reader, a_wrong_offset_is_refused,
    events_without_a_key_are_all_kept, keys_choose_segments_and_keep_order,
    many_events_are_read_in_chunks_of_any_size, pointers_lead_back, reads_go_on_where_they_ended,
    written_is_seen_and_synced_later,
};
use std::future::Future;
use std::sync::Arc;
use streams::{
    a_closed_store_says_so, a_cut_at_a_time_leaves_nothing_out, a_deleted_stream_comes_back_as_another,
    a_remade_streams_segments_have_a_higher_epoch, a_sealed_stream_takes_no_events,
    a_stream_is_kept_as_it_was_last_told, a_stream_is_kept_by_age_and_size_at_once,
    a_truncated_stream_begins_at_its_cut, a_wrong_cut_is_refused_whole, an_empty_scope_can_be_deleted,
    scopes_and_streams_are_listed, what_is_not_there_is_not_found,
};
use tables::{
    a_commit_is_all_or_nothing, a_readers_position_is_compared_and_set, concurrent_writers_lose_nothing,
    tables_are_listed_and_deleted, tables_are_ordered_and_paged, tables_compare_and_set,
};
use transactions::{
    a_sealed_or_deleted_stream_fails_open_transactions, a_transaction_dropped_leaves_nothing,
    a_transaction_is_seen_at_its_commit, a_transaction_with_a_broken_condition_leaves_nothing,
    a_transactions_outcome_is_remembered, transactions_and_commits_interleave,
};

/// What the suite asked of a backend.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases ran.
    pub ran: usize,
    /// The cases that were left out, each with what the backend lacks for it and why.
    pub left_out: Vec<(&'static str, Capability, &'static str)>,
}

/// Runs every function of the suite, each on a store that `fresh` makes.
pub async fn all<F, S>(fresh: impl Fn() -> F) -> Report
where
    F: Future<Output = Arc<S>>,
    S: StreamStore,
{
    let mut report = Report::default();
    macro_rules! run {
        ($($case:ident $(needs $capability:ident)?),* $(,)?) => { $({
            let needs: &[Capability] = &[$(Capability::$capability)?];
            let store = fresh().await;
            let lack = store.lacks().iter().find(|(capability, _)| needs.contains(capability));
            if let Some((capability, reason)) = lack {
                report.left_out.push((stringify!($case), *capability, reason));
            } else {
                $case(store).await;
                report.ran += 1;
            }
        })* };
    }
    run!(
        scopes_and_streams_are_listed,
        what_is_not_there_is_not_found,
        keys_choose_segments_and_keep_order,
        events_without_a_key_are_all_kept,
        pointers_lead_back,
        reads_go_on_where_they_ended,
        many_events_are_read_in_chunks_of_any_size,
        a_wrong_offset_is_refused,
        a_tail_wakes_its_reader,
        tables_compare_and_set,
        tables_are_ordered_and_paged,
        a_commit_is_all_or_nothing,
        a_large_event_is_refused_whole,
        a_transaction_is_seen_at_its_commit,
        a_transaction_dropped_leaves_nothing,
        a_transaction_with_a_broken_condition_leaves_nothing,
        transactions_and_commits_interleave,
        concurrent_writers_lose_nothing,
        a_repeated_commit_writes_nothing,
        written_is_seen_and_synced_later,
        a_transactions_outcome_is_remembered,
        a_sealed_stream_takes_no_events,
        a_tail_gives_every_event_and_ends_when_sealed,
        a_deleted_stream_comes_back_as_another,
        a_sealed_or_deleted_stream_fails_open_transactions,
        a_truncated_stream_begins_at_its_cut,
        a_wrong_cut_is_refused_whole,
        tables_are_listed_and_deleted,
        an_empty_scope_can_be_deleted,
        a_stream_is_kept_as_it_was_last_told,
        a_remade_streams_segments_have_a_higher_epoch needs HigherEpochs,
        a_stream_is_kept_by_age_and_size_at_once needs TwoLimits,
        a_cut_at_a_time_leaves_nothing_out needs CutAtTime,
        a_readers_position_is_compared_and_set,
        a_closed_store_says_so,
    );
    report
}

const SHOP: &str = "shop";

async fn stream(store: &impl StreamStore, name: &str, segments: u32) -> StreamId {
    let stream = StreamId::new(SHOP, name).expect("a right name");
    store.create_scope(&stream.scope).await.expect("a scope can be made");
    store.create_stream(&stream, StreamConfig::with_segments(segments)).await.expect("a stream can be made");
    stream
}

async fn table(store: &impl StreamStore, name: &str) -> TableId {
    let table = TableId::new(SHOP, name).expect("a right name");
    store.create_scope(&table.scope).await.expect("a scope can be made");
    store.create_table(&table).await.expect("a table can be made");
    table
}

/// Commits one event, or more, and gives the first one's pointer.
async fn committed(store: &impl StreamStore, commit: Commit) -> EventPointer {
    store.commit(commit).await.expect("committed").pointers.first().expect("each event has one")
}

async fn texts(store: &impl StreamStore, stream: &StreamId) -> Vec<String> {
    let events = bounded_read(store, stream).await.expect("a stream can be read");
    events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()).collect()
}

fn kind<T: std::fmt::Debug>(result: crate::Result<T>) -> ErrorKind {
    result.expect_err("this must be refused").kind()
}
