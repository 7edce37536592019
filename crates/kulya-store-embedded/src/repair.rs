//! Repair: a store that does not open because its log is damaged, made one that does, at the price of what is damaged and
//! nothing else: what [salvage] finds, written down. What can be read of a damaged file is written anew; the file itself is
//! kept aside. Events that were lost leave a gap at their offsets, which readers pass over: nothing behind it moves, and a
//! pointer into it says why.

use crate::compaction::Output;
use crate::disk::FileSystem;
use crate::folder::{Folder, LogName, from_io};
use crate::frame::LogEnd;
use crate::index::{Index, LsmIndex};
use crate::log_file::{Found, Frames};
use crate::manifest::Manifest;
use crate::op::{Op, Reader};
use crate::opening;
use crate::recovery::recover;
use crate::salvage::{Finding, Salvage, Salvaged, Source, salvage};
use crate::state;
use kulya_store::Result;
use std::path::Path;
use std::sync::Arc;

/// Repairs the store in a folder that nobody has open. The log of one that is whole is left as it is.
pub(crate) fn repair(path: &Path) -> Result<Salvaged> {
    let (folder, flaws) = Folder::take_damaged(path, Arc::new(FileSystem))?;
    let index: Arc<dyn Index> = Arc::new(LsmIndex::at(&folder.index()));
    // it may be the index that is damaged; it is made again at the next opening
    index.clear().map_err(state::index_failed)?;
    let found = salvage(&folder, &flaws, &index)?;
    index.clear().map_err(state::index_failed)?;
    if found.found.is_damaged() {
        write(&folder, &found)?;
    }
    // whether it opens now; what says how much there is says so of what is left
    let recovered = recover(&folder, &index)?;
    let ready = opening::ready(&folder, recovered)?;
    drop(ready);
    index.clear().map_err(state::index_failed)?;
    Ok(found.found)
}

/// Writes down what was found. Cut off anywhere, it is done again.
fn write(folder: &Folder, found: &Salvage) -> Result<()> {
    for name in &found.foreign {
        set_aside(folder, name)?;
    }
    let mut next = 0;
    for (number, part) in found.parts.iter().enumerate() {
        let name = part.part.name();
        next = name.last.saturating_add(1);
        if !part.is_less {
            if found.found.torn.is_some() && number + 1 == found.parts.len() {
                // the end of a write that nobody was told of: opening would cut it off, too, were it the last file
                let path = folder.log(name);
                let cut = folder.disk.append_to(&path, part.read_to);
                cut.map_err(|e| from_io(&format!("cannot write to {}", path.display()), e))?;
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
            set_aside(folder, &there.to_string())?;
        }
    }
    if !found.given_up.is_empty() {
        let name = LogName { first: next, last: next, generation: 1 };
        let before = found.parts.last().map_or_else(LogEnd::default, |part| part.end);
        write_file(folder, found, name, (before, found.state.end), |output| copy(&found.given_up, output))?;
    }
    // nothing is known any more but what is there
    folder.write_manifest(|known| Manifest { record: known.record.clone(), ..Manifest::new(known.key) })?;
    folder.forget_mark()?;
    folder.write_format()
}

fn write_part(folder: &Folder, found: &Salvage, part: &Finding, name: LogName) -> Result<()> {
    write_file(folder, found, name, (part.before, part.end), |output| {
        let Source::File { there, file, format, .. } = &part.part.source else { return Ok(()) };
        let mut frames = Frames::of(folder.log(*there), Arc::clone(file), *format);
        let mut edits = part.edits.iter().peekable();
        while frames.position < part.read_to {
            match frames.next()? {
                Found::Frame(frame) => {
                    let mut ops = Reader::new(&frame.body);
                    for number in 0.. {
                        let Ok(Some((op, _))) = ops.next() else { break };
                        let mut stays = !matches!(op, Op::Whole { .. });
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
                Found::End => break,
                Found::Bad(_) => {
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

fn copy(ops: &[u8], output: &mut Output) -> Result<()> {
    let mut ops = Reader::new(ops);
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
    fill: impl FnOnce(&mut Output) -> Result<()>,
) -> Result<()> {
    let path = folder.log(name);
    let unfinished = path.with_extension("log.new");
    let mut output = Output::begin(folder, name, before, &unfinished)?;
    fill(&mut output)?;
    output.end(&found.state, end)?;
    let failed = |e| from_io(&format!("cannot make {}", path.display()), e);
    folder.disk.rename(&unfinished, &path).map_err(failed)
}

/// Moves a log file to what was damaged, under a name that nothing there has.
fn set_aside(folder: &Folder, name: &str) -> Result<()> {
    let aside = folder.damaged();
    let failed = |e| from_io(&format!("cannot write to {}", aside.display()), e);
    folder.disk.make_folder(&aside).map_err(failed)?;
    let there = folder.disk.list(&aside).map_err(failed)?;
    let mut to = name.to_owned();
    let mut number = 1;
    while there.contains(&to) {
        to = format!("{name}.{number}");
        number += 1;
    }
    folder.disk.rename(&folder.log_named(name), &aside.join(to)).map_err(failed)
}
