//! Writes the folders that are damaged: commits of events, some of which contain bytes that look like frames,
//! transactions, table entries, truncations, compactions, and a graceful or an abrupt end.

use kulya_store::{
    Append, Commit, Condition, Durability, EventPointer, StreamConfig, StreamId, StreamStore, TableChange,
    TableId, bounded_read, tail_cut,
};
use kulya_store_embedded::outside::{self, FrameRange};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Small, so that a folder has several log files.
pub(super) const LOG_FILE_BYTES: u64 = 6000;

/// A written folder and its contents.
pub(super) struct Fixture {
    pub(super) streams: Vec<StreamId>,
    /// Every event that could be read at some time.
    pub(super) events: BTreeMap<EventPointer, Vec<u8>>,
    /// The truncated ones among them.
    truncated: BTreeSet<EventPointer>,
    /// Numbers of events that were not acknowledged as synced.
    not_durable: BTreeSet<u64>,
    /// Numbers of events of transactions.
    pub(super) staged: BTreeSet<u64>,
    /// Every value of each table entry.
    pub(super) entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The log files with their frames.
    pub(super) logs: BTreeMap<String, (Vec<u8>, Vec<FrameRange>)>,
    /// Content of the file MANIFEST.
    pub(super) manifest: Vec<u8>,
    /// Whether the store was closed, not killed.
    pub(super) is_closed: bool,
}

impl Fixture {
    /// Whether an event is durable and not truncated.
    pub(super) fn is_durable(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        !self.is_truncated(pointer) && number.is_some_and(|number| !self.not_durable.contains(&number))
    }

    /// Whether an event is in the last log file.
    pub(super) fn is_in_last_file(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        let last = self.logs.values().next_back();
        last.is_some_and(|(bytes, _)| numbers_in(bytes).any(|found| Some(found) == number))
    }

    /// Whether an event is of a transaction.
    pub(super) fn is_staged(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        number.is_some_and(|number| self.staged.contains(&number))
    }

    /// Whether an event is truncated.
    pub(super) fn is_truncated(&self, pointer: &EventPointer) -> bool {
        self.truncated.contains(pointer)
    }
}

/// Start of every event.
const EVENT_PREFIX: &[u8] = b"event ";

/// Returns the number of the event at the start of `bytes`.
pub(super) fn number_of(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_prefix(EVENT_PREFIX)?.get(..8)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns the numbers of the events in `bytes`.
pub(super) fn numbers_in(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let positions = bytes.windows(EVENT_PREFIX.len()).enumerate().filter(|(_, found)| *found == EVENT_PREFIX);
    positions.filter_map(|(at, _)| number_of(bytes.get(at..)?))
}

struct Writer<'a> {
    rng: &'a mut SeededRng,
    folder: PathBuf,
    secret: [u8; 16],
    streams: Vec<StreamId>,
    table: TableId,
    next: u64,
    events: BTreeMap<EventPointer, Vec<u8>>,
    unsynced: BTreeSet<u64>,
    staged: BTreeSet<u64>,
    entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

/// Writes a folder at `path`.
pub(super) async fn write(path: &Path, rng: &mut SeededRng) -> Fixture {
    let secret = std::array::from_fn(|_| rng.next_u8());
    let id = |name: &str| StreamId::new("shop", name).expect("a valid name");
    let mut writer = Writer {
        folder: path.with_extension("live"),
        secret,
        streams: vec![id("a"), id("b")],
        table: TableId::new("shop", "t").expect("a valid name"),
        next: 0,
        events: BTreeMap::new(),
        unsynced: BTreeSet::new(),
        staged: BTreeSet::new(),
        entries: BTreeMap::new(),
        rng,
    };
    let store = writer.run_workload().await;
    let is_closed = writer.rng.one_in(2);
    if is_closed {
        writer.unsynced.clear();
    }
    writer.record_events(&store).await;
    let truncated = writer.truncated_events(&store).await;
    if is_closed {
        store.close().await.expect("the store closes");
    }
    if !writer.rng.one_in(4) {
        // most folders have no index, which takes most of the time
        let _ = std::fs::remove_dir_all(writer.folder.join("index"));
    }
    copy_folder(&writer.folder, path);
    drop(store);
    let _ = std::fs::remove_dir_all(&writer.folder);
    let mut logs = BTreeMap::new();
    for (file, bytes) in files(&path.join("log")) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let frames = outside::frames_of(path, &name);
        logs.insert(name, (bytes, frames));
    }
    let manifest = std::fs::read(path.join("MANIFEST")).expect("the manifest exists");
    let Writer { streams, events, unsynced, staged, entries, .. } = writer;
    Fixture { streams, events, truncated, not_durable: unsynced, staged, entries, logs, manifest, is_closed }
}

impl Writer<'_> {
    fn open(&self) -> EmbeddedStore {
        let components = Components {
            log_file_bytes: LOG_FILE_BYTES,
            inline: true,
            secret: Some(self.secret),
            ..Components::default()
        };
        EmbeddedStore::open_with(&self.folder, components).expect("the store opens")
    }

    async fn run_workload(&mut self) -> EmbeddedStore {
        let mut store = self.open();
        store.create_scope(&self.table.scope).await.expect("it is created");
        store.create_stream(&self.streams[0], StreamConfig::with_segments(2)).await.expect("it is created");
        store.create_stream(&self.streams[1], StreamConfig::with_segments(1)).await.expect("it is created");
        store.create_table(&self.table).await.expect("it is created");
        for _ in 0..30 + self.rng.u64_below(70) {
            match self.rng.u64_below(60) {
                0 if self.streams.len() < 4 => {
                    let name = format!("late{}", self.streams.len());
                    let stream = StreamId::new("shop", &name).expect("a valid name");
                    let config = StreamConfig::with_segments(1 + self.rng.u64_below(3) as u32);
                    store.create_stream(&stream, config).await.expect("it is created");
                    self.streams.push(stream);
                }
                1 | 2 => {
                    self.record_events(&store).await;
                    let cut =
                        tail_cut(&store, self.rng.choose(&self.streams)).await.expect("the stream exists");
                    store.truncate(&cut).await.expect("it is truncated");
                }
                3 | 4 => store.maintain().await.expect("maintenance succeeds"),
                5 => {
                    store.close().await.expect("the store closes");
                    drop(store);
                    store = self.open();
                    self.unsynced.clear();
                }
                6..10 => self.transaction(&store).await,
                _ => self.commit(&store).await,
            }
        }
        store
    }

    async fn commit(&mut self, store: &EmbeddedStore) {
        let appends = (0..1 + self.rng.u64_below(3)).map(|_| self.append().0).collect();
        let mut commit = Commit::events(appends);
        if self.rng.one_in(3) {
            let (key, value) =
                (vec![b'a' + self.rng.u64_below(5) as u8], self.rng.next_u64().to_be_bytes().to_vec());
            self.entries.entry(key.clone()).or_default().push(value.clone());
            commit.changes = vec![TableChange::put(&self.table, key, Condition::Any, value)];
        }
        let is_synced = !self.rng.one_in(4);
        let durability = if is_synced { Durability::Synced } else { Durability::Written };
        store.commit(commit.durability(durability)).await.expect("it is committed");
        if is_synced {
            self.unsynced.clear();
        }
    }

    async fn transaction(&mut self, store: &EmbeddedStore) {
        let mut transaction = store.begin().await.expect("a transaction starts");
        for _ in 0..1 + self.rng.u64_below(3) {
            let (append, number) = self.append();
            self.staged.insert(number);
            transaction.stage(vec![append]).await.expect("it is staged");
        }
        if self.rng.one_in(4) {
            transaction.abort().await.expect("it is aborted");
        } else {
            transaction.commit(vec![]).await.expect("it is committed");
            self.unsynced.clear();
        }
    }

    fn append(&mut self) -> (Append, u64) {
        let number = self.next;
        self.next += 1;
        self.unsynced.insert(number);
        let mut event = format!("event {number:08} ").into_bytes();
        event.extend(self.payload());
        let stream = self.rng.choose(&self.streams).clone();
        (Append::keyed(&stream, self.rng.u64_below(9).to_string(), event), number)
    }

    /// Returns the rest of an event: text, or bytes that look like frames.
    fn payload(&mut self) -> Vec<u8> {
        // operations that would delete a stream and truncate another
        let ops = [vec![12, 0, 0, 0, 0], vec![13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]].concat();
        match self.rng.u64_below(12) {
            0 => {
                let sequence = 1 + self.rng.u64_below(200);
                outside::legacy_frame(sequence, sequence - self.rng.u64_below(2).min(sequence - 1), &ops)
            }
            1 => outside::framed([ops.as_slice()]),
            2 => b"KLG3\0\0\0\x10".repeat(1 + self.rng.index(40)),
            3 => {
                // real frames of the log at another position
                let logs = files(&self.folder.join("log"));
                let file = logs.values().nth(self.rng.index(logs.len())).cloned().unwrap_or_default();
                let from = self.rng.index(file.len());
                file.into_iter().skip(from).take(600).collect()
            }
            4 => vec![self.rng.next_u8(); 1000 + self.rng.index(3000)],
            _ => vec![b'x'; self.rng.index(150)],
        }
    }

    /// Records the events that can be read now.
    async fn record_events(&mut self, store: &EmbeddedStore) {
        for stream in &self.streams {
            let events = bounded_read(store, stream).await.expect("the stream is read");
            self.events.extend(events.into_iter().map(|(pointer, event)| (pointer, event.to_vec())));
        }
    }

    async fn truncated_events(&self, store: &EmbeddedStore) -> BTreeSet<EventPointer> {
        let mut heads = BTreeMap::new();
        for stream in &self.streams {
            let segments = store.segments(stream).await.expect("the stream exists");
            heads.extend(segments.into_iter().map(|segment| (segment.id, segment.head)));
        }
        let is_truncated =
            |pointer: &&EventPointer| heads.get(&pointer.segment).is_some_and(|head| pointer.offset < *head);
        self.events.keys().filter(is_truncated).cloned().collect()
    }
}

/// Copies a folder recursively, without its lock file.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is created");
    for entry in std::fs::read_dir(from).expect("the folder is read").flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy_folder(&entry.path(), &to);
        } else if entry.file_name() != "LOCK" {
            // the index may delete a file meanwhile
            let _ = std::fs::copy(entry.path(), to);
        }
    }
}

/// Returns the files of a folder, recursively, with their contents.
pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            found.insert(entry.path(), bytes);
        }
    }
    found
}
