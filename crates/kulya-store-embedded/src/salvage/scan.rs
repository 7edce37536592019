//! One log file from its first byte to its last: the frames that are true, and what lies between them.

use crate::log_name::LogPosition;
use super::catalog::CatalogResolver;
use super::parts::{LogParts, Part, Source};
use super::report::Hint;
use super::outcome::{Edit, Finding, Salvage};
use crate::checkpoint::CatalogRecord;
use crate::folder::Folder;
use crate::frame::{FILE_HEADER_BYTES, LogEnd};
use crate::legacy;
use crate::frame_reader::{InvalidFrame, Format, NextFrame, Frame, FrameReader};
use crate::manifest::SyncedFile;
use crate::op::{Op, OpReader};
use crate::recovery::whole;
use crate::state::LogInfo;
use kulya_store::{Result, framing};
use std::sync::Arc;

/// What is known of a file that is read.
pub(super) struct FileScan<'a> {
    pub(super) folder: &'a Folder,
    pub(super) log_parts: &'a LogParts,
    pub(super) record: Option<&'a CatalogRecord>,
    /// Its end, as far as it was synced.
    pub(super) known: Option<SyncedFile>,
    /// How the next file goes on.
    pub(super) next_before: Option<LogEnd>,
    /// Whether no file follows it.
    pub(super) is_last: bool,
}

/// A file in the midst of being read.
struct ScanState {
    id: u32,
    is_compacted: bool,
    /// Of the file's own frames, when it was compacted.
    own: LogEnd,
    is_ended: bool,
    is_known: bool,
    /// Whether frames may be missing before the next one.
    is_behind_damage: bool,
    finding: Finding,
}

impl FileScan<'_> {
    pub(super) fn file(&self, part: &Part, salvage: &mut Salvage) -> Result<Finding> {
        let Source::File { there, file, format, flaw } = &part.source else {
            unreachable!("a part that is missing has no file to walk through")
        };
        let name = part.name();
        let before = salvage.state.end;
        let id = salvage.state.files.add(LogInfo::new(*there));
        let finding = Finding {
            part: part.clone(),
            before,
            end: before,
            needs_rewrite: flaw.is_some(),
            edits: Vec::new(),
            skips: Vec::new(),
            read_to: 0,
        };
        let mut reading = ScanState {
            id,
            is_compacted: name.is_compacted(),
            own: LogEnd::default(),
            is_ended: false,
            is_known: self.known.is_none() || name.is_compacted(),
            is_behind_damage: false,
            finding,
        };
        let shown = there.to_string();
        if let Some(flaw) = flaw {
            salvage.found.add_damage(&shown, flaw.clone());
        }
        let mut frames = FrameReader::of(self.folder.log_path(*there), Arc::clone(file), *format);
        self.begin(part, &shown, salvage, &mut reading);
        salvage.state.files.frame(id, frames.position);
        let known = self.known.map_or(0, |known| known.bytes);
        loop {
            let at = frames.position;
            let end = if reading.is_compacted { reading.own } else { salvage.state.end };
            if let Some(known) = self.known.filter(|known| known.bytes == at) {
                reading.is_known |= (known.end.sequence, known.end.chain) == (end.sequence, end.chain);
            }
            match frames.next()? {
                NextFrame::Frame(frame) => self.frame(&frame, &shown, salvage, &mut reading)?,
                NextFrame::End => {
                    if at < known {
                        let what = format!("ends at byte {at}, and had {known} bytes");
                        salvage.found.add_damage(&shown, what);
                        reading.finding.needs_rewrite = true;
                    }
                    break;
                }
                NextFrame::Invalid(_)
                    if self.is_last
                        && !reading.is_compacted
                        && at >= known
                        && frames.later(end.sequence)?.is_none() =>
                {
                    let bytes = frames.length()? - at;
                    salvage.found.torn = Some((shown.clone(), at, bytes));
                    break;
                }
                NextFrame::Invalid(broken) => {
                    let next = self.behind(&mut frames, at, end, &broken)?;
                    self.hints(&broken, salvage);
                    let what = format!("is damaged from byte {at} to {next}");
                    salvage.found.add_damage(&shown, what);
                    salvage.found.bytes_unread += next - at;
                    reading.finding.needs_rewrite = true;
                    reading.is_behind_damage = true;
                    reading.finding.skips.push((at, next));
                    frames.seek(next);
                }
            }
        }
        salvage.found.files += 1;
        salvage.found.bytes += frames.position;
        self.end(&shown, salvage, &mut reading);
        let position = LogPosition { file: id, length: frames.position };
        salvage.state.set_position(position, salvage.state.end);
        let info = salvage.state.files.by_id.get_mut(&id).expect("it was added to be read");
        if reading.is_compacted {
            info.overhead = info.bytes.saturating_sub(info.live);
        }
        reading.finding.end = salvage.state.end;
        reading.finding.read_to = frames.position;
        Ok(reading.finding)
    }

    /// Whether the file goes on where the one before it has ended.
    fn begin(&self, part: &Part, shown: &str, salvage: &mut Salvage, reading: &mut ScanState) {
        let Some(before) = part.before else { return };
        let end = salvage.state.end;
        let is_legacy = matches!(part.source, Source::File { format: Format::Legacy, .. });
        if before.sequence != end.sequence {
            if before.sequence < end.sequence {
                reading.finding.needs_rewrite = true;
                salvage
                    .found
                    .damaged(shown, format!("goes on behind frame {}, which others follow", before.sequence));
            }
            salvage.jump(before, !is_legacy);
            reading.finding.before = salvage.state.end;
            return;
        }
        if is_legacy {
            return;
        }
        if before.chain != end.chain {
            if !salvage.found.is_damaged() {
                let what = "goes on behind another file than the one before it: one of the two was exchanged";
                salvage.found.add_damage(shown, what.to_owned());
            }
            // written anew it goes on behind the one that is there
            reading.finding.needs_rewrite = true;
        }
        salvage.state.end = before;
    }

    fn frame(&self, frame: &Frame, shown: &str, salvage: &mut Salvage, reading: &mut ScanState) -> Result<()> {
        let before = if reading.is_compacted { reading.own } else { salvage.state.end };
        // frames of a compacted file of format 2 count from 0
        let is_first = reading.is_compacted && frame.previous.is_none() && before == LogEnd::default();
        let expected = if is_first { 0 } else { before.sequence + 1 };
        if frame.end.sequence > expected {
            // those of transactions that this frame commits count as lost: at most so many are
            let own = events_of(&frame.body);
            let events = frame.end.events.checked_sub(before.events + own);
            let (from, to) = (expected, frame.end.sequence - 1);
            salvage.found.frames_lost(from, to, events.filter(|_| frame.previous.is_some()));
            if !std::mem::take(&mut reading.is_behind_damage) {
                salvage.found.add_damage(shown, format!("unsupported frames before byte {}", frame.body_at));
                reading.finding.needs_rewrite = true;
            }
        } else if frame.end.sequence < expected {
            salvage.found.add_damage(shown, format!("has a frame a second time at byte {}", frame.body_at));
            reading.finding.needs_rewrite = true;
            self.leave_out(frame, reading);
            return Ok(());
        } else if frame.previous.is_some_and(|previous| previous != before.chain) {
            let what = format!(
                "has a frame at byte {} that was not written behind the one before it",
                frame.body_at
            );
            salvage.found.add_damage(shown, what);
            reading.finding.needs_rewrite = true;
        }
        reading.is_behind_damage = false;
        salvage.found.frames += 1;
        salvage.state.files.frame(reading.id, frame.header_bytes);
        if reading.is_compacted {
            if let Some(end) = whole(frame, salvage.state.end) {
                reading.is_ended = true;
                salvage.state.end = end;
            }
            reading.own = frame.end.behind(before);
        } else {
            salvage.state.end = frame.end.behind(before);
        }
        self.apply(frame, salvage, reading)
    }

    /// Takes over the ops of a frame, as far as they fit.
    fn apply(&self, frame: &Frame, salvage: &mut Salvage, reading: &mut ScanState) -> Result<()> {
        let mut ops = OpReader::new(&frame.body);
        let mut resolver = CatalogResolver { folder: self.folder, log_parts: self.log_parts, record: self.record };
        for number in 0.. {
            let Ok(Some((op, at))) = ops.next() else { break };
            let before = if salvage.found.is_damaged() { resolver.before(&op, salvage)? } else { Vec::new() };
            if !before.is_empty() {
                reading.finding.needs_rewrite = true;
                reading.finding.edits.push(Edit { body_at: frame.body_at, op: number, before: Some(before) });
            }
            if salvage.state.apply(&op, reading.id, frame.body_at + at as u64).is_err() {
                salvage.found.changes += 1;
                reading.finding.needs_rewrite = true;
                reading.finding.edits.push(Edit { body_at: frame.body_at, op: number, before: None });
            }
        }
        Ok(())
    }

    fn leave_out(&self, frame: &Frame, reading: &mut ScanState) {
        let mut ops = OpReader::new(&frame.body);
        for op in 0.. {
            let Ok(Some(_)) = ops.next() else { break };
            reading.finding.edits.push(Edit { body_at: frame.body_at, op, before: None });
        }
    }

    /// Where reading goes on behind what is no whole frame.
    fn behind(&self, frames: &mut FrameReader, at: u64, end: LogEnd, broken: &InvalidFrame) -> Result<u64> {
        let length = frames.length()?;
        if let Some(header) = &broken.header {
            // the header is true, and so is what it says of the frame's length
            return Ok((at + header.frame_bytes()).min(length));
        }
        if matches!(frames.format, Format::Keyed(..)) {
            let from = at.max(FILE_HEADER_BYTES as u64) + u64::from(at >= FILE_HEADER_BYTES as u64);
            return Ok(frames.next_frame(from, end.sequence)?.unwrap_or(length));
        }
        self.behind_legacy(frames, at, end, length)
    }

    /// In a file of format 2, bytes of an event may be a frame. What seems to be one is taken for it when it stands where the
    /// damaged frame says that it ends, or when the frames behind it go on without a gap to the end of the file.
    fn behind_legacy(&self, frames: &mut FrameReader, at: u64, end: LogEnd, length: u64) -> Result<u64> {
        let mut bytes = [0; legacy::HEADER_BYTES];
        let read = frames.file.read_at(&mut bytes, at).map_err(|e| frames.failed(e))?;
        let header = legacy::Header::read(bytes.get(..read).unwrap_or_default());
        let announced = header
            .filter(|header| header.sequence == end.sequence + 1)
            .map(|header| at + header.frame_bytes());
        if let Some(announced) = announced.filter(|announced| *announced < length) {
            frames.seek(announced);
            if let NextFrame::Frame(frame) = frames.next()?
                && frame.end.sequence == end.sequence + 2
            {
                return Ok(announced);
            }
        }
        frames.seek(at);
        let mut from = at + 1;
        while let Some(candidate) = frames.next_frame(from, end.sequence)? {
            frames.seek(candidate);
            let mut last = None;
            let is_to_the_end = loop {
                match frames.next()? {
                    NextFrame::Frame(frame) if last.is_none_or(|last| frame.end.sequence == last + 1) => {
                        last = Some(frame.end.sequence);
                    }
                    NextFrame::End => break self.next_before.is_none_or(|next| Some(next.sequence) == last),
                    _ => break false,
                }
            };
            let reached = frames.position;
            if is_to_the_end || announced.is_some_and(|announced| announced <= length && announced < reached)
            {
                return Ok(candidate);
            }
            from = reached.max(candidate + 1);
            frames.seek(at);
        }
        Ok(length)
    }

    /// What a damaged frame's ops say, as far as they can be read: of use only where everything around it agrees.
    fn hints(&self, broken: &InvalidFrame, salvage: &mut Salvage) {
        let mut ops = OpReader::new(&broken.body);
        while let Ok(Some((op, _))) = ops.next() {
            if let Op::Append { segment, start, time, events, .. } = op {
                let count = framing::count(events);
                let hint = Hint { segment, start, time, length: events.len() as u32, count };
                salvage.found.hints.push(hint);
            }
        }
    }

    /// What the file should have had behind its last frame.
    fn end(&self, shown: &str, salvage: &mut Salvage, reading: &mut ScanState) {
        if reading.is_compacted {
            if reading.is_ended {
                return;
            }
            if !reading.finding.needs_rewrite {
                salvage
                    .found
                    .damaged(shown, "was compacted, and is less than what was written then".to_owned());
            }
            reading.finding.needs_rewrite = true;
            salvage.found.is_counted = false;
            if let Some(end) = self.known.map(|known| known.end).or(self.next_before) {
                // which of the frames that it stands for were lost nobody knows: their events' offsets tell
                salvage.state.end = LogEnd { events: end.events.max(salvage.state.end.events), ..end };
            }
            return;
        }
        if !reading.is_known {
            let what = "is not the file that is known: what was synced ended otherwise";
            if !reading.finding.needs_rewrite {
                salvage.found.add_damage(shown, what.to_owned());
            }
        }
        let (known, next) = (self.known.map(|known| known.end), self.next_before);
        let end = next.or(known).filter(|end| end.sequence > salvage.state.end.sequence);
        if let Some(end) = end {
            if !reading.finding.needs_rewrite {
                let (last, should) = (salvage.state.end.sequence, end.sequence);
                salvage
                    .found
                    .damaged(shown, format!("ends with frame {last}, and ended with frame {should}"));
                reading.finding.needs_rewrite = true;
            }
            salvage.jump(end, end.events > 0);
        }
    }
}

fn events_of(body: &[u8]) -> u64 {
    let mut ops = OpReader::new(body);
    let mut events = 0;
    while let Ok(Some((op, _))) = ops.next() {
        if let Op::Append { events: bytes, .. } | Op::Stage { events: bytes, .. } = op {
            events += framing::count(bytes);
        }
    }
    events
}
