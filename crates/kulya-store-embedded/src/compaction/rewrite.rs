//! Writing one file for several.

use crate::error::{corrupt_log, disk_error, index_error};
use crate::extent::Extent;
use crate::log_name::LogName;
use super::keeping::OpFilter;
use crate::checkpoint;
use crate::disk::{LogFile, ReadFile, read_exact_at};
use crate::folder::Folder;
use crate::frame::{self, FILE_HEADER_BYTES, FileHeader, FrameKey, HEADER_BYTES, LogEnd};
use crate::index::{self, Index, IndexChange};
use crate::frame_reader::{NextFrame, FrameReader};
use crate::op::{self, Op, OpReader, SegmentKey};
use crate::plan::RUN_BYTES;
use crate::state::{self, LogInfo, Slot, State};
use kulya_store::{Error, ErrorKind, Result, WriterMarks, framing};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A frame takes no further op once it is this long.
const FRAME_BYTES: usize = 1 << 20;

/// A compacted file, and what it means for the index.
pub(crate) struct CompactedFile {
    pub(crate) info: LogInfo,
    pub(crate) changes: Vec<IndexChange>,
}

/// Writes the files of these numbers, neighbours in the log, anew as one whose number is `id`. On return it is there under
/// its name, for good; the old ones are there too.
pub(crate) fn compact(
    folder: &Folder,
    state: &RwLock<State>,
    files: &[(u32, LogName)],
    id: u32,
    writers: WriterMarks,
) -> Result<CompactedFile> {
    let bounds = || Some((files.first()?.1, files.last()?.1));
    let (first, last) = bounds().expect("something was chosen");
    let generation = files.iter().map(|(_, name)| name.generation).max().unwrap_or_default() + 1;
    let name = LogName { first: first.first, last: last.last, generation };
    let path = folder.log_path(name);
    let unfinished = path.with_extension("log.new");
    let written = Compaction::begin(folder, state, files, id, (name, &unfinished))
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
    let failed = |e| disk_error(&format!("cannot make {}", path.display()), e);
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
    /// The old files.
    files: &'a [(u32, LogName)],
    sources: BTreeMap<u32, Arc<dyn ReadFile>>,
    id: u32,
    output: CompactedFileWriter,
    live: u64,
    changes: Vec<IndexChange>,
    /// For each segment, between which offsets its events in these files begin.
    touched: BTreeMap<SegmentKey, (u64, u64)>,
}

impl<'a> Compaction<'a> {
    fn begin(
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
        let output = CompactedFileWriter::begin(folder, name, lock(state).files.end_before(name), path)?;
        let index = Arc::clone(&lock(state).index);
        let (changes, touched) = (Vec::new(), BTreeMap::new());
        Ok(Self { folder, state, index, files, sources, id, output, live: 0, changes, touched })
    }

    fn run(mut self, writers: WriterMarks, from_the_start: bool) -> Result<Written> {
        let mut facts = OpFilter::new(writers, from_the_start);
        self.look(&mut facts)?;
        self.write_changes(&mut facts)?;
        for (segment, (from, to)) in std::mem::take(&mut self.touched) {
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
        let length = self.output.end(&state, end)?;
        Ok(Written { length, live: self.live, end, changes: self.changes })
    }

    /// The first reading: what there is.
    fn look(&mut self, facts: &mut OpFilter) -> Result<()> {
        let mut touched = std::mem::take(&mut self.touched);
        let mut touch = |segment: SegmentKey, start: u64| {
            let (from, to) = touched.entry(segment).or_insert((start, start));
            *from = start.min(*from);
            *to = start.max(*to);
        };
        for (file, name) in self.files {
            each_frame(self.folder, *name, |body| {
                each_op(body, |op| {
                    facts.note(op);
                    match op {
                        Op::Append { segment, start, .. } => touch(*segment, *start),
                        Op::Stage { transaction, segment, place, .. } => {
                            let key = index::staged_key(*file, *transaction, *segment);
                            let start = self.index.get(&key).map_err(index_error)?;
                            if let Some(start) = start.as_deref().and_then(|start| start.try_into().ok()) {
                                touch(*segment, u64::from_be_bytes(start) + place);
                            }
                        }
                        _ => {}
                    }
                    Ok(())
                })
            })?;
        }
        self.touched = touched;
        Ok(())
    }

    /// The second reading: the changes of the catalog and the tables, in their order.
    fn write_changes(&mut self, facts: &mut OpFilter) -> Result<()> {
        for (_, name) in self.files {
            each_frame(self.folder, *name, |body| {
                let state = lock(self.state);
                each_op(body, |op| {
                    let Some(kept) = facts.kept(op, &state)? else { return Ok(()) };
                    self.output.op(&kept)?;
                    if let Op::Put { table, version, key, value } = kept {
                        self.live += Slot::size(key, value);
                        let stored = index::Stored::encode(version, self.id, value);
                        self.changes.push((index::entry_key(table, key), Some(stored)));
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// The events of a segment that begin between two offsets, both with it, as far as they are in these files and can
    /// still be read.
    fn write_events(&mut self, segment: SegmentKey, from: u64, to: u64) -> Result<()> {
        // what a deleted stream has left in the index is swept out
        let Some(head) = lock(self.state).segment_at(segment).map(|found| found.head) else { return Ok(()) };
        let mut removed = Vec::new();
        let mut extents = Vec::new();
        let first = self.index.last(&index::block_key(segment, 0), &index::block_key(segment, from));
        let first = first
            .map_err(index_error)?
            .map_or(index::block_key(segment, from), |(key, _)| key.to_vec());
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
                Some((begun, events))
                    if begun.end() == extent.start
                        && begun.time == extent.time
                        && u64::from(begun.length) + u64::from(extent.length) <= RUN_BYTES =>
                {
                    begun.length += extent.length;
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
        let position = self.output.op(&Op::Append { segment, start, time, checksum, events: &events })?;
        self.live += extent.size();
        Ok(Extent { file: self.id, position, checksum, ..extent })
    }

    /// An extent's bytes; damage must not be given a new checksum.
    fn read(&self, segment: SegmentKey, extent: &Extent) -> Result<Vec<u8>> {
        let name = self.files.iter().find(|(id, _)| *id == extent.file).map(|(_, name)| *name);
        let path = || name.map_or_else(PathBuf::new, |name| self.folder.log_path(name));
        let source = self.sources.get(&extent.file).expect("the extent was chosen by its file");
        let mut bytes = vec![0; extent.length as usize];
        read_exact_at(&**source, &mut bytes, extent.position)
            .map_err(|e| disk_error(&format!("cannot read {}", path().display()), e))?;
        if crc32c::crc32c(&bytes) != extent.checksum {
            let what = format!("the events of segment {} of stream {} there", segment.number, segment.stream);
            return Err(corrupt_log(&path(), extent.position, &format!("{what} are not what was written")));
        }
        Ok(bytes)
    }
}

/// A compacted file under construction.
pub(crate) struct CompactedFileWriter {
    log: Box<dyn LogFile>,
    path: PathBuf,
    key: FrameKey,
    frame: Vec<u8>,
    frames: u32,
    /// Events of the frame under construction.
    events: u64,
    /// Of this file's own frames, which count from 0.
    end: LogEnd,
    length: u64,
}

impl CompactedFileWriter {
    /// `before` is how the log goes on behind the file before it.
    pub(crate) fn begin(folder: &Folder, name: LogName, before: LogEnd, path: &Path) -> Result<Self> {
        let failed = |e| disk_error(&format!("cannot make {}", path.display()), e);
        let mut log = folder.disk.open_append(path, 0).map_err(failed)?;
        let key = folder.key();
        log.append(&FileHeader { key, name, before }.to_bytes()).map_err(failed)?;
        Ok(Self {
            log,
            path: path.to_owned(),
            key: FrameKey::new(key, name),
            frame: frame::begin(),
            frames: 0,
            events: 0,
            end: LogEnd::default(),
            length: FILE_HEADER_BYTES as u64,
        })
    }

    /// Writes an op; for events, gives where in the file they begin.
    pub(crate) fn op(&mut self, op: &Op<'_>) -> Result<u64> {
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

    /// Says that the file is whole, and how the log goes on behind it; on return it survives a power cut. Gives its length.
    pub(crate) fn end(&mut self, state: &State, end: LogEnd) -> Result<u64> {
        self.flush()?;
        let whole = Op::Footer {
            frames: self.frames,
            sequence: end.sequence,
            after: Some((end.chain, end.events)),
            version: state.version,
            last_transaction: state.last_transaction,
            next_stream: state.next_stream,
            next_table: state.next_table,
            time: state.time,
        };
        self.op(&whole)?;
        self.flush()?;
        self.log.sync().map_err(|e| disk_error(&format!("cannot sync {}", self.path.display()), e))?;
        Ok(self.length)
    }
}

fn lock(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the body of every frame of a file that is known to be whole.
fn each_frame(folder: &Folder, name: LogName, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut frames = FrameReader::open(folder, name)?;
    loop {
        let position = frames.position;
        match frames.next()? {
            NextFrame::Frame(frame) => each(&frame.body)?,
            NextFrame::End => return Ok(()),
            NextFrame::Invalid(_) => return Err(frames.corrupt(position, "no whole frame is there")),
        }
    }
}

fn each_op(body: &[u8], mut each: impl FnMut(&Op<'_>) -> Result<()>) -> Result<()> {
    let mut ops = OpReader::new(body);
    loop {
        match ops.next() {
            Ok(Some((op, _))) => each(&op)?,
            Ok(None) => return Ok(()),
            Err(()) => return Err(Error::new(ErrorKind::Corrupt, "a frame's ops cannot be read")),
        }
    }
}
