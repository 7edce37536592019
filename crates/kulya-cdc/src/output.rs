//! The way from a source to the sink: batches that are handed over while the next one is filled.
//!
//! A source fills a batch with whole transactions, and hands it over with the position after them. While the
//! sink stores it, the source fills the next one; batches grow as long as the sink is busy, so that many
//! small transactions share a commit when they arrive faster than they are stored.

use crate::control::Control;
use crate::memory::Memory;
use crate::status::Stored;
use crate::{Batch, CdcError, CdcErrorKind, CdcResult, Checkpoint, Progress, Sink};
use kulya_store::clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A batch that is so many times larger than others is stored before the next one is filled.
const LARGE_BATCHES: usize = 2;

/// A batch on its way to the sink.
pub(crate) struct Delivery {
    batch: Batch,
    /// The position after the batch; `None` within a transaction.
    checkpoint: Option<Checkpoint>,
    /// When the last transaction of the batch was committed.
    committed: Option<Duration>,
    /// The memory of the batch, until it is stored.
    reservation: Option<Reservation>,
}

/// Memory of which there is a limited amount, until it is dropped.
pub(crate) struct Reservation {
    _permit: OwnedSemaphorePermit,
}

impl Reservation {
    /// Waits for one of the permits; `None` if there are none any more.
    pub(crate) async fn take(permits: &Arc<Semaphore>) -> Option<Self> {
        Some(Self { _permit: Arc::clone(permits).acquire_owned().await.ok()? })
    }
}

/// The source's end.
pub(crate) struct Output<'a> {
    pub(crate) batch: Batch,
    /// The clock for the events' processing time.
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    pub(crate) cancel: &'a CancellationToken,
    /// The control of the capture, to which the source reports what it measures.
    pub(crate) control: &'a Control,
    /// When the last transaction was committed in the database, since 1970-01-01 00:00 UTC.
    pub(crate) last_committed: Option<Duration>,
    /// The memory that the batch takes, where it is limited.
    pub(crate) reservation: Option<Reservation>,
    /// The size at which a batch is handed over even if the sink is busy, in bytes.
    max_batch_bytes: usize,
    deliveries: mpsc::Sender<Delivery>,
    /// The number of commits that were handed over.
    committed: u64,
    /// The number of commits that are stored.
    stored: watch::Receiver<u64>,
}

/// The sink's end.
pub(crate) struct Input {
    deliveries: mpsc::Receiver<Delivery>,
    stored: watch::Sender<u64>,
}

/// Connects a source and a sink.
pub(crate) fn connect<'a>(
    clock: &'a Arc<dyn Clock>,
    on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    cancel: &'a CancellationToken,
    control: &'a Control,
    memory: Memory,
) -> (Output<'a>, Input) {
    let (sender, deliveries) = mpsc::channel(1);
    let (stored_sender, stored) = watch::channel(0);
    let output = Output {
        batch: Batch::default(),
        clock,
        on_progress,
        cancel,
        control,
        last_committed: None,
        reservation: None,
        max_batch_bytes: memory.batch(),
        deliveries: sender,
        committed: 0,
        stored,
    };
    (output, Input { deliveries, stored: stored_sender })
}

impl Output<'_> {
    /// Returns the size at which a batch is handed over even if the sink is busy, in bytes.
    pub(crate) fn max_batch_bytes(&self) -> usize {
        self.max_batch_bytes
    }

    /// Returns whether the batch has its largest size: it must be handed over.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.size() >= self.max_batch_bytes
    }

    /// Returns whether everything that was handed over is stored.
    pub(crate) fn is_idle(&self) -> bool {
        self.stored() == self.committed
    }

    /// Returns the number of commits that are stored.
    pub(crate) fn stored(&self) -> u64 {
        *self.stored.borrow()
    }

    /// Waits until a further commit is stored. Cancel-safe.
    pub(crate) async fn stored_more(&mut self) {
        if self.stored.changed().await.is_err() {
            // the sink has failed: the engine ends the source
            std::future::pending::<()>().await;
        }
    }

    /// Waits until everything that was handed over is stored.
    pub(crate) async fn flush(&mut self) {
        while !self.is_idle() {
            self.stored_more().await;
        }
    }

    /// Hands over the batch as a part of a transaction that has not ended.
    ///
    /// # Errors
    /// `Unreachable` when the sink has failed; the engine has its error.
    pub(crate) async fn stage(&mut self) -> CdcResult<()> {
        self.deliver(None).await
    }

    /// Hands over the batch with the position after it. Returns the number of the commit, from 1.
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    pub(crate) async fn commit(&mut self, checkpoint: Checkpoint) -> CdcResult<u64> {
        self.deliver(Some(checkpoint)).await?;
        self.committed += 1;
        Ok(self.committed)
    }

    /// Ends a snapshot that was cancelled.
    ///
    /// # Errors
    /// `Unreachable` when the capture was cancelled.
    pub(crate) fn check_cancelled(&self) -> CdcResult<()> {
        match self.cancel.is_cancelled() {
            true => Err(CdcError::new(CdcErrorKind::Unreachable, "cancelled during the snapshot")),
            false => Ok(()),
        }
    }

    async fn deliver(&mut self, checkpoint: Option<Checkpoint>) -> CdcResult<()> {
        // a batch that was full is followed by another one, which need not grow step by step
        let capacity = if self.is_full() { self.max_batch_bytes + self.max_batch_bytes / 16 } else { 0 };
        let batch = std::mem::replace(&mut self.batch, Batch::with_capacity(capacity));
        let (committed, mut reservation) = (self.last_committed, self.reservation.take());
        // a row that is much larger than a batch is in memory alone
        let is_large = batch.size() >= LARGE_BATCHES * self.max_batch_bytes && reservation.is_none();
        let alone = is_large.then(|| Arc::new(Semaphore::new(1)));
        if let Some(alone) = &alone {
            reservation = Reservation::take(alone).await;
        }
        let sent = self.deliveries.send(Delivery { batch, checkpoint, committed, reservation }).await;
        // the sink shares the source's task
        tokio::task::yield_now().await;
        if let (Ok(()), Some(alone)) = (&sent, &alone) {
            Reservation::take(alone).await;
        }
        sent.map_err(|_| CdcError::new(CdcErrorKind::Unreachable, "the destination has failed"))
    }
}

impl Input {
    /// Gives everything that arrives to the sink, until the source ends.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) async fn write_to(
        mut self,
        sink: &mut dyn Sink,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
        control: &Control,
    ) -> CdcResult<()> {
        let mut staged = 0;
        while let Some(Delivery { batch, checkpoint, committed, reservation }) = self.deliveries.recv().await
        {
            // dropped when the batch is stored
            let _reservation = reservation;
            staged += batch.events();
            let Some(checkpoint) = checkpoint else {
                sink.stage(batch).await?;
                continue;
            };
            sink.commit(batch, &checkpoint).await?;
            control.on_signals_stored(checkpoint.position.incremental().last_signal);
            self.stored.send_modify(|stored| *stored += 1);
            let (records, position) = (std::mem::take(&mut staged), checkpoint.position.to_string());
            let dead_letters = sink.dead_letters();
            control.on_stored(Stored { records, position: position.clone(), committed, dead_letters });
            on_progress(Progress::Stored { records, position });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;
    use crate::batch::Destination;
    use async_trait::async_trait;
    use futures::FutureExt;
    use kulya_store::clock::SystemClock;
    use std::pin::pin;

    /// Takes one batch for each permit.
    struct GatedSink(Arc<Semaphore>);

    impl GatedSink {
        async fn take(&self) -> CdcResult<()> {
            self.0.acquire().await.expect("the gate is never closed").forget();
            Ok(())
        }
    }

    #[async_trait]
    impl Sink for GatedSink {
        async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
            Ok(None)
        }

        async fn stage(&mut self, _: Batch) -> CdcResult<()> {
            self.take().await
        }

        async fn commit(&mut self, _: Batch, _: &Checkpoint) -> CdcResult<()> {
            self.take().await
        }
    }

    fn checkpoint() -> Checkpoint {
        let text = r#"{"system":"1","database":"d","slot":"s","lsn":1}"#;
        serde_json::from_str::<Position>(text).unwrap().into()
    }

    #[tokio::test]
    async fn next_batch_is_filled_while_one_is_stored_but_not_after_a_large_row() {
        let (clock, control, cancel) =
            (Arc::<dyn Clock>::from(SystemClock), Control::default(), CancellationToken::new());
        let gate = Arc::new(Semaphore::new(0));
        let (mut output, input) = connect(&clock, &|_| (), &cancel, &control, Memory::default());
        let mut sink = GatedSink(Arc::clone(&gate));
        let mut stored = pin!(input.write_to(&mut sink, &|_| (), &control));
        let write = |output: &mut Output<'_>, bytes: usize| {
            let destination = Arc::new(Destination::of_topic("t"));
            output.batch.push_copy(&destination, None, Some(&vec![b'x'; bytes]));
        };
        let mut advance = async || {
            assert!(stored.as_mut().now_or_never().is_none(), "the sink waits");
        };
        write(&mut output, 100);
        output.commit(checkpoint()).await.unwrap();
        advance().await;
        write(&mut output, 100);
        output.commit(checkpoint()).await.unwrap();
        assert_eq!((output.stored(), output.is_idle()), (0, false), "both are on their way");
        gate.add_permits(2);
        advance().await;
        assert!(output.is_idle());
        for is_staged in [true, false] {
            let bytes = 3 * output.max_batch_bytes();
            write(&mut output, bytes);
            let mut delivery = pin!(async {
                match is_staged {
                    true => output.stage().await.unwrap(),
                    false => drop(output.commit(checkpoint()).await.unwrap()),
                }
            });
            for _ in 0..3 {
                assert!(delivery.as_mut().now_or_never().is_none(), "it is not stored");
                advance().await;
            }
            gate.add_permits(1);
            advance().await;
            delivery.await;
        }
    }
}
