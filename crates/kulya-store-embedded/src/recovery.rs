//! Opening: the state of the last checkpoint, and the log behind it; or, when the index is lost or speaks of other files,
//! the whole log. Tells a torn tail (the last writes were never synced, nobody was told they were: cut them off) from a hole
//! (something acknowledged is damaged: refuse, and say where).

use crate::checkpoint::{self, Checkpoint, Position};
use crate::disk::{ReadFile, Sequential};
use crate::folder::{self, Folder, LogName, from_io};
use crate::frame::{self, Found, HEADER_BYTES};
use crate::index::Index;
use crate::op::{Op, Reader, SegmentKey};
use crate::state::{self, LogInfo, State};
use kulya_store::{Error, ErrorKind, Result};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was read, and where writing goes on.
pub(crate) struct Recovered {
    /// Its position is where writing goes on; everything behind is the torn end of a write.
    pub(crate) state: State,
    /// The last checkpoint; `None` when the index knows nothing.
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// Finds the store's state.
pub(crate) fn recover(folder: &Folder, index: &Arc<dyn Index>) -> Result<Recovered> {
    let names = folder.logs()?;
    if let Ok(Some(state)) = checkpoint::load(index)
        && fits(folder, &state, &names)?
    {
        return go_on(folder, state, &names);
    }
    index.clear().map_err(state::index_failed)?;
    read_all(folder, index, &names)
}

/// Whether every file that the index speaks of is there, with all that it had then.
fn fits(folder: &Folder, state: &State, names: &[LogName]) -> Result<bool> {
    let here = |info: &LogInfo| -> Result<bool> {
        let Some(file) = folder.read_log(info.name)? else { return Ok(false) };
        let path = folder.log(info.name);
        let length = file.length().map_err(|e| from_io(&format!("cannot read {}", path.display()), e))?;
        if length < info.bytes {
            let what = format!("only {length} bytes of {} that were synced are there", info.bytes);
            return Err(damaged(&path, length, &what));
        }
        Ok(true)
    };
    for info in state.files.by_id.values() {
        if !here(info)? {
            return Ok(false);
        }
    }
    let Some(written) = state.files.by_id.get(&state.position.file) else { return Ok(false) };
    let spoken = state.files.in_order();
    let is_last = spoken.last().is_some_and(|(id, _)| *id == state.position.file);
    let follows = |name: &LogName| name.first > written.name.last && !name.is_compacted();
    let known = |name: &LogName| spoken.iter().any(|(_, info)| info.name == *name);
    // what a compaction has left behind, before or after the index learned of it
    let is_left =
        |name: &LogName| spoken.iter().any(|(_, info)| info.name.replaces(*name) || name.replaces(info.name));
    // a file that stands for what the index knows by other names: fine as long as these are there
    Ok(is_last && names.iter().all(|name| known(name) || follows(name) || is_left(name)))
}

/// Reads the log behind a checkpoint.
fn go_on(folder: &Folder, mut state: State, names: &[LogName]) -> Result<Recovered> {
    let (sequence, position) = (state.sequence, state.position);
    let (files, writers) = (state.files.clone(), state.writers.clone());
    let checkpoint = Some(Checkpoint { sequence, position, files, writers });
    let written = state.files.by_id.get(&position.file).map(|info| info.name).expect("it was looked for");
    let newer: Vec<LogName> = names.iter().filter(|name| name.first > written.last).copied().collect();
    read_plain(folder, written, position, newer.is_empty(), &mut state)?;
    let mut before = written;
    for (number, name) in newer.iter().enumerate() {
        if Some(name.first) != before.last.checked_add(1) {
            return Err(folder.missing(LogName::plain(before.last.saturating_add(1))));
        }
        let start = Position { file: state.files.add(LogInfo::new(*name)), length: 0 };
        read_plain(folder, *name, start, number + 1 == newer.len(), &mut state)?;
        before = *name;
    }
    state.forget_staged();
    for name in names.iter().filter(|name| name.first <= written.last) {
        if !state.files.by_id.values().any(|info| info.name == *name) {
            folder.remove_log(*name)?;
        }
    }
    Ok(Recovered { state, checkpoint })
}

/// Reads every frame of every file.
fn read_all(folder: &Folder, index: &Arc<dyn Index>, names: &[LogName]) -> Result<Recovered> {
    let current = folder::current(folder, names)?;
    let mut state = State::new(Arc::clone(index));
    let mut indexed = false;
    for (number, name) in current.iter().enumerate() {
        let start = Position { file: state.files.add(LogInfo::new(*name)), length: 0 };
        if name.is_compacted() {
            read_compacted(folder, *name, start.file, &mut state)?;
        } else {
            read_plain(folder, *name, start, number + 1 == current.len(), &mut state)?;
        }
        if state.is_crowded() {
            // not a checkpoint yet: it lacks the sync of the last file, and what was staged is not known to be dead
            learn(&mut state)?;
            indexed = true;
        }
    }
    state.forget_staged();
    if current.last().is_none_or(|name| name.is_compacted()) {
        // an empty folder, or a crash between the end of one file and the beginning of the next
        let number = current.last().map_or(Some(0), |name| name.last.checked_add(1));
        let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "the log has no file numbers left"))?;
        let file = state.files.add(LogInfo::new(LogName::plain(number)));
        state.position = Position { file, length: 0 };
    }
    let compacted = current.iter().any(|name| name.is_compacted());
    if indexed || compacted {
        // extents came out of order: they are in order in the index
        learn(&mut state)?;
        check_dense(&state)?;
    }
    for name in names.iter().filter(|name| !current.contains(name)) {
        folder.remove_log(*name)?;
    }
    // the index has no checkpoint that counts until the log is synced: the store takes one then
    Ok(Recovered { state, checkpoint: None })
}

/// Lets the index learn what the state has found so far.
pub(crate) fn learn(state: &mut State) -> Result<()> {
    let mut taken = checkpoint::take(state);
    taken.changes.retain(|(key, _)| key != crate::index::CHECKPOINT);
    for (file, bytes) in checkpoint::replaced(&*state.index, &taken).map_err(state::index_failed)? {
        state.files.lose(file, bytes);
    }
    state.index.write(std::mem::take(&mut taken.changes)).map_err(state::index_failed)?;
    checkpoint::forget(state, taken);
    Ok(())
}

/// Every segment's events must be there from its head to its tail.
fn check_dense(state: &State) -> Result<()> {
    for (name, stream) in &state.streams {
        for (number, segment) in (0u32..).zip(&stream.segments) {
            let key = SegmentKey { stream: stream.id, number };
            let mut at = segment.head;
            while at < segment.tail {
                let extents = state.extents(key, segment, at, 1 << 20)?;
                for extent in &extents {
                    if extent.start > at {
                        break;
                    }
                    at = at.max(extent.end());
                }
                if extents.first().is_none_or(|extent| extent.start > at || extent.end() > at) {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!(
                            "events of stream {name}, segment {number}, from offset {at} on are in no log file: restore the folder from a copy, or give them up with kulya store repair"
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// A log file read frame by frame.
pub(crate) struct Frames {
    path: PathBuf,
    file: Arc<dyn ReadFile>,
    input: BufReader<Sequential>,
    /// Behind the last frame.
    pub(crate) position: u64,
}

impl Frames {
    pub(crate) fn open(folder: &Folder, name: LogName, position: u64) -> Result<Self> {
        let file = folder.open_log(name)?;
        let input = Sequential { file: Arc::clone(&file), offset: position };
        Ok(Self { path: folder.log(name), file, input: BufReader::with_capacity(1 << 20, input), position })
    }

    fn failed(&self, error: io::Error) -> Error {
        from_io(&format!("cannot read {}", self.path.display()), error)
    }

    /// What stands at the position, which moves behind it when it is a frame.
    pub(crate) fn next(&mut self) -> Result<Found> {
        let found = frame::read(&mut self.input).map_err(|e| self.failed(e))?;
        if let Found::Frame { body, .. } = &found {
            self.position += (HEADER_BYTES + body.len()) as u64;
        }
        Ok(found)
    }

    /// What is not a whole frame at the position is the end of a write that was never synced, unless a frame follows it that
    /// was synced after the one of this sequence: gives where that begins.
    pub(crate) fn later(&self, sequence: u64) -> Result<Option<u64>> {
        let mut rest = Vec::new();
        let mut input = Sequential { file: Arc::clone(&self.file), offset: self.position };
        input.read_to_end(&mut rest).map_err(|e| self.failed(e))?;
        Ok(frame::later_frame(&rest, sequence).map(|later| self.position + later as u64))
    }

    pub(crate) fn damaged(&self, position: u64, what: &str) -> Error {
        damaged(&self.path, position, what)
    }
}

/// Reads a file as it was written, from a position on; the state's position then is behind the last whole frame.
fn read_plain(
    folder: &Folder,
    name: LogName,
    from: Position,
    is_last: bool,
    state: &mut State,
) -> Result<()> {
    let mut frames = Frames::open(folder, name, from.length)?;
    let is_whole = loop {
        let position = frames.position;
        let (sequence, body) = match frames.next()? {
            Found::Frame { sequence, body, .. } => (sequence, body),
            Found::End => break true,
            Found::Bad => break false,
        };
        if sequence != state.sequence + 1 {
            let what = format!("frame {sequence} follows frame {}", state.sequence);
            return Err(frames.damaged(position, &what));
        }
        apply(&body, from.file, position + HEADER_BYTES as u64, state)
            .map_err(|what| frames.damaged(position, &what))?;
        state.files.frame(from.file);
        state.sequence = sequence;
    };
    let length = frames.position;
    if !is_whole {
        if let Some(later) = frames.later(state.sequence)? {
            let what = format!("frames that were synced later follow it at byte {later}");
            return Err(frames.damaged(length, &what));
        }
        if !is_last {
            return Err(frames.damaged(length, "later log files follow it"));
        }
    }
    state.move_to(Position { length, ..from });
    Ok(())
}

/// Reads a file that was compacted, which is whole or damaged; the state's position then is its end.
fn read_compacted(folder: &Folder, name: LogName, file: u32, state: &mut State) -> Result<()> {
    let mut end = None;
    let length = each_compacted_frame(folder, name, |body, position| {
        end = whole(body).or(end);
        apply(body, file, position, state)
    })?;
    if let Some(sequence) = end {
        state.sequence = sequence;
    }
    state.move_to(Position { file, length });
    let info = state.files.by_id.get_mut(&file).expect("it was added to be read");
    info.overhead = info.bytes.saturating_sub(info.live);
    Ok(())
}

/// The last sequence of what a file was compacted from, if this is its last frame.
pub(crate) fn whole(body: &[u8]) -> Option<u64> {
    match Reader::new(body).next() {
        Ok(Some((Op::Whole { sequence, .. }, _))) => Some(sequence),
        _ => None,
    }
}

/// Gives every frame of a compacted file, with the position of its body; an error when the file is not whole.
pub(crate) fn each_compacted_frame(
    folder: &Folder,
    name: LogName,
    mut each: impl FnMut(&[u8], u64) -> std::result::Result<(), String>,
) -> Result<u64> {
    let mut frames = Frames::open(folder, name, 0)?;
    let mut ended = false;
    for number in 0.. {
        let position = frames.position;
        let body = match frames.next()? {
            Found::Frame { sequence, body, .. } if sequence == number && !ended => body,
            Found::End if ended => return Ok(position),
            _ => return Err(frames.damaged(position, "it was compacted, and is not what was written then")),
        };
        if let Ok(Some((Op::Whole { frames: before, .. }, _))) = Reader::new(&body).next() {
            ended = u64::from(before) == number;
        }
        each(&body, position + HEADER_BYTES as u64).map_err(|what| frames.damaged(position, &what))?;
    }
    Ok(frames.position)
}

/// Takes over the ops of a frame; `position` is that of its body.
fn apply(body: &[u8], file: u32, position: u64, state: &mut State) -> std::result::Result<(), String> {
    let mut ops = Reader::new(body);
    while let Some((op, at)) = ops.next().map_err(|()| "its checksum is right but its ops cannot be read")? {
        state.apply(&op, file, position + at as u64)?;
    }
    Ok(())
}

pub(crate) fn damaged(path: &Path, position: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "log file {} is damaged at byte {position}: {what}; nothing was changed: restore the folder from a copy, or give up what is damaged with kulya store repair",
            path.display()
        ),
    )
}
