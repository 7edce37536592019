//! A folder with a history of its own: commits of events, some of which hold what looks like frames; transactions, table
//! entries, cuts, compactions, and an end that is orderly or none.

use kulya_store::{
    Append, Commit, Condition, Durability, EventPointer, StreamConfig, StreamId, StreamStore, TableChange,
    TableId, bounded_read, tail_cut,
};
use kulya_store_embedded::outside::{self, FrameRange};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// So short that a folder has several log files.
pub(super) const LOG_FILE_BYTES: u64 = 6000;

/// What was written to a folder.
pub(super) struct Written {
    pub(super) streams: Vec<StreamId>,
    /// Everything that could ever be read.
    pub(super) events: BTreeMap<EventPointer, Vec<u8>>,
    /// Those of them that were cut off the beginnings of their segments.
    gone: BTreeSet<EventPointer>,
    /// The numbers of events whose write was not acknowledged as synced.
    uncertain: BTreeSet<u64>,
    /// The numbers of events that a transaction wrote.
    pub(super) staged: BTreeSet<u64>,
    /// The values that each entry ever had.
    pub(super) entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The log files as they were, with their frames.
    pub(super) logs: BTreeMap<String, (Vec<u8>, Vec<FrameRange>)>,
    /// The file MANIFEST.
    pub(super) manifest: Vec<u8>,
    /// Whether the store was closed, or its process killed.
    pub(super) is_orderly: bool,
}

impl Written {
    pub(super) fn is_certain(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        !self.is_gone(pointer) && number.is_some_and(|number| !self.uncertain.contains(&number))
    }

    pub(super) fn is_in_the_last_file(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        let last = self.logs.values().next_back();
        last.is_some_and(|(bytes, _)| super::hit::numbers_in(bytes).any(|found| Some(found) == number))
    }

    /// Whether a transaction wrote it.
    pub(super) fn is_staged(&self, pointer: &EventPointer) -> bool {
        let number = self.events.get(pointer).and_then(|event| number_of(event));
        number.is_some_and(|number| self.staged.contains(&number))
    }

    pub(super) fn is_gone(&self, pointer: &EventPointer) -> bool {
        self.gone.contains(pointer)
    }
}

/// What every event begins with.
pub(super) const BEGINNING: &[u8] = b"event ";

/// The number of the event that begins here.
pub(super) fn number_of(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_prefix(BEGINNING)?.get(..8)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

struct Writer<'a> {
    rng: &'a mut SeededRng,
    live: PathBuf,
    secret: [u8; 16],
    streams: Vec<StreamId>,
    table: TableId,
    next: u64,
    events: BTreeMap<EventPointer, Vec<u8>>,
    pending: BTreeSet<u64>,
    staged: BTreeSet<u64>,
    entries: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

/// Makes a folder at `path`.
pub(super) async fn write(path: &Path, rng: &mut SeededRng) -> Written {
    let secret = std::array::from_fn(|_| rng.next_u8());
    let id = |name: &str| StreamId::new("shop", name).expect("a name");
    let mut writer = Writer {
        live: path.with_extension("live"),
        secret,
        streams: vec![id("a"), id("b")],
        table: TableId::new("shop", "t").expect("a name"),
        next: 0,
        events: BTreeMap::new(),
        pending: BTreeSet::new(),
        staged: BTreeSet::new(),
        entries: BTreeMap::new(),
        rng,
    };
    let store = writer.fill().await;
    let is_orderly = writer.rng.one_in(2);
    if is_orderly {
        writer.pending.clear();
    }
    writer.see(&store).await;
    let gone = writer.gone(&store).await;
    if is_orderly {
        store.close().await.expect("an end is orderly");
    }
    if !writer.rng.one_in(4) {
        // most folders have none: it takes the most of the time
        let _ = std::fs::remove_dir_all(writer.live.join("index"));
    }
    copy_all(&writer.live, path);
    drop(store);
    let _ = std::fs::remove_dir_all(&writer.live);
    let mut logs = BTreeMap::new();
    for (file, bytes) in files(&path.join("log")) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let frames = outside::frames_of(path, &name);
        logs.insert(name, (bytes, frames));
    }
    let manifest = std::fs::read(path.join("MANIFEST")).expect("there is a manifest");
    let Writer { streams, events, pending, staged, entries, .. } = writer;
    Written { streams, events, gone, uncertain: pending, staged, entries, logs, manifest, is_orderly }
}

impl Writer<'_> {
    fn open(&self) -> EmbeddedStore {
        let components = Components {
            log_file_bytes: LOG_FILE_BYTES,
            inline: true,
            secret: Some(self.secret),
            ..Components::default()
        };
        EmbeddedStore::open_with(&self.live, components).expect("it opens")
    }

    async fn fill(&mut self) -> EmbeddedStore {
        let mut store = self.open();
        store.create_scope(&self.table.scope).await.expect("it is made");
        store.create_stream(&self.streams[0], StreamConfig::with_segments(2)).await.expect("it is made");
        store.create_stream(&self.streams[1], StreamConfig::with_segments(1)).await.expect("it is made");
        store.create_table(&self.table).await.expect("it is made");
        for _ in 0..30 + self.rng.u64_below(70) {
            match self.rng.u64_below(60) {
                0 if self.streams.len() < 4 => {
                    let name = format!("late{}", self.streams.len());
                    let stream = StreamId::new("shop", &name).expect("a name");
                    let config = StreamConfig::with_segments(1 + self.rng.u64_below(3) as u32);
                    store.create_stream(&stream, config).await.expect("it is made");
                    self.streams.push(stream);
                }
                1 | 2 => {
                    self.see(&store).await;
                    let cut = tail_cut(&store, self.rng.choose(&self.streams)).await.expect("it is there");
                    store.truncate(&cut).await.expect("it is cut");
                }
                3 | 4 => store.maintain().await.expect("it is kept"),
                5 => {
                    store.close().await.expect("an end is orderly");
                    drop(store);
                    store = self.open();
                    self.pending.clear();
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
            self.pending.clear();
        }
    }

    async fn transaction(&mut self, store: &EmbeddedStore) {
        let mut transaction = store.begin().await.expect("it begins");
        for _ in 0..1 + self.rng.u64_below(3) {
            let (append, number) = self.append();
            self.staged.insert(number);
            transaction.stage(vec![append]).await.expect("it is staged");
        }
        if self.rng.one_in(4) {
            transaction.abort().await.expect("it is aborted");
        } else {
            transaction.commit(vec![]).await.expect("it is committed");
            self.pending.clear();
        }
    }

    fn append(&mut self) -> (Append, u64) {
        let number = self.next;
        self.next += 1;
        self.pending.insert(number);
        let mut event = format!("event {number:08} ").into_bytes();
        event.extend(self.payload());
        let stream = self.rng.choose(&self.streams).clone();
        (Append::keyed(&stream, self.rng.u64_below(9).to_string(), event), number)
    }

    /// What an event holds: some text, or what looks like frames.
    fn payload(&mut self) -> Vec<u8> {
        // ops that would delete a stream, and cut another
        let ops = [vec![12, 0, 0, 0, 0], vec![13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]].concat();
        match self.rng.u64_below(12) {
            0 => {
                let sequence = 1 + self.rng.u64_below(200);
                outside::legacy_frame(sequence, sequence - self.rng.u64_below(2).min(sequence - 1), &ops)
            }
            1 => outside::framed([ops.as_slice()]),
            2 => b"KLG3\0\0\0\x10".repeat(1 + self.rng.index(40)),
            3 => {
                // true frames, read from the disk, at another place
                let logs = files(&self.live.join("log"));
                let file = logs.values().nth(self.rng.index(logs.len())).cloned().unwrap_or_default();
                let from = self.rng.index(file.len());
                file.into_iter().skip(from).take(600).collect()
            }
            4 => vec![self.rng.next_u8(); 1000 + self.rng.index(3000)],
            _ => vec![b'x'; self.rng.index(150)],
        }
    }

    /// Takes down what can be read now.
    async fn see(&mut self, store: &EmbeddedStore) {
        for stream in &self.streams {
            let events = bounded_read(store, stream).await.expect("it can be read");
            self.events.extend(events.into_iter().map(|(pointer, event)| (pointer, event.to_vec())));
        }
    }

    async fn gone(&self, store: &EmbeddedStore) -> BTreeSet<EventPointer> {
        let mut heads = BTreeMap::new();
        for stream in &self.streams {
            let segments = store.segments(stream).await.expect("it is there");
            heads.extend(segments.into_iter().map(|segment| (segment.id, segment.head)));
        }
        let is_gone =
            |pointer: &&EventPointer| heads.get(&pointer.segment).is_some_and(|head| pointer.offset < *head);
        self.events.keys().filter(is_gone).cloned().collect()
    }
}

/// Copies a folder with all that is in it, but for its lock.
pub(super) fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a folder can be read").flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            copy_all(&entry.path(), &to);
        } else if entry.file_name() != "LOCK" {
            // the index may remove a file under us
            let _ = std::fs::copy(entry.path(), to);
        }
    }
}

/// All files of a folder and of those in it, with what is in them.
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
