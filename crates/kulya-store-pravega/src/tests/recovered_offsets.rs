//! A stored commit is never reported as failed: the offset of its events is found, whatever else is known of
//! their segment.

use super::fake::FakePravega;
use super::{open, stream};
use crate::fast_path;
use kulya_store::{
    Append, Commit, ErrorKind, StreamStore, TableId, WriterId, bounded_read, framing, tail_cut,
};
use std::sync::Arc;

/// Two processes, each with a tail reader of the stream. The tail read returns only the first bytes of an
/// event; then the other process publishes this one's commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_does_not_start_inside_an_event() {
    let pravega = FakePravega::start().await;
    let (one, two) = (open(&pravega, 1).await, open(&pravega, 2).await);
    let orders = stream(&one, "orders", 1).await;
    let segment = orders.segment(0);
    let other = TableId::new("shop", "other").unwrap();
    one.create_table(&other).await.unwrap();

    // a tail reader waits, and another process writes an event, of which it sees eight bytes
    let at = tail_cut(&*one, &orders).await.unwrap().offset(&segment).unwrap();
    let waiting = {
        let (one, segment) = (Arc::clone(&one), segment.clone());
        tokio::spawn(async move { one.wait_for_data(&segment, at).await })
    };
    two.commit(Commit::events(vec![Append::keyed(&orders, "k", "another's")])).await.unwrap();
    waiting.await.unwrap().unwrap();

    // this process stops between journal and segment, and the other one finishes its block
    pravega.delay_appends("shop/orders/");
    let committing = {
        let (one, orders) = (Arc::clone(&one), orders.clone());
        tokio::spawn(async move {
            let commit =
                Commit::events(vec![Append::keyed(&orders, "k", "ours")]).with_writer(WriterId(7), 1);
            one.commit(commit).await
        })
    };
    pravega.delayed_count(1).await;
    let finishing = {
        let two = Arc::clone(&two);
        tokio::spawn(async move { two.get(&other, b"k").await })
    };
    pravega.delayed_count(2).await;
    pravega.release();
    finishing.await.unwrap().unwrap();

    let done = committing.await.unwrap().unwrap();
    assert!(!done.duplicate);
    assert_eq!(one.event(&done.pointers.get(0).unwrap()).await.unwrap(), "ours");
    let stored: Vec<_> =
        bounded_read(&*two, &orders).await.unwrap().into_iter().map(|(_, event)| event).collect();
    assert_eq!(stored, ["another's", "ours"]);
}

/// Whatever is wrong with the start of the search: the error says that the commit is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_commit_that_is_not_found_is_reported_as_stored() {
    let pravega = FakePravega::start().await;
    let store = open(&pravega, 1).await;
    let orders = stream(&store, "orders", 1).await;
    let segment = orders.segment(0);
    let events =
        ["\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}".repeat(4), "b".repeat(3 << 20), "last".to_owned()];
    let appends = events.iter().map(|event| Append::keyed(&orders, "k", event.clone())).collect();
    let pointers = store.commit(Commit::events(appends)).await.unwrap().pointers;
    let segments = &store.client.segments;
    for (event, index) in events.iter().zip(0..) {
        let found = fast_path::find_stored_batch(segments, &segment, 0, &framing::frame(event.as_bytes()))
            .await
            .unwrap();
        assert_eq!(found, pointers.get(index).unwrap().offset);
    }
    for (from, event) in [(0, "never written"), (3, "last"), (11, "last"), (1 << 30, "last")] {
        let error = fast_path::find_stored_batch(segments, &segment, from, &framing::frame(event.as_bytes()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResponseLost, "{from}: {error}");
        assert!(error.to_string().contains("is stored in segment shop/orders/0"), "{error}");
    }
    // truncated offsets are skipped
    let mut cut = tail_cut(&*store, &orders).await.unwrap();
    cut.advance(&segment, pointers.get(2).unwrap().offset);
    store.truncate(&cut).await.unwrap();
    let found = fast_path::find_stored_batch(segments, &segment, 0, &framing::frame(b"last")).await.unwrap();
    assert_eq!(found, pointers.get(2).unwrap().offset);
}
