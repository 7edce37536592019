//! A local directory as object storage. Unlike `object_store`'s own implementation, which leaves written
//! bytes to the operating system's cache, it syncs each file and its directory, so that a successful write
//! survives a power failure.

use crate::bucket::NotDurable;
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A local directory that holds objects as files.
#[derive(Debug)]
pub(crate) struct LocalDirectory(LocalFileSystem);

/// Counts the files written by this process; part of the names of temporary files.
static TEMPORARY_FILES: AtomicU64 = AtomicU64::new(0);

/// The subdirectories of a store.
const DIRECTORIES: [&str; 5] = ["log", "data", "checkpoint", "checkpoint-copy", "closed"];
/// A temporary file that was not modified for this long was abandoned by a process that ended.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Removes temporary files that were abandoned. Files that cannot be removed are left, since they do no harm.
fn remove_abandoned(directory: &FilePath) {
    let Ok(files) = fs::read_dir(directory) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let is_temporary =
            name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(before, digits)| {
                !before.is_empty() && digits.len() > 12 && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
        let is_old = || file.metadata().and_then(|meta| meta.modified()).ok()?.elapsed().ok();
        if is_temporary && is_old().is_some_and(|age| age > ABANDONED_AFTER) {
            let _ = fs::remove_file(file.path());
        }
    }
}

impl LocalDirectory {
    /// Opens a directory and creates it if it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be created or read.
    pub(crate) fn open(path: &FilePath) -> Result<Self> {
        fs::create_dir_all(path).map_err(generic)?;
        for directory in [path.to_owned()].into_iter().chain(DIRECTORIES.map(|name| path.join(name))) {
            remove_abandoned(&directory);
        }
        Ok(Self(LocalFileSystem::new_with_prefix(path)?))
    }
}

/// Writes a file atomically and durably: to a temporary file, which is synced, then renamed (`overwrite`) or
/// linked to its name.
fn write(path: &FilePath, payload: &PutPayload, overwrite: bool) -> io::Result<()> {
    let directory = path.parent().unwrap_or(FilePath::new("/"));
    fs::create_dir_all(directory)?;
    let (temporary, mut file) = create_temporary(path)?;
    let done = (|| {
        payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
        file.sync_all()?;
        match overwrite {
            true => fs::rename(&temporary, path),
            false => fs::hard_link(&temporary, path),
        }
    })();
    if done.is_err() || !overwrite {
        let _ = fs::remove_file(&temporary);
    }
    done?;
    // the file is visible from here on, so a plain error would claim that nothing was written
    let sync = |directory: &FilePath| File::open(directory)?.sync_all();
    directory.ancestors().take(2).try_for_each(sync).map_err(|error| io::Error::other(NotDurable(error)))
}

/// Creates the temporary file for a path. Files with such names are not listed as objects.
fn create_temporary(path: &FilePath) -> io::Result<(PathBuf, File)> {
    loop {
        let number = TEMPORARY_FILES.fetch_add(1, Ordering::Relaxed);
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(format!("#{}{number:012}", std::process::id()));
        // a process on another machine may have the same id, and an ended one may have left its file
        match File::create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (PathBuf::from(temporary), file)),
        }
    }
}

fn generic(error: io::Error) -> Error {
    let source = match error.downcast::<NotDurable>() {
        Ok(not_durable) => not_durable.into(),
        Err(error) => error.into(),
    };
    Error::Generic { store: "local directory", source }
}

impl fmt::Display for LocalDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalDirectory {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let overwrite = match options.mode {
            PutMode::Overwrite => true,
            PutMode::Create => false,
            PutMode::Update(_) => return self.0.put_opts(location, payload, options).await,
        };
        let path = self.0.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || write(&path, &payload, overwrite)).await?;
        match written {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists { path: location.to_string(), source: error.into() })
            }
            Err(error) => Err(generic(error)),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn abandoned_temporary_files_are_removed_and_recent_ones_stay() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        fs::create_dir_all(&log).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (name, is_old) in
            [("1#77000000000001", true), ("2#77000000000002", false), ("3", true), ("4#a", true)]
        {
            let file = File::create_new(log.join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        LocalDirectory::open(directory.path()).unwrap();
        let mut remaining: Vec<_> =
            fs::read_dir(log).unwrap().map(|file| file.unwrap().file_name()).collect();
        remaining.sort();
        assert_eq!(remaining, ["2#77000000000002", "3", "4#a"]);
    }
}
