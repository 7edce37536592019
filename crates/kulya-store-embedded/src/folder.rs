//! The directory: whose it is, which format it has, which log files it holds.
//!
//! ```text
//! FORMAT               "kulya-store 1"
//! LOCK                 held by the owner; its text is the owner's process id
//! log/{number:016x}.log
//! ```

use crate::disk::sync_folder;
use kulya_store::{Error, ErrorKind, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What a folder of ours says of itself.
pub(crate) const FORMAT: &str = "kulya-store 1";

/// A folder that is ours for as long as this value lives.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, making it when it is not there or empty.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| from_io(&format!("cannot use folder {}", path.display()), e);
        fs::create_dir_all(path).map_err(failed)?;
        let format = path.join("FORMAT");
        let is_ours = format.exists();
        if !is_ours && fs::read_dir(path).map_err(failed)?.flatten().any(|e| e.file_name() != "LOCK") {
            return Err(Error::invalid(format!(
                "folder {} is not empty and holds no Kulya store: choose a new or empty folder",
                path.display()
            )));
        }
        let lock = lock(path)?;
        if is_ours {
            check_format(path, &fs::read_to_string(&format).map_err(failed)?)?;
        } else {
            fs::create_dir_all(path.join("log")).map_err(failed)?;
            let mut file = File::create(&format).map_err(failed)?;
            file.write_all(format!("{FORMAT}\n").as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            sync_folder(path).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The path of a log file.
    pub(crate) fn log(&self, number: u32) -> PathBuf {
        self.path.join("log").join(format!("{number:016x}.log"))
    }

    /// The numbers of the log files, ascending. A gap is damage.
    pub(crate) fn logs(&self) -> Result<Vec<u32>> {
        let folder = self.path.join("log");
        let entries =
            fs::read_dir(&folder).map_err(|e| from_io(&format!("cannot list {}", folder.display()), e))?;
        let number = |name: &str| u32::from_str_radix(name.strip_suffix(".log")?, 16).ok();
        let mut numbers: Vec<u32> =
            entries.flatten().filter_map(|e| number(e.file_name().to_str()?)).collect();
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

fn lock(path: &Path) -> Result<File> {
    let name = path.join("LOCK");
    let failed = |e: io::Error| from_io(&format!("cannot lock {}", name.display()), e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            return Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "folder {} is in use by process {}: stop it first, or choose another folder",
                    path.display(),
                    owner.trim()
                ),
            ));
        }
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
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
