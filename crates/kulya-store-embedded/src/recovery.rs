//! Opening: the state of the last checkpoint, and the log behind it; or, when the index is lost or speaks of other files,
//! the whole log. Tells a torn tail (the last writes were never synced, nobody was told they were: cut them off) from a hole
//! (something acknowledged is damaged: refuse, and say where).

use crate::error::{corrupt_log, disk_error, index_error};
use crate::log_name::{LogName, LogPosition};
use crate::checkpoint::{self, Checkpoint};
use crate::folder::{self, Folder};
use crate::frame::LogEnd;
use crate::index::Index;
use crate::frame_reader::{NextFrame, Frame, FrameReader};
use crate::manifest::SyncedFile;
use crate::op::{Op, OpReader, SegmentKey};
use crate::state::{self, LogInfo, State};
use kulya_store::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

/// What was read, and where writing goes on.
pub(crate) struct Recovery {
    /// Its position is where writing goes on; everything behind is the torn end of a write.
    pub(crate) state: State,
    /// The last checkpoint; `None` when the index knows nothing.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Log files that others stand for: what a compaction has left behind. They are removed once the manifest has the others.
    pub(crate) left: Vec<LogName>,
}

/// Finds the store's state. The folder is not changed, but for its index.
pub(crate) fn recover(folder: &Folder, index: &Arc<dyn Index>) -> Result<Recovery> {
    let names = folder.list_logs()?;
    folder::check_complete(folder, &names)?;
    if let Ok(Some(state)) = checkpoint::load(index)
        && fits(folder, &state, &names)?
    {
        return replay_after_checkpoint(folder, state, &names);
    }
    index.clear().map_err(index_error)?;
    replay_all(folder, index, &names)
}

/// Whether every file that the index speaks of is there, with all that it had then.
fn fits(folder: &Folder, state: &State, names: &[LogName]) -> Result<bool> {
    let here = |info: &LogInfo| -> Result<bool> {
        let Some(file) = folder.read_log(info.name)? else { return Ok(false) };
        let path = folder.log_path(info.name);
        let length = file.length().map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        // the index may be older than what is known beside it
        let known = folder.synced_file(info.name).map_or(0, |known| known.bytes).max(info.bytes);
        if length < known {
            let what = format!("only {length} bytes of {known} that were synced are there");
            return Err(corrupt_log(&path, length, &what));
        }
        // another file under its name would be read where this one was
        FrameReader::open(folder, info.name)?;
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
fn replay_after_checkpoint(folder: &Folder, mut state: State, names: &[LogName]) -> Result<Recovery> {
    let (end, position) = (state.end, state.position);
    let (files, writers) = (state.files.clone(), state.writers.clone());
    let checkpoint = Some(Checkpoint { end, position, files, writers });
    let written = state.files.by_id.get(&position.file).map(|info| info.name).expect("it was looked for");
    let newer: Vec<LogName> = names.iter().filter(|name| name.first > written.last).copied().collect();
    let mut frames = FrameReader::open(folder, written)?;
    frames.seek(position.length);
    replay_file(folder, written, position.file, frames, newer.is_empty(), &mut state)?;
    let mut before = written;
    for (number, name) in newer.iter().enumerate() {
        if Some(name.first) != before.last.checked_add(1) {
            return Err(folder.missing_log(LogName::plain(before.last.saturating_add(1))));
        }
        let file = state.files.add(LogInfo::new(*name));
        let frames = begin(folder, *name, file, &mut state)?;
        replay_file(folder, *name, file, frames, number + 1 == newer.len(), &mut state)?;
        before = *name;
    }
    state.abort_open_transactions();
    let is_known = |name: &LogName| state.files.by_id.values().any(|info| info.name == *name);
    let left = names.iter().filter(|name| name.first <= written.last && !is_known(name)).copied().collect();
    Ok(Recovery { state, checkpoint, left })
}

/// Reads every frame of every file.
fn replay_all(folder: &Folder, index: &Arc<dyn Index>, names: &[LogName]) -> Result<Recovery> {
    let current = folder::current_logs(folder, names)?;
    let mut state = State::new(Arc::clone(index));
    let mut indexed = false;
    for (number, name) in current.iter().enumerate() {
        let file = state.files.add(LogInfo::new(*name));
        let frames = begin(folder, *name, file, &mut state)?;
        if name.is_compacted() {
            replay_compacted(frames, file, &mut state)?;
        } else {
            replay_file(folder, *name, file, frames, number + 1 == current.len(), &mut state)?;
        }
        if state.needs_checkpoint() {
            // not a checkpoint yet: it unsupported the sync of the last file, and what was staged is not known to be dead
            write_to_index(&mut state)?;
            indexed = true;
        }
    }
    state.abort_open_transactions();
    let compacted = current.iter().any(|name| name.is_compacted());
    if indexed || compacted {
        // extents came out of order: they are in order in the index
        write_to_index(&mut state)?;
        check_contiguous(&state)?;
    }
    let left = names.iter().filter(|name| !current.contains(name)).copied().collect();
    // the index has no checkpoint that counts until the log is synced: the store takes one then
    Ok(Recovery { state, checkpoint: None, left })
}

/// Lets the index learn what the state has found so far.
pub(crate) fn write_to_index(state: &mut State) -> Result<()> {
    let mut taken = checkpoint::take(state);
    taken.changes.retain(|(key, _)| key != crate::index::CHECKPOINT);
    for (file, bytes) in checkpoint::replaced(&*state.index, &taken).map_err(index_error)? {
        state.files.remove_live(file, bytes);
    }
    state.index.write(std::mem::take(&mut taken.changes)).map_err(index_error)?;
    checkpoint::forget(state, taken);
    Ok(())
}

/// Every segment's events must be there from its head to its tail.
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
                            "events of stream {name}, segment {number}, from offset {at} on are in no log file: restore the folder from a copy, or give them up with kulya store repair"
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Opens a file that is read from its beginning: it must go on where the one before it has ended.
fn begin(folder: &Folder, name: LogName, file: u32, state: &mut State) -> Result<FrameReader> {
    let frames = FrameReader::open(folder, name)?;
    if let Some(before) = frames.before() {
        check_follows(&frames, before, state.end)?;
        state.files.frame(file, frames.position);
    }
    Ok(frames)
}

/// Whether a file goes on where the one before it has ended.
pub(crate) fn check_follows(frames: &FrameReader, before: LogEnd, end: LogEnd) -> Result<()> {
    if (before.sequence, before.chain) == (end.sequence, end.chain) {
        return Ok(());
    }
    let what = if before.sequence == end.sequence {
        "it goes on behind another file than the one before it: one of the two was exchanged".to_owned()
    } else {
        format!(
            "it goes on behind frame {}, and the file before it ends with frame {}",
            before.sequence, end.sequence
        )
    };
    Err(frames.corrupt(0, &what))
}

/// Whether a frame goes on where the one before it has ended; else, what is wrong.
pub(crate) fn check_next(frame: &Frame, end: LogEnd) -> std::result::Result<(), String> {
    let Frame { end: found, previous, .. } = frame;
    if found.sequence != end.sequence + 1 {
        return Err(format!("frame {} follows frame {}", found.sequence, end.sequence));
    }
    match previous {
        Some(previous) if *previous != end.chain => Err(format!(
            "frame {} was not written behind the frame {} that is there",
            found.sequence, end.sequence
        )),
        _ => Ok(()),
    }
}

/// Reads a file as it was written, from a position on; the state's position then is behind the last whole frame.
fn replay_file(
    folder: &Folder,
    name: LogName,
    file: u32,
    mut frames: FrameReader,
    is_last: bool,
    state: &mut State,
) -> Result<()> {
    // what was known before the place from which on it is read was looked at then
    let known = folder.synced_file(name).filter(|known| known.bytes >= frames.position);
    let mut is_known = known.is_none();
    let is_whole = loop {
        let position = frames.position;
        if let Some(known) = known.filter(|known| known.bytes == position) {
            is_known = (known.end.sequence, known.end.chain) == (state.end.sequence, state.end.chain);
        }
        let frame = match frames.next()? {
            NextFrame::Frame(frame) => frame,
            NextFrame::End => break true,
            NextFrame::Invalid(_) => break false,
        };
        check_next(&frame, state.end)
            .and_then(|()| apply(&frame.body, file, frame.body_at, state))
            .map_err(|what| frames.corrupt(position, &what))?;
        state.files.frame(file, frame.header_bytes);
        state.end = frame.end.behind(state.end);
    };
    let length = frames.position;
    if let Some(known) = known.filter(|known| length < known.bytes) {
        let SyncedFile { bytes, end, .. } = known;
        let what = format!("{bytes} bytes of the file were synced, with frame {} at their end", end.sequence);
        return Err(frames.corrupt(length, &what));
    }
    if !is_known {
        return Err(
            frames.corrupt(length, "it is not the file that was there: what was synced ended otherwise")
        );
    }
    if !is_whole {
        if let Some(later) = frames.later(state.end.sequence)? {
            let what = format!("frames that were synced later follow it at byte {later}");
            return Err(frames.corrupt(length, &what));
        }
        if !is_last {
            return Err(frames.corrupt(length, "later log files follow it"));
        }
    }
    state.set_position(LogPosition { file, length }, state.end);
    Ok(())
}

/// Reads a file that was compacted, which is whole or damaged; the state's position then is its end.
fn replay_compacted(mut frames: FrameReader, file: u32, state: &mut State) -> Result<()> {
    let mut end = state.end;
    let length = each_compacted_frame(&mut frames, |frame| {
        end = whole(frame, end).unwrap_or(end);
        apply(&frame.body, file, frame.body_at, state)
    })?;
    state.set_position(LogPosition { file, length }, end);
    let info = state.files.by_id.get_mut(&file).expect("it was added to be read");
    info.overhead = info.bytes.saturating_sub(info.live);
    Ok(())
}

/// How the log goes on behind a compacted file, if this is its last frame; `before` is how it stood before.
pub(crate) fn whole(frame: &Frame, before: LogEnd) -> Option<LogEnd> {
    match OpReader::new(&frame.body).next() {
        Ok(Some((Op::Footer { sequence, after, .. }, _))) => {
            let (chain, events) = after.unwrap_or((frame.end.chain, before.events));
            Some(LogEnd { sequence, chain, events })
        }
        _ => None,
    }
}

/// Gives every frame of a compacted file; an error when the file is not whole. Gives where it ends.
pub(crate) fn each_compacted_frame(
    frames: &mut FrameReader,
    mut each: impl FnMut(&Frame) -> std::result::Result<(), String>,
) -> Result<u64> {
    // of a file of format 2 the first frame has number 0, and of one of this format number 1
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
            _ => return Err(frames.corrupt(position, "it was compacted, and is not what was written then")),
        };
        chain = frame.end.chain;
        if let Ok(Some((Op::Footer { frames: before, .. }, _))) = OpReader::new(&frame.body).next() {
            ended = u64::from(before) == number;
        }
        each(&frame).map_err(|what| frames.corrupt(position, &what))?;
    }
    Ok(frames.position)
}

/// Takes over the ops of a frame; `position` is that of its body.
fn apply(body: &[u8], file: u32, position: u64, state: &mut State) -> std::result::Result<(), String> {
    let mut ops = OpReader::new(body);
    while let Some((op, at)) = ops.next().map_err(|()| "its checksum is right but its ops cannot be read")? {
        state.apply(&op, file, position + at as u64)?;
    }
    Ok(())
}
