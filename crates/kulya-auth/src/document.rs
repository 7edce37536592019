//! A text that others may change while we run: an account file, a certificate, a key set.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

/// Nothing that is read here is longer, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Where a text comes from.
pub trait Document: Send + Sync + 'static {
    /// The text when it is another than the last one that was given; `None` when it is the same. Asked often, so it must be
    /// cheap where nothing has changed.
    ///
    /// # Errors
    /// It is not there, or cannot be read. The next call tries again.
    fn changed(&self) -> io::Result<Option<String>>;

    /// What messages call it.
    fn name(&self) -> String;
}

/// A file. It is taken for changed when its time, its size or the file itself is another.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    seen: Mutex<Option<Mark>>,
}

type Mark = (Option<SystemTime>, u64, u64);

impl File {
    /// The file at a path; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), seen: Mutex::new(None) }
    }
}

impl Document for File {
    fn changed(&self) -> io::Result<Option<String>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = mark(&self.path)?;
        if *seen == Some(mark) {
            return Ok(None);
        }
        if mark.1 > MAX_BYTES {
            return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(&self.path)?;
        *seen = Some(mark);
        Ok(Some(text))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn mark(path: &Path) -> io::Result<Mark> {
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
    fn a_file_is_given_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = File::new(&path);
        assert!(file.changed().is_err());
        std::fs::write(&path, "one").unwrap();
        assert_eq!(file.changed().unwrap().as_deref(), Some("one"));
        assert_eq!(file.changed().unwrap(), None);
        // another file of the same size, as certificate renewals leave it
        let next = folder.path().join("g");
        std::fs::write(&next, "two").unwrap();
        std::fs::rename(next, &path).unwrap();
        assert_eq!(file.changed().unwrap().as_deref(), Some("two"));
        std::fs::remove_file(&path).unwrap();
        assert!(file.changed().is_err());
    }
}
