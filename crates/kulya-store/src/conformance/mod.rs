//! The conformance suite: each test case takes an empty store and panics with the violated rule. A backend
//! is tested by one call of [`run_all`]; the reference implementation is
//! [`MemoryStore`](crate::memory::MemoryStore). Cases that need an unsupported capability are skipped and
//! listed in the [`Report`].

mod events;
mod fixture;
mod streams;
mod tables;
mod transactions;

use crate::{Capability, StreamStore};
use events::{
    duplicate_commit_writes_nothing, event_times_agree_with_cuts_at_times, invalid_offset_is_rejected,
    oversized_event_is_rejected_atomically, pointers_read_their_events, reads_continue_at_the_next_offset,
    reads_honour_any_chunk_size, reopened_consumer_continues_at_its_committed_position,
    routing_keys_select_segments_and_keep_order, tail_returns_every_event_and_ends_when_sealed,
    unkeyed_events_are_spread_over_segments, unsynced_commits_are_visible, waiting_reader_wakes_on_append,
};
use std::future::Future;
use std::sync::Arc;
use streams::{
    closed_store_returns_closed, cut_at_time_skips_no_later_event, invalid_cut_is_rejected_atomically,
    missing_objects_are_not_found, only_an_empty_scope_can_be_deleted, recreated_stream_has_a_higher_epoch,
    recreated_stream_shares_nothing_with_the_deleted_one, retention_can_be_updated,
    retention_combines_age_and_size, scopes_and_streams_are_created_and_listed, sealed_stream_rejects_events,
    tails_name_missing_streams, tails_of_many_streams_are_of_one_moment, truncated_stream_starts_at_its_cut,
};
use tables::{
    commit_is_atomic, concurrent_updates_are_not_lost, reader_position_is_updated_by_compare_and_set,
    table_conditions_are_checked, table_scans_are_ordered_and_paged, tables_are_listed_and_deleted,
};
use transactions::{
    dropped_transaction_leaves_nothing, sealing_or_deleting_a_stream_fails_open_transactions,
    transaction_becomes_visible_at_commit, transaction_outcome_is_remembered,
    transaction_with_failed_condition_leaves_nothing, transactions_and_commits_interleave,
};

/// The result of a run of the suite.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of cases that ran.
    pub run_count: usize,
    /// The skipped cases, each with the unsupported capability and the reason.
    pub skipped: Vec<(&'static str, Capability, &'static str)>,
}

/// Runs every case, each on a new store that `create_store` returns.
pub async fn run_all<F, S>(create_store: impl Fn() -> F) -> Report
where
    F: Future<Output = Arc<S>>,
    S: StreamStore,
{
    let mut report = Report::default();
    macro_rules! run {
        ($($case:ident $(needs $capability:ident)?),* $(,)?) => { $({
            let needs: &[Capability] = &[$(Capability::$capability)?];
            let store = create_store().await;
            let unsupported = store.unsupported().iter().find(|(capability, _)| needs.contains(capability));
            if let Some((capability, reason)) = unsupported {
                report.skipped.push((stringify!($case), *capability, reason));
            } else {
                $case(store).await;
                report.run_count += 1;
            }
        })* };
    }
    run!(
        scopes_and_streams_are_created_and_listed,
        missing_objects_are_not_found,
        routing_keys_select_segments_and_keep_order,
        unkeyed_events_are_spread_over_segments,
        pointers_read_their_events,
        reads_continue_at_the_next_offset,
        reads_honour_any_chunk_size,
        invalid_offset_is_rejected,
        waiting_reader_wakes_on_append,
        table_conditions_are_checked,
        table_scans_are_ordered_and_paged,
        commit_is_atomic,
        oversized_event_is_rejected_atomically,
        transaction_becomes_visible_at_commit,
        dropped_transaction_leaves_nothing,
        transaction_with_failed_condition_leaves_nothing,
        transactions_and_commits_interleave,
        concurrent_updates_are_not_lost,
        duplicate_commit_writes_nothing,
        unsynced_commits_are_visible,
        transaction_outcome_is_remembered,
        sealed_stream_rejects_events,
        tail_returns_every_event_and_ends_when_sealed,
        recreated_stream_shares_nothing_with_the_deleted_one,
        sealing_or_deleting_a_stream_fails_open_transactions,
        truncated_stream_starts_at_its_cut,
        invalid_cut_is_rejected_atomically,
        tables_are_listed_and_deleted,
        only_an_empty_scope_can_be_deleted,
        retention_can_be_updated,
        recreated_stream_has_a_higher_epoch needs HigherEpochs,
        retention_combines_age_and_size needs CombinedRetention,
        cut_at_time_skips_no_later_event needs CutAtTime,
        event_times_agree_with_cuts_at_times needs AppendTimes,
        tails_of_many_streams_are_of_one_moment,
        tails_name_missing_streams,
        reader_position_is_updated_by_compare_and_set,
        reopened_consumer_continues_at_its_committed_position,
        closed_store_returns_closed,
    );
    report
}
