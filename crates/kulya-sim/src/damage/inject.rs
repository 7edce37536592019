//! Damages a folder, and finds the events whose frames are intact afterwards.

use super::fixture::{Fixture, files, number_of, numbers_in};
use kulya_store::EventPointer;
use kulya_store_embedded::outside;
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Size of a log file's header, in bytes.
const FILE_HEADER_BYTES: usize = 64;

/// Damages a folder one to three times; returns descriptions. `original` is the undamaged folder.
pub(super) fn inject(folder: &Path, original: &Path, rng: &mut SeededRng) -> Vec<String> {
    (0..1 + rng.u64_below(3)).map(|_| inject_one(folder, original, rng)).collect()
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    files(&folder.join("log")).into_keys().collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn inject_one(folder: &Path, original: &Path, rng: &mut SeededRng) -> String {
    let logs = logs(folder);
    let Some(last) = logs.last() else { return "no log file is left".into() };
    let log = rng.choose(&logs).clone();
    match rng.u64_below(24) {
        0..5 => edit(&log, "a bit is flipped", rng, |bytes, at, rng| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u64_below(8);
            }
        }),
        5 | 6 => edit(&log, "bytes are zeroed", rng, |bytes, at, rng| {
            let length = 1 + rng.index(2000);
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = 0);
        }),
        7 => edit(&log, "bytes are garbage", rng, |bytes, at, rng| {
            let length = 1 + rng.index(1000);
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = rng.next_u8());
        }),
        8 => edit(&log, "it is truncated", rng, |bytes, at, _| bytes.truncate(at)),
        9 => edit(&log, "bytes are missing", rng, |bytes, at, rng| {
            let end = (at + 1 + rng.index(300)).min(bytes.len());
            drop(bytes.drain(at..end));
        }),
        10 => edit(&log, "bytes are inserted", rng, |bytes, at, rng| {
            let more: Vec<u8> = (0..1 + rng.index(300)).map(|_| rng.next_u8()).collect();
            drop(bytes.splice(at..at, more));
        }),
        11 => edit(&log, "a part is copied over another", rng, |bytes, at, rng| {
            let (to, length) = (rng.index(bytes.len()), 1 + rng.index(1500));
            let part: Vec<u8> = bytes.iter().skip(at).take(length).copied().collect();
            bytes.iter_mut().skip(to).zip(part).for_each(|(byte, new)| *byte = new);
        }),
        12 => edit(&log, "a forged frame is written into it", rng, |bytes, at, rng| {
            let forged = outside::legacy_frame(rng.u64_below(100), 0, &[12, 0, 0, 0, 0]);
            bytes.iter_mut().skip(at).zip(forged).for_each(|(byte, new)| *byte = new);
        }),
        // at the end of the log acknowledged writes are most easily taken for torn ones
        13 => edit(last, "the end of the last file is truncated", rng, |bytes, _, rng| {
            bytes.truncate(bytes.len().saturating_sub(1 + rng.index(300)));
        }),
        14 => edit(last, "a bit near the end is flipped", rng, |bytes, _, rng| {
            let at = bytes.len().saturating_sub(1 + rng.index(300));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u64_below(8);
            }
        }),
        15 | 16 => {
            let _ = fs::remove_file(&log);
            format!("{} is deleted", file_name(&log))
        }
        17 => {
            let _ = (fs::remove_file(last), fs::remove_dir_all(folder.join("index")));
            format!("the last file {} and the index are deleted", file_name(last))
        }
        18 => {
            let other = rng.choose(&logs).clone();
            swap(&log, &other)
        }
        19 => {
            let other = outside::framed([[12u8, 0, 0, 0, 0].as_slice()]);
            let _ = fs::write(&log, other);
            format!("{} is of another store", file_name(&log))
        }
        20 => {
            let name = rng.pick(&["MANIFEST", "SYNCED", "FORMAT"]);
            let _ = fs::remove_file(folder.join(name));
            format!("{name} is deleted")
        }
        21 => {
            let name = rng.pick(&["MANIFEST", "SYNCED", "FORMAT"]);
            edit(&folder.join(name), "a bit is flipped", rng, |bytes, at, rng| {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.u64_below(8);
                }
            })
        }
        22 => {
            let _ = fs::remove_dir_all(folder.join("index"));
            "the index is deleted".into()
        }
        _ => {
            // an older version of the file
            let from = original.join("log").join(log.file_name().unwrap_or_default());
            let bytes = fs::read(from).unwrap_or_default();
            let length = rng.index(bytes.len());
            let _ = fs::write(&log, bytes.get(..length).unwrap_or_default());
            format!("{} is the older version of {length} bytes", file_name(&log))
        }
    }
}

fn edit(
    path: &Path,
    what: &str,
    rng: &mut SeededRng,
    change: impl FnOnce(&mut Vec<u8>, usize, &mut SeededRng),
) -> String {
    let Ok(mut bytes) = fs::read(path) else { return format!("{} does not exist", file_name(path)) };
    let at = rng.index(bytes.len());
    change(&mut bytes, at, rng);
    let _ = fs::write(path, bytes);
    format!("{}: {what} at {at}", file_name(path))
}

fn swap(one: &Path, other: &Path) -> String {
    let between = one.with_extension("swapped");
    let _ = (fs::rename(one, &between), fs::rename(other, one), fs::rename(&between, other));
    format!("{} and {} are swapped", file_name(one), file_name(other))
}

/// The numbers of events whose frames are unchanged.
pub(super) struct Intact<'a> {
    numbers: BTreeSet<u64>,
    fixture: &'a Fixture,
}

impl<'a> Intact<'a> {
    pub(super) fn find(folder: &Path, fixture: &'a Fixture) -> Self {
        let current: BTreeMap<String, Vec<u8>> =
            files(&folder.join("log")).into_iter().map(|(path, bytes)| (file_name(&path), bytes)).collect();
        let headers: BTreeSet<&[u8]> =
            fixture.logs.values().filter_map(|(bytes, _)| bytes.get(..FILE_HEADER_BYTES)).collect();
        let is_header =
            |bytes: &[u8]| bytes.get(..FILE_HEADER_BYTES).is_some_and(|bytes| headers.contains(bytes));
        // without the key no frame can be verified
        let has_key = fs::read(folder.join("MANIFEST")).is_ok_and(|bytes| bytes == fixture.manifest)
            || current.values().any(|bytes| is_header(bytes));
        let (mut intact, mut damaged) = (BTreeSet::new(), BTreeSet::new());
        for (name, (bytes, frames)) in &fixture.logs {
            let header = bytes.get(..FILE_HEADER_BYTES);
            // the file itself, under any name, or a file of its name without a header of another one
            let same = current.iter().find(|(other, found)| {
                found.get(..FILE_HEADER_BYTES) == header
                    && (*other == name
                        || current.get(name).is_none_or(|own| own.get(..FILE_HEADER_BYTES) != header))
            });
            let own = current.get(name).filter(|found| !is_header(found) && found.get(..4) != Some(b"KLGF"));
            let found = same.map(|(_, found)| found).or(own);
            for frame in frames {
                let (from, to) = (frame.from as usize, frame.to as usize);
                let part = bytes.get(from..to).unwrap_or_default();
                let is_same = found.is_some_and(|found| found.get(from..to) == Some(part));
                let numbers = numbers_in(part);
                if is_same { intact.extend(numbers) } else { damaged.extend(numbers) }
            }
        }
        let numbers = if has_key { intact.difference(&damaged).copied().collect() } else { BTreeSet::new() };
        Self { numbers, fixture }
    }

    /// Whether the frame of an event is intact; false for events of transactions, which depend on two frames.
    pub(super) fn contains(&self, pointer: &EventPointer) -> bool {
        let number = self.fixture.events.get(pointer).and_then(|event| number_of(event));
        number.is_some_and(|number| self.numbers.contains(&number) && !self.fixture.staged.contains(&number))
    }
}
