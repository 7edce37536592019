//! Salvage: determines what of a log can be read, whatever its damage, and exactly what is lost. It changes
//! nothing: a check reports the result, and a repair writes it to the log.
//!
//! A frame with a damaged byte is dropped as a whole; every other valid frame is read, wherever it is. What
//! is lost follows from the frames around it (their sequences and event counts), from the offsets of the
//! events around it, from what is left of it, and, for the end of the log, from the
//! [manifest](crate::manifest).

mod catalog;
mod gaps;
mod outcome;
mod parts;
mod report;
mod scan;

pub(crate) use outcome::{PartResult, Salvage};
pub(crate) use parts::Source;
pub use report::{Damage, LostEvents, SalvageReport};

use crate::checkpoint::CatalogRecord;
use crate::folder::{Folder, MetadataDamage};
use crate::index::Index;
use crate::manifest::SyncMark;
use crate::recovery::write_to_index;
use crate::state::State;
use kulya_store::Result;
use outcome::UNKNOWN_BYTES;
use scan::FileScan;
use std::sync::Arc;

/// Reads a whole log. `index` must be empty, and is filled.
///
/// # Errors
/// I/O errors; damage is part of the result.
pub(crate) fn salvage(folder: &Folder, damage: &[MetadataDamage], index: &Arc<dyn Index>) -> Result<Salvage> {
    let manifest = folder.manifest();
    let sync_mark = folder.sync_mark().map(|SyncMark(file)| file);
    let synced_files: Vec<_> = manifest.files.iter().copied().chain(sync_mark).collect();
    let log_parts = parts::find_parts(folder, &synced_files)?;
    let mut salvage = Salvage {
        state: State::new(Arc::clone(index)),
        report: SalvageReport::default(),
        parts: Vec::new(),
        foreign: log_parts.foreign.clone(),
        loss_ops: Vec::new(),
        segments: None,
    };
    for damaged in damage {
        salvage.report.add_damage(damaged.file, damaged.description.to_owned());
    }
    // the end of the log is unknown: any number of files may be missing from it
    let is_end_unknown = sync_mark.is_none() && damage.iter().any(|damaged| damaged.file == "MANIFEST");
    salvage.report.is_counted &= !is_end_unknown;
    for name in &salvage.foreign {
        salvage.report.add_damage(name, "is not a log file of this store".to_owned());
    }
    let record = manifest.record;
    for (number, part) in log_parts.parts.iter().enumerate() {
        let next = log_parts.parts.get(number + 1);
        let next_before = next.and_then(|next| next.before);
        let name = part.name();
        let last_synced = synced_files.iter().filter(|file| file.name == name).max_by_key(|file| file.bytes);
        let before = salvage.state.end;
        let result = match &part.source {
            Source::Missing => salvage.missing(part, before, next_before, &synced_files),
            Source::File { .. } => {
                let scan = FileScan {
                    folder,
                    log_parts: &log_parts,
                    record: record.as_ref(),
                    synced_file: last_synced.copied(),
                    next_before,
                    is_last: next.is_none(),
                };
                scan.scan_file(part, &mut salvage)?
            }
        };
        salvage.parts.push(result);
        if salvage.state.needs_checkpoint() {
            write_to_index(&mut salvage.state)?;
        }
    }
    // the recorded end of the log, whose files may be missing as well
    let last = sync_mark.into_iter().map(|file| file.end).chain(record.as_ref().map(|record| record.end));
    if let Some(end) = last.max_by_key(|end| end.sequence) {
        salvage.skip_to(end, true);
    }
    let is_recorded = record.as_ref().is_some_and(|record| record.end.sequence >= salvage.state.end.sequence);
    let unknown_bytes = match (is_end_unknown, is_recorded && sync_mark.is_some()) {
        (true, _) => UNKNOWN_BYTES,
        // the tails of all segments are known
        (false, true) => 0,
        (false, false) => salvage.unknown_bytes(&synced_files, sync_mark.is_some()),
    };
    // missing files may have had more than is recorded
    salvage.report.is_counted &= unknown_bytes == 0 || sync_mark.is_some();
    salvage.state.abort_open_transactions();
    write_to_index(&mut salvage.state)?;
    finish(&mut salvage, record.as_ref(), unknown_bytes)?;
    Ok(salvage)
}

/// Restores the catalog from the manifest and records the lost events.
fn finish(salvage: &mut Salvage, record: Option<&CatalogRecord>, unknown_bytes: u64) -> Result<()> {
    if let Some(record) = record.filter(|_| salvage.report.is_damaged()) {
        catalog::restore(salvage, record)?;
    }
    gaps::record_gaps(salvage, record, unknown_bytes)?;
    // lost events are extents of the index, too
    write_to_index(&mut salvage.state)
}
