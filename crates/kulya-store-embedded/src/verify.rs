//! Verification: reads every frame of every log file and checks its checksum.

use crate::folder::Folder;
use crate::frame::LogEnd;
use crate::frame_reader::{FrameReader, NextFrame};
use crate::log_name::LogName;
use crate::recovery::{check_follows, check_next, each_compacted_frame, footer_log_end};
use kulya_store::Result;

/// The result of a verification without damage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// The number of log files.
    pub files: usize,
    /// The number of frames; each is one group commit.
    pub frames: u64,
    /// The size of the log, in bytes.
    pub bytes: u64,
}

/// Verifies the log. The last file may be written meanwhile: an incomplete frame is its end.
///
/// # Errors
/// `Corrupt` if anything is damaged.
pub(crate) fn verify(folder: &Folder, names: &[LogName]) -> Result<VerifyReport> {
    let mut report = VerifyReport { files: names.len(), ..VerifyReport::default() };
    let mut end = LogEnd::default();
    for (number, name) in names.iter().enumerate() {
        let mut frames = FrameReader::open(folder, *name)?;
        if let Some(before) = frames.before() {
            check_follows(&frames, before, end)?;
        }
        if name.is_compacted() {
            let mut count = 0;
            report.bytes += each_compacted_frame(&mut frames, |frame| {
                count += 1;
                end = footer_log_end(frame, end).unwrap_or(end);
                Ok(())
            })?;
            report.frames += count;
            continue;
        }
        let synced = folder.synced_file(*name).map_or(0, |file| file.bytes);
        loop {
            let position = frames.position;
            match frames.next()? {
                NextFrame::Frame(frame) => {
                    check_next(&frame, end).map_err(|message| frames.corrupt(position, &message))?;
                    end = frame.end.after(end);
                    report.frames += 1;
                }
                NextFrame::End if position >= synced => break,
                NextFrame::Invalid(_)
                    if number + 1 == names.len()
                        && position >= synced
                        && frames.find_synced_after(end.sequence)?.is_none() =>
                {
                    break;
                }
                NextFrame::End | NextFrame::Invalid(_) => {
                    return Err(frames.corrupt(position, "there is no complete frame"));
                }
            }
        }
        report.bytes += frames.position;
    }
    Ok(report)
}
