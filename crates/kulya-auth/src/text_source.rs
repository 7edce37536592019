//! A text that may change while the server runs, such as an account file, a certificate or a key set:
//! [`TextSource`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A source of a text that may change.
pub trait TextSource: Send + Sync + 'static {
    /// Returns the text if it has changed since the last call that returned one, otherwise `None`. Called
    /// often, so it must be cheap when nothing has changed.
    ///
    /// # Errors
    /// The source does not exist or cannot be read. The next call tries again.
    fn read_if_changed(&self) -> io::Result<Option<String>>;

    /// Returns the source's name for messages.
    fn name(&self) -> String;
}

/// A file. It counts as changed when its modification time, its size or its inode differs.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    last_read: Mutex<Option<Fingerprint>>,
}

type Fingerprint = (Option<SystemTime>, u64, u64);

impl FileSource {
    /// Creates a source for the file at a path, without reading it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), last_read: Mutex::new(None) }
    }
}

impl TextSource for FileSource {
    fn read_if_changed(&self) -> io::Result<Option<String>> {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = fingerprint(&self.path)?;
        if *last_read == Some(fingerprint) {
            return Ok(None);
        }
        if fingerprint.1 > MAX_BYTES {
            return Err(io::Error::other(format!("the file has more than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(&self.path)?;
        *last_read = Some(fingerprint);
        Ok(Some(text))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn fingerprint(path: &Path) -> io::Result<Fingerprint> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.modified().ok(), metadata.len(), inode(&metadata)))
}

#[cfg(unix)]
pub(crate) fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
pub(crate) fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = FileSource::new(&path);
        assert!(file.read_if_changed().is_err());
        std::fs::write(&path, "one").unwrap();
        assert_eq!(file.read_if_changed().unwrap().as_deref(), Some("one"));
        assert_eq!(file.read_if_changed().unwrap(), None);
        // another file of the same size, as certificate renewals leave it
        let next = folder.path().join("g");
        std::fs::write(&next, "two").unwrap();
        std::fs::rename(next, &path).unwrap();
        assert_eq!(file.read_if_changed().unwrap().as_deref(), Some("two"));
        std::fs::remove_file(&path).unwrap();
        assert!(file.read_if_changed().is_err());
    }
}
