//! Whether a log is what was written: every frame of every file, read and compared with its checksum.

use crate::folder::{Folder, LogName};
use crate::frame::Found;
use crate::recovery::{Frames, each_compacted_frame, whole};
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
    let mut sequence = None;
    for (number, name) in names.iter().enumerate() {
        if name.is_compacted() {
            let mut frames = 0;
            verified.bytes += each_compacted_frame(folder, *name, |body, _| {
                frames += 1;
                sequence = whole(body).or(sequence);
                Ok(())
            })?;
            verified.frames += frames;
            continue;
        }
        let mut frames = Frames::open(folder, *name, 0)?;
        loop {
            let position = frames.position;
            match frames.next()? {
                Found::Frame { sequence: found, .. } => {
                    if sequence.is_some_and(|before| found != before + 1) {
                        return Err(frames.damaged(position, &format!("frame {found} is not the next one")));
                    }
                    sequence = Some(found);
                    verified.frames += 1;
                }
                Found::End => break,
                Found::Bad if number + 1 == names.len() && frames.later(0)?.is_none() => break,
                Found::Bad => return Err(frames.damaged(position, "no whole frame is there")),
            }
        }
        verified.bytes += frames.position;
    }
    Ok(verified)
}
