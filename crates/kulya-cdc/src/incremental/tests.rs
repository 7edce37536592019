//! A table, transactions that change it, and chunks that are read at any moment: whatever the order, the
//! table rebuilt from the events is the database's, and no event takes a row back to an older state.

use super::reader::{Chunk, ChunkReader, ChunkRequest, ChunkRow};
use super::state::{IncrementalState, TableProgress};
use super::{Cut, Incremental, StreamProgress};
use crate::control::Control;
use crate::signal::SignalRecord;
use crate::{CdcError, CdcErrorKind, CdcResult};
use async_trait::async_trait;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A change of a row: its key and its new version, which is absent after a delete. Versions only grow.
type RowChange = (u8, u64, bool);

/// A database of one table.
#[derive(Debug, Default)]
struct Database {
    /// The transactions in the order of the log.
    log: Vec<Vec<RowChange>>,
    /// Those of them that queries do not see yet, although they are in the log.
    unseen: BTreeSet<usize>,
    version: u64,
    /// Whether the next read fails.
    fails: bool,
    /// Whether chunks claim to contain transactions that they do not.
    lies: bool,
}

impl Database {
    /// Commits a transaction. It can only change a row whose last change is seen: before, the row is locked.
    fn commit(&mut self, keys: &[(u8, bool)], is_seen: bool) {
        let log = &self.log;
        self.unseen.retain(|number| {
            !log[*number].iter().any(|(locked, ..)| keys.iter().any(|(key, _)| key == locked))
        });
        let mut changes: Vec<RowChange> = Vec::new();
        for (key, is_delete) in keys {
            self.version += 1;
            changes.push((*key, self.version, *is_delete));
        }
        if !is_seen {
            self.unseen.insert(self.log.len());
        }
        self.log.push(changes);
    }

    /// Returns the rows that a query sees, with their versions.
    fn rows(&self) -> BTreeMap<u8, u64> {
        let mut rows = BTreeMap::new();
        for (number, changes) in self.log.iter().enumerate() {
            if !self.unseen.contains(&number) {
                changes.iter().for_each(|change| apply(&mut rows, *change));
            }
        }
        rows
    }
}

fn apply(rows: &mut BTreeMap<u8, u64>, (key, version, is_delete): RowChange) {
    match is_delete {
        true => drop(rows.remove(&key)),
        false => drop(rows.insert(key, version)),
    }
}

/// The transactions that a chunk contains: all before a place, without those that were not seen.
#[derive(Debug)]
struct ChunkCut {
    end: usize,
    unseen: BTreeSet<usize>,
    lies: bool,
}

impl Cut for ChunkCut {
    type Transaction = usize;
    type Place = usize;
    type Streamed = usize;

    fn contains(&self, transaction: &usize) -> bool {
        self.lies || *transaction < self.end && !self.unseen.contains(transaction)
    }

    fn is_passed(&self, place: &usize) -> bool {
        *place >= self.end
    }

    fn includes(&self, streamed: &usize) -> bool {
        (0..*streamed).all(|transaction| self.contains(&transaction))
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Database>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader(Shared);

#[async_trait]
impl ChunkReader for Reader {
    type Cut = ChunkCut;
    type Table = ();
    type Row = (u8, u64);

    async fn tables(&mut self) -> CdcResult<Vec<Vec<String>>> {
        Ok(vec![vec!["s.t".to_owned()]])
    }

    async fn read(&mut self, request: &ChunkRequest) -> CdcResult<Chunk<Self>> {
        tokio::task::yield_now().await;
        let chunk = {
            let mut database = self.0.lock();
            if std::mem::take(&mut database.fails) {
                return Err(CdcError::new(CdcErrorKind::Unreachable, "lost"));
            }
            chunk(&database, request)
        };
        tokio::task::yield_now().await;
        Ok(chunk)
    }
}

fn chunk(database: &Database, request: &ChunkRequest) -> Chunk<Reader> {
    let number = |key: &Option<Vec<String>>| key.as_ref().map(|key| key[0].parse::<u8>().unwrap());
    let (last, rows) = (number(&request.table.last), database.rows());
    let maximum = number(&request.table.maximum).or(rows.keys().last().copied());
    let rows: Vec<(u8, u64)> = rows
        .into_iter()
        .filter(|(key, _)| Some(*key) <= maximum && last.is_none_or(|last| *key > last))
        .take(request.max_rows as usize)
        .collect();
    let is_end = rows.len() < request.max_rows as usize;
    let text = |key: u8| Some(vec![key.to_string()]);
    let after = rows.last().filter(|_| !is_end).map(|(key, _)| TableProgress {
        last: text(*key),
        maximum: maximum.and_then(text),
        ..request.table.clone()
    });
    let rows = rows.into_iter().map(|row| ChunkRow { key: [row.0].into(), row }).collect();
    let cut = ChunkCut { end: database.log.len(), unseen: database.unseen.clone(), lies: database.lies };
    Chunk { cut, table: (), rows, after }
}

/// What is stored in one commit.
#[derive(Debug, Clone, Default)]
struct Stored {
    /// The number of transactions that were streamed.
    place: usize,
    state: IncrementalState,
    events: Vec<RowChange>,
    /// The number of events that are rows of chunks.
    read: usize,
}

/// The stream of the log, with what it has stored.
struct Stream {
    database: Shared,
    control: Control,
    incremental: Incremental<Reader>,
    current: Stored,
    stored: Stored,
}

impl Stream {
    fn new(database: &Shared, control: &Control, stored: Stored) -> Self {
        let shared = database.clone();
        Self {
            database: database.clone(),
            control: control.clone(),
            incremental: Incremental::new(3, move || Reader(shared.clone())),
            current: stored.clone(),
            stored,
        }
    }

    /// Streams the next transaction.
    fn stream(&mut self) -> bool {
        let number = self.current.place;
        let Some(changes) = self.database.lock().log.get(number).cloned() else { return false };
        for change in changes {
            if let Some((window, _)) = self.incremental.window_of("s.t") {
                window.on_change(&number, &[change.0]);
            }
            self.write(change);
        }
        self.current.place += 1;
        self.advance();
        true
    }

    fn advance(&mut self) {
        let Stored { place, state, .. } = &mut self.current;
        let place = *place;
        let progress = StreamProgress { place: &place, position: &place, streamed: &|| place };
        if let Some(chunk) = self.incremental.advance(state, &progress, &self.control) {
            self.current.read += chunk.rows.len();
            chunk.rows.into_iter().for_each(|(key, version)| self.write((key, version, false)));
        }
        if self.incremental.take_changed() {
            self.stored = self.current.clone();
        }
    }

    /// Writes an event. The row must not have an event of a later version.
    fn write(&mut self, (key, version, is_delete): RowChange) {
        let earlier = self.current.events.iter().filter(|event| event.0 == key).map(|event| event.1).max();
        assert!(Some(version) >= earlier, "row {key} goes back from {earlier:?} to {version}");
        self.current.events.push((key, version, is_delete));
    }

    fn rebuilt(&self) -> BTreeMap<u8, u64> {
        let mut rows = BTreeMap::new();
        self.current.events.iter().for_each(|event| apply(&mut rows, *event));
        rows
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, bool)>, bool),
    /// Queries see all transactions.
    Show,
    /// The log is streamed, one transaction.
    Stream,
    /// The reader of chunks goes on.
    Read,
    ReadFails,
    Store,
    /// The process ends and starts again with what is stored.
    Crash,
    Signal(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = proptest::collection::btree_map(0..12u8, proptest::bool::weighted(0.3), 1..4);
    prop_oneof![
        8 => (keys, proptest::bool::weighted(0.8))
            .prop_map(|(keys, is_seen)| Step::Commit(keys.into_iter().collect(), is_seen)),
        1 => Just(Step::Show),
        8 => Just(Step::Stream),
        12 => Just(Step::Read),
        1 => Just(Step::ReadFails),
        1 => Just(Step::Store),
        1 => Just(Step::Crash),
        1 => proptest::sample::select(&["execute-snapshot", "stop-snapshot", "pause-snapshot", "resume-snapshot"][..])
            .prop_map(Step::Signal),
    ]
}

async fn signal(control: &Control, kind: &str) {
    let data = if kind == "execute-snapshot" { r#"{"data-collections":["s.t"]}"# } else { "" };
    let signal = SignalRecord { id: String::new(), kind: kind.into(), data: data.into() };
    control.signal(signal).await.unwrap();
}

/// Runs the steps, and then everything that is left. Returns the number of rows that chunks had.
async fn run(steps: Vec<Step>, lies: bool) -> usize {
    let (database, control) = (Shared::default(), Control::default());
    database.lock().lies = lies;
    for key in 0..12 {
        database.lock().commit(&[(key, false)], true);
    }
    // a table whose rows the stream does not have
    let mut first = Stored { place: 12, ..Stored::default() };
    first.events = (0..12).filter(|key| key % 2 == 0).map(|key| (key, u64::from(key) + 1, false)).collect();
    let mut stream = Stream::new(&database, &control, first);
    signal(&control, "execute-snapshot").await;
    for step in steps {
        match step {
            Step::Commit(keys, is_seen) => database.lock().commit(&keys, is_seen),
            Step::Show => database.lock().unseen.clear(),
            Step::Stream => drop(stream.stream()),
            Step::Read => {
                tokio::task::yield_now().await;
                tokio::time::advance(Duration::from_millis(5)).await;
                stream.advance();
            }
            Step::ReadFails => database.lock().fails = true,
            Step::Store => stream.stored = stream.current.clone(),
            Step::Crash => {
                database.lock().unseen.clear();
                stream = Stream::new(&database, &control, stream.stored.clone());
            }
            Step::Signal(kind) => signal(&control, kind).await,
        }
    }
    database.lock().unseen.clear();
    signal(&control, "resume-snapshot").await;
    signal(&control, "execute-snapshot").await;
    stream.advance();
    for _ in 0..10_000 {
        if !stream.stream() && !stream.current.state.is_active() {
            break;
        }
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(500)).await;
        stream.advance();
    }
    assert!(!stream.current.state.is_active(), "{:?}", stream.current.state);
    assert_eq!(stream.rebuilt(), database.lock().rows());
    stream.current.read
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #[test]
    fn events_rebuild_the_table(steps in proptest::collection::vec(step(), 0..120)) {
        runtime().block_on(run(steps, false));
    }
}

/// The check finds a row that hides a later change: one that the log changes between the read of its chunk
/// and the chunk's end.
#[test]
fn wrong_cut_is_found() {
    let is_found = |reads: usize, lies: bool| {
        let mut steps = vec![Step::Read; reads];
        steps.extend([Step::Commit(vec![(0, false)], true), Step::Stream]);
        std::panic::catch_unwind(|| runtime().block_on(run(steps, lies))).is_err()
    };
    assert!((0..8).any(|reads| is_found(reads, true)));
    assert!(!(0..8).any(|reads| is_found(reads, false)));
}

#[tokio::test(start_paused = true)]
async fn all_rows_are_read_in_chunks() {
    assert_eq!(run(Vec::new(), false).await, 12);
}
