//! Repair: makes a store with a damaged log usable by dropping what is damaged, as found by [salvage], and
//! nothing else. The readable part of a damaged file is written to a new file, and the damaged file is kept
//! in the folder `damaged`. Lost events leave a gap in the offsets, which readers skip: later events keep
//! their offsets, and a pointer into the gap returns an error.

use crate::compaction::CompactedFileWriter;
use crate::disk::FileSystem;
use crate::error::{disk_error, index_error};
use crate::folder::Folder;
use crate::frame::LogEnd;
use crate::frame_reader::{FrameReader, NextFrame};
use crate::index::{Index, LsmIndex};
use crate::log_name::LogName;
use crate::manifest::Manifest;
use crate::op::{Op, OpReader};
use crate::prepare;
use crate::recovery::recover;
use crate::salvage::{PartResult, Salvage, SalvageReport, Source, salvage};
use kulya_store::Result;
use std::path::Path;
use std::sync::Arc;

/// Repairs a store that is not open. An intact log is not changed.
pub(crate) fn repair(path: &Path) -> Result<SalvageReport> {
    let (folder, damage) = Folder::open_damaged(path, Arc::new(FileSystem))?;
    let index: Arc<dyn Index> = Arc::new(LsmIndex::at(&folder.index_path()));
    // the index may be what is damaged; it is rebuilt on the next opening
    index.clear().map_err(index_error)?;
    let salvage_result = salvage(&folder, &damage, &index)?;
    index.clear().map_err(index_error)?;
    if salvage_result.report.is_damaged() {
        rewrite_log(&folder, &salvage_result)?;
    }
    // checks that the store opens, and updates the manifest
    let recovery = recover(&folder, &index)?;
    let prepared = prepare::prepare(&folder, recovery)?;
    drop(prepared);
    index.clear().map_err(index_error)?;
    Ok(salvage_result.report)
}

/// Writes the result of a salvage. If interrupted, it can be repeated.
fn rewrite_log(folder: &Folder, salvage: &Salvage) -> Result<()> {
    for name in &salvage.foreign {
        move_to_damaged(folder, name)?;
    }
    let mut next = 0;
    for (number, part) in salvage.parts.iter().enumerate() {
        let name = part.part.name();
        next = name.last.saturating_add(1);
        if !part.needs_rewrite {
            if salvage.report.torn_tail.is_some() && number + 1 == salvage.parts.len() {
                // an unacknowledged write at the end of the log, which opening truncates only in the last
                // file
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
        // another part may have this name
        while folder.read_log(LogName { generation, ..name })?.is_some() {
            generation += 1;
        }
        write_part(folder, salvage, part, LogName { generation, ..name })?;
        if let Source::File { current_name, .. } = &part.part.source {
            move_to_damaged(folder, &current_name.to_string())?;
        }
    }
    if !salvage.loss_ops.is_empty() {
        let name = LogName { first: next, last: next, generation: 1 };
        let before = salvage.parts.last().map_or_else(LogEnd::default, |part| part.end);
        write_file(folder, salvage, name, (before, salvage.state.end), |output| {
            copy(&salvage.loss_ops, output)
        })?;
    }
    // the manifest must only describe what is left
    folder.write_manifest(|manifest| Manifest {
        record: manifest.record.clone(),
        ..Manifest::new(manifest.key)
    })?;
    folder.remove_sync_mark()?;
    folder.write_format()
}

fn write_part(folder: &Folder, salvage: &Salvage, part: &PartResult, name: LogName) -> Result<()> {
    write_file(folder, salvage, name, (part.before, part.end), |output| {
        let Source::File { current_name, file, format, .. } = &part.part.source else { return Ok(()) };
        let mut frames = FrameReader::new(folder.log_path(*current_name), Arc::clone(file), *format);
        let mut edits = part.edits.iter().peekable();
        while frames.position < part.read_to {
            match frames.next()? {
                NextFrame::Frame(frame) => {
                    let mut ops = OpReader::new(&frame.body);
                    for number in 0.. {
                        let Ok(Some((op, _))) = ops.next() else { break };
                        let mut is_retained = !matches!(op, Op::Footer { .. });
                        while let Some(edit) = edits.next_if(|e| (e.body_at, e.op) == (frame.body_at, number))
                        {
                            match &edit.before {
                                Some(ops) => copy(ops, output)?,
                                None => is_retained = false,
                            }
                        }
                        if is_retained {
                            output.write_op(&op)?;
                        }
                    }
                }
                NextFrame::End => break,
                NextFrame::Invalid(_) => {
                    // the salvage found where valid frames continue
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
        output.write_op(&op)?;
    }
    Ok(())
}

fn write_file(
    folder: &Folder,
    salvage: &Salvage,
    name: LogName,
    (before, end): (LogEnd, LogEnd),
    fill: impl FnOnce(&mut CompactedFileWriter) -> Result<()>,
) -> Result<()> {
    let path = folder.log_path(name);
    let unfinished = path.with_extension("log.new");
    let mut output = CompactedFileWriter::create(folder, name, before, &unfinished)?;
    fill(&mut output)?;
    output.finish(&salvage.state, end)?;
    let failed = |e| disk_error(&format!("cannot create {}", path.display()), e);
    folder.disk.rename(&unfinished, &path).map_err(failed)
}

/// Moves a log file to the folder of damaged files, under an unused name.
fn move_to_damaged(folder: &Folder, name: &str) -> Result<()> {
    let damaged = folder.damaged_dir();
    let failed = |e| disk_error(&format!("cannot write to {}", damaged.display()), e);
    folder.disk.create_dir_all(&damaged).map_err(failed)?;
    let existing = folder.disk.list(&damaged).map_err(failed)?;
    let mut to = name.to_owned();
    let mut number = 1;
    while existing.contains(&to) {
        to = format!("{name}.{number}");
        number += 1;
    }
    folder.disk.rename(&folder.log_dir_entry(name), &damaged.join(to)).map_err(failed)
}
