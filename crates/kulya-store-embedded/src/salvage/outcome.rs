//! The state of a salvage: what was read, and the edits that a repair makes.

use super::parts::{Part, Source};
use super::report::SalvageReport;
use crate::frame::{FILE_HEADER_BYTES, LogEnd};
use crate::log_name::{LogName, LogPosition};
use crate::manifest::SyncedFile;
use crate::state::{LogInfo, State};
use std::collections::HashMap;

/// What a log is, and what a repair would make of it.
pub(crate) struct Salvage {
    /// Everything that can be read. Its files are those of the log as they are named now.
    pub(crate) state: State,
    pub(crate) found: SalvageReport,
    /// The parts of the log, in its order, and what is to be done with each.
    pub(crate) parts: Vec<Finding>,
    /// Files that are none of the log, by their names in the folder.
    pub(crate) foreign: Vec<String>,
    /// Ops that say in the log what is lost.
    pub(crate) loss_ops: Vec<u8>,
    /// How many segments each stream has at least, once somebody had to know.
    pub(super) segments: Option<HashMap<u32, u32>>,
}

/// A part of the log: one file, or files that are missing.
pub(crate) struct Finding {
    pub(crate) part: Part,
    pub(crate) before: LogEnd,
    pub(crate) end: LogEnd,
    /// Whether it must be written anew.
    pub(crate) needs_rewrite: bool,
    /// What of its frames is left out, or added, in order.
    pub(crate) edits: Vec<Edit>,
    /// What is no frame: from where to where.
    pub(crate) skips: Vec<(u64, u64)>,
    /// Behind it is nothing but the end of a write that was cut off.
    pub(crate) read_to: u64,
}

/// A change of what a file has.
pub(crate) struct Edit {
    /// The frame, by where its body begins, and the number of the op in it.
    pub(crate) body_at: u64,
    pub(crate) op: usize,
    /// `None` leaves the op out; these ops come before it otherwise.
    pub(crate) before: Option<Vec<u8>>,
}

/// Offsets that each segment passes over where files are gone from the end of the log and nothing says how long they were.
pub(super) const UNKNOWN_BYTES: u64 = 1 << 30;

impl Salvage {
    /// Files that are not there.
    pub(super) fn missing(
        &mut self,
        part: &Part,
        before: LogEnd,
        next_before: Option<LogEnd>,
        known: &[SyncedFile],
    ) -> Finding {
        let name = part.name();
        let within = known.iter().filter(|file| name.first <= file.name.first && file.name.last <= name.last);
        let last = within.max_by_key(|file| file.end.sequence).map(|file| file.end);
        let what = if name.first == name.last {
            "is missing".to_owned()
        } else {
            format!("is missing, and so are all up to {}", LogName::plain(name.last))
        };
        self.found.add_damage(&LogName::plain(name.first).to_string(), what);
        if let Some(end) = next_before.or(last) {
            self.jump(end, true);
        }
        let file = self.state.files.add(LogInfo::new(name));
        self.state.set_position(LogPosition { file, length: 0 }, self.state.end);
        Finding {
            part: part.clone(),
            before,
            end: self.state.end,
            needs_rewrite: true,
            edits: Vec::new(),
            skips: Vec::new(),
            read_to: 0,
        }
    }

    /// The log goes on behind frames that are not there. `counts` says that how many events were in them is known.
    pub(super) fn jump(&mut self, to: LogEnd, counts: bool) {
        let from = self.state.end;
        if from.sequence < to.sequence {
            let events = counts.then(|| to.events.checked_sub(from.events)).flatten();
            self.found.frames_lost(from.sequence + 1, to.sequence, events);
        }
        if from.sequence <= to.sequence {
            self.state.end = LogEnd { events: to.events.max(from.events), ..to };
        }
    }

    /// How many bytes of events are gone from the end of the log at most, which nothing tells the streams of.
    pub(super) fn unknown(&self, known: &[SyncedFile], is_marked: bool) -> u64 {
        let bytes_of = |part: &Part| {
            let name = part.name();
            let of_part = |file: &&SyncedFile| name.first <= file.name.first && file.name.last <= name.last;
            let mut bytes: HashMap<LogName, u64> = HashMap::new();
            for file in known.iter().filter(of_part) {
                let most = bytes.entry(file.name).or_default();
                *most = file.bytes.max(*most);
            }
            bytes.into_values().sum::<u64>()
        };
        let mut gone = 0;
        for finding in self.parts.iter().rev() {
            match &finding.part.source {
                Source::Missing => gone += bytes_of(&finding.part),
                Source::File { .. } => {
                    // up to the last frame that could be read
                    let read_to = finding.skips.last().filter(|(_, to)| *to >= finding.read_to);
                    let read_to = read_to.map_or(finding.read_to, |(from, _)| *from);
                    gone += bytes_of(&finding.part).max(finding.read_to).saturating_sub(read_to);
                    if read_to > FILE_HEADER_BYTES as u64 {
                        break;
                    }
                }
            }
        }
        if gone == 0 {
            return 0;
        }
        // what was staged before, and committed by what is lost
        let staged: u64 = self.state.staged.values().flat_map(|it| it.lengths.values()).sum();
        if is_marked { gone + staged } else { (gone + staged).max(UNKNOWN_BYTES) }
    }
}
