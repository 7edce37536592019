//! Checkpoints, each of which is stored twice.

use super::client::{Bucket, ListedObject, parse_number, with_timeout};
use super::error::corrupt;
use crate::object::{self, Header, Kind};
use crate::record::Snapshot;
use kulya_store::{Error, ErrorKind, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;

/// The directories of checkpoints and of their copies.
const CHECKPOINT_DIRECTORIES: [&str; 2] = ["checkpoint", "checkpoint-copy"];

/// The name of a checkpoint: its number, and the number of the checkpoint that it is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckpointName {
    pub(crate) number: u64,
    pub(crate) base: Option<u64>,
}

/// The copies of a checkpoint that are not intact.
#[derive(Debug, Default)]
pub(crate) struct CheckedCopies {
    /// The names of the damaged copies, and their damage.
    pub(crate) damaged: Vec<(String, String)>,
    /// The names of the copies that do not exist.
    pub(crate) missing: Vec<String>,
}

impl Bucket {
    /// Returns the names of a checkpoint's two copies. There are two because the log before a checkpoint may
    /// be deleted.
    pub(super) fn checkpoint_paths(&self, CheckpointName { number, base }: CheckpointName) -> [Path; 2] {
        let base = base.map(|base| format!(".{base:020}")).unwrap_or_default();
        CHECKPOINT_DIRECTORIES.map(|directory| self.path(&format!("{directory}/{number:020}{base}")))
    }

    /// Lists the checkpoints, newest first.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<CheckpointName>> {
        let named = |listed: ListedObject| {
            let text = listed.path.filename()?;
            let base = match text.get(20..)?.strip_prefix('.') {
                Some(base) => Some(parse_number(base)?),
                None if text.len() == 20 => None,
                None => return None,
            };
            Some(CheckpointName { number: listed.number, base })
        };
        let [found, copies] = CHECKPOINT_DIRECTORIES.map(|directory| self.list(directory));
        let (found, copies) = futures::try_join!(found, copies)?;
        let mut names: Vec<_> = found.into_iter().chain(copies).filter_map(named).collect();
        names.sort_unstable_by(|left, right| right.cmp(left));
        names.dedup();
        Ok(names)
    }

    /// Reads a checkpoint from whichever copy is intact; `None` when it no longer exists.
    pub(crate) async fn read_checkpoint(&self, name: CheckpointName) -> Result<Option<Snapshot>> {
        let [first, second] = self.checkpoint_paths(name);
        match self.read_copy(&first, name).await {
            Ok(None) => self.read_copy(&second, name).await,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let found = self.read_copy(&second, name).await;
                let Ok(Some(snapshot)) = found else { return Err(error) };
                tracing::warn!("{error}; its intact copy is used instead: kulya store repair restores it");
                Ok(Some(snapshot))
            }
            found => found,
        }
    }

    /// Creates both copies of a checkpoint, unless they exist. Returns its size in bytes.
    pub(crate) async fn create_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<u64> {
        let body = object::encode_header(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let size = body.len() as u64;
        let [path, copy] = self.checkpoint_paths(CheckpointName { number, base: snapshot.base });
        let body = body.into();
        self.create_with_retry(&copy, &body).await?;
        self.create_with_retry(&path, &body).await.map(|()| size)
    }

    /// Writes both copies of a checkpoint, overwriting existing ones.
    pub(crate) async fn replace_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<()> {
        let body = object::encode_header(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let time = self.settings.timeout_for(body.len() as u64);
        for path in self.checkpoint_paths(CheckpointName { number, base: snapshot.base }) {
            let put = || with_timeout(time, self.store.put(&path, body.clone().into()));
            self.retry(&path, put).await?;
        }
        Ok(())
    }

    /// Deletes both copies of a checkpoint.
    pub(crate) async fn delete_checkpoint(&self, name: CheckpointName) -> Result<()> {
        self.delete(self.checkpoint_paths(name).into()).await
    }

    /// Verifies both copies of a checkpoint.
    pub(crate) async fn verify_copies(&self, checkpoint: CheckpointName) -> Result<CheckedCopies> {
        let mut found = CheckedCopies::default();
        for path in self.checkpoint_paths(checkpoint) {
            match self.read_copy(&path, checkpoint).await {
                Ok(Some(_)) => {}
                Ok(None) => found.missing.push(path.to_string()),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    found.damaged.push((path.to_string(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Reads one copy of a checkpoint.
    pub(super) async fn read_copy(
        &self,
        path: &Path,
        checkpoint: CheckpointName,
    ) -> Result<Option<Snapshot>> {
        let Some((bytes, size)) = self.get(path, None).await? else { return Ok(None) };
        let read = || {
            let header = Header::parse(&bytes)?;
            header.check(Kind::Checkpoint, checkpoint.number, size)?;
            header.check_events_length(0, size)?;
            let snapshot: Snapshot = header.decode_head(checkpoint.number, &bytes)?;
            if snapshot.base != checkpoint.base {
                return Err("its base is not the one in its name".to_owned());
            }
            Ok(snapshot)
        };
        read().map(Some).map_err(|what| corrupt(path, what))
    }

    /// Returns the error for a damaged checkpoint.
    pub(crate) fn corrupt_checkpoint(&self, name: CheckpointName, what: String) -> Error {
        let [path, _] = self.checkpoint_paths(name);
        corrupt(&path, what)
    }
}
