//! Tails of many streams while others write.

use super::fake::FakePravega;
use super::{open, stream};
use kulya_store::{Append, Commit, ErrorKind, SegmentInfo, StreamStore};
use std::sync::Arc;

fn bytes(segments: &[SegmentInfo]) -> u64 {
    segments.iter().map(|segment| segment.tail).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_progress_is_finished_before_the_tails_are_read() {
    let pravega = FakePravega::start().await;
    let (one, two) = (open(&pravega, 1).await, open(&pravega, 2).await);
    let (left, right) = (stream(&one, "left", 1).await, stream(&one, "right", 2).await);
    // the commit has reached one of its streams
    pravega.delay_appends("shop/right/");
    let committing = {
        let appends = vec![Append::keyed(&left, "k", "event"), Append::keyed(&right, "k", "event")];
        let one = Arc::clone(&one);
        tokio::spawn(async move { one.commit(Commit::events(appends)).await })
    };
    pravega.delayed_count(1).await;
    let reading = {
        let (two, streams) = (Arc::clone(&two), [left.clone(), right.clone()]);
        tokio::spawn(async move { two.tails(&streams).await })
    };
    pravega.delayed_count(2).await;
    pravega.release();
    committing.await.unwrap().unwrap();
    let tails = reading.await.unwrap().unwrap();
    assert!(tails.exact);
    assert_eq!(tails.streams.iter().map(|segments| bytes(segments)).collect::<Vec<_>>(), [13, 13]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tails_that_move_all_the_time_are_not_exact() {
    let pravega = FakePravega::start().await;
    let store = open(&pravega, 1).await;
    let (left, right) = (stream(&store, "left", 1).await, stream(&store, "right", 2).await);
    pravega.with(|state| state.growing = Some("shop/left/".to_owned()));
    let streams = [left.clone(), right.clone()];
    let tails = store.tails(&streams).await.unwrap();
    assert!(!tails.exact, "the first stream has grown between any two reads");
    assert_eq!(tails.streams.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    let tails = store.tails(std::slice::from_ref(&left)).await.unwrap();
    assert!(tails.exact, "one segment has one tail");
    pravega.with(|state| state.growing = None);
    let tails = store.tails(&streams).await.unwrap();
    assert!(tails.exact && bytes(&tails.streams[0]) > 0, "nobody writes any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn append_times_are_refused_by_name() {
    let pravega = FakePravega::start().await;
    let store = open(&pravega, 1).await;
    let orders = stream(&store, "orders", 1).await;
    let error = store.append_times(&orders.segment(0), 0, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.to_string().contains("append times") && error.to_string().contains("Pravega"), "{error}");
}
