//! Salvage: what of a log can be read, whatever became of it, and exactly what cannot. It reads, and changes nothing: a check
//! says what it finds, a repair writes it down.
//!
//! A frame is given up as a whole when a byte of it is not what was written, and nothing else is: every true frame that is
//! left is read, wherever it stands. What is lost is told by the frames around it (their sequences, and how many events were
//! ever written up to each), by the offsets of the events around it, by what is left of it, and for the end of the log by the
//! [manifest](crate::manifest).

mod catalog;
mod layout;
mod lost;
mod walk;

pub use lost::{Damage, LostEvents, Salvaged};

use crate::checkpoint::Record;
use crate::folder::{Flaw, Folder, LogName};
use crate::frame::{FILE_HEADER_BYTES, LogEnd};
use crate::index::Index;
use crate::manifest::{KnownFile, Mark};
use crate::recovery::learn;
use crate::state::{LogInfo, State};
use kulya_store::Result;
use layout::Part;
pub(crate) use layout::Source;
use std::collections::HashMap;
use std::sync::Arc;
use walk::Walk;

/// Offsets that each segment passes over where files are gone from the end of the log and nothing says how long they were.
const UNKNOWN_BYTES: u64 = 1 << 30;

/// What a log is, and what a repair would make of it.
pub(crate) struct Salvage {
    /// Everything that can be read. Its files are those of the log as they are named now.
    pub(crate) state: State,
    pub(crate) found: Salvaged,
    /// The parts of the log, in its order, and what is to be done with each.
    pub(crate) parts: Vec<Finding>,
    /// Files that are none of the log, by their names in the folder.
    pub(crate) foreign: Vec<String>,
    /// Ops that say in the log what is lost.
    pub(crate) given_up: Vec<u8>,
    /// How many segments each stream has at least, once somebody had to know.
    segments: Option<HashMap<u32, u32>>,
}

/// A part of the log: one file, or files that are missing.
pub(crate) struct Finding {
    pub(crate) part: Part,
    pub(crate) before: LogEnd,
    pub(crate) end: LogEnd,
    /// Whether it must be written anew.
    pub(crate) is_less: bool,
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

/// Reads all of a log. `index` is empty, and is written to.
pub(crate) fn salvage(folder: &Folder, flaws: &[Flaw], index: &Arc<dyn Index>) -> Result<Salvage> {
    let manifest = folder.manifest();
    let marked = folder.mark().map(|Mark(known)| known);
    let known: Vec<_> = manifest.files.iter().copied().chain(marked).collect();
    let layout = layout::layout(folder, &known)?;
    let mut salvage = Salvage {
        state: State::new(Arc::clone(index)),
        found: Salvaged::default(),
        parts: Vec::new(),
        foreign: layout.foreign.clone(),
        given_up: Vec::new(),
        segments: None,
    };
    for flaw in flaws {
        salvage.found.damaged(flaw.file, flaw.what.to_owned());
    }
    // nothing says where the log ended: any number of files may be gone from its end
    let is_end_unknown = marked.is_none() && flaws.iter().any(|flaw| flaw.file == "MANIFEST");
    salvage.found.is_counted &= !is_end_unknown;
    for name in &salvage.foreign {
        salvage.found.damaged(name, "is no log file of this store".to_owned());
    }
    let record = manifest.record;
    for (number, part) in layout.parts.iter().enumerate() {
        let next = layout.parts.get(number + 1);
        let next_before = next.and_then(|next| next.before);
        let name = part.name();
        let last_known = known.iter().filter(|file| file.name == name).max_by_key(|file| file.bytes);
        let before = salvage.state.end;
        let finding = match &part.source {
            Source::Missing => salvage.missing(part, before, next_before, &known),
            Source::File { .. } => {
                let walk = Walk {
                    folder,
                    layout: &layout,
                    record: record.as_ref(),
                    known: last_known.copied(),
                    next_before,
                    is_last: next.is_none(),
                };
                walk.file(part, &mut salvage)?
            }
        };
        salvage.parts.push(finding);
        if salvage.state.is_crowded() {
            learn(&mut salvage.state)?;
        }
    }
    // what was known of the end of the log, in files that are not there any more either
    let last = marked.into_iter().map(|known| known.end).chain(record.as_ref().map(|record| record.end));
    if let Some(end) = last.max_by_key(|end| end.sequence) {
        salvage.jump(end, true);
    }
    let is_recorded = record.as_ref().is_some_and(|record| record.end.sequence >= salvage.state.end.sequence);
    let unknown = match (is_end_unknown, is_recorded && marked.is_some()) {
        (true, _) => UNKNOWN_BYTES,
        // the tails of all segments are known
        (false, true) => 0,
        (false, false) => salvage.unknown(&known, marked.is_some()),
    };
    // of files that are gone nobody knows how much more they had
    salvage.found.is_counted &= unknown == 0 || marked.is_some();
    salvage.state.forget_staged();
    learn(&mut salvage.state)?;
    salvage.settle(record.as_ref(), unknown)?;
    Ok(salvage)
}

impl Salvage {
    /// Files that are not there.
    fn missing(
        &mut self,
        part: &Part,
        before: LogEnd,
        next_before: Option<LogEnd>,
        known: &[KnownFile],
    ) -> Finding {
        let name = part.name();
        let within = known.iter().filter(|file| name.first <= file.name.first && file.name.last <= name.last);
        let last = within.max_by_key(|file| file.end.sequence).map(|file| file.end);
        let what = if name.first == name.last {
            "is missing".to_owned()
        } else {
            format!("is missing, and so are all up to {}", LogName::plain(name.last))
        };
        self.found.damaged(&LogName::plain(name.first).to_string(), what);
        if let Some(end) = next_before.or(last) {
            self.jump(end, true);
        }
        let file = self.state.files.add(LogInfo::new(name));
        self.state.move_to(crate::checkpoint::Position { file, length: 0 }, self.state.end);
        Finding {
            part: part.clone(),
            before,
            end: self.state.end,
            is_less: true,
            edits: Vec::new(),
            skips: Vec::new(),
            read_to: 0,
        }
    }

    /// The log goes on behind frames that are not there. `counts` says that how many events were in them is known.
    fn jump(&mut self, to: LogEnd, counts: bool) {
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
    fn unknown(&self, known: &[KnownFile], is_marked: bool) -> u64 {
        let bytes_of = |part: &Part| {
            let name = part.name();
            let of_part = |file: &&KnownFile| name.first <= file.name.first && file.name.last <= name.last;
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

    fn settle(&mut self, record: Option<&Record>, unknown: u64) -> Result<()> {
        if let Some(record) = record.filter(|_| self.found.is_damaged()) {
            catalog::restore(self, record)?;
        }
        lost::gaps(self, record, unknown)?;
        // what is lost stands among what is not
        learn(&mut self.state)
    }
}
