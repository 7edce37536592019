//! A simulated disk in memory: tracks what was synced, and simulates power cuts, torn writes, full disks and
//! I/O errors.

use kulya_store_embedded::disk::{Disk, InPlaceFile, Lock, Locking, LogFile, ReadFile};
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Unit of data that a power cut keeps or loses, in bytes.
const SECTOR_BYTES: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<DiskState>>);

#[derive(Default)]
struct DiskState {
    files: BTreeMap<PathBuf, SimFile>,
    folders: BTreeSet<PathBuf>,
    /// Removed files, which may come back after a power cut.
    removed: BTreeMap<PathBuf, SimFile>,
    locked: bool,
    /// Incremented by each crash, which invalidates earlier handles.
    generation: u64,
    rng: Option<SeededRng>,
    faults: Faults,
}

/// The next faults of a disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The next append fails after a part of it, because the disk is full.
    pub disk_full: bool,
    /// The next append fails after a part of it.
    pub append_fails: bool,
    /// The next sync fails.
    pub sync_fails: bool,
    /// Operations until the power is cut, in the middle of the last one.
    pub power_cut_after: Option<u64>,
}

#[derive(Default)]
struct SimFile {
    /// What readers see.
    bytes: Vec<u8>,
    /// Bytes that certainly survive a power cut.
    synced: usize,
    /// Largest length since the last sync: sectors up to here may have any content.
    max_length: usize,
    /// Whether the directory entry survives a power cut.
    is_linked: bool,
    /// The previous content of a file that is overwritten in place.
    previous: Option<Vec<u8>>,
}

fn power_cut_error() -> io::Error {
    io::Error::other("the power was cut")
}

impl DiskState {
    fn rng(&mut self) -> &mut SeededRng {
        self.rng.get_or_insert_with(|| SeededRng::new(0))
    }

    /// Counts an operation that changes the disk; an error if the power is cut in it.
    fn count_operation(&mut self) -> io::Result<()> {
        match &mut self.faults.power_cut_after {
            Some(0) => Err(power_cut_error()),
            Some(remaining) => {
                *remaining -= 1;
                if *remaining == 0 { Err(power_cut_error()) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut SimFile> {
        self.files.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl SimDisk {
    /// Creates an empty disk; `rng` decides what a power cut keeps.
    pub fn new(rng: SeededRng) -> Self {
        let disk = Self::default();
        disk.state().rng = Some(rng);
        disk
    }

    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state for a handle of this generation, or an error after a crash.
    fn state_of(&self, generation: u64) -> io::Result<MutexGuard<'_, DiskState>> {
        let state = self.state();
        if state.generation == generation { Ok(state) } else { Err(power_cut_error()) }
    }

    /// Opens the disk for a new process.
    pub fn handle(&self) -> DiskHandle {
        DiskHandle { disk: self.clone(), generation: self.state().generation }
    }

    /// Sets the next faults, in place of earlier ones.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Kills the process that has the disk; what it wrote is kept.
    pub fn kill(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.locked = false;
        state.faults = Faults::default();
    }

    /// Cuts the power: each sector that was not synced has its new content, its old content or garbage.
    pub fn cut_power(&self) {
        self.kill();
        let mut state = self.state();
        let DiskState { files, removed, rng, .. } = &mut *state;
        let rng = rng.get_or_insert_with(|| SeededRng::new(0));
        for (path, file) in std::mem::take(removed) {
            if rng.one_in(2) {
                files.entry(path).or_insert(file);
            }
        }
        files.retain(|_, file| file.is_linked || rng.one_in(2));
        for file in files.values_mut() {
            file.is_linked = true;
            if let Some(previous) = file.previous.take() {
                match rng.u64_below(3) {
                    0 => file.bytes = previous,
                    1 => file.bytes.iter_mut().for_each(|byte| *byte = rng.next_u8()),
                    _ => {}
                }
                (file.synced, file.max_length) = (file.bytes.len(), file.bytes.len());
                continue;
            }
            let max_length = file.max_length.max(file.bytes.len());
            let length = file.synced + rng.u64_below((max_length - file.synced) as u64 + 1) as usize;
            file.bytes.resize(length, 0);
            let mut at = file.synced;
            while at < length {
                let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(length);
                match rng.u64_below(4) {
                    0 => file.bytes[at..end].fill(0),
                    1 => file.bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u8()),
                    _ => {}
                }
                at = end;
            }
            file.synced = length;
            file.max_length = length;
        }
    }

    /// Whether the power is cut for the current process.
    pub fn is_powered_off(&self) -> bool {
        self.state().faults.power_cut_after == Some(0)
    }

    /// Counts an operation beside the files; the error of a power cut says whether the operation happened all
    /// the same.
    pub(crate) fn count_operation(&self) -> Result<(), (io::Error, bool)> {
        let mut state = self.state();
        let was_powered_off = state.faults.power_cut_after == Some(0);
        state.count_operation().map_err(|error| (error, !was_powered_off && state.rng().one_in(2)))
    }

    /// Returns the log files in order, with their lengths in bytes.
    pub fn logs(&self) -> Vec<(PathBuf, usize)> {
        let state = self.state();
        let logs = state.files.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "log"));
        logs.map(|(path, file)| (path.clone(), file.bytes.len())).collect()
    }

    /// Creates a file, synced.
    pub fn put_file(&self, path: &Path, bytes: &[u8]) {
        let length = bytes.len();
        let file = SimFile {
            bytes: bytes.to_vec(),
            synced: length,
            max_length: length,
            is_linked: true,
            previous: None,
        };
        let mut state = self.state();
        state.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        state.files.insert(path.to_owned(), file);
    }

    /// Flips one bit, also of a removed file that may come back.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) {
        let mut state = self.state();
        let DiskState { files, removed, .. } = &mut *state;
        let file = files.get_mut(path).or_else(|| removed.get_mut(path));
        if let Some(byte) = file.and_then(|file| file.bytes.get_mut(byte)) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// The disk for one process, invalid after its crash.
pub struct DiskHandle {
    disk: SimDisk,
    generation: u64,
}

impl DiskHandle {
    fn state(&self) -> io::Result<MutexGuard<'_, DiskState>> {
        self.disk.state_of(self.generation)
    }
}

impl Disk for DiskHandle {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        if !state.folders.contains(path) {
            state.count_operation()?;
            state.folders.insert(path.to_owned());
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state()?;
        if !state.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let inside = state.files.keys().chain(&state.folders).filter(|path| path.parent() == Some(folder));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        Ok(inside.filter_map(name).collect())
    }

    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.state()?.file(path)?.bytes.clone())
    }

    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        state.count_operation()?;
        let length = content.len();
        let file = SimFile {
            bytes: content.to_vec(),
            synced: length,
            max_length: length,
            is_linked: true,
            previous: None,
        };
        state.files.insert(path.to_owned(), file);
        Ok(())
    }

    fn lock(&self, _: &Path, _: &str) -> io::Result<Locking> {
        struct SimLock(SimDisk, u64);
        impl Lock for SimLock {}
        impl Drop for SimLock {
            fn drop(&mut self) {
                let mut state = self.0.state();
                if state.generation == self.1 {
                    state.locked = false;
                }
            }
        }
        let mut state = self.state()?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(Locking::Held { owner: "another".to_owned() });
        }
        Ok(Locking::Taken(Box::new(SimLock(self.disk.clone(), self.generation))))
    }

    fn lock_existing(&self, path: &Path) -> io::Result<Option<Locking>> {
        self.lock(path, "").map(Some)
    }

    fn in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let mut state = self.state()?;
        let file = state.files.entry(path.to_owned()).or_default();
        file.previous.get_or_insert_default();
        Ok(Box::new(FileHandle {
            disk: self.disk.clone(),
            path: path.to_owned(),
            generation: self.generation,
        }))
    }

    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        let mut state = self.state()?;
        if let Err(error) = state.count_operation() {
            if state.rng().one_in(2) {
                state.files.entry(path.to_owned()).or_default();
            }
            return Err(error);
        }
        let file = state.files.entry(path.to_owned()).or_default();
        file.is_linked |= length == 0;
        if file.bytes.len() > length as usize {
            file.bytes.truncate(length as usize);
            file.synced = length as usize;
            file.max_length = length as usize;
        }
        Ok(Box::new(FileHandle {
            disk: self.disk.clone(),
            path: path.to_owned(),
            generation: self.generation,
        }))
    }

    fn read_from(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        self.state()?.file(path)?;
        Ok(Arc::new(FileHandle {
            disk: self.disk.clone(),
            path: path.to_owned(),
            generation: self.generation,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        state.file(from)?;
        let was_powered_off = state.faults.power_cut_after == Some(0);
        let result = state.count_operation();
        if result.is_err() && (was_powered_off || state.rng().one_in(2)) {
            return result;
        }
        if let Some(mut file) = state.files.remove(from) {
            file.is_linked = true;
            state.files.insert(to.to_owned(), file);
        }
        result
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state()?;
        state.count_operation()?;
        let file = state.files.remove(path).ok_or(ErrorKind::NotFound)?;
        state.removed.insert(path.to_owned(), file);
        Ok(())
    }
}

/// An open file.
struct FileHandle {
    disk: SimDisk,
    path: PathBuf,
    /// The generation of the process that opened it.
    generation: u64,
}

impl FileHandle {
    fn state(&self) -> io::Result<MutexGuard<'_, DiskState>> {
        self.disk.state_of(self.generation)
    }
}

impl LogFile for FileHandle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        let result = state.count_operation();
        let fault = if result.is_err() {
            Some(power_cut_error())
        } else if std::mem::take(&mut state.faults.disk_full) {
            Some(ErrorKind::StorageFull.into())
        } else if std::mem::take(&mut state.faults.append_fails) {
            Some(io::Error::other("I/O error"))
        } else {
            None
        };
        let written = match &fault {
            Some(_) => state.rng().u64_below(bytes.len() as u64 + 1) as usize,
            None => bytes.len(),
        };
        let file = state.file(&self.path)?;
        file.bytes.extend_from_slice(bytes.get(..written).unwrap_or(bytes));
        file.max_length = file.max_length.max(file.bytes.len());
        fault.map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        state.count_operation()?;
        if std::mem::take(&mut state.faults.sync_fails) {
            return Err(io::Error::other("I/O error"));
        }
        let file = state.file(&self.path)?;
        file.synced = file.bytes.len();
        file.max_length = file.synced;
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.count_operation()?;
        let file = state.file(&self.path)?;
        file.bytes.truncate(length as usize);
        file.synced = file.synced.min(length as usize);
        Ok(())
    }
}

impl InPlaceFile for FileHandle {
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        if state.faults.power_cut_after == Some(0) {
            return Err(power_cut_error());
        }
        let file = state.file(&self.path)?;
        file.previous = Some(std::mem::replace(&mut file.bytes, bytes.to_vec()));
        Ok(())
    }
}

impl ReadFile for FileHandle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.state()?.file(&self.path)?.bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let bytes = &state.file(&self.path)?.bytes;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}
