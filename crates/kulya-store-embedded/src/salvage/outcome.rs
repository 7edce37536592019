//! The state and result of a salvage: what was read, and the edits that a repair makes.

use super::parts::{Part, Source};
use super::report::SalvageReport;
use crate::frame::{FILE_HEADER_BYTES, LogEnd};
use crate::log_name::{LogName, LogPosition};
use crate::manifest::SyncedFile;
use crate::state::{LogInfo, State};
use std::collections::HashMap;

/// The result of a salvage.
pub(crate) struct Salvage {
    /// The state from everything that can be read. Its files have their current names.
    pub(crate) state: State,
    pub(crate) report: SalvageReport,
    /// The parts of the log, in log order, with the edits for each.
    pub(crate) parts: Vec<PartResult>,
    /// Files that are not part of the log, by name.
    pub(crate) foreign: Vec<String>,
    /// Ops that record the losses in the log.
    pub(crate) loss_ops: Vec<u8>,
    /// The minimum number of segments of each stream, computed on demand.
    pub(super) segments: Option<HashMap<u32, u32>>,
}

/// The result for a part of the log: one file, or missing files.
pub(crate) struct PartResult {
    pub(crate) part: Part,
    pub(crate) before: LogEnd,
    pub(crate) end: LogEnd,
    /// Whether it must be rewritten.
    pub(crate) needs_rewrite: bool,
    /// Ops to drop or insert, in order.
    pub(crate) edits: Vec<Edit>,
    /// Ranges without valid frames, as start and end positions.
    pub(crate) skips: Vec<(u64, u64)>,
    /// The end of the valid part, followed by a torn write at most.
    pub(crate) read_to: u64,
}

/// An edit of the ops of a file.
pub(crate) struct Edit {
    /// The frame, by the position of its body.
    pub(crate) body_at: u64,
    /// The index of the op in the frame.
    pub(crate) op: usize,
    /// Encoded ops to insert before the op; `None` drops the op.
    pub(crate) before: Option<Vec<u8>>,
}

/// The number of offsets that each segment skips when files of unknown length are missing at the end of the
/// log.
pub(super) const UNKNOWN_BYTES: u64 = 1 << 30;

impl Salvage {
    /// Records missing files.
    pub(super) fn missing(
        &mut self,
        part: &Part,
        before: LogEnd,
        next_before: Option<LogEnd>,
        synced_files: &[SyncedFile],
    ) -> PartResult {
        let name = part.name();
        let within =
            synced_files.iter().filter(|file| name.first <= file.name.first && file.name.last <= name.last);
        let last = within.max_by_key(|file| file.end.sequence).map(|file| file.end);
        let message = if name.first == name.last {
            "is missing".to_owned()
        } else {
            format!("is missing, and so are all files up to {}", LogName::plain(name.last))
        };
        self.report.add_damage(&LogName::plain(name.first).to_string(), message);
        if let Some(end) = next_before.or(last) {
            self.skip_to(end, true);
        }
        let file = self.state.files.add(LogInfo::new(name));
        self.state.set_position(LogPosition { file, length: 0 }, self.state.end);
        PartResult {
            part: part.clone(),
            before,
            end: self.state.end,
            needs_rewrite: true,
            edits: Vec::new(),
            skips: Vec::new(),
            read_to: 0,
        }
    }

    /// Skips lost frames, up to a log end. `is_counted` tells whether the number of their events is known.
    pub(super) fn skip_to(&mut self, to: LogEnd, is_counted: bool) {
        let from = self.state.end;
        if from.sequence < to.sequence {
            let events = is_counted.then(|| to.events.checked_sub(from.events)).flatten();
            self.report.add_lost_frames(from.sequence + 1, to.sequence, events);
        }
        if from.sequence <= to.sequence {
            self.state.end = LogEnd { events: to.events.max(from.events), ..to };
        }
    }

    /// Returns the maximum number of lost bytes at the end of the log, whose streams are unknown.
    pub(super) fn unknown_bytes(&self, synced_files: &[SyncedFile], has_sync_mark: bool) -> u64 {
        let bytes_of = |part: &Part| {
            let name = part.name();
            let of_part = |file: &&SyncedFile| name.first <= file.name.first && file.name.last <= name.last;
            let mut bytes: HashMap<LogName, u64> = HashMap::new();
            for file in synced_files.iter().filter(of_part) {
                let max = bytes.entry(file.name).or_default();
                *max = file.bytes.max(*max);
            }
            bytes.into_values().sum::<u64>()
        };
        let mut lost = 0;
        for result in self.parts.iter().rev() {
            match &result.part.source {
                Source::Missing => lost += bytes_of(&result.part),
                Source::File { .. } => {
                    // the end of the last readable frame
                    let read_to = result.skips.last().filter(|(_, to)| *to >= result.read_to);
                    let read_to = read_to.map_or(result.read_to, |(from, _)| *from);
                    lost += bytes_of(&result.part).max(result.read_to).saturating_sub(read_to);
                    if read_to > FILE_HEADER_BYTES as u64 {
                        break;
                    }
                }
            }
        }
        if lost == 0 {
            return 0;
        }
        // staged events that a lost frame may have committed
        let staged = self.state.staged.values().flat_map(|staged| staged.runs.segments());
        let staged: u64 = staged.map(|(_, length)| length).sum();
        if has_sync_mark { lost + staged } else { (lost + staged).max(UNKNOWN_BYTES) }
    }
}
