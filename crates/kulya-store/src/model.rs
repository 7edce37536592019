//! Model-based testing of backends: steps on a small fixture of two streams and a table, whose outcomes and
//! resulting content must be equal on any two stores. The test draws the steps and decides what happens
//! between them.

use crate::{
    Append, Commit, Condition, Durability, ErrorKind, Outcome, Result, StreamConfig, StreamId, StreamStore,
    TableChange, TableId, WriterId, WriterMark, bounded_read, head_cut,
};
use std::fmt::Write;
use std::time::Duration;

/// The number of streams.
pub const STREAMS: u8 = 2;

/// An event: stream number, routing key, payload.
pub type Event = (u8, u8, Vec<u8>);

/// A table change: key, new value, and condition (0 any, 1 absent, 2 at the current version).
pub type Change = (u8, Option<u8>, u8);

/// An atomic operation on a store.
#[derive(Debug, Clone)]
pub enum Step {
    /// One commit.
    Commit {
        /// The events.
        events: Vec<Event>,
        /// The table changes.
        changes: Vec<Change>,
        /// The writer and commit number.
        writer: Option<(u8, u8)>,
        /// Whether the commit is synced.
        is_synced: bool,
    },
    /// A transaction, staged in several batches.
    Transaction {
        /// The staged batches.
        batches: Vec<Vec<Event>>,
        /// Whether the transaction is committed, or else aborted.
        commits: bool,
    },
    /// Truncates a stream at this fraction of each segment's events, in 256ths.
    Truncate(u8, u8),
    /// Seals a stream.
    Seal(u8),
    /// Deletes a stream.
    Delete(u8),
    /// Creates a stream with this number of segments.
    Create(u8, u32),
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    /// The result as text, which must be equal on two stores.
    pub text: String,
    /// Whether the store rejected the step, which then had no effect.
    pub is_rejected: bool,
}

fn stream(number: u8) -> StreamId {
    StreamId::new("world", &format!("stream-{number}")).expect("valid name")
}

fn table() -> TableId {
    TableId::new("world", "table").expect("valid name")
}

/// Creates the fixture in an empty store. Idempotent.
///
/// # Errors
/// Any error of the store.
pub async fn set_up(store: &dyn StreamStore) -> Result<()> {
    store.create_scope(&table().scope).await?;
    for number in 0..STREAMS {
        store.create_stream(&stream(number), StreamConfig::with_segments(2)).await?;
    }
    store.create_table(&table()).await.map(drop)
}

fn appends(events: &[Event]) -> Vec<Append> {
    let append =
        |(number, key, event): &Event| Append::keyed(&stream(*number), key.to_string(), event.clone());
    events.iter().map(append).collect()
}

/// A rejection is an outcome; an I/O failure is an error.
fn outcome(result: Result<String>) -> Result<StepOutcome> {
    match result {
        Ok(text) => Ok(StepOutcome { text, is_rejected: false }),
        Err(error) => match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::InvalidInput
            | ErrorKind::Sealed
            | ErrorKind::Truncated => {
                Ok(StepOutcome { text: format!("{:?}", error.kind()), is_rejected: true })
            }
            _ => Err(error),
        },
    }
}

/// Applies a step.
///
/// # Errors
/// I/O errors of the store; whether the step was applied then depends on the kind of the error. A rejection
/// is not an error.
pub async fn apply(store: &dyn StreamStore, step: &Step) -> Result<StepOutcome> {
    let done = |is_new: bool| is_new.to_string();
    match step {
        Step::Commit { events, changes, writer, is_synced } => {
            let mut table_changes = Vec::new();
            for (key, value, condition) in changes {
                let entry = store.get(&table(), &[*key]).await?;
                let condition = match (condition, entry) {
                    (0, _) => Condition::Any,
                    (1, _) | (_, None) => Condition::Absent,
                    (_, Some(entry)) => Condition::At(entry.version),
                };
                let value = value.map(|value| vec![value].into());
                table_changes.push(TableChange { table: table(), key: vec![*key].into(), condition, value });
            }
            let commit = Commit {
                appends: appends(events),
                changes: table_changes,
                writer: writer.map(|(writer, number)| WriterMark {
                    writer: WriterId(writer.into()),
                    event_number: number.into(),
                }),
                durability: if *is_synced { Durability::Synced } else { Durability::Written },
            };
            outcome(store.commit(commit).await.map(|done| format!("{:?} {}", done.pointers, done.duplicate)))
        }
        Step::Transaction { batches, commits } => transaction(store, batches, *commits).await,
        Step::Truncate(number, part) => {
            let mut cut = match head_cut(store, &stream(*number)).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return outcome(Err(error)),
                cut => cut?,
            };
            for (segment, head) in cut.clone().offsets() {
                let chunk = store.read(&segment, head, 1 << 20).await?;
                let at = chunk.events.len() * usize::from(*part) / 256;
                cut.advance(&segment, chunk.events.get(at).map_or(chunk.next, |(offset, _)| *offset));
            }
            outcome(store.truncate(&cut).await.map(|()| cut.to_string()))
        }
        Step::Seal(number) => outcome(store.seal_stream(&stream(*number)).await.map(done)),
        Step::Delete(number) => outcome(store.delete_stream(&stream(*number)).await.map(done)),
        Step::Create(number, segments) => {
            let config = StreamConfig::with_segments(*segments);
            outcome(store.create_stream(&stream(*number), config).await.map(done))
        }
    }
}

async fn transaction(store: &dyn StreamStore, batches: &[Vec<Event>], commits: bool) -> Result<StepOutcome> {
    let mut transaction = store.begin().await?;
    let id = transaction.id();
    let mut text = String::new();
    for events in batches {
        let staged = outcome(transaction.stage(appends(events)).await.map(|()| "staged ".to_owned()))?;
        text += &staged.text;
    }
    let ended = if commits {
        outcome(transaction.commit(vec![]).await.map(|done| format!("{:?}", done.pointers)))?
    } else {
        outcome(transaction.abort().await.map(|()| "aborted".to_owned()))?
    };
    let is_committed = matches!(store.outcome(id).await?, Outcome::Committed(_));
    Ok(StepOutcome { text: format!("{text}{} {is_committed}", ended.text), is_rejected: ended.is_rejected })
}

/// Times at which the digest looks up cuts, in milliseconds. The clock of the test should start at 0 and
/// advance slowly.
const CUT_TIMES: [u64; 6] = [1, 20, 100, 250, 500, 1000];

/// Returns the readable content of the fixture as text, without versions, which differ between stores.
///
/// # Errors
/// Any error of the store.
pub async fn digest(store: &dyn StreamStore) -> Result<String> {
    let mut all = String::new();
    for number in 0..STREAMS {
        let stream = stream(number);
        let info = match store.stream(&stream).await {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            info => info?,
        };
        let segments = store.segments(&stream).await?;
        let events = bounded_read(store, &stream).await?;
        for (pointer, event) in &events {
            assert_eq!(store.event(pointer).await?, *event, "a pointer reads its event");
        }
        write!(all, "{info:?} {segments:?} {events:?} ").expect("writing to a string does not fail");
        for segment in segments {
            let times = store.append_times(&segment.id, segment.head, segment.tail).await?;
            write!(all, "{times:?} ").expect("writing to a string does not fail");
        }
        for time in CUT_TIMES {
            let cut = store.cut_at(&stream, Duration::from_millis(time)).await?;
            write!(all, "{cut} ").expect("writing to a string does not fail");
        }
    }
    let entries = store.scan(&table(), b"", None, 1000).await?;
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    write!(all, "{entries:?}").expect("writing to a string does not fail");
    for writer in 0..4 {
        let last = store.last_event_number(WriterId(writer)).await?;
        write!(all, " {last:?}").expect("writing to a string does not fail");
    }
    Ok(all)
}

/// Generates arbitrary steps for random histories.
#[cfg(feature = "proptest")]
pub fn any_step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    let event = (0..STREAMS, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40));
    let events = || prop::collection::vec(event.clone(), 0..4);
    let changes = prop::collection::vec((0u8..4, any::<Option<u8>>(), 0u8..3), 0..3);
    let writer = prop::option::of((0u8..3, 0u8..10));
    let number = || 0..STREAMS;
    prop_oneof![
        6 => (events(), changes, writer, any::<bool>())
            .prop_map(|(events, changes, writer, is_synced)| Step::Commit { events, changes, writer, is_synced }),
        3 => (prop::collection::vec(events(), 0..3), any::<bool>())
            .prop_map(|(batches, commits)| Step::Transaction { batches, commits }),
        1 => (number(), any::<u8>()).prop_map(|(stream, part)| Step::Truncate(stream, part)),
        1 => number().prop_map(Step::Seal),
        1 => number().prop_map(Step::Delete),
        2 => (number(), 1u32..4).prop_map(|(stream, segments)| Step::Create(stream, segments)),
    ]
}
