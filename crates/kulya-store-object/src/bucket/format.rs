//! The store's first object, which identifies the store and its format.

use super::client::{Bucket, FORMAT_1_BLOCK, PutOutcome};
use super::error::{is_read_only, unreachable};
use bytes::Bytes;
use kulya_store::{Error, ErrorKind, Result};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// The name of the store's first object.
const FORMAT_OBJECT: &str = "FORMAT";
const FORMAT_1: &[u8] = b"kulya-store-object 1\n";
const FORMAT: &str = "kulya-store-object 2\nblock ";

impl Bucket {
    /// Creates the store's first object, or reads it if it exists, and rejects a storage that ignores
    /// conditional writes: on it two processes would overwrite each other's objects.
    ///
    /// # Errors
    /// `InvalidInput` when conditional writes are ignored; `Corrupt` when the prefix holds something else.
    pub(crate) async fn initialize(&self) -> Result<()> {
        let path = self.path(FORMAT_OBJECT);
        let ours = Bytes::from(format!("{FORMAT}{}\n", self.settings.block_size.max(1)));
        let start = Instant::now();
        let (mut created, mut failures) = (0, 0);
        let found = loop {
            let error = match self.create(&path, ours.clone().into()).await {
                // the object did not exist at first; then it did, and nobody ever deletes it
                PutOutcome::Created if created > 0 => {
                    return Err(Error::invalid(format!(
                        "{} overwrites existing objects: it does not support conditional writes (If-None-Match), which a store requires",
                        self.store
                    )));
                }
                PutOutcome::Created => {
                    created += 1;
                    continue;
                }
                // or a concurrent write is under way, and the object does not exist yet
                PutOutcome::AlreadyExists => match self.get(&path, None).await? {
                    Some((found, _)) => break found,
                    None => unreachable(&path, "is reported as being written"),
                },
                // a process with read access alone can read an existing store
                PutOutcome::Rejected(error) => match self.get(&path, None).await {
                    Ok(Some((found, _))) if is_read_only(&error) => break found,
                    _ => return Err(error),
                },
                PutOutcome::NotDurable(error) => return Err(error),
                PutOutcome::Unknown(error) => error,
            };
            failures += 1;
            if !self.settings.backoff(failures, start).await {
                return Err(error);
            }
        };
        self.check_format(&found)
    }

    /// Returns whether the store exists.
    ///
    /// # Errors
    /// `Corrupt` when the prefix holds something else.
    pub(crate) async fn exists(&self) -> Result<bool> {
        match self.get(&self.path(FORMAT_OBJECT), None).await? {
            Some((found, _)) => self.check_format(&found).map(|()| true),
            None => Ok(false),
        }
    }

    /// Checks the content of `FORMAT` and takes the block size from it.
    pub(super) fn check_format(&self, found: &[u8]) -> Result<()> {
        let path = self.path(FORMAT_OBJECT);
        let refused = |what: &str| Err(Error::new(ErrorKind::Corrupt, format!("object {path} {what}")));
        if found == FORMAT_1 {
            self.block_size.store(FORMAT_1_BLOCK, Ordering::Relaxed);
            return Ok(());
        }
        let text = std::str::from_utf8(found).ok();
        let block_size = text.and_then(|text| text.strip_prefix(FORMAT)?.strip_suffix('\n')?.parse().ok());
        match block_size {
            Some(block_size @ 1..) => {
                self.block_size.store(block_size, Ordering::Relaxed);
                Ok(())
            }
            _ if found.starts_with(b"kulya-store-object ") => {
                refused("has an unsupported format: use the version of kulya that wrote it, or a newer one")
            }
            _ => refused("was not written by kulya: choose a prefix that nothing else uses"),
        }
    }
}
