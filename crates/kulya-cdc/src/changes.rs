//! A capture as a stream of changes that the application takes and acknowledges, in place of a sink.

use crate::{Batch, CancellationToken, Capture, CdcError, CdcErrorKind, CdcResult, Checkpoint, Sink};
use async_trait::async_trait;
use kulya_store::supervision::spawn_logged;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The changes of a database, from a checkpoint on. Dropping the stream ends the capture.
///
/// ```no_run
/// use kulya_cdc::prelude::*;
/// # async fn example() -> CdcResult<()> {
/// # fn load() -> Option<Checkpoint> { None }
/// # fn store(_: &Changes) {}
/// let stored = load(); // what the application stored last
/// let mut changes = Capture::new("postgres://me:secret@localhost:5432/shop").name("shop").changes(stored);
/// while let Some(changes) = changes.next().await? {
///     for record in changes.records() {
///         println!("{} {:?}", record.destination.topic, record.value);
///     }
///     // with the records, in one transaction of the application
///     store(&changes);
///     changes.acknowledge();
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ChangeStream {
    changes: mpsc::Receiver<Changes>,
    cancel: CancellationToken,
    task: Option<JoinHandle<Option<CdcResult<()>>>>,
}

/// Records, and the checkpoint after them. A transaction is handed over as a whole, in memory: a [`Sink`]
/// takes a large one in parts.
#[derive(Debug)]
pub struct Changes {
    batches: Vec<Batch>,
    checkpoint: Checkpoint,
    acknowledge: oneshot::Sender<()>,
}

impl Changes {
    /// Returns the records: those of whole transactions of the database.
    pub fn records(&self) -> impl Iterator<Item = crate::Record<'_>> {
        self.batches.iter().flat_map(Batch::records)
    }

    /// Returns the batches of the records, which have the tables' schemas too.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Returns the checkpoint after the records: a capture that starts with it gives what follows. A
    /// checkpoint without a history keeps the history of the one before.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Acknowledges the records: the application has stored them with the checkpoint. Only then is the
    /// position confirmed to the database, and only then do further changes come.
    pub fn acknowledge(self) {
        // a capture that has ended needs none
        let _ = self.acknowledge.send(());
    }
}

impl ChangeStream {
    /// Waits for the next changes; `None` when the capture has ended. Cancel-safe.
    ///
    /// # Errors
    /// As [`run`](crate::run); a capture that has failed ends.
    pub async fn next(&mut self) -> CdcResult<Option<Changes>> {
        if let Some(changes) = self.changes.recv().await {
            return Ok(Some(changes));
        }
        let Some(task) = &mut self.task else { return Ok(None) };
        let result = task.await;
        self.task = None;
        match result {
            Ok(Some(result)) => result.map(|()| None),
            // the panic is in the log
            Ok(None) => Err(CdcError::source("the capture has stopped unexpectedly")),
            Err(error) => Err(CdcError::source("the capture has stopped unexpectedly").because(error)),
        }
    }
}

impl Drop for ChangeStream {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Capture {
    /// Starts the capture in a task, from a checkpoint that the application has stored, or with a snapshot.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn changes(self, stored: Option<Checkpoint>) -> ChangeStream {
        let (sender, changes) = mpsc::channel(1);
        let cancel = self.cancellation().child_token();
        let mut sink = ChannelSink { sender, stored, staged: Vec::new() };
        let capture = self.cancelled_by(cancel.clone());
        let task = spawn_logged("change stream", async move { capture.run(&mut sink).await });
        ChangeStream { changes, cancel, task: Some(task) }
    }
}

/// A sink that hands everything to the application, and waits until it is acknowledged.
struct ChannelSink {
    sender: mpsc::Sender<Changes>,
    stored: Option<Checkpoint>,
    staged: Vec<Batch>,
}

#[async_trait]
impl Sink for ChannelSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.staged.clear();
        Ok(self.stored.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.staged.push(batch);
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let ended = || CdcError::new(CdcErrorKind::Store, "the application has dropped the changes");
        let (acknowledge, acknowledged) = oneshot::channel();
        let mut batches = std::mem::take(&mut self.staged);
        batches.push(batch);
        let changes = Changes { batches, checkpoint: checkpoint.clone(), acknowledge };
        self.sender.send(changes).await.map_err(|_| ended())?;
        acknowledged.await.map_err(|_| ended())?;
        let earlier = self.stored.take().and_then(|stored| stored.history);
        let history = checkpoint.history.clone().or(earlier);
        self.stored = Some(Checkpoint { position: checkpoint.position.clone(), history });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Destination;
    use std::sync::Arc;

    fn checkpoint(lsn: u64, history: Option<&str>) -> Checkpoint {
        let text = format!(r#"{{"system":"1","database":"d","slot":"s","lsn":{lsn}}}"#);
        Checkpoint { position: serde_json::from_str(&text).unwrap(), history: history.map(Into::into) }
    }

    fn batch(value: &str) -> Batch {
        let mut batch = Batch::default();
        batch.push_copy(&Arc::new(Destination::of_topic("t")), None, Some(value.as_bytes()));
        batch
    }

    #[tokio::test]
    async fn commit_waits_for_the_acknowledgement() {
        let (sender, mut changes) = mpsc::channel(1);
        let mut sink = ChannelSink { sender, stored: None, staged: Vec::new() };
        let task = tokio::spawn(async move {
            sink.stage(batch("discarded")).await.unwrap();
            assert_eq!(sink.position().await.unwrap(), None);
            sink.stage(batch("1")).await.unwrap();
            sink.commit(batch("2"), &checkpoint(7, Some("h"))).await.unwrap();
            assert_eq!(sink.position().await.unwrap(), Some(checkpoint(7, Some("h"))));
            let error = sink.commit(batch("3"), &checkpoint(8, None)).await.unwrap_err();
            (sink, error)
        });
        let first = changes.recv().await.unwrap();
        let values: Vec<_> = first.records().map(|record| record.value.unwrap().to_vec()).collect();
        assert_eq!(
            (values, first.checkpoint()),
            (vec![b"1".to_vec(), b"2".to_vec()], &checkpoint(7, Some("h")))
        );
        first.acknowledge();
        // dropped without an acknowledgement: it counts as not stored
        drop(changes.recv().await.unwrap());
        let (mut sink, error) = task.await.unwrap();
        assert!(error.to_string().contains("dropped"), "{error}");
        assert_eq!(sink.position().await.unwrap(), Some(checkpoint(7, Some("h"))));
    }

    #[tokio::test]
    async fn failure_of_the_capture_ends_the_stream() {
        let mut changes = Capture::new("http://x").changes(None);
        assert!(changes.next().await.unwrap_err().to_string().contains("invalid database URL"));
        assert!(changes.next().await.unwrap().is_none());
    }
}
