//! The oracle's half of a model test: steps in a small world of two streams and a table, which any store can take, and
//! what two stores that took the same steps must agree on. Who draws the steps, and what happens between them, is the
//! test's business.

use crate::{
    Append, Commit, Condition, Durability, ErrorKind, Outcome, Result, StreamConfig, StreamId, StreamStore,
    TableChange, TableId, WriterId, WriterMark, bounded_read, head_cut,
};
use std::fmt::Write;
use std::time::Duration;

/// Streams of the world, by number.
pub const STREAMS: u8 = 2;

/// An event: its stream, its routing key, its bytes.
pub type Event = (u8, u8, Vec<u8>);

/// A table change: key, new value, and the condition: 0 any, 1 absent, 2 at the version it has.
pub type Change = (u8, Option<u8>, u8);

/// What somebody does to a store, at once or not at all.
#[derive(Debug, Clone)]
pub enum Step {
    /// One commit.
    Commit {
        /// Its events.
        events: Vec<Event>,
        /// Its table changes.
        changes: Vec<Change>,
        /// A writer and the number of this commit.
        writer: Option<(u8, u8)>,
        /// Whether it asks for a sync.
        synced: bool,
    },
    /// A transaction, staged in several runs.
    Transaction {
        /// What is staged, run by run.
        runs: Vec<Vec<Event>>,
        /// Whether it is committed; else aborted.
        commits: bool,
    },
    /// Truncates a stream to this part of each segment's events, in 256ths.
    Truncate(u8, u8),
    /// Seals a stream.
    Seal(u8),
    /// Deletes a stream.
    Delete(u8),
    /// Makes a stream of so many segments.
    Create(u8, u32),
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Everything two stores must agree on.
    pub text: String,
    /// Whether the store refused, and so promised nothing.
    pub refused: bool,
}

fn stream(number: u8) -> StreamId {
    StreamId::new("world", &format!("stream-{number}")).expect("a right name")
}

fn table() -> TableId {
    TableId::new("world", "table").expect("a right name")
}

/// Makes the world in an empty store; may be repeated.
pub async fn make(store: &dyn StreamStore) -> Result<()> {
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

/// A refusal is an answer; what the disk does to a store is an error.
fn answer(result: Result<String>) -> Result<Answer> {
    match result {
        Ok(text) => Ok(Answer { text, refused: false }),
        Err(error) => match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::InvalidInput
            | ErrorKind::Sealed
            | ErrorKind::Truncated => Ok(Answer { text: format!("{:?}", error.kind()), refused: true }),
            _ => Err(error),
        },
    }
}

/// Takes a step. The error is the disk's; then the step has happened or not, by the error's kind.
pub async fn take(store: &dyn StreamStore, step: &Step) -> Result<Answer> {
    let done = |is_new: bool| is_new.to_string();
    match step {
        Step::Commit { events, changes, writer, synced } => {
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
                durability: if *synced { Durability::Synced } else { Durability::Written },
            };
            answer(store.commit(commit).await.map(|done| format!("{:?} {}", done.pointers, done.duplicate)))
        }
        Step::Transaction { runs, commits } => transaction(store, runs, *commits).await,
        Step::Truncate(number, part) => {
            let mut cut = match head_cut(store, &stream(*number)).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return answer(Err(error)),
                cut => cut?,
            };
            for (segment, head) in cut.clone().offsets() {
                let kept = store.read(&segment, head, 1 << 20).await?;
                let at = kept.events.len() * usize::from(*part) / 256;
                cut.advance(&segment, kept.events.get(at).map_or(kept.next, |(offset, _)| *offset));
            }
            answer(store.truncate(&cut).await.map(|()| cut.to_string()))
        }
        Step::Seal(number) => answer(store.seal_stream(&stream(*number)).await.map(done)),
        Step::Delete(number) => answer(store.delete_stream(&stream(*number)).await.map(done)),
        Step::Create(number, segments) => {
            let config = StreamConfig::with_segments(*segments);
            answer(store.create_stream(&stream(*number), config).await.map(done))
        }
    }
}

async fn transaction(store: &dyn StreamStore, runs: &[Vec<Event>], commits: bool) -> Result<Answer> {
    let mut transaction = store.begin().await?;
    let id = transaction.id();
    let mut text = String::new();
    for events in runs {
        let staged = answer(transaction.stage(appends(events)).await.map(|()| "staged ".to_owned()))?;
        text += &staged.text;
    }
    let ended = if commits {
        answer(transaction.commit(vec![]).await.map(|done| format!("{:?}", done.pointers)))?
    } else {
        answer(transaction.abort().await.map(|()| "aborted".to_owned()))?
    };
    let is_committed = matches!(store.outcome(id).await?, Outcome::Committed(_));
    Ok(Answer { text: format!("{text}{} {is_committed}", ended.text), refused: ended.refused })
}

/// When the digest asks for cuts, in milliseconds: the world's clock should begin at 0 and go slowly.
const TIMES: [u64; 6] = [1, 20, 100, 250, 500, 1000];

/// Everything that can be read of the world, but for the versions, which are each store's own.
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
            assert_eq!(store.event(pointer).await?, *event, "a pointer leads to its event");
        }
        write!(all, "{info:?} {segments:?} {events:?} ").expect("a text can be written to");
        for time in TIMES {
            let cut = store.cut_at(&stream, Duration::from_millis(time)).await?;
            write!(all, "{cut} ").expect("a text can be written to");
        }
    }
    let entries = store.scan(&table(), b"", None, 1000).await?;
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    write!(all, "{entries:?}").expect("a text can be written to");
    for writer in 0..4 {
        let last = store.last_event_number(WriterId(writer)).await?;
        write!(all, " {last:?}").expect("a text can be written to");
    }
    Ok(all)
}

/// Any step, for whoever compares two stores by random histories.
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
            .prop_map(|(events, changes, writer, synced)| Step::Commit { events, changes, writer, synced }),
        3 => (prop::collection::vec(events(), 0..3), any::<bool>())
            .prop_map(|(runs, commits)| Step::Transaction { runs, commits }),
        1 => (number(), any::<u8>()).prop_map(|(stream, part)| Step::Truncate(stream, part)),
        1 => number().prop_map(Step::Seal),
        1 => number().prop_map(Step::Delete),
        2 => (number(), 1u32..4).prop_map(|(stream, segments)| Step::Create(stream, segments)),
    ]
}
