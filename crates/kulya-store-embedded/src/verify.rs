//! Whether a log is what was written: every frame of every file, read and compared with its checksum.

use crate::log_name::LogName;
use crate::folder::Folder;
use crate::frame::LogEnd;
use crate::frame_reader::{NextFrame, FrameReader};
use crate::recovery::{check_follows, check_next, each_compacted_frame, whole};
use kulya_store::Result;

/// What was read and found whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Log files.
    pub files: usize,
    /// Frames: what was written at one time.
    pub frames: u64,
    /// Bytes of all of it.
    pub bytes: u64,
}

/// Reads the log. Of the last file, what is written meanwhile may be seen in part: a frame there that is not whole is its
/// end.
pub(crate) fn verify(folder: &Folder, names: &[LogName]) -> Result<VerifyReport> {
    let mut verified = VerifyReport { files: names.len(), ..VerifyReport::default() };
    let mut end = LogEnd::default();
    for (number, name) in names.iter().enumerate() {
        let mut frames = FrameReader::open(folder, *name)?;
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
        let known = folder.synced_file(*name).map_or(0, |known| known.bytes);
        loop {
            let position = frames.position;
            match frames.next()? {
                NextFrame::Frame(frame) => {
                    check_next(&frame, end).map_err(|what| frames.corrupt(position, &what))?;
                    end = frame.end.behind(end);
                    verified.frames += 1;
                }
                NextFrame::End if position >= known => break,
                NextFrame::Invalid(_)
                    if number + 1 == names.len()
                        && position >= known
                        && frames.later(end.sequence)?.is_none() =>
                {
                    break;
                }
                NextFrame::End | NextFrame::Invalid(_) => return Err(frames.corrupt(position, "no whole frame is there")),
            }
        }
        verified.bytes += frames.position;
    }
    Ok(verified)
}
