//! A disk that remembers what was synced, and forgets, tears, fills up, fails or dies when told to.

use kulya_store_embedded::disk::{Disk, InPlaceFile, Lock, Locking, LogFile, ReadFile};
use kulya_testkit::SeededRng;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a power cut keeps or loses at once.
const SECTOR_BYTES: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    files: BTreeMap<PathBuf, SimFile>,
    folders: BTreeSet<PathBuf>,
    /// What was removed, and may come back when the power is cut.
    removed: BTreeMap<PathBuf, SimFile>,
    locked: bool,
    /// Rises with each crash: what an owner of before holds is dead.
    life: u64,
    rng: Option<SeededRng>,
    faults: Faults,
}

/// What goes wrong next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The next append finds no room, after a part of it.
    pub full: bool,
    /// The next append fails, after a part of it.
    pub broken_append: bool,
    /// The next sync fails.
    pub broken_sync: bool,
    /// After so many operations the power is gone, in the middle of one.
    pub dies_after: Option<u64>,
}

#[derive(Default)]
struct SimFile {
    /// What readers see.
    bytes: Vec<u8>,
    /// So many of them survive a power cut for certain.
    synced: usize,
    /// How long it has been since the last sync: sectors up to here may hold anything.
    longest: usize,
    /// Whether its name survives a power cut.
    is_named: bool,
    /// For a file that is overwritten in place: what it held before.
    before: Option<Vec<u8>>,
}

fn dead() -> io::Error {
    io::Error::other("the power is gone")
}

impl Platter {
    fn rng(&mut self) -> &mut SeededRng {
        self.rng.get_or_insert_with(|| SeededRng::new(0))
    }

    /// Counts an operation that changes something; an error when the power goes with it.
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.faults.dies_after {
            Some(0) => Err(dead()),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(dead()) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut SimFile> {
        self.files.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl SimDisk {
    /// An empty disk whose accidents come from these rng.
    pub fn new(rng: SeededRng) -> Self {
        let disk = Self::default();
        disk.platter().rng = Some(rng);
        disk
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a process of this life, while it lasts.
    fn platter_of(&self, life: u64) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.platter();
        if platter.life == life { Ok(platter) } else { Err(dead()) }
    }

    /// The disk for a process that begins now.
    pub fn owner(&self) -> Owner {
        Owner { disk: self.clone(), life: self.platter().life }
    }

    /// Says what goes wrong next; what was said before is forgotten.
    pub fn faults(&self, faults: Faults) {
        self.platter().faults = faults;
    }

    /// The owner is gone without a word; what it wrote is there.
    pub fn kill(&self) {
        let mut platter = self.platter();
        platter.life += 1;
        platter.locked = false;
        platter.faults = Faults::default();
    }

    /// The power is gone: of what was not synced, any sector may be new, old, or rubbish.
    pub fn cut_power(&self) {
        self.kill();
        let mut platter = self.platter();
        let Platter { files, removed, rng, .. } = &mut *platter;
        let rng = rng.get_or_insert_with(|| SeededRng::new(0));
        for (path, file) in std::mem::take(removed) {
            if rng.one_in(2) {
                files.entry(path).or_insert(file);
            }
        }
        files.retain(|_, file| file.is_named || rng.one_in(2));
        for file in files.values_mut() {
            file.is_named = true;
            if let Some(before) = file.before.take() {
                match rng.u64_below(3) {
                    0 => file.bytes = before,
                    1 => file.bytes.iter_mut().for_each(|byte| *byte = rng.next_u8()),
                    _ => {}
                }
                (file.synced, file.longest) = (file.bytes.len(), file.bytes.len());
                continue;
            }
            let longest = file.longest.max(file.bytes.len());
            let length = file.synced + rng.u64_below((longest - file.synced) as u64 + 1) as usize;
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
            file.longest = length;
        }
    }

    /// Whether the power is gone for the owner of now.
    pub fn is_dead(&self) -> bool {
        self.platter().faults.dies_after == Some(0)
    }

    /// Counts an operation beside the files; an error when the power goes with it, and whether it happened all the same.
    pub(crate) fn operate(&self) -> Result<(), (io::Error, bool)> {
        let mut platter = self.platter();
        let was_dead = platter.faults.dies_after == Some(0);
        platter.operate().map_err(|gone| (gone, !was_dead && platter.rng().one_in(2)))
    }

    /// The log files, in order, and their lengths.
    pub fn logs(&self) -> Vec<(PathBuf, usize)> {
        let platter = self.platter();
        let logs = platter.files.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "log"));
        logs.map(|(path, file)| (path.clone(), file.bytes.len())).collect()
    }

    /// Puts a file there, as an owner of before would have left it.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let length = bytes.len();
        let file =
            SimFile { bytes: bytes.to_vec(), synced: length, longest: length, is_named: true, before: None };
        let mut platter = self.platter();
        platter.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        platter.files.insert(path.to_owned(), file);
    }

    /// Flips one bit, also in a file that was removed and may come back.
    pub fn flip(&self, path: &Path, byte: usize, bit: u8) {
        let mut platter = self.platter();
        let Platter { files, removed, .. } = &mut *platter;
        let file = files.get_mut(path).or_else(|| removed.get_mut(path));
        if let Some(byte) = file.and_then(|file| file.bytes.get_mut(byte)) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// The disk as one process has it: dead with that process.
pub struct Owner {
    disk: SimDisk,
    life: u64,
}

impl Owner {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        self.disk.platter_of(self.life)
    }
}

impl Disk for Owner {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter()?;
        if !platter.folders.contains(path) {
            platter.operate()?;
            platter.folders.insert(path.to_owned());
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let platter = self.platter()?;
        if !platter.folders.contains(folder) {
            return Err(ErrorKind::NotFound.into());
        }
        let inside =
            platter.files.keys().chain(&platter.folders).filter(|path| path.parent() == Some(folder));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        Ok(inside.filter_map(name).collect())
    }

    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.platter()?.file(path)?.bytes.clone())
    }

    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate()?;
        let length = content.len();
        let file = SimFile {
            bytes: content.to_vec(),
            synced: length,
            longest: length,
            is_named: true,
            before: None,
        };
        platter.files.insert(path.to_owned(), file);
        Ok(())
    }

    fn lock(&self, _: &Path, _: &str) -> io::Result<Locking> {
        struct Held(SimDisk, u64);
        impl Lock for Held {}
        impl Drop for Held {
            fn drop(&mut self) {
                let mut platter = self.0.platter();
                if platter.life == self.1 {
                    platter.locked = false;
                }
            }
        }
        let mut platter = self.platter()?;
        if std::mem::replace(&mut platter.locked, true) {
            return Ok(Locking::Held { owner: "another".to_owned() });
        }
        Ok(Locking::Taken(Box::new(Held(self.disk.clone(), self.life))))
    }

    fn lock_existing(&self, path: &Path) -> io::Result<Option<Locking>> {
        self.lock(path, "").map(Some)
    }

    fn in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let mut platter = self.platter()?;
        let file = platter.files.entry(path.to_owned()).or_default();
        file.before.get_or_insert_default();
        Ok(Box::new(Handle { disk: self.disk.clone(), path: path.to_owned(), life: self.life }))
    }

    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        let mut platter = self.platter()?;
        if let Err(gone) = platter.operate() {
            if platter.rng().one_in(2) {
                platter.files.entry(path.to_owned()).or_default();
            }
            return Err(gone);
        }
        let file = platter.files.entry(path.to_owned()).or_default();
        file.is_named |= length == 0;
        if file.bytes.len() > length as usize {
            file.bytes.truncate(length as usize);
            file.synced = length as usize;
            file.longest = length as usize;
        }
        Ok(Box::new(Handle { disk: self.disk.clone(), path: path.to_owned(), life: self.life }))
    }

    fn read_from(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        self.platter()?.file(path)?;
        Ok(Arc::new(Handle { disk: self.disk.clone(), path: path.to_owned(), life: self.life }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.file(from)?;
        let was_dead = platter.faults.dies_after == Some(0);
        let power = platter.operate();
        if power.is_err() && (was_dead || platter.rng().one_in(2)) {
            return power;
        }
        if let Some(mut file) = platter.files.remove(from) {
            file.is_named = true;
            platter.files.insert(to.to_owned(), file);
        }
        power
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate()?;
        let file = platter.files.remove(path).ok_or(ErrorKind::NotFound)?;
        platter.removed.insert(path.to_owned(), file);
        Ok(())
    }
}

/// An open file.
struct Handle {
    disk: SimDisk,
    path: PathBuf,
    /// The life of the process that has it.
    life: u64,
}

impl Handle {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        self.disk.platter_of(self.life)
    }
}

impl LogFile for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        let power = platter.operate();
        let fault = if power.is_err() {
            Some(dead())
        } else if std::mem::take(&mut platter.faults.full) {
            Some(ErrorKind::StorageFull.into())
        } else if std::mem::take(&mut platter.faults.broken_append) {
            Some(io::Error::other("the disk is broken"))
        } else {
            None
        };
        let written = match &fault {
            Some(_) => platter.rng().u64_below(bytes.len() as u64 + 1) as usize,
            None => bytes.len(),
        };
        let file = platter.file(&self.path)?;
        file.bytes.extend_from_slice(bytes.get(..written).unwrap_or(bytes));
        file.longest = file.longest.max(file.bytes.len());
        fault.map_or(Ok(()), Err)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate()?;
        if std::mem::take(&mut platter.faults.broken_sync) {
            return Err(io::Error::other("the disk is broken"));
        }
        let file = platter.file(&self.path)?;
        file.synced = file.bytes.len();
        file.longest = file.synced;
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.operate()?;
        let file = platter.file(&self.path)?;
        file.bytes.truncate(length as usize);
        file.synced = file.synced.min(length as usize);
        Ok(())
    }
}

impl InPlaceFile for Handle {
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        if platter.faults.dies_after == Some(0) {
            return Err(dead());
        }
        let file = platter.file(&self.path)?;
        file.before = Some(std::mem::replace(&mut file.bytes, bytes.to_vec()));
        Ok(())
    }
}

impl ReadFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.platter()?.file(&self.path)?.bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut platter = self.platter()?;
        let bytes = &platter.file(&self.path)?.bytes;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}
