//! The manifest and the sync mark: what must exist of the log, so that lost files and truncated ones are
//! detected.
//!
//! The file `MANIFEST` has the store's key, each log file with its minimum length, and the catalog with the
//! tails of the segments, as of the last opening, closing, roll-over of a log file, checkpoint or
//! compaction. Everything in it was synced before it was written, so it stays true: the log may have more,
//! never less. The file `SYNCED` records the synced end of the log. It is overwritten in place, without a
//! sync, after each sync of the log and before the commits are acknowledged. If only the process was killed
//! it is exact; a power failure may restore an older version, or make it unreadable, and then it is
//! ignored. It has two copies, so that one damaged byte loses nothing.

use crate::checkpoint::{self, CatalogRecord, PendingCheckpoint};
use crate::frame::{LogEnd, StoreKey};
use crate::log_name::LogName;
use crate::state::{LogInfo, State};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

/// `KLGM`, and the version of the rest.
const MAGIC: &[u8; 8] = b"KLGM\0\0\0\x03";

/// A log file, as far as it is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncedFile {
    pub(crate) name: LogName,
    /// The number of its bytes that were synced.
    pub(crate) bytes: u64,
    /// The log end after them.
    pub(crate) end: LogEnd,
}

impl SyncedFile {
    fn new(info: &LogInfo) -> Self {
        Self { name: info.name, bytes: info.bytes, end: info.end }
    }
}

/// The content of the file `MANIFEST`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) key: StoreKey,
    /// In log order.
    pub(crate) files: Vec<SyncedFile>,
    /// The catalog; `None` for a new store.
    pub(crate) record: Option<CatalogRecord>,
}

impl Manifest {
    /// Creates the manifest of an empty store.
    pub(crate) fn new(key: StoreKey) -> Self {
        Self { key, files: Vec::new(), record: None }
    }

    /// Creates the manifest of a store whose log is synced up to the position of the state.
    pub(crate) fn from_state(key: StoreKey, state: &State) -> Self {
        let files = state.files.in_order().into_iter().map(|(_, info)| SyncedFile::new(info)).collect();
        Self { key, files, record: Some(checkpoint::record(state).catalog_only()) }
    }

    /// Returns the manifest with a checkpoint, up to which the log is synced; unchanged if it is newer
    /// already.
    pub(crate) fn with_checkpoint(&self, checkpoint: &PendingCheckpoint) -> Self {
        let mut manifest = self.clone();
        let recorded = self.record.as_ref().map_or(0, |record| record.end.sequence);
        let current = checkpoint.files.by_id.get(&checkpoint.position.file).map(|info| info.name);
        let file = manifest.files.iter_mut().find(|file| Some(file.name) == current);
        if let Some(file) = file.filter(|_| recorded < checkpoint.end.sequence) {
            (file.bytes, file.end) = (checkpoint.position.length, checkpoint.end);
            manifest.record = Some(checkpoint.record.clone().catalog_only());
        }
        manifest
    }

    /// Returns the manifest with one compacted file in place of several.
    pub(crate) fn with_compaction(&self, old: &[LogName], new: &LogInfo) -> Self {
        let mut manifest = self.clone();
        manifest.files.retain(|file| !old.contains(&file.name));
        manifest.files.push(SyncedFile::new(new));
        manifest.files.sort_by_key(|file| file.name);
        manifest
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("serializing to memory does not fail");
        [MAGIC.as_slice(), &crc32c::crc32c(&body).to_be_bytes(), &body].concat()
    }

    /// Decodes a manifest; `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let is_valid = crc32c::crc32c(body) == u32::from_be_bytes(*checksum);
        if is_valid { postcard::from_bytes(body).ok() } else { None }
    }

    /// Returns a log file by name.
    pub(crate) fn file(&self, name: LogName) -> Option<&SyncedFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// The synced end of the log, the content of the file `SYNCED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncMark(pub(crate) SyncedFile);

const MARK_COPY_BYTES: usize = 48;
/// The size of the file, which has two copies, in bytes.
pub(crate) const MARKS_BYTES: usize = 2 * MARK_COPY_BYTES;

impl SyncMark {
    pub(crate) fn encode(self, key: StoreKey) -> [u8; MARKS_BYTES] {
        let mut bytes = [0; MARKS_BYTES];
        bytes.chunks_exact_mut(MARK_COPY_BYTES).for_each(|copy| copy.copy_from_slice(&self.encode_copy(key)));
        bytes
    }

    fn encode_copy(self, key: StoreKey) -> [u8; MARK_COPY_BYTES] {
        let Self(SyncedFile { name, bytes: length, end }) = self;
        let mut bytes = [0; MARK_COPY_BYTES];
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

    /// Decodes the mark of a store; `None` if both copies are damaged or of another store.
    pub(crate) fn decode(bytes: &[u8], key: StoreKey) -> Option<Self> {
        let copies = bytes.chunks(MARK_COPY_BYTES).filter_map(|copy| Self::decode_copy(copy, key));
        copies.max_by_key(|Self(file)| file.end.sequence)
    }

    fn decode_copy(bytes: &[u8], key: StoreKey) -> Option<Self> {
        let bytes: &[u8; MARK_COPY_BYTES] = bytes.try_into().ok()?;
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let name = LogName { first: u32_at(0), last: u32_at(4), generation: u32_at(8) };
        let end = LogEnd { sequence: u64_at(20), events: u64_at(28), chain: u32_at(36) };
        let is_valid = SipHasher24::new_with_key(&key.0).hash(&bytes[..40]) == u64_at(40);
        is_valid.then_some(Self(SyncedFile { name, bytes: u64_at(12), end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_and_mark_round_trip_and_damage_is_detected() {
        let key = StoreKey([3; 16]);
        let file = SyncedFile {
            name: LogName { first: 1, last: 2, generation: 3 },
            bytes: 4,
            end: LogEnd { sequence: 5, chain: 6, events: 7 },
        };
        let mark = SyncMark(file);
        let bytes = mark.encode(key);
        assert_eq!(SyncMark::decode(&bytes, key), Some(mark));
        assert_eq!(SyncMark::decode(&bytes, StoreKey([4; 16])), None);
        let manifest = Manifest { files: vec![file], ..Manifest::new(key) };
        let encoded = manifest.encode();
        let read = Manifest::decode(&encoded).unwrap();
        assert_eq!((read.key, read.files), (key, vec![file]));
        for at in 0..encoded.len() {
            let mut damaged = encoded.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(&damaged).is_none(), "byte {at}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(SyncMark::decode(&damaged, key), Some(mark), "byte {at}");
            damaged[(at + MARK_COPY_BYTES) % bytes.len()] ^= 1;
            assert_eq!(SyncMark::decode(&damaged, key), None, "byte {at}");
        }
    }
}
