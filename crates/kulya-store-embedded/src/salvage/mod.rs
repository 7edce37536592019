//! Salvage: what of a log can be read, whatever became of it, and exactly what cannot. It reads, and changes nothing: a check
//! says what it finds, a repair writes it down.
//!
//! A frame is given up as a whole when a byte of it is not what was written, and nothing else is: every true frame that is
//! left is read, wherever it stands. What is lost is told by the frames around it (their sequences, and how many events were
//! ever written up to each), by the offsets of the events around it, by what is left of it, and for the end of the log by the
//! [manifest](crate::manifest).

mod catalog;
mod gaps;
mod outcome;
mod parts;
mod report;
mod scan;

pub(crate) use outcome::{Finding, Salvage};
pub(crate) use parts::Source;
pub use report::{Damage, LostEvents, SalvageReport};

use crate::checkpoint::CatalogRecord;
use crate::folder::{Flaw, Folder};
use crate::index::Index;
use crate::manifest::SyncMark;
use crate::recovery::write_to_index;
use crate::state::State;
use kulya_store::Result;
use outcome::UNKNOWN_BYTES;
use scan::FileScan;
use std::sync::Arc;

/// Reads all of a log. `index` is empty, and is written to.
pub(crate) fn salvage(folder: &Folder, flaws: &[Flaw], index: &Arc<dyn Index>) -> Result<Salvage> {
    let manifest = folder.manifest();
    let marked = folder.sync_mark().map(|SyncMark(known)| known);
    let known: Vec<_> = manifest.files.iter().copied().chain(marked).collect();
    let log_parts = parts::find_parts(folder, &known)?;
    let mut salvage = Salvage {
        state: State::new(Arc::clone(index)),
        found: SalvageReport::default(),
        parts: Vec::new(),
        foreign: log_parts.foreign.clone(),
        loss_ops: Vec::new(),
        segments: None,
    };
    for flaw in flaws {
        salvage.found.add_damage(flaw.file, flaw.what.to_owned());
    }
    // nothing says where the log ended: any number of files may be gone from its end
    let is_end_unknown = marked.is_none() && flaws.iter().any(|flaw| flaw.file == "MANIFEST");
    salvage.found.is_counted &= !is_end_unknown;
    for name in &salvage.foreign {
        salvage.found.add_damage(name, "is no log file of this store".to_owned());
    }
    let record = manifest.record;
    for (number, part) in log_parts.parts.iter().enumerate() {
        let next = log_parts.parts.get(number + 1);
        let next_before = next.and_then(|next| next.before);
        let name = part.name();
        let last_known = known.iter().filter(|file| file.name == name).max_by_key(|file| file.bytes);
        let before = salvage.state.end;
        let finding = match &part.source {
            Source::Missing => salvage.missing(part, before, next_before, &known),
            Source::File { .. } => {
                let walk = FileScan {
                    folder,
                    log_parts: &log_parts,
                    record: record.as_ref(),
                    known: last_known.copied(),
                    next_before,
                    is_last: next.is_none(),
                };
                walk.file(part, &mut salvage)?
            }
        };
        salvage.parts.push(finding);
        if salvage.state.needs_checkpoint() {
            write_to_index(&mut salvage.state)?;
        }
    }
    // what was known of the end of the log, in files that are not there any more either
    let last = marked.into_iter().map(|known| known.end).chain(record.as_ref().map(|record| record.end));
    if let Some(end) = last.max_by_key(|end| end.sequence) {
        salvage.jump(end, true);
    }
    let is_recorded = record.as_ref().is_some_and(|record| record.end.sequence >= salvage.state.end.sequence);
    let unknown = match (is_end_unknown, is_recorded && marked.is_some()) {
        (true, _) => UNKNOWN_BYTES,
        // the tails of all segments are known
        (false, true) => 0,
        (false, false) => salvage.unknown(&known, marked.is_some()),
    };
    // of files that are gone nobody knows how much more they had
    salvage.found.is_counted &= unknown == 0 || marked.is_some();
    salvage.state.abort_open_transactions();
    write_to_index(&mut salvage.state)?;
    finish(&mut salvage, record.as_ref(), unknown)?;
    Ok(salvage)
}

/// Restores the catalog from the manifest and records the lost events.
fn finish(salvage: &mut Salvage, record: Option<&CatalogRecord>, unknown: u64) -> Result<()> {
    if let Some(record) = record.filter(|_| salvage.found.is_damaged()) {
        catalog::restore(salvage, record)?;
    }
    gaps::record_gaps(salvage, record, unknown)?;
    // what is lost stands among what is not
    write_to_index(&mut salvage.state)
}
