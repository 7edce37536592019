//! The directory: whose it is, which format it has, which log files it holds.
//!
//! ```text
//! FORMAT               "kulya-store 2"
//! LOCK                 held by the owner; its text is the owner's process id
//! log/{number:016x}.log
//! ```

use crate::disk::{Disk, Locking, ReadFile};
use kulya_store::{Error, ErrorKind, Result};
use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a folder of ours says of itself.
pub(crate) const FORMAT: &str = "kulya-store 2";

/// A folder that is ours for as long as this value lives.
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    _lock: Box<dyn Any + Send + Sync>,
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
        Ok(Self { path: path.to_owned(), disk, _lock: lock })
    }

    /// Opens a log file for reading.
    pub(crate) fn read_log(&self, number: u32) -> Result<Arc<dyn ReadFile>> {
        let path = self.log(number);
        self.disk.read_from(&path).map_err(|e| from_io(&format!("cannot read {}", path.display()), e))
    }

    /// The path of a log file.
    pub(crate) fn log(&self, number: u32) -> PathBuf {
        self.path.join("log").join(format!("{number:016x}.log"))
    }

    /// The numbers of the log files, ascending. A gap is damage.
    pub(crate) fn logs(&self) -> Result<Vec<u32>> {
        let folder = self.path.join("log");
        let names =
            self.disk.list(&folder).map_err(|e| from_io(&format!("cannot list {}", folder.display()), e))?;
        let number = |name: &String| u32::from_str_radix(name.strip_suffix(".log")?, 16).ok();
        let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        for (expected, found) in (0..).zip(&numbers) {
            if expected != *found {
                let missing = self.log(expected);
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("log file {} is missing", missing.display()),
                ));
            }
        }
        Ok(numbers)
    }
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

fn lock(path: &Path, disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>> {
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
