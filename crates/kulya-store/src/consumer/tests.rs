use super::*;
use crate::fault::FaultyStore;
use crate::memory::MemoryStore;
use crate::{Append, Commit, StreamConfig, StreamStoreExt};
use futures::{FutureExt, StreamExt};

async fn orders(store: &dyn StreamStore, segments: u32) -> StreamId {
    let stream = StreamId::new("shop", "orders").unwrap();
    assert!(store.ensure_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap());
    stream
}

async fn append(store: &dyn StreamStore, stream: &StreamId, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let event = Append::keyed(stream, (number % 7).to_string(), format!("{number:02}"));
        store.commit(Commit::events(vec![event])).await.unwrap();
    }
}

/// Reads all events that the consumer returns without waiting.
async fn drain(consumer: &mut Consumer) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(next) = consumer.try_next().now_or_never() {
        let Some((_, event)) = next.unwrap() else { break };
        numbers.push(std::str::from_utf8(&event).unwrap().parse().unwrap());
    }
    numbers
}

#[tokio::test]
async fn existing_stream_is_not_created_again() {
    let store = MemoryStore::new();
    let stream = orders(&store, 3).await;
    assert!(!store.ensure_stream(&stream, StreamConfig::with_segments(1)).await.unwrap());
    assert_eq!(store.stream(&stream).await.unwrap().config.segments, 3, "its configuration stays");
    let sibling = StreamId::new("shop", "returns").unwrap();
    assert!(store.ensure_stream(&sibling, StreamConfig::with_segments(1)).await.unwrap());
}

#[tokio::test]
async fn nothing_is_lost_or_skipped_wherever_the_consumer_stops() {
    for committed in 0..=30 {
        for uncommitted in [0, 1, 3] {
            let store = MemoryStore::new();
            let stream = orders(&store, 3).await;
            append(&store, &stream, 0..30).await;
            let mut consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
            let mut before = Vec::new();
            for _ in 0..committed {
                before.push(consumer.next().await.unwrap().unwrap().0);
            }
            consumer.commit().await.unwrap();
            for _ in 0..uncommitted.min(30 - committed) {
                consumer.next().await.unwrap().unwrap();
            }
            drop(consumer);

            store.seal_stream(&stream).await.unwrap();
            let consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
            let after: Vec<_> = consumer.map(|next| next.unwrap().0).collect().await;
            assert_eq!(before.len() + after.len(), 30, "the committed events are not returned again");
            let mut all: Vec<_> = before.iter().chain(&after).map(ToString::to_string).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 30, "every event is returned");
        }
    }
}

#[tokio::test]
async fn events_of_a_key_are_in_order_and_new_ones_are_waited_for() {
    let store = MemoryStore::new();
    let stream = orders(&store, 2).await;
    let mut consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    assert!(consumer.try_next().now_or_never().is_none(), "an empty stream is waited for");
    append(&store, &stream, 0..20).await;
    // each `now_or_never` that is not ready drops a future, which loses nothing
    let mut numbers = drain(&mut consumer).await;
    assert!(consumer.try_next().now_or_never().is_none());
    append(&store, &stream, 20..30).await;
    numbers.extend(drain(&mut consumer).await);
    for key in 0..7 {
        let of_key: Vec<_> = numbers.iter().copied().filter(|number| number % 7 == key).collect();
        assert_eq!(of_key, (0..30).filter(|number| number % 7 == key).collect::<Vec<_>>());
    }
    store.seal_stream(&stream).await.unwrap();
    assert_eq!(consumer.try_next().await.unwrap(), None);
    assert_eq!(consumer.try_next().await.unwrap(), None, "the end stays the end");
}

#[tokio::test]
async fn second_consumer_of_a_name_is_refused_at_its_commit() {
    let store = MemoryStore::new();
    let stream = orders(&store, 1).await;
    append(&store, &stream, 0..3).await;
    let mut first = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    let mut second = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    let mut other = Consumer::open(store.clone(), "mail", &stream).await.unwrap();
    for consumer in [&mut first, &mut second, &mut other] {
        consumer.try_next().await.unwrap().unwrap();
    }
    first.commit().await.unwrap();
    assert_eq!(second.commit().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(second.commit().await.unwrap_err().kind(), ErrorKind::Conflict);
    other.commit().await.unwrap();
    first.commit().await.expect("an unchanged position needs no save");
}

#[tokio::test]
async fn commit_with_unknown_outcome_is_found_out_by_the_next() {
    let store = MemoryStore::new();
    let stream = orders(&store, 1).await;
    append(&store, &stream, 0..3).await;
    let mut consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    consumer.try_next().await.unwrap().unwrap();
    // the position was saved, and the future dropped before it knew
    let positions = Positions::open(store.clone(), &stream.scope).await.unwrap();
    positions.save(&consumer.saved, &consumer.position).await.unwrap();
    consumer.unconfirmed = Some(consumer.position.clone());
    consumer.try_next().await.unwrap().unwrap();
    consumer.commit().await.unwrap();
    let reopened = Consumer::open(store, "billing", &stream).await.unwrap();
    assert_eq!(reopened.position(), consumer.position());
}

#[tokio::test]
async fn failed_commit_can_be_repeated() {
    let memory = MemoryStore::new();
    let stream = orders(&memory, 1).await;
    append(&memory, &stream, 0..2).await;
    let store = Arc::new(FaultyStore::failing_after(memory.clone(), 1, ErrorKind::Full));
    let shared: Arc<dyn StreamStore> = store.clone();
    let mut consumer = Consumer::open(shared, "billing", &stream).await.unwrap();
    consumer.try_next().await.unwrap().unwrap();
    store.allow(0);
    assert_eq!(consumer.commit().await.unwrap_err().kind(), ErrorKind::Full);
    store.allow(9);
    consumer.commit().await.unwrap();
    let reopened = Consumer::open(memory, "billing", &stream).await.unwrap();
    assert_eq!(reopened.position(), consumer.position());
}

#[tokio::test]
async fn truncated_events_are_an_error_that_can_be_skipped() {
    let store = MemoryStore::new();
    let stream = orders(&store, 1).await;
    append(&store, &stream, 0..5).await;
    let mut consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    assert!(!consumer.skip_truncated().await.unwrap());
    let mut cut = consumer.position().clone();
    cut.advance(&stream.segment(0), 30);
    store.truncate(&cut).await.unwrap();
    assert_eq!(consumer.try_next().await.unwrap_err().kind(), ErrorKind::Truncated);
    assert!(consumer.skip_truncated().await.unwrap());
    assert_eq!(consumer.position(), &cut);
    assert_eq!(drain(&mut consumer).await, [3, 4]);
}

#[tokio::test]
async fn position_in_a_recreated_stream_is_refused() {
    let store = MemoryStore::new();
    let stream = orders(&store, 1).await;
    let mut consumer = Consumer::open(store.clone(), "billing", &stream).await.unwrap();
    consumer.commit().await.unwrap();
    store.seal_stream(&stream).await.unwrap();
    store.delete_stream(&stream).await.unwrap();
    assert_eq!(
        Consumer::open(store.clone(), "billing", &stream).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    orders(&store, 1).await;
    let error = Consumer::open(store, "billing", &stream).await.unwrap_err();
    assert!(error.to_string().contains("created again"), "{error}");
}
