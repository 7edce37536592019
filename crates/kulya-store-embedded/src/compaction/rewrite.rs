//! Rewrites several log files as one.

use super::filter::OpFilter;
use crate::checkpoint;
use crate::disk::{LogFile, ReadFile, read_exact_at};
use crate::error::{corrupt_log, disk_error, index_error};
use crate::extent::Extent;
use crate::folder::Folder;
use crate::frame::{self, FILE_HEADER_BYTES, FileHeader, FrameKey, HEADER_BYTES, LogEnd};
use crate::frame_reader::{FrameReader, NextFrame};
use crate::index::{self, Index, IndexChange};
use crate::log_name::LogName;
use crate::op::{self, Op, OpReader, SegmentKey};
use crate::plan::RUN_BYTES;
use crate::state::{self, LogInfo, Slot, State};
use kulya_store::{Error, ErrorKind, Result, WriterMarks, framing};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A frame is written once it has this size, in bytes.
const FRAME_BYTES: usize = 1 << 20;

/// A compacted file, and the changes of the index for it.
pub(crate) struct CompactedFile {
    pub(crate) info: LogInfo,
    pub(crate) changes: Vec<IndexChange>,
}

/// Rewrites adjacent log files as one file with the number `id`. On return the new file is durable under
/// its name; the old files still exist.
pub(crate) fn compact(
    folder: &Folder,
    state: &RwLock<State>,
    files: &[(u32, LogName)],
    id: u32,
    writers: WriterMarks,
) -> Result<CompactedFile> {
    let bounds = || Some((files.first()?.1, files.last()?.1));
    let (first, last) = bounds().expect("the selection is not empty");
    let generation = files.iter().map(|(_, name)| name.generation).max().unwrap_or_default() + 1;
    let name = LogName { first: first.first, last: last.last, generation };
    let path = folder.log_path(name);
    let unfinished = path.with_extension("log.new");
    let written = Compaction::start(folder, state, files, id, (name, &unfinished))
        .and_then(|compaction| compaction.run(writers, name.first == 0));
    let (info, changes) = match written {
        Ok(Written { length, live, end, changes }) => {
            let overhead = length.saturating_sub(live);
            (LogInfo { bytes: length, live, overhead, end, ..LogInfo::new(name) }, changes)
        }
        Err(error) => {
            let _ = folder.disk.remove(&unfinished);
            return Err(error);
        }
    };
    let failed = |e| disk_error(&format!("cannot create {}", path.display()), e);
    folder.disk.rename(&unfinished, &path).map_err(failed)?;
    Ok(CompactedFile { info, changes })
}

struct Written {
    length: u64,
    live: u64,
    end: LogEnd,
    changes: Vec<IndexChange>,
}

struct Compaction<'a> {
    folder: &'a Folder,
    state: &'a RwLock<State>,
    index: Arc<dyn Index>,
    /// The files that are compacted.
    files: &'a [(u32, LogName)],
    sources: BTreeMap<u32, Arc<dyn ReadFile>>,
    id: u32,
    output: CompactedFileWriter,
    live: u64,
    changes: Vec<IndexChange>,
    /// For each segment, the range of offsets at which its events in these files start.
    event_ranges: BTreeMap<SegmentKey, (u64, u64)>,
}

impl<'a> Compaction<'a> {
    fn start(
        folder: &'a Folder,
        state: &'a RwLock<State>,
        files: &'a [(u32, LogName)],
        id: u32,
        (name, path): (LogName, &Path),
    ) -> Result<Self> {
        let mut sources = BTreeMap::new();
        for (id, name) in files {
            sources.insert(*id, folder.open_log(*name)?);
        }
        let output = CompactedFileWriter::create(folder, name, lock(state).files.end_before(name), path)?;
        let index = Arc::clone(&lock(state).index);
        let (changes, event_ranges) = (Vec::new(), BTreeMap::new());
        Ok(Self { folder, state, index, files, sources, id, output, live: 0, changes, event_ranges })
    }

    fn run(mut self, writers: WriterMarks, is_log_start: bool) -> Result<Written> {
        let mut filter = OpFilter::new(writers, is_log_start);
        self.observe(&mut filter)?;
        self.write_changes(&mut filter)?;
        for (segment, (from, to)) in std::mem::take(&mut self.event_ranges) {
            self.write_events(segment, from, to)?;
        }
        for (file, _) in self.files {
            let (from, to) = index::staged_range(*file);
            for entry in self.index.range(&from, &to) {
                self.changes.push((entry.map_err(index_error)?.0.to_vec(), None));
            }
        }
        let state = lock(self.state);
        let last = self.files.last().and_then(|(id, _)| state.files.by_id.get(id));
        let end = last.map_or_else(LogEnd::default, |info| info.end);
        let length = self.output.finish(&state, end)?;
        Ok(Written { length, live: self.live, end, changes: self.changes })
    }

    /// First pass: observes all ops and collects the ranges of events.
    fn observe(&mut self, filter: &mut OpFilter) -> Result<()> {
        let mut event_ranges = std::mem::take(&mut self.event_ranges);
        let mut add_event = |segment: SegmentKey, start: u64| {
            let (from, to) = event_ranges.entry(segment).or_insert((start, start));
            *from = start.min(*from);
            *to = start.max(*to);
        };
        for (file, name) in self.files {
            each_frame(self.folder, *name, |body| {
                each_op(body, |op| {
                    filter.observe(op);
                    match op {
                        Op::Append { segment, start, .. } => add_event(*segment, *start),
                        Op::Stage { transaction, segment, offset, .. } => {
                            let key = index::staged_key(*file, *transaction, *segment);
                            let start = self.index.get(&key).map_err(index_error)?;
                            if let Some(start) = start.as_deref().and_then(|start| start.try_into().ok()) {
                                add_event(*segment, u64::from_be_bytes(start) + offset);
                            }
                        }
                        _ => {}
                    }
                    Ok(())
                })
            })?;
        }
        self.event_ranges = event_ranges;
        Ok(())
    }

    /// Second pass: writes the retained changes of the catalog and the tables, in their order.
    fn write_changes(&mut self, filter: &mut OpFilter) -> Result<()> {
        for (_, name) in self.files {
            each_frame(self.folder, *name, |body| {
                let state = lock(self.state);
                each_op(body, |op| {
                    let Some(retained) = filter.filter(op, &state)? else { return Ok(()) };
                    self.output.write_op(&retained)?;
                    if let Op::Put { table, version, key, value } = retained {
                        self.live += Slot::size(key, value);
                        let stored = index::StoredEntry::encode(version, self.id, value);
                        self.changes.push((index::entry_key(table, key), Some(stored)));
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// Writes the events of a segment that start between two offsets, inclusive, and that are in these
    /// files and not truncated.
    fn write_events(&mut self, segment: SegmentKey, from: u64, to: u64) -> Result<()> {
        // the index entries of a deleted stream are removed by garbage collection
        let Some(head) = lock(self.state).segment_at(segment).map(|found| found.head) else { return Ok(()) };
        let mut removed = Vec::new();
        let mut extents = Vec::new();
        let first = self.index.last(&index::block_key(segment, 0), &index::block_key(segment, from));
        let first =
            first.map_err(index_error)?.map_or(index::block_key(segment, from), |(key, _)| key.to_vec());
        for entry in self.index.range(&first, &index::blocks_end(segment)) {
            let entry = entry.map_err(index_error)?;
            let (start, block) = state::block(&entry).map_err(index_error)?;
            if start > to {
                break;
            }
            if block.first().is_some_and(|extent| self.sources.contains_key(&extent.file)) {
                removed.push((entry.0.to_vec(), None));
                extents.extend(block.into_iter().filter(|extent| extent.end() > head));
            }
        }
        let mut moved: Vec<Extent> = Vec::new();
        let mut run: Option<(Extent, Vec<u8>)> = None;
        for extent in extents {
            let bytes = self.read(segment, &extent)?;
            match &mut run {
                Some((current, events))
                    if current.end() == extent.start
                        && current.time == extent.time
                        && u64::from(current.length) + u64::from(extent.length) <= RUN_BYTES =>
                {
                    current.length += extent.length;
                    events.extend(bytes);
                }
                _ => {
                    if let Some(run) = run.replace((extent, bytes)) {
                        moved.push(self.append(segment, run)?);
                    }
                }
            }
        }
        if let Some(run) = run {
            moved.push(self.append(segment, run)?);
        }
        // a new block may have the key of an old one
        let mut changes: BTreeMap<Vec<u8>, Option<Vec<u8>>> = removed.into_iter().collect();
        changes.extend(checkpoint::blocks(segment, &moved));
        self.changes.extend(changes);
        Ok(())
    }

    fn append(&mut self, segment: SegmentKey, (extent, events): (Extent, Vec<u8>)) -> Result<Extent> {
        let checksum = crc32c::crc32c(&events);
        let (start, time) = (extent.start, extent.time);
        let position =
            self.output.write_op(&Op::Append { segment, start, time, checksum, events: &events })?;
        self.live += extent.size();
        Ok(Extent { file: self.id, position, checksum, ..extent })
    }

    /// Reads and verifies the bytes of an extent: damaged bytes must not get a new checksum.
    fn read(&self, segment: SegmentKey, extent: &Extent) -> Result<Vec<u8>> {
        let name = self.files.iter().find(|(id, _)| *id == extent.file).map(|(_, name)| *name);
        let path = || name.map_or_else(PathBuf::new, |name| self.folder.log_path(name));
        let source = self.sources.get(&extent.file).expect("extents are selected by file");
        let mut bytes = vec![0; extent.length as usize];
        read_exact_at(&**source, &mut bytes, extent.position)
            .map_err(|e| disk_error(&format!("cannot read {}", path().display()), e))?;
        if crc32c::crc32c(&bytes) != extent.checksum {
            let message = format!(
                "the events of segment {} of stream {} at this position",
                segment.number, segment.stream
            );
            return Err(corrupt_log(
                &path(),
                extent.position,
                &format!("{message} do not match their checksum"),
            ));
        }
        Ok(bytes)
    }
}

/// Writes a compacted file.
pub(crate) struct CompactedFileWriter {
    log: Box<dyn LogFile>,
    path: PathBuf,
    key: FrameKey,
    frame: Vec<u8>,
    frames: u32,
    /// The number of events in the current frame.
    events: u64,
    /// The end of this file's own frames, whose sequences start at 1.
    end: LogEnd,
    length: u64,
}

impl CompactedFileWriter {
    /// Creates the file; `before` is the log end of the file before it.
    pub(crate) fn create(folder: &Folder, name: LogName, before: LogEnd, path: &Path) -> Result<Self> {
        let failed = |e| disk_error(&format!("cannot create {}", path.display()), e);
        let mut log = folder.disk.open_append(path, 0).map_err(failed)?;
        let key = folder.key();
        log.append(&FileHeader { key, name, before }.encode()).map_err(failed)?;
        Ok(Self {
            log,
            path: path.to_owned(),
            key: FrameKey::new(key, name),
            frame: frame::new_buffer(),
            frames: 0,
            events: 0,
            end: LogEnd::default(),
            length: FILE_HEADER_BYTES as u64,
        })
    }

    /// Writes an op. For events, returns their position in the file.
    pub(crate) fn write_op(&mut self, op: &Op<'_>) -> Result<u64> {
        if self.frame.len() > FRAME_BYTES {
            self.flush()?;
        }
        if let Op::Append { events, .. } | Op::Stage { events, .. } = op {
            self.events += framing::count(events);
        }
        let at = op::encode(&mut self.frame, op);
        Ok(self.length + at as u64)
    }

    fn flush(&mut self) -> Result<()> {
        if self.frame.len() == HEADER_BYTES {
            return Ok(());
        }
        self.end = self.key.seal(&mut self.frame, self.length, self.end, 0, self.events);
        let failed = |e| disk_error(&format!("cannot write to {}", self.path.display()), e);
        self.log.append(&self.frame).map_err(failed)?;
        self.length += self.frame.len() as u64;
        self.frames += 1;
        self.events = 0;
        self.frame.truncate(HEADER_BYTES);
        Ok(())
    }

    /// Writes the footer, with the log end after the file, and syncs the file. Returns its length in bytes.
    pub(crate) fn finish(&mut self, state: &State, end: LogEnd) -> Result<u64> {
        self.flush()?;
        let footer = Op::Footer {
            frames: self.frames,
            sequence: end.sequence,
            log_end: Some((end.chain, end.events)),
            version: state.version,
            last_transaction: state.last_transaction,
            next_stream: state.next_stream,
            next_table: state.next_table,
            time: state.time,
        };
        self.write_op(&footer)?;
        self.flush()?;
        self.log.sync().map_err(|e| disk_error(&format!("cannot sync {}", self.path.display()), e))?;
        Ok(self.length)
    }
}

fn lock(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `each` with the body of every frame of a file that is known to be complete.
fn each_frame(folder: &Folder, name: LogName, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut frames = FrameReader::open(folder, name)?;
    loop {
        let position = frames.position;
        match frames.next()? {
            NextFrame::Frame(frame) => each(&frame.body)?,
            NextFrame::End => return Ok(()),
            NextFrame::Invalid(_) => return Err(frames.corrupt(position, "there is no complete frame")),
        }
    }
}

fn each_op(body: &[u8], mut each: impl FnMut(&Op<'_>) -> Result<()>) -> Result<()> {
    let mut ops = OpReader::new(body);
    loop {
        match ops.next() {
            Ok(Some((op, _))) => each(&op)?,
            Ok(None) => return Ok(()),
            Err(()) => return Err(Error::new(ErrorKind::Corrupt, "the ops of a frame cannot be decoded")),
        }
    }
}
