//! What is done to a folder, and which of its frames are as they were afterwards.

use super::folder::{BEGINNING, Written, files, number_of};
use kulya_store::EventPointer;
use kulya_store_embedded::outside;
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes before a log file's first frame.
const FILE_HEADER_BYTES: usize = 64;

/// Damages a folder once or a few times; says how. `original` is what it was copied from.
pub(super) fn hits(folder: &Path, original: &Path, rng: &mut SeededRng) -> Vec<String> {
    (0..1 + rng.u64_below(3)).map(|_| hit(folder, original, rng)).collect()
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    files(&folder.join("log")).into_keys().collect()
}

fn shown(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn hit(folder: &Path, original: &Path, rng: &mut SeededRng) -> String {
    let logs = logs(folder);
    let Some(last) = logs.last() else { return "there is no log file left".into() };
    let log = rng.choose(&logs).clone();
    match rng.u64_below(24) {
        0..5 => change(&log, "a bit is flipped", rng, |bytes, at, rng| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u64_below(8);
            }
        }),
        5 | 6 => change(&log, "bytes are zeroed", rng, |bytes, at, rng| {
            let length = 1 + rng.index(2000);
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = 0);
        }),
        7 => change(&log, "bytes are rubbish", rng, |bytes, at, rng| {
            let length = 1 + rng.index(1000);
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = rng.next_u8());
        }),
        8 => change(&log, "it is cut", rng, |bytes, at, _| bytes.truncate(at)),
        9 => change(&log, "bytes are missing", rng, |bytes, at, rng| {
            let end = (at + 1 + rng.index(300)).min(bytes.len());
            drop(bytes.drain(at..end));
        }),
        10 => change(&log, "bytes are put in", rng, |bytes, at, rng| {
            let more: Vec<u8> = (0..1 + rng.index(300)).map(|_| rng.next_u8()).collect();
            drop(bytes.splice(at..at, more));
        }),
        11 => change(&log, "a part stands over another", rng, |bytes, at, rng| {
            let (to, length) = (rng.index(bytes.len()), 1 + rng.index(1500));
            let part: Vec<u8> = bytes.iter().skip(at).take(length).copied().collect();
            bytes.iter_mut().skip(to).zip(part).for_each(|(byte, new)| *byte = new);
        }),
        12 => change(&log, "a forged frame stands in it", rng, |bytes, at, rng| {
            let forged = outside::legacy_frame(rng.u64_below(100), 0, &[12, 0, 0, 0, 0]);
            bytes.iter_mut().skip(at).zip(forged).for_each(|(byte, new)| *byte = new);
        }),
        // the end of the log is where acknowledged writes are most easily taken for none
        13 => change(last, "bytes of the last file's end are cut", rng, |bytes, _, rng| {
            bytes.truncate(bytes.len().saturating_sub(1 + rng.index(300)));
        }),
        14 => change(last, "a bit near the end is flipped", rng, |bytes, _, rng| {
            let at = bytes.len().saturating_sub(1 + rng.index(300));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u64_below(8);
            }
        }),
        15 | 16 => {
            let _ = fs::remove_file(&log);
            format!("{} is removed", shown(&log))
        }
        17 => {
            let _ = (fs::remove_file(last), fs::remove_dir_all(folder.join("index")));
            format!("the last file {} is removed, and the index", shown(last))
        }
        18 => {
            let other = rng.choose(&logs).clone();
            swap(&log, &other)
        }
        19 => {
            let other = outside::framed([[12u8, 0, 0, 0, 0].as_slice()]);
            let _ = fs::write(&log, other);
            format!("{} is of another store", shown(&log))
        }
        20 => {
            let name = rng.pick(&["MANIFEST", "SYNCED", "FORMAT"]);
            let _ = fs::remove_file(folder.join(name));
            format!("{name} is removed")
        }
        21 => {
            let name = rng.pick(&["MANIFEST", "SYNCED", "FORMAT"]);
            change(&folder.join(name), "a bit is flipped", rng, |bytes, at, rng| {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.u64_below(8);
                }
            })
        }
        22 => {
            let _ = fs::remove_dir_all(folder.join("index"));
            "the index is removed".into()
        }
        _ => {
            // an older copy of it: what it was when it had less
            let from = original.join("log").join(log.file_name().unwrap_or_default());
            let bytes = fs::read(from).unwrap_or_default();
            let keeps = rng.index(bytes.len());
            let _ = fs::write(&log, bytes.get(..keeps).unwrap_or_default());
            format!("{} is as it was when it had {keeps} bytes", shown(&log))
        }
    }
}

fn change(
    path: &Path,
    what: &str,
    rng: &mut SeededRng,
    how: impl FnOnce(&mut Vec<u8>, usize, &mut SeededRng),
) -> String {
    let Ok(mut bytes) = fs::read(path) else { return format!("{} is not there", shown(path)) };
    let at = rng.index(bytes.len());
    how(&mut bytes, at, rng);
    let _ = fs::write(path, bytes);
    format!("{}: {what} at {at}", shown(path))
}

fn swap(one: &Path, other: &Path) -> String {
    let between = one.with_extension("swapped");
    let _ = (fs::rename(one, &between), fs::rename(other, one), fs::rename(&between, other));
    format!("{} and {} are swapped", shown(one), shown(other))
}

/// The numbers of events whose frames are as they were written.
pub(super) struct Intact<'a> {
    numbers: BTreeSet<u64>,
    written: &'a Written,
}

impl<'a> Intact<'a> {
    pub(super) fn of(folder: &Path, written: &'a Written) -> Self {
        let there: BTreeMap<String, Vec<u8>> =
            files(&folder.join("log")).into_iter().map(|(path, bytes)| (shown(&path), bytes)).collect();
        let headers: BTreeSet<&[u8]> =
            written.logs.values().filter_map(|(bytes, _)| bytes.get(..FILE_HEADER_BYTES)).collect();
        let is_header =
            |bytes: &[u8]| bytes.get(..FILE_HEADER_BYTES).is_some_and(|bytes| headers.contains(bytes));
        // without the key nothing can be told
        let is_known = fs::read(folder.join("MANIFEST")).is_ok_and(|bytes| bytes == written.manifest)
            || there.values().any(|bytes| is_header(bytes));
        let (mut whole, mut hit) = (BTreeSet::new(), BTreeSet::new());
        for (name, (bytes, frames)) in &written.logs {
            let header = bytes.get(..FILE_HEADER_BYTES);
            // the file itself, under whatever name, or what stands under its name and says nothing else
            let same = there.iter().find(|(other, found)| {
                found.get(..FILE_HEADER_BYTES) == header
                    && (*other == name
                        || there.get(name).is_none_or(|own| own.get(..FILE_HEADER_BYTES) != header))
            });
            let own = there.get(name).filter(|found| !is_header(found) && found.get(..4) != Some(b"KLGF"));
            let found = same.map(|(_, found)| found).or(own);
            for frame in frames {
                let (from, to) = (frame.from as usize, frame.to as usize);
                let part = bytes.get(from..to).unwrap_or_default();
                let is_same = found.is_some_and(|found| found.get(from..to) == Some(part));
                let numbers = numbers_in(part);
                if is_same { whole.extend(numbers) } else { hit.extend(numbers) }
            }
        }
        let numbers = if is_known { whole.difference(&hit).copied().collect() } else { BTreeSet::new() };
        Self { numbers, written }
    }

    /// Whether the frame of this event is as it was written. Of a transaction's events nothing is said: they are in two.
    pub(super) fn has(&self, pointer: &EventPointer) -> bool {
        let number = self.written.events.get(pointer).and_then(|event| number_of(event));
        number.is_some_and(|number| self.numbers.contains(&number) && !self.written.staged.contains(&number))
    }
}

pub(super) fn numbers_in(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let places = bytes.windows(BEGINNING.len()).enumerate().filter(|(_, found)| *found == BEGINNING);
    places.filter_map(|(at, _)| number_of(bytes.get(at..)?))
}
