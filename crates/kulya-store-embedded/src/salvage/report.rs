//! The report of a salvage: damaged files, lost events and their number.

use crate::op::SegmentKey;
use kulya_store::{Error, ErrorKind, StreamId};

/// A damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// The damage, as the predicate of a sentence.
    pub description: String,
}

/// A range of lost events of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEvents {
    /// The stream.
    pub stream: StreamId,
    /// The number of the segment.
    pub segment: u32,
    /// The offset of the first lost event.
    pub from: u64,
    /// The offset after the last lost event.
    pub to: u64,
    /// The maximum number of lost events, if known.
    pub events: Option<u64>,
}

/// The result of checking or repairing a store: what can be read, and what is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvageReport {
    /// The number of log files that were read.
    pub files: usize,
    /// The number of intact frames; each is one group commit.
    pub frames: u64,
    /// The size of the log files up to their last frames, in bytes.
    pub bytes: u64,
    /// Files that are damaged, missing, or not of this store.
    pub damage: Vec<Damage>,
    /// A torn write at the end of an intact log, which was never acknowledged and which the next opening
    /// truncates: its file, position and size in bytes.
    pub torn_tail: Option<(String, u64, u64)>,
    /// The number of bytes without a valid frame.
    pub bytes_unread: u64,
    /// The number of lost frames.
    pub frames_lost: u64,
    /// The maximum number of events in the lost frames, of any stream, including deleted streams and
    /// transactions. `None` if unknown.
    pub events_lost: Option<u64>,
    /// The lost events by segment.
    pub lost: Vec<LostEvents>,
    /// Offsets that are skipped: if frames are lost at the end of the log, their streams are unknown, so
    /// each stream skips as many offsets as they may have used. No offset is used twice.
    pub skipped: Vec<LostEvents>,
    /// The number of readable changes that were dropped because they depend on what is lost.
    pub dropped_changes: u64,
    /// Streams and tables whose creation was lost, by the names under which their content is available.
    pub recovered_names: Vec<String>,
    /// Whether the number of lost events is known.
    pub(crate) is_counted: bool,
    /// Events of damaged frames, as far as these can be read.
    pub(crate) hints: Vec<Hint>,
}

impl Default for SalvageReport {
    fn default() -> Self {
        Self {
            files: 0,
            frames: 0,
            bytes: 0,
            damage: Vec::new(),
            torn_tail: None,
            bytes_unread: 0,
            frames_lost: 0,
            events_lost: Some(0),
            lost: Vec::new(),
            skipped: Vec::new(),
            dropped_changes: 0,
            recovered_names: Vec::new(),
            is_counted: true,
            hints: Vec::new(),
        }
    }
}

/// An append in a damaged frame, which may itself be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) segment: SegmentKey,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) length: u32,
    pub(crate) count: u64,
}

impl SalvageReport {
    /// Returns whether anything is damaged. A torn write is not damage.
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    pub(super) fn add_damage(&mut self, file: &str, description: String) {
        self.damage.push(Damage { file: file.to_owned(), description });
    }

    /// Counts the frames of these sequences as lost.
    pub(super) fn add_lost_frames(&mut self, from: u64, to: u64, events: Option<u64>) {
        self.frames_lost += to.saturating_sub(from) + 1;
        self.events_lost = self.events_lost.zip(events).map(|(total, more)| total.saturating_add(more));
    }

    /// Returns the error for the first damage; `None` if nothing is damaged.
    pub fn error(&self) -> Option<Error> {
        let Damage { file, description } = self.damage.first()?;
        let more = match self.damage.len() {
            1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        let message = format!(
            "file {file} {description}{more}: list all damage with kulya store check, restore the folder from a backup, or drop what is lost with kulya store repair"
        );
        Some(Error::new(ErrorKind::Corrupt, message))
    }
}
