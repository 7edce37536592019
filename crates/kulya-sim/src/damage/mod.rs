//! Real folders that are damaged, and what is promised of them.
//!
//! The invariant, for whatever damage: a check changes nothing in the folder; every event whose write was acknowledged as
//! synced is read unchanged, or stands among what the check and the repair say is lost; every event whose frame was not hit is
//! read; nothing is read that was not written; what opens, opens to what was written or refuses it where it is read; and after
//! a repair the store opens, holds what the check could read, takes events, and is whole.

mod folder;
mod hit;

use folder::{Written, files};
use kulya_store::{Append, Commit, ErrorKind, EventPointer, StreamId, StreamStore, TableId, bounded_read};
use kulya_store_embedded::{Components, EmbeddedStore, Salvaged};
use kulya_testkit::SeededRng;
use std::collections::BTreeMap;
use std::path::Path;

/// What damage was done, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damages {
    /// Folders that were damaged.
    pub folders: u64,
    /// Damages that were done to them.
    pub hits: u64,
    /// Events that were in them.
    pub events: u64,
    /// Events that could not be read any more.
    pub lost: u64,
    /// Those of them that were said to be lost by their offsets.
    pub named: u64,
    /// Folders that were refused at opening.
    pub refused: u64,
    /// Folders of which nothing that counts was hit.
    pub whole: u64,
}

impl Damages {
    /// Adds what another seed has seen.
    pub fn add(&mut self, other: &Self) {
        self.folders += other.folders;
        self.hits += other.hits;
        self.events += other.events;
        self.lost += other.lost;
        self.named += other.named;
        self.refused += other.refused;
        self.whole += other.whole;
    }
}

/// Makes a folder, damages copies of it, and looks at each; panics where the invariant breaks.
pub async fn damage(seed: u64) -> Damages {
    let mut rng = SeededRng::new(seed);
    let scratch = scratch();
    let original = scratch.path().join("original");
    let written = folder::write(&original, &mut rng).await;
    let mut report = Damages::default();
    for copy in 0..3 {
        let path = scratch.path().join(copy.to_string());
        folder::copy_all(&original, &path);
        let hits = hit::hits(&path, &original, &mut rng);
        report.folders += 1;
        report.hits += hits.len() as u64;
        report.events += written.events.len() as u64;
        let case =
            Case { story: format!("seed {seed}, copy {copy}: {hits:#?}"), written: &written, path: &path };
        case.holds(&scratch.path().join(format!("{copy}-opened")), &mut report).await;
    }
    report
}

/// Where writing costs no disk, if there is such a place.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder can be made")
}

struct Case<'a> {
    story: String,
    written: &'a Written,
    path: &'a Path,
}

/// Everything that can be read: events by their places, and the entries of the table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    events: BTreeMap<EventPointer, Vec<u8>>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Case<'_> {
    fn ensure(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.story);
    }

    async fn holds(&self, opened: &Path, report: &mut Damages) {
        if let Some(format) = self.other_format() {
            return self.is_of_another_format(&format, report);
        }
        let before = files(self.path);
        folder::copy_all(self.path, opened);
        self.opens(opened, report).await;
        let (found, read) = self.check(&before, report).await;
        self.repairs(&found, &read).await;
    }

    /// Whether nothing in the folder can say that this event was ever there: the process was killed, what it said last of how
    /// far the log was synced is not there any more, and the event was written since the last file was begun.
    fn is_unknown(&self, pointer: &EventPointer) -> bool {
        let is_said = self.written.is_orderly || self.path.join("SYNCED").exists();
        !is_said && (self.written.is_in_the_last_file(pointer) || self.written.is_staged(pointer))
    }

    /// What the file FORMAT says, when a bit of it says that another version wrote the folder.
    fn other_format(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.path.join("FORMAT")).ok()?;
        let version: u32 = text.trim().strip_prefix("kulya-store ")?.parse().ok()?;
        (![2, 3].contains(&version)).then_some(text)
    }

    /// Nobody touches what another version may have written; what is wrong is said.
    fn is_of_another_format(&self, format: &str, report: &mut Damages) {
        let before = files(self.path);
        for refused in [
            open(self.path).err(),
            EmbeddedStore::examine(self.path).err(),
            EmbeddedStore::repair(self.path).err(),
        ] {
            let error = refused.unwrap_or_else(|| panic!("format {format:?} is read\n{}", self.story));
            self.ensure(
                error.to_string().contains(format.trim()),
                &format!("{error} does not name the format"),
            );
        }
        let mut after = files(self.path);
        after.remove(&self.path.join("LOCK"));
        self.ensure(after == before, "a folder of another format has changed");
        report.refused += 1;
    }

    /// An opening as it is refuses, or gives what was written, or an error where it is read.
    async fn opens(&self, path: &Path, report: &mut Damages) {
        let store = match open(path) {
            Ok(store) => store,
            Err(error) => {
                let text = error.to_string();
                // without the file FORMAT it is a folder of something else
                let is_foreign = error.kind() == ErrorKind::InvalidInput && !path.join("FORMAT").exists();
                self.ensure(
                    is_foreign || error.kind() == ErrorKind::Corrupt,
                    &format!("opening fails with {error:?}"),
                );
                self.ensure(text.len() > 30, &format!("the refusal names nothing: {text}"));
                report.refused += 1;
                return;
            }
        };
        for stream in &self.written.streams {
            match bounded_read(&store, stream).await {
                Ok(events) => {
                    for (pointer, event) in events {
                        self.is_true(&pointer, &event);
                    }
                }
                Err(error) => self.ensure(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound),
                    &format!("reading {stream} fails with {error:?}"),
                ),
            }
        }
        let is_certain =
            |pointer: &&EventPointer| self.written.is_certain(pointer) && !self.is_unknown(pointer);
        for pointer in self.written.events.keys().filter(is_certain) {
            match store.event(pointer).await {
                Ok(event) => self.is_true(pointer, &event),
                Err(error) => self.ensure(
                    error.kind() == ErrorKind::Corrupt,
                    &format!("the store opens, and {pointer} is {error:?}"),
                ),
            }
        }
    }

    fn is_true(&self, pointer: &EventPointer, event: &[u8]) {
        let was = self.written.events.get(pointer).map(Vec::as_slice);
        self.ensure(
            was == Some(event),
            &format!("{pointer} reads as {}, which was not written", shown(event)),
        );
    }

    /// A check says what is lost, and changes nothing.
    async fn check(
        &self,
        before: &BTreeMap<std::path::PathBuf, Vec<u8>>,
        report: &mut Damages,
    ) -> (Salvaged, Contents) {
        let (found, store) = EmbeddedStore::examine(self.path)
            .unwrap_or_else(|e| panic!("a check fails: {e:?}\n{}", self.story));
        let read = contents(&store)
            .await
            .unwrap_or_else(|e| panic!("what is left cannot be read: {e:?}\n{}", self.story));
        drop(store);
        self.ensure(files(self.path) == *before, "a check has changed the folder");
        let intact = hit::Intact::of(self.path, self.written);
        let (mut unnamed, mut lost) = (0, 0);
        for (pointer, event) in &self.written.events {
            let is_read = read.events.contains_key(pointer) || is_renamed(&found, &read, pointer, event);
            if is_read || !self.written.is_certain(pointer) || self.is_unknown(pointer) {
                continue;
            }
            self.ensure(!intact.has(pointer), &format!("{pointer} was not hit, and is given up: {found:#?}"));
            lost += 1;
            report.lost += 1;
            let is_named = is_named(&found, pointer);
            report.named += u64::from(is_named);
            unnamed += u64::from(!is_named);
        }
        let allowed = found.events_lost.unwrap_or(u64::MAX);
        self.ensure(
            lost == 0 || found.is_damaged() && unnamed <= allowed,
            &format!("{lost} events are lost, {unnamed} of them unnamed: {found:#?}"),
        );
        for (pointer, event) in &read.events {
            if pointer.segment.stream.scope.as_str() == "recovered" {
                let texts = self.written.events.values();
                self.ensure(texts.into_iter().any(|was| was == event), &format!("{pointer} was not written"));
            } else {
                self.is_true(pointer, event);
            }
        }
        for (key, value) in &read.entries {
            let was = self.written.entries.get(key);
            let is_last = was.and_then(|values| values.last()) == Some(value);
            let is_one = was.is_some_and(|values| values.contains(value));
            self.ensure(is_one, &format!("entry {key:?} has a value that it never had"));
            self.ensure(
                is_last || found.is_damaged() || found.torn.is_some(),
                &format!("entry {key:?} has an old value, and nothing is damaged"),
            );
        }
        report.whole += u64::from(!found.is_damaged());
        (found, read)
    }

    async fn repairs(&self, found: &Salvaged, read: &Contents) {
        let repaired = EmbeddedStore::repair(self.path)
            .unwrap_or_else(|e| panic!("a repair fails: {e:?}\n{found:#?}\n{}", self.story));
        self.ensure(repaired == *found, &format!("the repair says {repaired:#?} and the check {found:#?}"));
        for is_again in [false, true] {
            let store = open(self.path).unwrap_or_else(|e| {
                panic!("it does not open after a repair: {e:?}\n{found:#?}\n{}", self.story)
            });
            store
                .verify()
                .await
                .unwrap_or_else(|e| panic!("not whole after a repair: {e:?}\n{}", self.story));
            let now = contents(&store).await;
            let now = now
                .unwrap_or_else(|e| panic!("unreadable after a repair: {e:?}\n{found:#?}\n{}", self.story));
            let kept = read.events.iter().all(|(pointer, event)| now.events.get(pointer) == Some(event));
            self.ensure(kept && now.entries == read.entries, "after the repair the store is another");
            self.ensure(is_again || now.events == read.events, "after the repair there is more than before");
            if !is_again {
                self.takes_events(&store, found).await;
            }
            store.close().await.expect("an end is orderly");
            drop(store);
            let _ = std::fs::remove_dir_all(self.path.join("index"));
        }
        let (found, _) = EmbeddedStore::examine(self.path).expect("a check can be made");
        self.ensure(!found.is_damaged() && found.torn.is_none(), &format!("after the repair: {found:#?}"));
    }

    async fn takes_events(&self, store: &EmbeddedStore, found: &Salvaged) {
        for stream in &self.written.streams {
            let append = Append::keyed(stream, "k", b"after the repair".to_vec());
            match store.commit(Commit::events(vec![append])).await {
                Ok(done) => {
                    let pointer = done.pointers.get(0).expect("one event has one pointer");
                    let was_given = self.written.is_certain(&pointer) && !self.is_unknown(&pointer);
                    self.ensure(
                        !was_given && !is_named(found, &pointer),
                        &format!("{pointer} is given a second time: {found:#?}"),
                    );
                    let event = store.event(&pointer).await.expect("what was written is read");
                    self.ensure(event == b"after the repair"[..], "what was written is read");
                }
                // its making was lost, or it is sealed
                Err(error) => self.ensure(
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Sealed),
                    &format!("{stream} takes no event: {error:?}"),
                ),
            }
        }
    }
}

/// Whether an event is said to be lost by its offset.
fn is_named(found: &Salvaged, pointer: &EventPointer) -> bool {
    found.lost.iter().any(|lost| {
        lost.stream == pointer.segment.stream
            && lost.segment == pointer.segment.number
            && lost.from <= pointer.offset
            && pointer.offset < lost.to
    })
}

/// Whether an event is read under a name that a salvage has given to its stream.
fn is_renamed(found: &Salvaged, read: &Contents, pointer: &EventPointer, event: &[u8]) -> bool {
    !found.named.is_empty()
        && read.events.iter().any(|(at, is)| {
            at.segment.stream.scope.as_str() == "recovered"
                && (at.segment.number, at.offset) == (pointer.segment.number, pointer.offset)
                && is == event
        })
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).into_owned();
    format!("{text:?} and {} bytes in all", bytes.len())
}

fn open(path: &Path) -> kulya_store::Result<EmbeddedStore> {
    let components =
        Components { log_file_bytes: folder::LOG_FILE_BYTES, inline: true, ..Components::default() };
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
