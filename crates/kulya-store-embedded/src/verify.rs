//! Whether a log is what was written: every frame of every file, read and compared with its checksum.

use crate::folder::{Folder, LogName};
use crate::frame::LogEnd;
use crate::log_file::{Found, Frames};
use crate::recovery::{check_follows, check_next, each_compacted_frame, whole};
use kulya_store::Result;

/// What was read and found whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Log files.
    pub files: usize,
    /// Frames: what was written at one time.
    pub frames: u64,
    /// Bytes of all of it.
    pub bytes: u64,
}

/// Reads the log. Of the last file, what is written meanwhile may be seen in part: a frame there that is not whole is its
/// end.
pub(crate) fn verify(folder: &Folder, names: &[LogName]) -> Result<Verified> {
    let mut verified = Verified { files: names.len(), ..Verified::default() };
    let mut end = LogEnd::default();
    for (number, name) in names.iter().enumerate() {
        let mut frames = Frames::open(folder, *name)?;
        if let Some(before) = frames.before() {
            check_follows(&frames, before, end)?;
        }
        if name.is_compacted() {
            let mut count = 0;
            verified.bytes += each_compacted_frame(&mut frames, |frame| {
                count += 1;
                end = whole(frame, end).unwrap_or(end);
                Ok(())
            })?;
            verified.frames += count;
            continue;
        }
        let known = folder.known(*name).map_or(0, |known| known.bytes);
        loop {
            let position = frames.position;
            match frames.next()? {
                Found::Frame(frame) => {
                    check_next(&frame, end).map_err(|what| frames.damaged(position, &what))?;
                    end = frame.end.behind(end);
                    verified.frames += 1;
                }
                Found::End if position >= known => break,
                Found::Bad(_)
                    if number + 1 == names.len()
                        && position >= known
                        && frames.later(end.sequence)?.is_none() =>
                {
                    break;
                }
                Found::End | Found::Bad(_) => return Err(frames.damaged(position, "no whole frame is there")),
            }
        }
        verified.bytes += frames.position;
    }
    Ok(verified)
}
