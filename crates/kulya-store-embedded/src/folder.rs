//! The directory: whose it is, which format it has, which log files it holds.
//!
//! ```text
//! FORMAT               "kulya-store 2"
//! LOCK                 held by the owner, as the folder itself is; its text is the owner's process id
//! log/{number:016x}.log                              as it was written
//! log/{first:016x}-{last:016x}-{generation:08x}.log   several of them, compacted
//! damaged/                                           what a repair has put aside
//! index/                                             made from the log, and made again when it is lost
//! ```

use crate::disk::{Disk, Lock, Locking, ReadFile};
use kulya_store::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// What a folder of ours says of itself.
pub(crate) const FORMAT: &str = "kulya-store 2";

/// A folder that is ours for as long as this value lives.
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    lock: Box<dyn Lock>,
    /// Why the folder is not ours any more.
    lost: OnceLock<String>,
}

impl Folder {
    /// Takes the folder, making it when it is not there or empty.
    pub(crate) fn take(path: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        let failed = |e: io::Error| from_io(&format!("cannot use folder {}", path.display()), e);
        disk.make_folder(path).map_err(failed)?;
        let format = path.join("FORMAT");
        let names = disk.list(path).map_err(failed)?;
        let is_ours = names.iter().any(|name| name == "FORMAT");
        // what an owner leaves that was cut off before it wrote FORMAT
        let is_begun = |name: &String| matches!(name.as_str(), "LOCK" | "log" | "FORMAT.new");
        let began =
            names.iter().all(is_begun) && disk.list(&path.join("log")).is_ok_and(|logs| logs.is_empty());
        if !is_ours && !began && names.iter().any(|name| name != "LOCK") {
            return Err(Error::invalid(format!(
                "folder {} is not empty and holds no Kulya store: choose a new or empty folder",
                path.display()
            )));
        }
        let lock = lock(path, &*disk)?;
        if is_ours {
            check_format(path, &String::from_utf8_lossy(&disk.read_whole(&format).map_err(failed)?))?;
        }
        disk.make_folder(&path.join("log")).map_err(failed)?;
        if !is_ours {
            disk.write_whole(&format, format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), disk, lock, lost: OnceLock::new() })
    }

    /// Whether the folder is still ours; once it is not, it never is again.
    pub(crate) fn check_lock(&self) -> Result<()> {
        if self.lost.get().is_none()
            && let Err(error) = self.lock.check()
        {
            let _ = self.lost.set(error.to_string());
        }
        match self.lost.get() {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::Failed, format!("{why}: open the store again"))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a log file for reading; `None` when it is not there (any more).
    pub(crate) fn read_log(&self, name: LogName) -> Result<Option<Arc<dyn ReadFile>>> {
        let path = self.log(name);
        match self.disk.read_from(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(from_io(&format!("cannot read {}", path.display()), error)),
        }
    }

    /// Opens a log file that must be there.
    pub(crate) fn open_log(&self, name: LogName) -> Result<Arc<dyn ReadFile>> {
        self.read_log(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error for a log file that is not there.
    pub(crate) fn missing(&self, name: LogName) -> Error {
        let what = format!(
            "log file {} is missing: restore the folder from a copy, or give up what is lost with kulya store repair",
            self.log(name).display()
        );
        Error::new(ErrorKind::Corrupt, what)
    }

    /// Removes a log file.
    pub(crate) fn remove_log(&self, name: LogName) -> Result<()> {
        let path = self.log(name);
        self.disk.remove(&path).map_err(|e| from_io(&format!("cannot remove {}", path.display()), e))
    }

    /// The path of a log file.
    pub(crate) fn log(&self, name: LogName) -> PathBuf {
        self.path.join("log").join(name.to_string())
    }

    /// Where a repair puts what was damaged.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.path.join("damaged")
    }

    /// Where the index is.
    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The log files, in the order of the log. What an unfinished compaction left is removed.
    pub(crate) fn logs(&self) -> Result<Vec<LogName>> {
        let folder = self.path.join("log");
        let names =
            self.disk.list(&folder).map_err(|e| from_io(&format!("cannot list {}", folder.display()), e))?;
        for unfinished in names.iter().filter(|name| name.ends_with(".new")) {
            let path = folder.join(unfinished);
            self.disk.remove(&path).map_err(|e| from_io(&format!("cannot remove {}", path.display()), e))?;
        }
        let mut names: Vec<LogName> = names.iter().filter_map(|name| LogName::read(name)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// A log file's name: the numbers of the files that it stands for, and how often they were compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct LogName {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// 0 for a file as it was written.
    pub(crate) generation: u32,
}

impl LogName {
    /// A file as it is written.
    pub(crate) fn plain(number: u32) -> Self {
        Self { first: number, last: number, generation: 0 }
    }

    pub(crate) fn is_compacted(self) -> bool {
        self.generation > 0
    }

    /// Whether this file stands for all that the other one does, and more or more often.
    pub(crate) fn replaces(self, other: Self) -> bool {
        self != other
            && self.first <= other.first
            && other.last <= self.last
            && ((self.first, self.last) != (other.first, other.last) || self.generation > other.generation)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.strip_suffix(".log")?;
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let name = match text.split('-').collect::<Vec<_>>().as_slice() {
            [plain] => Self::plain(number(plain)?),
            [first, last, generation] => {
                Self { first: number(first)?, last: number(last)?, generation: number(generation)? }
            }
            _ => return None,
        };
        (name.first <= name.last).then_some(name)
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, generation } = self;
        if self.is_compacted() {
            write!(f, "{first:016x}-{last:016x}-{generation:08x}.log")
        } else {
            write!(f, "{first:016x}.log")
        }
    }
}

/// Of all files that are there, those that are the log: the ones that no other replaces, from number 0 on without a gap.
/// The others are what a compaction has left behind it.
pub(crate) fn current(folder: &Folder, names: &[LogName]) -> Result<Vec<LogName>> {
    whole(names).map_err(|missing| folder.missing(missing))
}

/// The same; the error is the first file that is missing.
pub(crate) fn whole(names: &[LogName]) -> std::result::Result<Vec<LogName>, LogName> {
    let stays = |name: &&LogName| !names.iter().any(|other| other.replaces(**name));
    let current: Vec<LogName> = names.iter().filter(stays).copied().collect();
    let mut next = Some(0);
    for name in &current {
        if next != Some(name.first) {
            return Err(LogName::plain(next.unwrap_or_default()));
        }
        next = name.last.checked_add(1);
    }
    Ok(current)
}

fn check_format(path: &Path, text: &str) -> Result<()> {
    match text.trim() {
        FORMAT => Ok(()),
        "kulya-store 1" => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "folder {} has format \"kulya-store 1\", of before the first release, which is read no more: choose a new folder",
                path.display()
            ),
        )),
        other if other.starts_with("kulya-store ") => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "folder {} has format {other:?}; this program reads {FORMAT:?}: use a newer kulya",
                path.display()
            ),
        )),
        _ => Err(Error::new(
            ErrorKind::Corrupt,
            format!("folder {} holds no Kulya store: its file FORMAT is not ours", path.display()),
        )),
    }
}

fn lock(path: &Path, disk: &dyn Disk) -> Result<Box<dyn Lock>> {
    let name = path.join("LOCK");
    let locking = disk.lock(&name, &std::process::id().to_string());
    match locking.map_err(|e| from_io(&format!("cannot lock {}", name.display()), e))? {
        Locking::Taken(lock) => Ok(lock),
        Locking::Held { owner } => Err(Error::new(
            ErrorKind::Locked,
            format!(
                "folder {} is in use by process {owner}: stop it first, or choose another folder",
                path.display()
            ),
        )),
    }
}

/// An error of the disk, by what the caller does next.
pub(crate) fn from_io(what: &str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::Full, ": the disk is full; nothing of this request was kept, make room and try again")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::InvalidInput, ": permission denied")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            (ErrorKind::InvalidInput, ": not a folder")
        }
        _ => (ErrorKind::Failed, ": the disk failed; open the store again"),
    };
    Error::new(kind, format!("{what}{advice}")).because(error)
}
