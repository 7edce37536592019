//! A folder as an object storage whose writes survive a power cut: `object_store`'s own, but for writing, which there leaves
//! the bytes to the operating system.

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

#[derive(Debug)]
pub(crate) struct Folder(LocalFileSystem);

/// Counts the files that this process writes, for their names until they are whole.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

impl Folder {
    /// A folder, made when it is not there.
    pub(crate) fn open(path: &FilePath) -> Result<Self> {
        fs::create_dir_all(path).map_err(generic)?;
        Ok(Self(LocalFileSystem::new_with_prefix(path)?))
    }
}

/// Writes a file that is there as a whole or not at all, and stays.
fn write(path: &FilePath, payload: &PutPayload, takes_place: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(FilePath::new("/"));
    fs::create_dir_all(folder)?;
    let (part, mut file) = part_of(path)?;
    let done = (|| {
        payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
        file.sync_all()?;
        match takes_place {
            true => fs::rename(&part, path),
            false => fs::hard_link(&part, path),
        }
    })();
    if done.is_err() || !takes_place {
        let _ = fs::remove_file(&part);
    }
    done?;
    // now it is there for all to see: an error would say that it is not
    let sync = |folder: &FilePath| File::open(folder)?.sync_all();
    folder.ancestors().take(2).try_for_each(sync).map_err(|error| io::Error::other(NotDurable(error)))
}

/// A new file beside the one that it will be. Names that end so are no objects.
fn part_of(path: &FilePath) -> io::Result<(PathBuf, File)> {
    loop {
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let mut part = path.to_owned().into_os_string();
        part.push(format!("#{}{number:012}", std::process::id()));
        // a process on another machine may have the same number, and one that ended may have left its file
        match File::create_new(&part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (PathBuf::from(part), file)),
        }
    }
}

fn generic(error: io::Error) -> Error {
    let source = match error.downcast::<NotDurable>() {
        Ok(undurable) => undurable.into(),
        Err(error) => error.into(),
    };
    Error::Generic { store: "folder", source }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let takes_place = match options.mode {
            PutMode::Overwrite => true,
            PutMode::Create => false,
            PutMode::Update(_) => return self.0.put_opts(location, payload, options).await,
        };
        let path = self.0.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || write(&path, &payload, takes_place)).await?;
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
