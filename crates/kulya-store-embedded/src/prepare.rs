//! Prepares a recovered store for writing: truncates a torn write at the end of the log, starts a log file
//! of the current format if the last one is not, and updates the manifest.

use crate::checkpoint::Checkpoint;
use crate::disk::LogFile;
use crate::error::disk_error;
use crate::folder::Folder;
use crate::frame::FILE_HEADER_BYTES;
use crate::frame_reader::FrameReader;
use crate::log_name::{LogName, LogPosition};
use crate::manifest::{Manifest, SyncedFile};
use crate::recovery::Recovery;
use crate::state::{LogInfo, State};
use kulya_store::{Error, ErrorKind, Result};

/// A store that is ready for writing: its state, and the last log file, open at its end.
pub(crate) struct WritableStore {
    pub(crate) state: State,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) log: Box<dyn LogFile>,
}

/// Prepares a folder for writing. On return everything in the state is synced.
pub(crate) fn prepare(folder: &Folder, recovery: Recovery) -> Result<WritableStore> {
    let Recovery { mut state, checkpoint, obsolete } = recovery;
    if folder.is_legacy() {
        // the folder is upgraded before it has a log file of the current format, so that a `FORMAT` that
        // says otherwise is damaged
        folder.write_manifest(|manifest| Manifest::from_state(manifest.key, &state))?;
    }
    let log = match last_file(folder, &state)? {
        Some(name) => {
            let path = folder.log_path(name);
            let failed = |e| disk_error(&format!("cannot open {}", path.display()), e);
            let mut log = folder.disk.open_append(&path, state.position.length).map_err(failed)?;
            // the frames of an owner that was killed may not be on the disk yet
            log.sync().map_err(failed)?;
            if FrameReader::open(folder, name)?.before().is_some() { Some(log) } else { None }
        }
        None => None,
    };
    let log = match log {
        Some(log) => log,
        // the folder is empty, or its last file is compacted or of the previous format
        None => create_log_file(folder, &mut state)?,
    };
    let result = folder.write_manifest(|manifest| Manifest::from_state(manifest.key, &state));
    match result {
        Ok(()) => {
            for name in obsolete {
                folder.remove_log(name)?;
            }
        }
        // the old manifest is valid as long as it lists every file
        Err(error) if error.kind() == ErrorKind::Full && lists_all_files(folder, &state) => {
            tracing::warn!("cannot update the manifest: {error}");
        }
        Err(error) => return Err(error),
    }
    Ok(WritableStore { state, checkpoint, log })
}

/// Returns the file that was written last, unless it was compacted.
fn last_file(folder: &Folder, state: &State) -> Result<Option<LogName>> {
    let info = state.files.by_id.get(&state.position.file);
    let Some(name) = info.map(|info| info.name).filter(|name| !name.is_compacted()) else { return Ok(None) };
    Ok(folder.read_log(name)?.map(|_| name))
}

fn create_log_file(folder: &Folder, state: &mut State) -> Result<Box<dyn LogFile>> {
    let last = state.files.in_order().last().map(|(_, info)| info.name.last);
    let number = last.map_or(Some(0), |last| last.checked_add(1));
    let number = number.ok_or_else(|| Error::new(ErrorKind::Full, "the log has no file numbers left"))?;
    let (name, bytes) = (LogName::plain(number), FILE_HEADER_BYTES as u64);
    let log = folder.create_log(name, state.end)?;
    let file = state.files.add(LogInfo { framing: bytes, ..LogInfo::new(name) });
    state.set_position(LogPosition { file, length: bytes }, state.end);
    Ok(log)
}

fn lists_all_files(folder: &Folder, state: &State) -> bool {
    let manifest = folder.manifest();
    let is_known = |info: &LogInfo| manifest.files.iter().any(|SyncedFile { name, .. }| *name == info.name);
    !folder.is_legacy() && state.files.by_id.values().all(is_known)
}
