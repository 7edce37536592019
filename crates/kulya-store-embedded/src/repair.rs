//! Repair: a store that does not open because its log is damaged, made one that does, at the price of what is damaged and
//! nothing else. What can be read of a damaged file is written anew; the file itself is kept aside. Events that were lost
//! leave a gap at their offsets, which readers pass over: nothing behind it moves, and a pointer into it says why.

use crate::compaction::Output;
use crate::disk::{FileSystem, ReadFile, Sequential};
use crate::folder::{Folder, LogName, from_io};
use crate::frame::{self, Found, HEADER_BYTES};
use crate::index::{Index, LsmIndex};
use crate::op::{self, Op, Reader, SegmentKey};
use crate::recovery::{learn, recover};
use crate::state::{self, LogInfo, State};
use kulya_store::{Error, Result, StreamId};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What a repair has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The log files that were damaged or missing, by their names; what was there of them is in the folder `damaged`.
    pub files: Vec<String>,
    /// Bytes of them that could not be read.
    pub bytes: u64,
    /// Changes that could be read, but speak of what is lost.
    pub changes: u64,
    /// The events that are lost: stream, segment, and the offsets from which and up to which nothing is left.
    pub gaps: Vec<(StreamId, u32, u64, u64)>,
}

/// Repairs the store in a folder that nobody has open. A store that is whole is left as it is.
pub(crate) fn repair(path: &Path) -> Result<Repaired> {
    let folder = Folder::take(path, Arc::new(FileSystem))?;
    let index: Arc<dyn Index> = Arc::new(LsmIndex::at(&folder.index()));
    // it may be the index that is damaged; it is made again at the next opening
    index.clear().map_err(state::index_failed)?;
    let mut repair =
        Repair { folder: &folder, state: State::new(Arc::clone(&index)), done: Repaired::default() };
    repair.log()?;
    let done = repair.done;
    index.clear().map_err(state::index_failed)?;
    // whether it opens now
    recover(&folder, &index)?;
    index.clear().map_err(state::index_failed)?;
    Ok(done)
}

struct Repair<'a> {
    folder: &'a Folder,
    state: State,
    done: Repaired,
}

/// What could be read of a file.
struct Salvage {
    /// Bodies of frames, without the ops that do not fit.
    bodies: Vec<Vec<u8>>,
    /// Whether that is less than what was written.
    is_less: bool,
    /// The last sequence.
    sequence: u64,
}

impl Repair<'_> {
    fn log(&mut self) -> Result<()> {
        let names = self.folder.logs()?;
        let is_replaced = |name: &&LogName| names.iter().any(|other| other.replaces(**name));
        let names: Vec<LogName> = names.iter().filter(|name| !is_replaced(name)).copied().collect();
        let mut next = 0;
        for (number, name) in names.iter().enumerate() {
            if name.first > next {
                self.missing(LogName { first: next, last: name.first - 1, generation: 1 }, *name)?;
            }
            self.file(*name, names.get(number + 1).copied())?;
            next = name.last.saturating_add(1);
        }
        self.state.forget_staged();
        let Some(last) = names.last() else { return Ok(()) };
        learn(&mut self.state)?;
        self.gaps()?;
        if !self.done.gaps.is_empty() {
            self.give_up(last.last.saturating_add(1))?;
        }
        Ok(())
    }

    fn failed(&self, name: LogName) -> impl Fn(std::io::Error) -> Error {
        let path = self.folder.log(name);
        move |error| from_io(&format!("cannot read {}", path.display()), error)
    }

    /// Reads what can be read of a file; writes it anew when that is less than all.
    fn file(&mut self, name: LogName, next: Option<LogName>) -> Result<()> {
        let id = self.state.files.add(LogInfo::new(name));
        let file = self.folder.open_log(name)?;
        let mut salvage = self.read(name, id, &file, next.is_none())?;
        if let Some(next) = next.filter(|_| salvage.is_less) {
            // what says where it ended may be what is damaged; the next one goes on there
            salvage.sequence = self.sequence_before(next)?.unwrap_or(salvage.sequence);
        }
        self.state.sequence = salvage.sequence;
        if self.state.is_crowded() {
            learn(&mut self.state)?;
        }
        if salvage.is_less {
            self.done.files.push(name.to_string());
            self.set_aside(name)?;
            let generation = name.generation + 1;
            self.write(LogName { generation, ..name }, &salvage.bodies, salvage.sequence)?;
        }
        Ok(())
    }

    fn read(&mut self, name: LogName, id: u32, file: &Arc<dyn ReadFile>, is_last: bool) -> Result<Salvage> {
        let failed = self.failed(name);
        let mut bytes = Vec::new();
        Sequential { file: Arc::clone(file), offset: 0 }.read_to_end(&mut bytes).map_err(failed)?;
        let mut salvage = Salvage { bodies: Vec::new(), is_less: false, sequence: self.state.sequence };
        let mut is_whole = !name.is_compacted();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let mut input = rest;
            match frame::read(&mut input).map_err(self.failed(name))? {
                Found::Frame { sequence, body, .. } => {
                    let before = salvage.sequence;
                    if name.is_compacted() {
                        is_whole = false;
                    } else {
                        // one that is gone without a trace: a file that was cut short before this one
                        salvage.is_less |= sequence != before + 1;
                        salvage.sequence = sequence;
                    }
                    let position = (at + HEADER_BYTES) as u64;
                    let kept = self.apply(&body, id, position, &mut salvage.sequence, &mut is_whole);
                    salvage.is_less |= kept.len() < body.len();
                    at += HEADER_BYTES + body.len();
                    salvage.bodies.push(kept);
                }
                Found::End => break,
                Found::Bad => {
                    let next =
                        (at + 1..bytes.len()).find(|next| is_frame(bytes.get(*next..).unwrap_or_default()));
                    if next.is_none() && is_last {
                        // the end of a write that nobody was told of; opening would cut it off, too
                        let path = self.folder.log(name);
                        let cut = self.folder.disk.append_to(&path, at as u64);
                        cut.map_err(|e| from_io(&format!("cannot write to {}", path.display()), e))?;
                        break;
                    }
                    let next = next.unwrap_or(bytes.len());
                    self.done.bytes += (next - at) as u64;
                    salvage.is_less = true;
                    at = next;
                }
            }
        }
        salvage.is_less |= !is_whole;
        Ok(salvage)
    }

    /// Takes over the ops of a frame; gives those that fitted.
    fn apply(
        &mut self,
        body: &[u8],
        file: u32,
        position: u64,
        sequence: &mut u64,
        is_whole: &mut bool,
    ) -> Vec<u8> {
        let mut kept = Vec::with_capacity(body.len());
        let mut ops = Reader::new(body);
        while let Ok(Some((op, at))) = ops.next() {
            if let Op::Whole { sequence: last, .. } = &op {
                *sequence = *last;
                *is_whole = true;
            }
            if self.state.apply(&op, file, position + at as u64).is_ok() {
                op::put(&mut kept, &op);
            } else {
                self.done.changes += 1;
            }
        }
        kept
    }

    /// A file that is not there: an empty one takes its place, so that the log has no gap.
    fn missing(&mut self, name: LogName, next: LogName) -> Result<()> {
        self.done.files.push(LogName::plain(name.first).to_string());
        let sequence = self.sequence_before(next)?.unwrap_or(self.state.sequence);
        self.state.sequence = sequence;
        self.write(name, &[], sequence)
    }

    /// The sequence behind which a file goes on; `None` when it does not say so: it was compacted, or is itself damaged.
    fn sequence_before(&self, name: LogName) -> Result<Option<u64>> {
        if name.is_compacted() {
            return Ok(None);
        }
        let mut input = Sequential { file: self.folder.open_log(name)?, offset: 0 };
        match frame::read(&mut input).map_err(self.failed(name))? {
            Found::Frame { sequence, .. } => Ok(sequence.checked_sub(1)),
            _ => Ok(None),
        }
    }

    fn write(&self, name: LogName, bodies: &[Vec<u8>], sequence: u64) -> Result<()> {
        let path = self.folder.log(name);
        let unfinished = path.with_extension("log.new");
        let mut output = Output::begin(self.folder, &unfinished)?;
        for body in bodies {
            let mut ops = Reader::new(body);
            while let Ok(Some((op, _))) = ops.next() {
                if !matches!(op, Op::Whole { .. }) {
                    output.op(&op)?;
                }
            }
        }
        output.end(&self.state, sequence)?;
        let failed = |e| from_io(&format!("cannot make {}", path.display()), e);
        self.folder.disk.rename(&unfinished, &path).map_err(failed)
    }

    fn set_aside(&self, name: LogName) -> Result<()> {
        let aside = self.folder.damaged();
        let failed = |e| from_io(&format!("cannot write to {}", aside.display()), e);
        self.folder.disk.make_folder(&aside).map_err(failed)?;
        self.folder.disk.rename(&self.folder.log(name), &aside.join(name.to_string())).map_err(failed)
    }

    /// Finds where events are missing.
    fn gaps(&mut self) -> Result<()> {
        for (name, stream) in &self.state.streams {
            for (number, segment) in (0u32..).zip(&stream.segments) {
                let key = SegmentKey { stream: stream.id, number };
                let mut at = segment.head;
                while at < segment.tail {
                    let extents = self.state.extents(key, segment, at, 1 << 20)?;
                    let behind = extents.last().map_or(segment.tail, state::Extent::end).max(at + 1);
                    for extent in extents {
                        if extent.start > at {
                            self.done.gaps.push((name.clone(), number, at, extent.start));
                        }
                        at = at.max(extent.end());
                    }
                    if at < behind {
                        self.done.gaps.push((name.clone(), number, at, behind));
                        at = behind;
                    }
                }
            }
        }
        Ok(())
    }

    /// Says in the log that these events are gone.
    fn give_up(&mut self, number: u32) -> Result<()> {
        let name = LogName { first: number, last: number, generation: 1 };
        let id = self.state.files.add(LogInfo::new(name));
        let mut body = Vec::new();
        for (stream, number, from, to) in &self.done.gaps {
            let stream = self.state.stream(stream)?;
            let segment = SegmentKey { stream: stream.id, number: *number };
            let mut at = *from;
            while at < *to {
                let length = u32::try_from(to - at).unwrap_or(u32::MAX);
                let found = stream.segments.get(*number as usize);
                // cuts at a time pass over it as over what comes before
                let before = found.map(|found| self.state.extents(segment, found, at.saturating_sub(1), 1));
                let time = before.transpose()?.and_then(|extents| Some(extents.first()?.time)).unwrap_or(0);
                op::put(&mut body, &Op::Lost { segment, start: at, time, length });
                at += u64::from(length);
            }
        }
        let mut ops = Reader::new(&body);
        while let Ok(Some((op, _))) = ops.next() {
            self.state.apply(&op, id, 0).map_err(Error::invalid)?;
        }
        self.write(name, &[body], self.state.sequence)
    }
}

fn is_frame(mut bytes: &[u8]) -> bool {
    bytes.starts_with(&frame::MAGIC.to_be_bytes())
        && matches!(frame::read(&mut bytes), Ok(Found::Frame { .. }))
}
