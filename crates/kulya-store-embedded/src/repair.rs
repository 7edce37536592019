//! Repair: a store that does not open because its log is damaged, made one that does, at the price of what is damaged and
//! nothing else: what [salvage] finds, written down. What can be read of a damaged file is written anew; the file itself is
//! kept aside. Events that were lost leave a gap at their offsets, which readers pass over: nothing behind it moves, and a
//! pointer into it says why.

use crate::error::{disk_error, index_error};
use crate::log_name::LogName;
use crate::compaction::CompactedFileWriter;
use crate::disk::FileSystem;
use crate::folder::Folder;
use crate::frame::LogEnd;
use crate::index::{Index, LsmIndex};
use crate::frame_reader::{NextFrame, FrameReader};
use crate::manifest::Manifest;
use crate::op::{Op, OpReader};
use crate::prepare;
use crate::recovery::recover;
use crate::salvage::{Finding, Salvage, SalvageReport, Source, salvage};
use crate::state;
use kulya_store::Result;
use std::path::Path;
use std::sync::Arc;

/// Repairs the store in a folder that nobody has open. The log of one that is whole is left as it is.
pub(crate) fn repair(path: &Path) -> Result<SalvageReport> {
    let (folder, flaws) = Folder::open_damaged(path, Arc::new(FileSystem))?;
    let index: Arc<dyn Index> = Arc::new(LsmIndex::at(&folder.index_path()));
    // it may be the index that is damaged; it is made again at the next opening
    index.clear().map_err(index_error)?;
    let found = salvage(&folder, &flaws, &index)?;
    index.clear().map_err(index_error)?;
    if found.found.is_damaged() {
        write(&folder, &found)?;
    }
    // whether it opens now; what says how much there is says so of what is left
    let recovered = recover(&folder, &index)?;
    let ready = prepare::prepare(&folder, recovered)?;
    drop(ready);
    index.clear().map_err(index_error)?;
    Ok(found.found)
}

/// Writes down what was found. Cut off anywhere, it is done again.
fn write(folder: &Folder, found: &Salvage) -> Result<()> {
    for name in &found.foreign {
        move_to_damaged(folder, name)?;
    }
    let mut next = 0;
    for (number, part) in found.parts.iter().enumerate() {
        let name = part.part.name();
        next = name.last.saturating_add(1);
        if !part.needs_rewrite {
            if found.found.torn.is_some() && number + 1 == found.parts.len() {
                // the end of a write that nobody was told of: opening would cut it off, too, were it the last file
                let path = folder.log_path(name);
                let cut = folder.disk.open_append(&path, part.read_to);
                cut.map_err(|e| disk_error(&format!("cannot write to {}", path.display()), e))?;
            }
            continue;
        }
        let mut generation = match &part.part.source {
            Source::Missing => name.generation,
            Source::File { .. } => name.generation + 1,
        };
        // another part may stand under a name that this one could have
        while folder.read_log(LogName { generation, ..name })?.is_some() {
            generation += 1;
        }
        write_part(folder, found, part, LogName { generation, ..name })?;
        if let Source::File { there, .. } = &part.part.source {
            move_to_damaged(folder, &there.to_string())?;
        }
    }
    if !found.loss_ops.is_empty() {
        let name = LogName { first: next, last: next, generation: 1 };
        let before = found.parts.last().map_or_else(LogEnd::default, |part| part.end);
        write_file(folder, found, name, (before, found.state.end), |output| copy(&found.loss_ops, output))?;
    }
    // nothing is known any more but what is there
    folder.write_manifest(|known| Manifest { record: known.record.clone(), ..Manifest::new(known.key) })?;
    folder.remove_sync_mark()?;
    folder.write_format()
}

fn write_part(folder: &Folder, found: &Salvage, part: &Finding, name: LogName) -> Result<()> {
    write_file(folder, found, name, (part.before, part.end), |output| {
        let Source::File { there, file, format, .. } = &part.part.source else { return Ok(()) };
        let mut frames = FrameReader::of(folder.log_path(*there), Arc::clone(file), *format);
        let mut edits = part.edits.iter().peekable();
        while frames.position < part.read_to {
            match frames.next()? {
                NextFrame::Frame(frame) => {
                    let mut ops = OpReader::new(&frame.body);
                    for number in 0.. {
                        let Ok(Some((op, _))) = ops.next() else { break };
                        let mut stays = !matches!(op, Op::Footer { .. });
                        while let Some(edit) = edits.next_if(|e| (e.body_at, e.op) == (frame.body_at, number))
                        {
                            match &edit.before {
                                Some(ops) => copy(ops, output)?,
                                None => stays = false,
                            }
                        }
                        if stays {
                            output.op(&op)?;
                        }
                    }
                }
                NextFrame::End => break,
                NextFrame::Invalid(_) => {
                    // the salvage has found where it goes on
                    let at = frames.position;
                    let next = part.skips.iter().find(|(from, _)| *from == at).map(|(_, to)| *to);
                    let Some(next) = next else { break };
                    frames.seek(next);
                }
            }
        }
        Ok(())
    })
}

fn copy(ops: &[u8], output: &mut CompactedFileWriter) -> Result<()> {
    let mut ops = OpReader::new(ops);
    while let Ok(Some((op, _))) = ops.next() {
        output.op(&op)?;
    }
    Ok(())
}

fn write_file(
    folder: &Folder,
    found: &Salvage,
    name: LogName,
    (before, end): (LogEnd, LogEnd),
    fill: impl FnOnce(&mut CompactedFileWriter) -> Result<()>,
) -> Result<()> {
    let path = folder.log_path(name);
    let unfinished = path.with_extension("log.new");
    let mut output = CompactedFileWriter::begin(folder, name, before, &unfinished)?;
    fill(&mut output)?;
    output.end(&found.state, end)?;
    let failed = |e| disk_error(&format!("cannot make {}", path.display()), e);
    folder.disk.rename(&unfinished, &path).map_err(failed)
}

/// Moves a log file to what was damaged, under a name that nothing there has.
fn move_to_damaged(folder: &Folder, name: &str) -> Result<()> {
    let damaged = folder.damaged_dir();
    let failed = |e| disk_error(&format!("cannot write to {}", damaged.display()), e);
    folder.disk.create_dir_all(&damaged).map_err(failed)?;
    let there = folder.disk.list(&damaged).map_err(failed)?;
    let mut to = name.to_owned();
    let mut number = 1;
    while there.contains(&to) {
        to = format!("{name}.{number}");
        number += 1;
    }
    folder.disk.rename(&folder.log_dir_entry(name), &damaged.join(to)).map_err(failed)
}
