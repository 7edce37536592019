//! Making a folder ready to be written to, once its state is known: the torn end of the last write is cut off, a log of the
//! format before gets a file of this one, and the manifest says what there is.

use crate::error::disk_error;
use crate::log_name::{LogName, LogPosition};
use crate::checkpoint::Checkpoint;
use crate::disk::LogFile;
use crate::folder::Folder;
use crate::frame::FILE_HEADER_BYTES;
use crate::frame_reader::FrameReader;
use crate::manifest::{SyncedFile, Manifest};
use crate::recovery::Recovery;
use crate::state::{LogInfo, State};
use kulya_store::{Error, ErrorKind, Result};

/// A store's state, and its last log file, open behind its last frame.
pub(crate) struct WritableStore {
    pub(crate) state: State,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) log: Box<dyn LogFile>,
}

/// Makes a folder ready. On return everything in the state is synced.
pub(crate) fn ready(folder: &Folder, recovered: Recovery) -> Result<WritableStore> {
    let Recovery { mut state, checkpoint, left } = recovered;
    if folder.is_legacy() {
        // the folder is of this format before it has a log file of this format: so one that says otherwise is damaged
        folder.write_manifest(|known| Manifest::of(known.key, &state))?;
    }
    let log = match last_file(folder, &state)? {
        Some(name) => {
            let path = folder.log_path(name);
            let failed = |e| disk_error(&format!("cannot open {}", path.display()), e);
            let mut log = folder.disk.open_append(&path, state.position.length).map_err(failed)?;
            // the frames of an owner that was killed may still be on their way to the disk
            log.sync().map_err(failed)?;
            if FrameReader::open(folder, name)?.before().is_some() { Some(log) } else { None }
        }
        None => None,
    };
    let log = match log {
        Some(log) => log,
        // an empty folder, one whose last file was compacted, or of which the last file is of the format before
        None => begin_file(folder, &mut state)?,
    };
    let written = folder.write_manifest(|known| Manifest::of(known.key, &state));
    match written {
        Ok(()) => {
            for name in left {
                folder.remove_log(name)?;
            }
        }
        // what was known before is true, too, as long as it knows of every file that is there
        Err(error) if error.kind() == ErrorKind::Full && knows_all(folder, &state) => {
            tracing::warn!("the state of the log is not written down: {error}");
        }
        Err(error) => return Err(error),
    }
    Ok(WritableStore { state, checkpoint, log })
}

/// The file that was written to last, unless it was compacted.
fn last_file(folder: &Folder, state: &State) -> Result<Option<LogName>> {
    let info = state.files.by_id.get(&state.position.file);
    let Some(name) = info.map(|info| info.name).filter(|name| !name.is_compacted()) else { return Ok(None) };
    Ok(folder.read_log(name)?.map(|_| name))
}

fn begin_file(folder: &Folder, state: &mut State) -> Result<Box<dyn LogFile>> {
    let last = state.files.in_order().last().map(|(_, info)| info.name.last);
    let number = last.map_or(Some(0), |last| last.checked_add(1));
    let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "the log has no file numbers left"))?;
    let (name, bytes) = (LogName::plain(number), FILE_HEADER_BYTES as u64);
    let log = folder.create_log(name, state.end)?;
    let file = state.files.add(LogInfo { framing: bytes, ..LogInfo::new(name) });
    state.set_position(LogPosition { file, length: bytes }, state.end);
    Ok(log)
}

fn knows_all(folder: &Folder, state: &State) -> bool {
    let manifest = folder.manifest();
    let is_known = |info: &LogInfo| manifest.files.iter().any(|SyncedFile { name, .. }| *name == info.name);
    !folder.is_legacy() && state.files.by_id.values().all(is_known)
}
