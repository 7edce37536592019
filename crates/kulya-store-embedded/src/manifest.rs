//! What a folder knows of its log beside the log itself, so that what is gone is missed.
//!
//! The file `MANIFEST` has the store's key, each log file with the length that it has at least, and the catalog with the
//! segments' tails, all as they were when the store was last opened or closed, a log file was filled, a checkpoint taken or
//! files compacted. Everything in it was synced before it was written, so it stays true: the log may have more, never less.
//! The file `SYNCED` says the same of the end of the log alone. It is overwritten in place, without a sync, after each sync of
//! the log and before anybody is told: where the process was killed and the machine went on, it is the very last state that
//! was acknowledged; a power cut may take it back, or make it unreadable, and then it says nothing. It holds the same twice,
//! so that a byte that is not what was written takes nothing away.

use crate::log_name::LogName;
use crate::checkpoint::{self, CatalogRecord, PendingCheckpoint};
use crate::frame::{LogEnd, StoreKey};
use crate::state::{LogInfo, State};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

/// `KLGM`, and the version of what follows.
const MAGIC: &[u8; 8] = b"KLGM\0\0\0\x03";

/// Of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncedFile {
    pub(crate) name: LogName,
    /// So many of its bytes were synced.
    pub(crate) bytes: u64,
    /// How the log went on behind them.
    pub(crate) end: LogEnd,
}

impl SyncedFile {
    fn of(info: &LogInfo) -> Self {
        Self { name: info.name, bytes: info.bytes, end: info.end }
    }
}

/// Everything that the file `MANIFEST` says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) key: StoreKey,
    /// In the order of the log.
    pub(crate) files: Vec<SyncedFile>,
    /// The catalog; `None` before there is any.
    pub(crate) record: Option<CatalogRecord>,
}

impl Manifest {
    /// Of a store that holds nothing yet.
    pub(crate) fn new(key: StoreKey) -> Self {
        Self { key, files: Vec::new(), record: None }
    }

    /// Of a store whose log is synced up to where the state stands.
    pub(crate) fn of(key: StoreKey, state: &State) -> Self {
        let files = state.files.in_order().into_iter().map(|(_, info)| SyncedFile::of(info)).collect();
        Self { key, files, record: Some(checkpoint::record(state).of_the_catalog()) }
    }

    /// The same as of a checkpoint, up to which the log is synced; as it is when more is known already.
    pub(crate) fn at(&self, taken: &PendingCheckpoint) -> Self {
        let mut manifest = self.clone();
        let known = self.record.as_ref().map_or(0, |record| record.end.sequence);
        let written = taken.files.by_id.get(&taken.position.file).map(|info| info.name);
        let file = manifest.files.iter_mut().find(|file| Some(file.name) == written);
        if let Some(file) = file.filter(|_| known < taken.end.sequence) {
            (file.bytes, file.end) = (taken.position.length, taken.end);
            manifest.record = Some(taken.record.clone().of_the_catalog());
        }
        manifest
    }

    /// The same with one file for several.
    pub(crate) fn compacted(&self, old: &[LogName], new: &LogInfo) -> Self {
        let mut manifest = self.clone();
        manifest.files.retain(|file| !old.contains(&file.name));
        manifest.files.push(SyncedFile::of(new));
        manifest.files.sort_by_key(|file| file.name);
        manifest
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("values of ours can be written to memory");
        [MAGIC.as_slice(), &crc32c::crc32c(&body).to_be_bytes(), &body].concat()
    }

    /// `None` when the bytes are not what was written.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let is_whole = crc32c::crc32c(body) == u32::from_be_bytes(*checksum);
        if is_whole { postcard::from_bytes(body).ok() } else { None }
    }

    /// What is known of a log file of this name.
    pub(crate) fn file(&self, name: LogName) -> Option<&SyncedFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// How far the log was synced: what the file `SYNCED` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncMark(pub(crate) SyncedFile);

const MARK_BYTES: usize = 48;
/// The file has it twice.
pub(crate) const MARKS_BYTES: usize = 2 * MARK_BYTES;

impl SyncMark {
    pub(crate) fn to_bytes(self, key: StoreKey) -> [u8; MARKS_BYTES] {
        let mut bytes = [0; MARKS_BYTES];
        bytes.chunks_exact_mut(MARK_BYTES).for_each(|half| half.copy_from_slice(&self.once(key)));
        bytes
    }

    fn once(self, key: StoreKey) -> [u8; MARK_BYTES] {
        let Self(SyncedFile { name, bytes: length, end }) = self;
        let mut bytes = [0; MARK_BYTES];
        bytes[0..4].copy_from_slice(&name.first.to_be_bytes());
        bytes[4..8].copy_from_slice(&name.last.to_be_bytes());
        bytes[8..12].copy_from_slice(&name.generation.to_be_bytes());
        bytes[12..20].copy_from_slice(&length.to_be_bytes());
        bytes[20..28].copy_from_slice(&end.sequence.to_be_bytes());
        bytes[28..36].copy_from_slice(&end.events.to_be_bytes());
        bytes[36..40].copy_from_slice(&end.chain.to_be_bytes());
        let tag = SipHasher24::new_with_key(&key.0).hash(&bytes[..40]);
        bytes[40..48].copy_from_slice(&tag.to_be_bytes());
        bytes
    }

    /// `None` when the bytes are not what was written for this store.
    pub(crate) fn read(bytes: &[u8], key: StoreKey) -> Option<Self> {
        let marks = bytes.chunks(MARK_BYTES).filter_map(|half| Self::read_once(half, key));
        marks.max_by_key(|Self(known)| known.end.sequence)
    }

    fn read_once(bytes: &[u8], key: StoreKey) -> Option<Self> {
        let bytes: &[u8; MARK_BYTES] = bytes.try_into().ok()?;
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let name = LogName { first: u32_at(0), last: u32_at(4), generation: u32_at(8) };
        let end = LogEnd { sequence: u64_at(20), events: u64_at(28), chain: u32_at(36) };
        let is_whole = SipHasher24::new_with_key(&key.0).hash(&bytes[..40]) == u64_at(40);
        is_whole.then_some(Self(SyncedFile { name, bytes: u64_at(12), end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back_and_nothing_else_does() {
        let key = StoreKey([3; 16]);
        let file = SyncedFile {
            name: LogName { first: 1, last: 2, generation: 3 },
            bytes: 4,
            end: LogEnd { sequence: 5, chain: 6, events: 7 },
        };
        let mark = SyncMark(file);
        let bytes = mark.to_bytes(key);
        assert_eq!(SyncMark::read(&bytes, key), Some(mark));
        assert_eq!(SyncMark::read(&bytes, StoreKey([4; 16])), None);
        let manifest = Manifest { files: vec![file], ..Manifest::new(key) };
        let whole = manifest.to_bytes();
        let read = Manifest::read(&whole).unwrap();
        assert_eq!((read.key, read.files), (key, vec![file]));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(Manifest::read(&damaged).is_none(), "byte {at}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(SyncMark::read(&damaged, key), Some(mark), "byte {at}");
            damaged[(at + MARK_BYTES) % bytes.len()] ^= 1;
            assert_eq!(SyncMark::read(&damaged, key), None, "byte {at}");
        }
    }
}
