//! A copy of a store that is in use. The log is only ever appended to, so any prefix of it is a store: the files are
//! copied in their order, each as long as it is then, and the end of a write that was under way is cut off when the copy
//! is opened. The index is not copied: it is made again.

use crate::disk::{Disk, FileSystem, Sequential, sync_folder};
use crate::folder::{FORMAT, Folder, LogName, from_io};
use kulya_store::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

/// Copies the store to a folder that is not there, or empty; gives the number of bytes. The file `FORMAT` comes last:
/// without it the copy is not complete, and no store.
pub(crate) fn copy(folder: &Folder, names: &[LogName], to: &Path) -> Result<u64> {
    let failed = |e: io::Error| from_io(&format!("cannot write to {}", to.display()), e);
    fs::create_dir_all(to.join("log")).map_err(failed)?;
    let mut found = fs::read_dir(to).map_err(failed)?.flatten().map(|entry| entry.file_name());
    let logs = fs::read_dir(to.join("log")).map_err(failed)?.count();
    if logs > 0 || found.any(|name| name != "log") {
        return Err(Error::invalid(format!(
            "folder {} is not empty: choose a new or empty folder",
            to.display()
        )));
    }
    let mut bytes = 0;
    for name in names {
        let from = folder.log(*name);
        let unread = |e: io::Error| from_io(&format!("cannot copy {}", from.display()), e);
        let mut copy = File::create(to.join("log").join(name.to_string())).map_err(failed)?;
        let file = folder.open_log(*name)?;
        let mut source = BufReader::with_capacity(1 << 20, Sequential { file, offset: 0 });
        bytes += io::copy(&mut source, &mut copy).map_err(unread)?;
        copy.sync_all().map_err(failed)?;
    }
    sync_folder(&to.join("log")).map_err(failed)?;
    FileSystem.write_whole(&to.join("FORMAT"), format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
    Ok(bytes)
}
