//! The largest commits: a schema of 8 MiB, the registry's maximum, together with events.

use super::fake::FakePravega;
use super::{open, stream};
use crate::committer::checkpoint;
use crate::journal::Journal;
use crate::journal_handle::journal_stream;
use kulya_store::{Append, Commit, Condition, ErrorKind, StreamStore, TableChange, TableId, bounded_read};
use std::sync::Arc;

/// 8 MiB in base64, as records of earlier versions have it, is 10.7 MiB.
const VALUE: usize = 13 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_14_mib_of_changes_with_events_is_restored_from_a_checkpoint() {
    let pravega = FakePravega::start().await;
    let store = open(&pravega, 1).await;
    let orders = stream(&store, "orders", 1).await;
    let table = TableId::new("shop", "schemas").unwrap();
    store.create_table(&table).await.unwrap();
    for (key, events) in [("alone", 0), ("beside", 1), ("more", 3)] {
        let commit = Commit {
            appends: (0..events).map(|_| Append::keyed(&orders, "k", vec![1; 1 << 20])).collect(),
            ..Commit::changes(vec![TableChange::put(&table, key, Condition::Absent, vec![7; VALUE])])
        };
        let done = store.commit(commit).await.unwrap();
        assert_eq!(done.pointers.len(), events, "{key}");
    }
    let too_large = TableChange::put(&table, "k", Condition::Any, vec![7; VALUE + (1 << 20)]);
    let refused = store.commit(Commit::changes(vec![too_large])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("exceed the maximum of 14 MiB"), "{refused}");

    let segments = Arc::clone(&store.client.segments);
    let mut journal = Journal::open(segments, journal_stream().segment(0), 9).await.unwrap();
    journal.catch_up().await.unwrap();
    checkpoint(&mut journal).await.unwrap();
    let fresh = open(&pravega, 2).await;
    for key in ["alone", "beside", "more"] {
        assert_eq!(fresh.get(&table, key.as_bytes()).await.unwrap().unwrap().value.len(), VALUE);
    }
    assert_eq!(bounded_read(&*fresh, &orders).await.unwrap().len(), 4);
}
