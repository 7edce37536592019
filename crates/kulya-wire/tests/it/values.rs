//! Every value of the store's contract survives the round trip through its message, and any message converts
//! to a value or to an error.

use bytes::Bytes;
use kulya_store::{
    Append, AppendTimes, Capability, Commit, CommitReceipt, Condition, Durability, Entry, EventPointer,
    Outcome, ReadChunk, Retention, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo,
    TableChange, TableId, Tails, TransactionId, Version, WriterId, WriterMark,
};
use kulya_wire::{MAX_COMMIT_BYTES, TransactionOp, TransactionReply, check_commit_size, id_from_bytes, v1};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use std::time::Duration;

/// Encodes and decodes, as on the wire.
fn round_trip<M: Message + Default>(message: impl Into<M>) -> M {
    M::decode(message.into().encode_to_vec().as_slice()).unwrap()
}

fn stream() -> impl Strategy<Value = StreamId> + Clone {
    ("[a-z.-]{1,3}x", "[A-Z0-9]{1,3}").prop_map(|(scope, name)| StreamId::new(&scope, &name).unwrap())
}

fn table() -> impl Strategy<Value = TableId> {
    prop_oneof![
        stream().prop_map(|id| TableId { scope: id.scope, name: id.name }),
        Just(TableId::system("_kulya", "groups").unwrap()),
    ]
}

fn segment() -> impl Strategy<Value = SegmentId> {
    (stream(), 0u32..9, 0u32..9).prop_map(|(stream, number, epoch)| SegmentId { stream, number, epoch })
}

fn pointer() -> impl Strategy<Value = EventPointer> {
    (segment(), any::<u64>(), any::<u32>()).prop_map(|(segment, offset, length)| EventPointer {
        segment,
        offset,
        length,
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn append() -> impl Strategy<Value = Append> {
    (stream(), option::of(".{0,9}"), bytes()).prop_map(|(stream, routing_key, event)| Append {
        stream,
        routing_key,
        event,
    })
}

fn change() -> impl Strategy<Value = TableChange> {
    let condition = prop_oneof![
        Just(Condition::Any),
        Just(Condition::Absent),
        any::<u64>().prop_map(|version| Condition::At(Version(version))),
    ];
    (table(), bytes(), condition, option::of(bytes()))
        .prop_map(|(table, key, condition, value)| TableChange { table, key, condition, value })
}

fn commit() -> impl Strategy<Value = Commit> {
    let mark = (any::<u128>(), any::<u64>())
        .prop_map(|(writer, event_number)| WriterMark { writer: WriterId(writer), event_number });
    let durability = prop_oneof![Just(Durability::Synced), Just(Durability::Written)];
    (vec(append(), 0..6), vec(change(), 0..6), option::of(mark), durability)
        .prop_map(|(appends, changes, writer, durability)| Commit { appends, changes, writer, durability })
}

fn committed() -> impl Strategy<Value = CommitReceipt> {
    (vec(pointer(), 0..6), vec(any::<u64>().prop_map(Version), 0..6), any::<bool>()).prop_map(
        |(pointers, versions, duplicate)| CommitReceipt {
            pointers: pointers.into_iter().collect(),
            versions,
            duplicate,
        },
    )
}

fn time() -> impl Strategy<Value = Duration> {
    (0..i64::MAX as u64, 0u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn config() -> impl Strategy<Value = StreamConfig> {
    (any::<u32>(), option::of(time()), option::of(any::<u64>()))
        .prop_map(|(segments, age, bytes)| StreamConfig { segments, retention: Retention { age, bytes } })
}

proptest! {
    #[test]
    fn commits_round_trip(commit in commit(), committed in committed()) {
        prop_assert_eq!(Commit::try_from(round_trip::<v1::CommitRequest>(&commit)).unwrap(), commit);
        prop_assert_eq!(CommitReceipt::try_from(round_trip::<v1::Committed>(&committed)).unwrap(), committed.clone());
        let outcome = Outcome::Committed(committed);
        prop_assert_eq!(Outcome::try_from(round_trip::<v1::OutcomeReply>(&outcome)).unwrap(), outcome);
    }

    #[test]
    fn positions_round_trip(
        pointer in pointer(),
        stream in stream(),
        positions in vec((0u32..9, 0u32..9, any::<u64>()), 0..9),
        ends in (any::<u64>(), any::<u64>()),
    ) {
        let mut cut = StreamCut::of(&stream, []);
        for (number, epoch, offset) in positions {
            cut.advance(&SegmentId { stream: stream.clone(), number, epoch }, offset);
        }
        prop_assert_eq!(StreamCut::try_from(round_trip::<v1::Cut>(&cut)).unwrap(), cut);
        prop_assert_eq!(EventPointer::try_from(round_trip::<v1::Pointer>(&pointer)).unwrap(), pointer.clone());
        let info = SegmentInfo { id: pointer.segment, key_range: 0.25..0.5, head: ends.0, tail: ends.1 };
        prop_assert_eq!(SegmentInfo::try_from(round_trip::<v1::SegmentInfo>(&info)).unwrap(), info.clone());
        let tails = Tails { streams: vec![vec![info.clone(); 2], vec![], vec![info]], exact: ends.0 % 2 == 0 };
        prop_assert_eq!(Tails::try_from(round_trip::<v1::TailsReply>(&tails)).unwrap(), tails);
    }

    #[test]
    fn streams_and_read_results_round_trip(
        config in config(),
        sealed: bool,
        since in time(),
        events in vec((any::<u64>(), bytes()), 0..6),
        next: u64,
        (key, value) in (bytes(), bytes()),
    ) {
        let info = StreamInfo { config, sealed };
        prop_assert_eq!(StreamInfo::try_from(round_trip::<v1::StreamReply>(info)).unwrap(), info);
        prop_assert_eq!(round_trip::<v1::CutAtRequest>(since).time().unwrap(), since);
        let mut times = AppendTimes::new(next);
        let mut offsets: Vec<u64> = events.iter().map(|(offset, _)| *offset).collect();
        offsets.sort_unstable();
        for (offset, time) in offsets.into_iter().zip(0..) {
            times.push(offset, Duration::from_millis(time / 2));
        }
        prop_assert_eq!(AppendTimes::try_from(round_trip::<v1::AppendTimesReply>(&times)).unwrap(), times);
        let chunk = ReadChunk { events, next };
        prop_assert_eq!(ReadChunk::from(round_trip::<v1::Chunk>(chunk.clone())), chunk);
        let entry = Entry { key, value, version: Version(next) };
        prop_assert_eq!(Entry::from(round_trip::<v1::Entry>(entry.clone())), entry);
    }

    #[test]
    fn transaction_messages_round_trip(appends in vec(append(), 0..6), changes in vec(change(), 0..6), id: u128) {
        for op in [TransactionOp::Stage(appends), TransactionOp::Commit(changes), TransactionOp::Abort] {
            prop_assert_eq!(TransactionOp::try_from(round_trip::<v1::TransactRequest>(&op)).unwrap(), op);
        }
        for reply in [
            TransactionReply::Begun(TransactionId(id)),
            TransactionReply::Staged,
            TransactionReply::CommitReceipt(CommitReceipt::duplicate()),
            TransactionReply::Aborted,
            TransactionReply::Failed(kulya_store::Error::sealed("s/t")),
        ] {
            let back = TransactionReply::try_from(round_trip::<v1::TransactReply>(&reply)).unwrap();
            prop_assert_eq!(format!("{back:?}"), format!("{reply:?}"));
        }
        let request = round_trip::<v1::TransactionRequest>(TransactionId(id));
        prop_assert_eq!(id_from_bytes("transaction", &request.transaction).unwrap(), id);
    }

    #[test]
    fn any_message_is_converted_or_rejected(bytes: Vec<u8>, number: u32, short in vec(any::<u8>(), 0..32)) {
        if let Ok(message) = v1::CommitRequest::decode(bytes.as_slice()) {
            let _ = Commit::try_from(message);
        }
        if let Ok(message) = v1::TransactRequest::decode(bytes.as_slice()) {
            let _ = TransactionOp::try_from(message);
        }
        if let Ok(message) = v1::Cut::decode(bytes.as_slice()) {
            let _ = StreamCut::try_from(message);
        }
        if let Ok(message) = v1::AppendTimesReply::decode(bytes.as_slice()) {
            let _ = AppendTimes::try_from(message);
        }
        if let Ok(message) = v1::TailsReply::decode(bytes.as_slice()) {
            let _ = Tails::try_from(message);
        }
        let unknown_stream = v1::Events {
            streams: vec![],
            appends: vec![v1::Append { stream: number, ..v1::Append::default() }],
        };
        prop_assert!(kulya_wire::events_from_message(Some(unknown_stream)).is_err());
        let columns = v1::Pointers { segment: vec![number], ..v1::Pointers::default() };
        let times = v1::AppendTimesReply { offset: vec![1], ..v1::AppendTimesReply::default() };
        prop_assert!(AppendTimes::try_from(times).is_err());
        let uneven = v1::Committed { pointers: Some(columns), ..v1::Committed::default() };
        prop_assert!(CommitReceipt::try_from(uneven).is_err());
        prop_assert_eq!(id_from_bytes("session slot", &short.clone().into()).is_ok(), short.len() == 16);
    }
}

#[test]
fn invalid_fields_are_named() {
    let position = v1::Place { number: 1, epoch: 0, offset: 5 };
    let stream = Some(v1::Stream { scope: "s".to_owned(), name: "t".to_owned() });
    let twice = v1::Cut { stream, places: vec![position, position] };
    assert!(StreamCut::try_from(twice).unwrap_err().to_string().contains("s/t/1.#epoch.0 twice"));
    let bad = v1::Stream { scope: "a_b".to_owned(), name: "t".to_owned() };
    assert!(StreamId::try_from(bad).unwrap_err().to_string().contains("a_b"));
    let without_config = v1::StreamReply::default();
    assert!(StreamInfo::try_from(without_config).unwrap_err().to_string().contains("configuration"));
    let before = prost_types::Duration { seconds: -1, nanos: 0 };
    assert!(v1::CutAtRequest { since_epoch: Some(before), stream: None }.time().is_err());
    for capability in Capability::ALL {
        assert_ne!(v1::Capability::from(capability), v1::Capability::Unspecified);
    }
}

#[test]
fn commit_size_limit_is_what_a_store_accepts() {
    let stream = StreamId::new("s", "t").unwrap();
    let eight = Bytes::from(vec![0; 8 << 20]);
    let appends = |count| vec![Append::unkeyed(&stream, eight.clone()); count];
    assert!(check_commit_size(&appends(7), &[]).is_ok());
    let table = TableId::new("s", "t").unwrap();
    let change = TableChange::put(&table, "k", Condition::Any, eight.clone());
    assert!(check_commit_size(&appends(7), std::slice::from_ref(&change)).is_err());
    let error = check_commit_size(&appends(8), &[]).unwrap_err().to_string();
    assert!(error.contains(&MAX_COMMIT_BYTES.to_string()) && error.contains("transaction"), "{error}");
    // small events take more of a message than of a store, but fit the message limit
    let small = vec![Append::keyed(&stream, "k", ""); MAX_COMMIT_BYTES / 64];
    assert!(check_commit_size(&small, &[]).is_ok());
    assert!(v1::Events::from(small.as_slice()).encoded_len() * 8 < kulya_wire::MAX_MESSAGE_BYTES * 2);
}
