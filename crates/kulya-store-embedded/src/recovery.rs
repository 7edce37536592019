//! Recovery: loads the state of the last checkpoint and replays the log after it, or the whole log if the
//! index is lost or refers to other files. Distinguishes a torn tail (the last writes were never synced nor
//! acknowledged: they are truncated) from damage of acknowledged data (the store does not open, and the
//! error has the position).

use crate::checkpoint::{self, Checkpoint, StagedChunks};
use crate::error::{corrupt_log, disk_error, index_error};
use crate::folder::{self, Folder};
use crate::frame::LogEnd;
use crate::frame_reader::{Frame, FrameReader, NextFrame};
use crate::index::Index;
use crate::log_name::{LogName, LogPosition};
use crate::manifest::SyncedFile;
use crate::op::{Op, OpReader, SegmentKey};
use crate::state::{LogInfo, State};
use kulya_store::{Error, ErrorKind, Result};
use std::sync::Arc;

/// The result of a recovery.
pub(crate) struct Recovery {
    /// The recovered state, whose position is where writing continues; what follows is a torn write.
    pub(crate) state: State,
    /// The last checkpoint; `None` if the index has none.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Log files that compacted ones replace, to be removed once the manifest lists the latter.
    pub(crate) obsolete: Vec<LogName>,
}

/// Recovers the state of a store. Only the index in the folder is changed.
///
/// # Errors
/// `Corrupt` if the log is damaged or a file is missing.
pub(crate) fn recover(folder: &Folder, index: &Arc<dyn Index>) -> Result<Recovery> {
    let names = folder.list_logs()?;
    folder::check_complete(folder, &names)?;
    if let Ok(Some(state)) = checkpoint::load(index)
        && index_matches(folder, &state, &names)?
    {
        return replay_after_checkpoint(folder, state, &names);
    }
    index.clear().map_err(index_error)?;
    replay_all(folder, index, &names)
}

/// Returns whether every file that the index refers to exists and is complete.
fn index_matches(folder: &Folder, state: &State, names: &[LogName]) -> Result<bool> {
    let exists = |info: &LogInfo| -> Result<bool> {
        let Some(file) = folder.read_log(info.name)? else { return Ok(false) };
        let path = folder.log_path(info.name);
        let length = file.length().map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        // the manifest may be newer than the index
        let synced = folder.synced_file(info.name).map_or(0, |file| file.bytes).max(info.bytes);
        if length < synced {
            let message = format!("only {length} of {synced} synced bytes exist");
            return Err(corrupt_log(&path, length, &message));
        }
        // a different file under its name would be read in its place
        FrameReader::open(folder, info.name)?;
        Ok(true)
    };
    for info in state.files.by_id.values() {
        if !exists(info)? {
            return Ok(false);
        }
    }
    let Some(current) = state.files.by_id.get(&state.position.file) else { return Ok(false) };
    let indexed = state.files.in_order();
    let is_last = indexed.last().is_some_and(|(id, _)| *id == state.position.file);
    let follows = |name: &LogName| name.first > current.name.last && !name.is_compacted();
    let is_indexed = |name: &LogName| indexed.iter().any(|(_, info)| info.name == *name);
    // left over from a compaction, before or after the index was updated
    let is_obsolete = |name: &LogName| {
        indexed.iter().any(|(_, info)| info.name.replaces(*name) || name.replaces(info.name))
    };
    // a compacted file that the index does not know is fine as long as the original files exist
    Ok(is_last && names.iter().all(|name| is_indexed(name) || follows(name) || is_obsolete(name)))
}

/// Replays the log after a checkpoint.
fn replay_after_checkpoint(folder: &Folder, mut state: State, names: &[LogName]) -> Result<Recovery> {
    let (end, position) = (state.end, state.position);
    let (files, writers) = (state.files.clone(), state.writers.clone());
    let staged = StagedChunks::of(&state);
    let checkpoint = Some(Checkpoint { end, position, files, writers, staged });
    let current =
        state.files.by_id.get(&position.file).map(|info| info.name).expect("the index matches the folder");
    let newer: Vec<LogName> = names.iter().filter(|name| name.first > current.last).copied().collect();
    let mut frames = FrameReader::open(folder, current)?;
    frames.seek(position.length);
    replay_file(folder, current, position.file, frames, newer.is_empty(), &mut state)?;
    let mut previous = current;
    for (number, name) in newer.iter().enumerate() {
        if Some(name.first) != previous.last.checked_add(1) {
            return Err(folder.missing_log(LogName::plain(previous.last.saturating_add(1))));
        }
        let file = state.files.add(LogInfo::new(*name));
        let frames = open_next_file(folder, *name, file, &mut state)?;
        replay_file(folder, *name, file, frames, number + 1 == newer.len(), &mut state)?;
        previous = *name;
    }
    state.abort_open_transactions();
    let is_known = |name: &LogName| state.files.by_id.values().any(|info| info.name == *name);
    let obsolete =
        names.iter().filter(|name| name.first <= current.last && !is_known(name)).copied().collect();
    Ok(Recovery { state, checkpoint, obsolete })
}

/// Replays every frame of every file.
fn replay_all(folder: &Folder, index: &Arc<dyn Index>, names: &[LogName]) -> Result<Recovery> {
    let current = folder::current_logs(folder, names)?;
    let mut state = State::new(Arc::clone(index));
    let mut is_indexed = false;
    for (number, name) in current.iter().enumerate() {
        let file = state.files.add(LogInfo::new(*name));
        let frames = open_next_file(folder, *name, file, &mut state)?;
        if name.is_compacted() {
            replay_compacted(frames, file, &mut state)?;
        } else {
            replay_file(folder, *name, file, frames, number + 1 == current.len(), &mut state)?;
        }
        if state.needs_checkpoint() {
            // not a checkpoint yet: the last file is not synced, and staged events may be dead
            write_to_index(&mut state)?;
            is_indexed = true;
        }
    }
    state.abort_open_transactions();
    let has_compacted = current.iter().any(|name| name.is_compacted());
    if is_indexed || has_compacted {
        // extents were read out of order; the index sorts them
        write_to_index(&mut state)?;
        check_contiguous(&state)?;
    }
    let obsolete = names.iter().filter(|name| !current.contains(name)).copied().collect();
    // the store takes the first checkpoint once the log is synced
    Ok(Recovery { state, checkpoint: None, obsolete })
}

/// Writes to the index what is only in the state.
pub(crate) fn write_to_index(state: &mut State) -> Result<()> {
    let mut pending = checkpoint::prepare(state);
    for (file, bytes) in checkpoint::replaced_entries(&*state.index, &pending).map_err(index_error)? {
        state.files.remove_live(file, bytes);
    }
    state.index.write(std::mem::take(&mut pending.changes)).map_err(index_error)?;
    checkpoint::drop_indexed(state, pending);
    Ok(())
}

/// Checks that the extents of every segment are contiguous from head to tail.
fn check_contiguous(state: &State) -> Result<()> {
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
                            "events of stream {name}, segment {number}, from offset {at} on are missing from the log: restore the folder from a backup, or drop them with kulya store repair"
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Opens a file that is replayed from its start, and checks that it continues the file before it.
fn open_next_file(folder: &Folder, name: LogName, file: u32, state: &mut State) -> Result<FrameReader> {
    let frames = FrameReader::open(folder, name)?;
    if let Some(before) = frames.before() {
        check_follows(&frames, before, state.end)?;
        state.files.add_framing(file, frames.position);
    }
    Ok(frames)
}

/// Checks that a file continues the file before it.
pub(crate) fn check_follows(frames: &FrameReader, before: LogEnd, end: LogEnd) -> Result<()> {
    if (before.sequence, before.chain) == (end.sequence, end.chain) {
        return Ok(());
    }
    let message = if before.sequence == end.sequence {
        "it continues a file other than the one before it: one of the two was replaced".to_owned()
    } else {
        format!(
            "it continues frame {}, but the file before it ends with frame {}",
            before.sequence, end.sequence
        )
    };
    Err(frames.corrupt(0, &message))
}

/// Checks that a frame continues the frame before it; the error is a message.
pub(crate) fn check_next(frame: &Frame, end: LogEnd) -> std::result::Result<(), String> {
    let Frame { end: found, previous, .. } = frame;
    if found.sequence != end.sequence + 1 {
        return Err(format!("frame {} follows frame {}", found.sequence, end.sequence));
    }
    match previous {
        Some(previous) if *previous != end.chain => {
            Err(format!("frame {} does not continue frame {}", found.sequence, end.sequence))
        }
        _ => Ok(()),
    }
}

/// Replays a file that is not compacted from a position on. Sets the state's position after the last
/// complete frame.
fn replay_file(
    folder: &Folder,
    name: LogName,
    file: u32,
    mut frames: FrameReader,
    is_last: bool,
    state: &mut State,
) -> Result<()> {
    // what is known of the part before the position was checked when that part was read
    let synced = folder.synced_file(name).filter(|file| file.bytes >= frames.position);
    let mut end_matches = synced.is_none();
    let is_complete = loop {
        let position = frames.position;
        if let Some(file) = synced.filter(|file| file.bytes == position) {
            end_matches = (file.end.sequence, file.end.chain) == (state.end.sequence, state.end.chain);
        }
        let frame = match frames.next()? {
            NextFrame::Frame(frame) => frame,
            NextFrame::End => break true,
            NextFrame::Invalid(_) => break false,
        };
        check_next(&frame, state.end)
            .and_then(|()| apply(&frame.body, file, frame.body_at, state))
            .map_err(|message| frames.corrupt(position, &message))?;
        state.files.add_framing(file, frame.header_bytes);
        state.end = frame.end.after(state.end);
    };
    let length = frames.position;
    if let Some(file) = synced.filter(|file| length < file.bytes) {
        let SyncedFile { bytes, end, .. } = file;
        let message = format!("{bytes} bytes of the file were synced, up to frame {}", end.sequence);
        return Err(frames.corrupt(length, &message));
    }
    if !end_matches {
        return Err(frames.corrupt(length, "it is not the original file: the synced part ended differently"));
    }
    if !is_complete {
        if let Some(later) = frames.find_synced_after(state.end.sequence)? {
            let message = format!("frames that were synced later follow at byte {later}");
            return Err(frames.corrupt(length, &message));
        }
        if !is_last {
            return Err(frames.corrupt(length, "later log files follow"));
        }
    }
    state.set_position(LogPosition { file, length }, state.end);
    Ok(())
}

/// Replays a compacted file. Sets the state's position to its end.
fn replay_compacted(mut frames: FrameReader, file: u32, state: &mut State) -> Result<()> {
    let mut end = state.end;
    let length = each_compacted_frame(&mut frames, |frame| {
        end = footer_log_end(frame, end).unwrap_or(end);
        apply(&frame.body, file, frame.body_at, state)
    })?;
    state.set_position(LogPosition { file, length }, end);
    let info = state.files.by_id.get_mut(&file).expect("the file was added before reading");
    info.overhead = info.bytes.saturating_sub(info.live);
    Ok(())
}

/// Returns the log end after a compacted file, if this frame is its footer; `before` is the log end before
/// the file.
pub(crate) fn footer_log_end(frame: &Frame, before: LogEnd) -> Option<LogEnd> {
    match OpReader::new(&frame.body).next() {
        Ok(Some((Op::Footer { sequence, log_end, .. }, _))) => {
            let (chain, events) = log_end.unwrap_or((frame.end.chain, before.events));
            Some(LogEnd { sequence, chain, events })
        }
        _ => None,
    }
}

/// Calls `each` with every frame of a compacted file, and returns the position of its end.
///
/// # Errors
/// `Corrupt` if the file is not complete.
pub(crate) fn each_compacted_frame(
    frames: &mut FrameReader,
    mut each: impl FnMut(&Frame) -> std::result::Result<(), String>,
) -> Result<u64> {
    // the first frame has number 0 in format 2 and number 1 in the current one
    let first = u64::from(frames.before().is_some());
    let mut chain = 0;
    let mut ended = false;
    for number in 0.. {
        let position = frames.position;
        let frame = match frames.next()? {
            NextFrame::Frame(frame)
                if frame.end.sequence == number + first
                    && frame.previous.is_none_or(|previous| previous == chain)
                    && !ended =>
            {
                frame
            }
            NextFrame::End if ended => return Ok(position),
            _ => return Err(frames.corrupt(position, "the compacted file is damaged")),
        };
        chain = frame.end.chain;
        if let Ok(Some((Op::Footer { frames: before, .. }, _))) = OpReader::new(&frame.body).next() {
            ended = u64::from(before) == number;
        }
        each(&frame).map_err(|message| frames.corrupt(position, &message))?;
    }
    Ok(frames.position)
}

/// Applies the ops of a frame; `position` is that of its body.
fn apply(body: &[u8], file: u32, position: u64, state: &mut State) -> std::result::Result<(), String> {
    let mut ops = OpReader::new(body);
    while let Some((op, at)) =
        ops.next().map_err(|()| "its ops cannot be decoded although its checksum is valid")?
    {
        state.apply(&op, file, position + at as u64)?;
    }
    Ok(())
}
