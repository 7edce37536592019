//! The report of a salvage: damaged files, lost events and their number.

use crate::op::SegmentKey;
use kulya_store::{Error, ErrorKind, StreamId};

/// Something in a folder that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// What is wrong with it, as the rest of a sentence.
    pub what: String,
}

/// Events of one segment that are lost: all of those between two offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEvents {
    /// The stream.
    pub stream: StreamId,
    /// The segment's number.
    pub segment: u32,
    /// The offset at which the first of them began.
    pub from: u64,
    /// The offset behind the last.
    pub to: u64,
    /// How many there were, at most, where that is known.
    pub events: Option<u64>,
}

/// What a log is: what of it can be read, and what cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvageReport {
    /// Log files that were read.
    pub files: usize,
    /// Frames that are as they were written: a frame is what was written at one time.
    pub frames: u64,
    /// Bytes of the log files up to their last frames.
    pub bytes: u64,
    /// What is damaged, missing or no file of this store.
    pub damage: Vec<Damage>,
    /// Behind the last frame of a log that is whole: a write that was cut off before anybody was told that it was done. Its
    /// file, where it begins, and its bytes. The next opening cuts it off.
    pub torn: Option<(String, u64, u64)>,
    /// Bytes in which no frame could be read.
    pub bytes_unread: u64,
    /// Frames that were written and are lost.
    pub frames_lost: u64,
    /// Events that were in them, at most: as many were written, to whatever stream, also such as were deleted later or
    /// belonged to a transaction. `None` where that is not known.
    pub events_lost: Option<u64>,
    /// The events that are lost, by where they were.
    pub lost: Vec<LostEvents>,
    /// Where frames are lost from the end of the log, nobody knows which streams they were of. So each stream passes over as
    /// many offsets as may have been given: none is given to two events.
    pub skipped: Vec<LostEvents>,
    /// Changes that can be read, but are of no use without what is lost.
    pub changes: u64,
    /// Streams and tables whose making was lost, and under which names what they hold is found.
    pub named: Vec<String>,
    pub(crate) is_counted: bool,
    pub(crate) hints: Vec<Hint>,
}

impl Default for SalvageReport {
    fn default() -> Self {
        Self {
            files: 0,
            frames: 0,
            bytes: 0,
            damage: Vec::new(),
            torn: None,
            bytes_unread: 0,
            frames_lost: 0,
            events_lost: Some(0),
            lost: Vec::new(),
            skipped: Vec::new(),
            changes: 0,
            named: Vec::new(),
            is_counted: true,
            hints: Vec::new(),
        }
    }
}

/// Where a damaged frame says that it has events. It may be that which is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) segment: SegmentKey,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) length: u32,
    pub(crate) count: u64,
}

impl SalvageReport {
    /// Whether anything is not as it was written. A write that was cut off is no damage.
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }

    pub(super) fn damaged(&mut self, file: &str, what: String) {
        self.damage.push(Damage { file: file.to_owned(), what });
    }

    /// The frames of these sequences are gone.
    pub(super) fn frames_lost(&mut self, from: u64, to: u64, events: Option<u64>) {
        self.frames_lost += to.saturating_sub(from) + 1;
        self.events_lost = self.events_lost.zip(events).map(|(before, more)| before.saturating_add(more));
    }

    /// The error for whoever needs all of it; `None` when nothing is damaged.
    pub fn error(&self) -> Option<Error> {
        let Damage { file, what } = self.damage.first()?;
        let more = match self.damage.len() {
            1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        let what = format!(
            "file {file} {what}{more}: see all of it with kulya store check, restore the folder from a copy, or give up what is lost with kulya store repair"
        );
        Some(Error::new(ErrorKind::Corrupt, what))
    }
}
