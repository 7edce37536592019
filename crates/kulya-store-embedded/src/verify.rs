//! Whether a log is what was written: every frame of every file, read and compared with its checksum.

use crate::folder::{Folder, LogName, from_io};
use crate::frame::Found;
use crate::recovery::{Frames, damaged, each_compacted_frame};
use kulya_store::{Error, ErrorKind, Result};

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
        let path = folder.log(*name);
        if name.is_compacted() {
            let mut frames = 0;
            verified.bytes += each_compacted_frame(folder, *name, |body, _| {
                frames += 1;
                sequence = crate::recovery::whole(body).or(sequence);
                Ok(())
            })?;
            verified.frames += frames;
            continue;
        }
        let gone = || Error::new(ErrorKind::Corrupt, format!("log file {} is missing", path.display()));
        let mut frames = Frames::open(folder, *name, 0)?.ok_or_else(gone)?;
        loop {
            let position = frames.position;
            match frames.next().map_err(|e| from_io(&format!("cannot read {}", path.display()), e))? {
                Found::Frame { sequence: found, .. } => {
                    if sequence.is_some_and(|before| found != before + 1) {
                        return Err(damaged(&path, position, &format!("frame {found} is not the next one")));
                    }
                    sequence = Some(found);
                    verified.frames += 1;
                }
                Found::End => break,
                Found::Bad if number + 1 == names.len() && frames.is_torn()? => break,
                Found::Bad => return Err(damaged(&path, position, "no whole frame is there")),
            }
        }
        verified.bytes += frames.position;
    }
    Ok(verified)
}
