//! Scans one log file from start to end: its valid frames, and the ranges between them.

use super::catalog::CatalogResolver;
use super::outcome::{Edit, PartResult, Salvage};
use super::parts::{LogParts, Part, Source};
use super::report::Hint;
use crate::checkpoint::CatalogRecord;
use crate::folder::Folder;
use crate::frame::{FILE_HEADER_BYTES, LogEnd};
use crate::frame_reader::{Format, Frame, FrameReader, InvalidFrame, NextFrame};
use crate::legacy;
use crate::log_name::LogPosition;
use crate::manifest::SyncedFile;
use crate::op::{Op, OpReader};
use crate::recovery::footer_log_end;
use crate::state::LogInfo;
use kulya_store::{Result, framing};
use std::sync::Arc;

/// What is known of the file that is scanned.
pub(super) struct FileScan<'a> {
    pub(super) folder: &'a Folder,
    pub(super) log_parts: &'a LogParts,
    pub(super) record: Option<&'a CatalogRecord>,
    /// Up to where it is known to be synced.
    pub(super) synced_file: Option<SyncedFile>,
    /// The log end before the next file.
    pub(super) next_before: Option<LogEnd>,
    /// Whether it is the last file.
    pub(super) is_last: bool,
}

/// The state of a scan.
struct ScanState {
    id: u32,
    is_compacted: bool,
    /// The end of the file's own frames, if it is compacted.
    own: LogEnd,
    /// Whether the footer was read.
    has_footer: bool,
    /// Whether the file ends as recorded.
    end_matches: bool,
    /// Whether frames may be missing before the next one.
    is_behind_damage: bool,
    result: PartResult,
}

impl FileScan<'_> {
    pub(super) fn scan_file(&self, part: &Part, salvage: &mut Salvage) -> Result<PartResult> {
        let Source::File { current_name, file, format, damage } = &part.source else {
            unreachable!("a missing part has no file to scan")
        };
        let name = part.name();
        let before = salvage.state.end;
        let id = salvage.state.files.add(LogInfo::new(*current_name));
        let result = PartResult {
            part: part.clone(),
            before,
            end: before,
            needs_rewrite: damage.is_some(),
            edits: Vec::new(),
            skips: Vec::new(),
            read_to: 0,
        };
        let mut scan = ScanState {
            id,
            is_compacted: name.is_compacted(),
            own: LogEnd::default(),
            has_footer: false,
            end_matches: self.synced_file.is_none() || name.is_compacted(),
            is_behind_damage: false,
            result,
        };
        let file_name = current_name.to_string();
        if let Some(damage) = damage {
            salvage.report.add_damage(&file_name, damage.clone());
        }
        let mut frames = FrameReader::new(self.folder.log_path(*current_name), Arc::clone(file), *format);
        self.check_start(part, &file_name, salvage, &mut scan);
        salvage.state.files.add_framing(id, frames.position);
        let synced = self.synced_file.map_or(0, |file| file.bytes);
        loop {
            let at = frames.position;
            let end = if scan.is_compacted { scan.own } else { salvage.state.end };
            if let Some(file) = self.synced_file.filter(|file| file.bytes == at) {
                scan.end_matches |= (file.end.sequence, file.end.chain) == (end.sequence, end.chain);
            }
            match frames.next()? {
                NextFrame::Frame(frame) => self.frame(&frame, &file_name, salvage, &mut scan)?,
                NextFrame::End => {
                    if at < synced {
                        let message = format!("ends at byte {at}, but had {synced} bytes");
                        salvage.report.add_damage(&file_name, message);
                        scan.result.needs_rewrite = true;
                    }
                    break;
                }
                NextFrame::Invalid(_)
                    if self.is_last
                        && !scan.is_compacted
                        && at >= synced
                        && frames.find_synced_after(end.sequence)?.is_none() =>
                {
                    let bytes = frames.length()? - at;
                    salvage.report.torn_tail = Some((file_name.clone(), at, bytes));
                    break;
                }
                NextFrame::Invalid(invalid) => {
                    let next = self.find_next(&mut frames, at, end, &invalid)?;
                    self.add_hints(&invalid, salvage);
                    let message = format!("is damaged from byte {at} to {next}");
                    salvage.report.add_damage(&file_name, message);
                    salvage.report.bytes_unread += next - at;
                    scan.result.needs_rewrite = true;
                    scan.is_behind_damage = true;
                    scan.result.skips.push((at, next));
                    frames.seek(next);
                }
            }
        }
        salvage.report.files += 1;
        salvage.report.bytes += frames.position;
        self.check_end(&file_name, salvage, &mut scan);
        let position = LogPosition { file: id, length: frames.position };
        salvage.state.set_position(position, salvage.state.end);
        let info = salvage.state.files.by_id.get_mut(&id).expect("the file was added before scanning");
        if scan.is_compacted {
            info.overhead = info.bytes.saturating_sub(info.live);
        }
        scan.result.end = salvage.state.end;
        scan.result.read_to = frames.position;
        Ok(scan.result)
    }

    /// Checks that the file continues the file before it.
    fn check_start(&self, part: &Part, file_name: &str, salvage: &mut Salvage, scan: &mut ScanState) {
        let Some(before) = part.before else { return };
        let end = salvage.state.end;
        let is_legacy = matches!(part.source, Source::File { format: Format::Legacy, .. });
        if before.sequence != end.sequence {
            if before.sequence < end.sequence {
                scan.result.needs_rewrite = true;
                salvage.report.add_damage(
                    file_name,
                    format!("continues frame {}, which other frames follow", before.sequence),
                );
            }
            salvage.skip_to(before, !is_legacy);
            scan.result.before = salvage.state.end;
            return;
        }
        if is_legacy {
            return;
        }
        if before.chain != end.chain {
            if !salvage.report.is_damaged() {
                let message = "continues a file other than the one before it: one of the two was replaced";
                salvage.report.add_damage(file_name, message.to_owned());
            }
            // rewritten, it continues the existing file
            scan.result.needs_rewrite = true;
        }
        salvage.state.end = before;
    }

    fn frame(
        &self,
        frame: &Frame,
        file_name: &str,
        salvage: &mut Salvage,
        scan: &mut ScanState,
    ) -> Result<()> {
        let before = if scan.is_compacted { scan.own } else { salvage.state.end };
        // frames of a compacted file of format 2 count from 0
        let is_first = scan.is_compacted && frame.previous.is_none() && before == LogEnd::default();
        let expected = if is_first { 0 } else { before.sequence + 1 };
        if frame.end.sequence > expected {
            // the staged events of transactions that this frame commits count as lost: this is an upper
            // bound
            let own = count_events(&frame.body);
            let events = frame.end.events.checked_sub(before.events + own);
            let (from, to) = (expected, frame.end.sequence - 1);
            salvage.report.add_lost_frames(from, to, events.filter(|_| frame.previous.is_some()));
            if !std::mem::take(&mut scan.is_behind_damage) {
                salvage
                    .report
                    .add_damage(file_name, format!("has missing frames before byte {}", frame.body_at));
                scan.result.needs_rewrite = true;
            }
        } else if frame.end.sequence < expected {
            salvage.report.add_damage(file_name, format!("has a duplicate frame at byte {}", frame.body_at));
            scan.result.needs_rewrite = true;
            self.drop_ops(frame, scan);
            return Ok(());
        } else if frame.previous.is_some_and(|previous| previous != before.chain) {
            let message =
                format!("has a frame at byte {} that does not continue the one before it", frame.body_at);
            salvage.report.add_damage(file_name, message);
            scan.result.needs_rewrite = true;
        }
        scan.is_behind_damage = false;
        salvage.report.frames += 1;
        salvage.state.files.add_framing(scan.id, frame.header_bytes);
        if scan.is_compacted {
            if let Some(end) = footer_log_end(frame, salvage.state.end) {
                scan.has_footer = true;
                salvage.state.end = end;
            }
            scan.own = frame.end.after(before);
        } else {
            salvage.state.end = frame.end.after(before);
        }
        self.apply(frame, salvage, scan)
    }

    /// Applies the ops of a frame, as far as possible.
    fn apply(&self, frame: &Frame, salvage: &mut Salvage, scan: &mut ScanState) -> Result<()> {
        let mut ops = OpReader::new(&frame.body);
        let mut resolver =
            CatalogResolver { folder: self.folder, log_parts: self.log_parts, record: self.record };
        for number in 0.. {
            let Ok(Some((op, at))) = ops.next() else { break };
            let before =
                if salvage.report.is_damaged() { resolver.ops_before(&op, salvage)? } else { Vec::new() };
            if !before.is_empty() {
                scan.result.needs_rewrite = true;
                scan.result.edits.push(Edit { body_at: frame.body_at, op: number, before: Some(before) });
            }
            if salvage.state.apply(&op, scan.id, frame.body_at + at as u64).is_err() {
                salvage.report.dropped_changes += 1;
                scan.result.needs_rewrite = true;
                scan.result.edits.push(Edit { body_at: frame.body_at, op: number, before: None });
            }
        }
        Ok(())
    }

    fn drop_ops(&self, frame: &Frame, scan: &mut ScanState) {
        let mut ops = OpReader::new(&frame.body);
        for op in 0.. {
            let Ok(Some(_)) = ops.next() else { break };
            scan.result.edits.push(Edit { body_at: frame.body_at, op, before: None });
        }
    }

    /// Returns the position of the next valid frame after invalid bytes.
    fn find_next(
        &self,
        frames: &mut FrameReader,
        at: u64,
        end: LogEnd,
        invalid: &InvalidFrame,
    ) -> Result<u64> {
        let length = frames.length()?;
        if let Some(header) = &invalid.header {
            // the header is valid, and so is its length
            return Ok((at + header.frame_bytes()).min(length));
        }
        if matches!(frames.format, Format::Keyed(..)) {
            let from = at.max(FILE_HEADER_BYTES as u64) + u64::from(at >= FILE_HEADER_BYTES as u64);
            return Ok(frames.find_next(from, end.sequence)?.unwrap_or(length));
        }
        self.find_next_legacy(frames, at, end, length)
    }

    /// Does the same in format 2, where bytes of an event can look like a frame: a candidate is accepted if
    /// it is where the damaged frame's length says that it ends, or if valid frames follow it without a gap
    /// to the end of the file.
    fn find_next_legacy(&self, frames: &mut FrameReader, at: u64, end: LogEnd, length: u64) -> Result<u64> {
        let mut bytes = [0; legacy::HEADER_BYTES];
        let read = frames.file.read_at(&mut bytes, at).map_err(|e| frames.failed(e))?;
        let header = legacy::Header::decode(bytes.get(..read).unwrap_or_default());
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
        while let Some(candidate) = frames.find_next(from, end.sequence)? {
            frames.seek(candidate);
            let mut last = None;
            let reaches_end = loop {
                match frames.next()? {
                    NextFrame::Frame(frame) if last.is_none_or(|last| frame.end.sequence == last + 1) => {
                        last = Some(frame.end.sequence);
                    }
                    NextFrame::End => break self.next_before.is_none_or(|next| Some(next.sequence) == last),
                    _ => break false,
                }
            };
            let reached = frames.position;
            if reaches_end || announced.is_some_and(|announced| announced <= length && announced < reached) {
                return Ok(candidate);
            }
            from = reached.max(candidate + 1);
            frames.seek(at);
        }
        Ok(length)
    }

    /// Collects the appends of a damaged frame as hints, which are used only where everything around them
    /// agrees.
    fn add_hints(&self, invalid: &InvalidFrame, salvage: &mut Salvage) {
        let mut ops = OpReader::new(&invalid.body);
        while let Ok(Some((op, _))) = ops.next() {
            if let Op::Append { segment, start, time, events, .. } = op {
                let count = framing::count(events);
                let hint = Hint { segment, start, time, length: events.len() as u32, count };
                salvage.report.hints.push(hint);
            }
        }
    }

    /// Checks that the file ends as recorded.
    fn check_end(&self, file_name: &str, salvage: &mut Salvage, scan: &mut ScanState) {
        if scan.is_compacted {
            if scan.has_footer {
                return;
            }
            if !scan.result.needs_rewrite {
                salvage.report.add_damage(file_name, "is an incomplete compacted file".to_owned());
            }
            scan.result.needs_rewrite = true;
            salvage.report.is_counted = false;
            if let Some(end) = self.synced_file.map(|file| file.end).or(self.next_before) {
                // which original frames were lost is unknown; their events' offsets show them
                salvage.state.end = LogEnd { events: end.events.max(salvage.state.end.events), ..end };
            }
            return;
        }
        if !scan.end_matches {
            let message = "is not the original file: the synced part ended differently";
            if !scan.result.needs_rewrite {
                salvage.report.add_damage(file_name, message.to_owned());
            }
        }
        let (recorded, next) = (self.synced_file.map(|file| file.end), self.next_before);
        let end = next.or(recorded).filter(|end| end.sequence > salvage.state.end.sequence);
        if let Some(end) = end {
            if !scan.result.needs_rewrite {
                let (last, expected) = (salvage.state.end.sequence, end.sequence);
                salvage.report.add_damage(
                    file_name,
                    format!("ends with frame {last}, but ended with frame {expected}"),
                );
                scan.result.needs_rewrite = true;
            }
            salvage.skip_to(end, end.events > 0);
        }
    }
}

fn count_events(body: &[u8]) -> u64 {
    let mut ops = OpReader::new(body);
    let mut events = 0;
    while let Ok(Some((op, _))) = ops.next() {
        if let Op::Append { events: bytes, .. } | Op::Stage { events: bytes, .. } = op {
            events += framing::count(bytes);
        }
    }
    events
}
