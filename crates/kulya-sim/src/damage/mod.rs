//! Simulation of damaged folders.
//!
//! The invariant, for any damage: a check does not change the folder; every durable event is read unchanged
//! or reported as lost by check and repair; every event whose frame is intact is read; nothing is read that
//! was not written; opening succeeds with correct data or fails, and so does each read; after a repair the
//! store opens, has what the check could read, accepts events, and is intact.

mod fixture;
mod inject;

use fixture::{Fixture, files};
use kulya_store::{Append, Commit, ErrorKind, EventPointer, StreamId, StreamStore, TableId, bounded_read};
use kulya_store_embedded::{Components, EmbeddedStore, Salvaged};
use kulya_testkit::SeededRng;
use std::collections::BTreeMap;
use std::path::Path;

/// Totals of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// Damaged folders.
    pub folders: u64,
    /// Damages to them.
    pub damages: u64,
    /// Events in them.
    pub events: u64,
    /// Events that could not be read.
    pub lost: u64,
    /// Those that were reported by their offsets.
    pub located: u64,
    /// Folders that could not be opened.
    pub rejected: u64,
    /// Folders that were found intact.
    pub intact: u64,
}

impl DamageReport {
    /// Adds the totals of another seed.
    pub fn add(&mut self, other: &Self) {
        self.folders += other.folders;
        self.damages += other.damages;
        self.events += other.events;
        self.lost += other.lost;
        self.located += other.located;
        self.rejected += other.rejected;
        self.intact += other.intact;
    }
}

/// Writes a folder, damages three copies of it and checks each.
///
/// # Panics
/// If the invariant is violated.
pub async fn simulate_damage(seed: u64) -> DamageReport {
    let mut rng = SeededRng::new(seed);
    let scratch = scratch();
    let original = scratch.path().join("original");
    let fixture = fixture::write(&original, &mut rng).await;
    let mut report = DamageReport::default();
    for copy in 0..3 {
        let path = scratch.path().join(copy.to_string());
        fixture::copy_folder(&original, &path);
        let damages = inject::inject(&path, &original, &mut rng);
        report.folders += 1;
        report.damages += damages.len() as u64;
        report.events += fixture.events.len() as u64;
        let case = Case {
            description: format!("seed {seed}, copy {copy}: {damages:#?}"),
            fixture: &fixture,
            path: &path,
        };
        case.check_invariant(&scratch.path().join(format!("{copy}-opened")), &mut report).await;
    }
    report
}

/// Creates a temporary folder, in memory if possible.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("the folder is created")
}

struct Case<'a> {
    description: String,
    fixture: &'a Fixture,
    path: &'a Path,
}

/// The contents of a store: events by their pointers, and table entries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    events: BTreeMap<EventPointer, Vec<u8>>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Case<'_> {
    fn ensure(&self, condition: bool, what: &str) {
        assert!(condition, "{what}\n{}", self.description);
    }

    async fn check_invariant(&self, opened: &Path, report: &mut DamageReport) {
        if let Some(format) = self.other_format() {
            return self.check_other_format(&format, report);
        }
        let before = files(self.path);
        fixture::copy_folder(self.path, opened);
        self.check_open(opened, report).await;
        let (found, read) = self.check_examine(&before, report).await;
        self.check_repair(&found, &read).await;
    }

    /// Whether nothing in the folder can tell that this event existed: the process was killed, the record of
    /// the synced length is lost, and the event is in the last log file or of a transaction.
    fn is_untraceable(&self, pointer: &EventPointer) -> bool {
        let is_recorded = self.fixture.is_closed || self.path.join("SYNCED").exists();
        !is_recorded && (self.fixture.is_in_last_file(pointer) || self.fixture.is_staged(pointer))
    }

    /// Returns the content of the file FORMAT if it is that of another version.
    fn other_format(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.path.join("FORMAT")).ok()?;
        let version: u32 = text.trim().strip_prefix("kulya-store ")?.parse().ok()?;
        (![2, 3].contains(&version)).then_some(text)
    }

    /// Checks that a folder of another format is rejected with that format and not changed.
    fn check_other_format(&self, format: &str, report: &mut DamageReport) {
        let before = files(self.path);
        for error in [
            open(self.path).err(),
            EmbeddedStore::examine(self.path).err(),
            EmbeddedStore::repair(self.path).err(),
        ] {
            let error =
                error.unwrap_or_else(|| panic!("format {format:?} is accepted\n{}", self.description));
            self.ensure(
                error.to_string().contains(format.trim()),
                &format!("{error} does not name the format"),
            );
        }
        let mut after = files(self.path);
        after.remove(&self.path.join("LOCK"));
        self.ensure(after == before, "a folder of another format was changed");
        report.rejected += 1;
    }

    /// Checks that opening without a repair fails, or that each read returns correct data or an error.
    async fn check_open(&self, path: &Path, report: &mut DamageReport) {
        let store = match open(path) {
            Ok(store) => store,
            Err(error) => {
                let text = error.to_string();
                // without the file FORMAT it is not a store
                let is_foreign = error.kind() == ErrorKind::InvalidInput && !path.join("FORMAT").exists();
                self.ensure(
                    is_foreign || error.kind() == ErrorKind::Corrupt,
                    &format!("opening fails with {error:?}"),
                );
                self.ensure(text.len() > 30, &format!("the error does not name the damage: {text}"));
                report.rejected += 1;
                return;
            }
        };
        for stream in &self.fixture.streams {
            match bounded_read(&store, stream).await {
                Ok(events) => {
                    for (pointer, event) in events {
                        self.check_event(&pointer, &event);
                    }
                }
                Err(error) => self.ensure(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound),
                    &format!("reading {stream} fails with {error:?}"),
                ),
            }
        }
        let is_durable =
            |pointer: &&EventPointer| self.fixture.is_durable(pointer) && !self.is_untraceable(pointer);
        for pointer in self.fixture.events.keys().filter(is_durable) {
            match store.event(pointer).await {
                Ok(event) => self.check_event(pointer, &event),
                Err(error) => self.ensure(
                    error.kind() == ErrorKind::Corrupt,
                    &format!("the store opens, but reading {pointer} fails with {error:?}"),
                ),
            }
        }
    }

    fn check_event(&self, pointer: &EventPointer, event: &[u8]) {
        let expected = self.fixture.events.get(pointer).map(Vec::as_slice);
        self.ensure(
            expected == Some(event),
            &format!("{pointer} reads as {}, which was not written", excerpt(event)),
        );
    }

    /// Checks that an examination reports every loss and changes nothing.
    async fn check_examine(
        &self,
        before: &BTreeMap<std::path::PathBuf, Vec<u8>>,
        report: &mut DamageReport,
    ) -> (Salvaged, Contents) {
        let (found, store) = EmbeddedStore::examine(self.path)
            .unwrap_or_else(|e| panic!("the check fails: {e:?}\n{}", self.description));
        let read = contents(&store)
            .await
            .unwrap_or_else(|e| panic!("the remaining data cannot be read: {e:?}\n{}", self.description));
        drop(store);
        self.ensure(files(self.path) == *before, "the check changed the folder");
        let intact = inject::Intact::find(self.path, self.fixture);
        let (mut unlocated, mut lost) = (0, 0);
        for (pointer, event) in &self.fixture.events {
            let is_read = read.events.contains_key(pointer) || is_renamed(&found, &read, pointer, event);
            if is_read || !self.fixture.is_durable(pointer) || self.is_untraceable(pointer) {
                continue;
            }
            self.ensure(
                !intact.contains(pointer),
                &format!("{pointer} is intact but reported as lost: {found:#?}"),
            );
            lost += 1;
            report.lost += 1;
            let is_located = is_located(&found, pointer);
            report.located += u64::from(is_located);
            unlocated += u64::from(!is_located);
        }
        let allowed = found.events_lost.unwrap_or(u64::MAX);
        self.ensure(
            lost == 0 || found.is_damaged() && unlocated <= allowed,
            &format!("{lost} events are lost, {unlocated} of them without an offset: {found:#?}"),
        );
        for (pointer, event) in &read.events {
            if pointer.segment.stream.scope.as_str() == "recovered" {
                let texts = self.fixture.events.values();
                self.ensure(
                    texts.into_iter().any(|expected| expected == event),
                    &format!("{pointer} was not written"),
                );
            } else {
                self.check_event(pointer, event);
            }
        }
        for (key, value) in &read.entries {
            let values = self.fixture.entries.get(key);
            let is_last = values.and_then(|values| values.last()) == Some(value);
            let is_one = values.is_some_and(|values| values.contains(value));
            self.ensure(is_one, &format!("entry {key:?} has a value that it never had"));
            self.ensure(
                is_last || found.is_damaged() || found.torn.is_some(),
                &format!("entry {key:?} has an old value although nothing is damaged"),
            );
        }
        report.intact += u64::from(!found.is_damaged());
        (found, read)
    }

    async fn check_repair(&self, found: &Salvaged, read: &Contents) {
        let repaired = EmbeddedStore::repair(self.path)
            .unwrap_or_else(|e| panic!("the repair fails: {e:?}\n{found:#?}\n{}", self.description));
        self.ensure(
            repaired == *found,
            &format!("the repair reports {repaired:#?} and the check {found:#?}"),
        );
        for is_second in [false, true] {
            let store = open(self.path).unwrap_or_else(|e| {
                panic!("opening after the repair fails: {e:?}\n{found:#?}\n{}", self.description)
            });
            store
                .verify()
                .await
                .unwrap_or_else(|e| panic!("damaged after the repair: {e:?}\n{}", self.description));
            let now = contents(&store).await;
            let now = now.unwrap_or_else(|e| {
                panic!("unreadable after the repair: {e:?}\n{found:#?}\n{}", self.description)
            });
            let is_complete =
                read.events.iter().all(|(pointer, event)| now.events.get(pointer) == Some(event));
            self.ensure(is_complete && now.entries == read.entries, "the repair lost data");
            self.ensure(is_second || now.events == read.events, "the repair added data");
            if !is_second {
                self.check_append(&store, found).await;
            }
            store.close().await.expect("the store closes");
            drop(store);
            let _ = std::fs::remove_dir_all(self.path.join("index"));
        }
        let (found, _) = EmbeddedStore::examine(self.path).expect("the check runs");
        self.ensure(!found.is_damaged() && found.torn.is_none(), &format!("after the repair: {found:#?}"));
    }

    async fn check_append(&self, store: &EmbeddedStore, found: &Salvaged) {
        for stream in &self.fixture.streams {
            let append = Append::keyed(stream, "k", b"after the repair".to_vec());
            match store.commit(Commit::events(vec![append])).await {
                Ok(committed) => {
                    let pointer = committed.pointers.get(0).expect("one event has one pointer");
                    let was_used = self.fixture.is_durable(&pointer) && !self.is_untraceable(&pointer);
                    self.ensure(
                        !was_used && !is_located(found, &pointer),
                        &format!("{pointer} is used a second time: {found:#?}"),
                    );
                    let event = store.event(&pointer).await.expect("the new event is read");
                    self.ensure(event == b"after the repair"[..], "the new event is read");
                }
                // its creation was lost, or it is sealed
                Err(error) => self.ensure(
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Sealed),
                    &format!("{stream} accepts no event: {error:?}"),
                ),
            }
        }
    }
}

/// Whether an event is reported as lost by its offset.
fn is_located(found: &Salvaged, pointer: &EventPointer) -> bool {
    found.lost.iter().any(|lost| {
        lost.stream == pointer.segment.stream
            && lost.segment == pointer.segment.number
            && lost.from <= pointer.offset
            && pointer.offset < lost.to
    })
}

/// Whether an event is read from a stream whose name was lost and generated.
fn is_renamed(found: &Salvaged, read: &Contents, pointer: &EventPointer, event: &[u8]) -> bool {
    !found.named.is_empty()
        && read.events.iter().any(|(found, content)| {
            found.segment.stream.scope.as_str() == "recovered"
                && (found.segment.number, found.offset) == (pointer.segment.number, pointer.offset)
                && content == event
        })
}

/// Formats the start of an event.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).into_owned();
    format!("{text:?}, {} bytes", bytes.len())
}

fn open(path: &Path) -> kulya_store::Result<EmbeddedStore> {
    let components =
        Components { log_file_bytes: fixture::LOG_FILE_BYTES, inline: true, ..Components::default() };
    EmbeddedStore::open_with(path, components)
}

async fn contents(store: &EmbeddedStore) -> kulya_store::Result<Contents> {
    let mut contents = Contents::default();
    for scope in store.scopes().await? {
        for name in store.streams(&scope).await? {
            let stream = StreamId { scope: scope.clone(), name };
            let events = bounded_read(store, &stream).await?;
            contents.events.extend(events.into_iter().map(|(pointer, event)| (pointer, event.to_vec())));
        }
        for name in store.tables(&scope).await? {
            let table = TableId { scope: scope.clone(), name };
            let entries = store.scan(&table, b"", None, 1000).await?;
            contents.entries.extend(entries.into_iter().map(|e| (e.key.to_vec(), e.value.to_vec())));
        }
    }
    Ok(contents)
}
