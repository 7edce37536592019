//! Captures under load that fail at random moments: the sink before and after a commit, the network, and the
//! process itself. Each seed has its own tables and its own store; several run at a time.

use crate::exactly_once::{Workload, check, statements};
use crate::proxy::Proxy;
use crate::test_store::{TestStore, is_pravega};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use kulya_cdc::{
    Batch, Capture, CaptureSettings, CdcError, CdcErrorKind, CdcResult, Checkpoint, Sink, StoreSink,
    drop_capture,
};
use kulya_testkit::SeededRng;
use std::sync::Arc;
use tokio::sync::Notify;

/// The number of seeds; `KULYA_SEEDS` sets another.
const SEEDS: u64 = 200;
/// The number of seeds with a real Pravega, whose commits take much longer.
const PRAVEGA_SEEDS: u64 = 4;
/// The number of seeds that run at a time.
const CONCURRENT_SEEDS: usize = 20;
/// The number of transactions that are committed while the capture fails once.
const TRANSACTIONS_PER_FAULT: u32 = 8;
/// The number of faults of a seed.
const FAULTS: u32 = 3;

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The store does not respond, and has not written.
    CommitFails,
    /// The store has written, and its response is lost.
    ResponseIsLost,
    /// The connections to the database are cut during the commit.
    NetworkIsCut,
    /// A connection to the database, the first or a later one, is cut after this number of the server's
    /// bytes, in the middle of a message or between two of them.
    MessageIsCut(u32, usize),
    /// The process is killed before the commit.
    KilledBefore,
    /// The process is killed after the commit, before its position is confirmed.
    KilledAfter,
}

impl Fault {
    fn random(rng: &mut SeededRng) -> Self {
        let (connection, bytes) = (rng.u64_below(4) as u32, rng.index(6000));
        rng.pick(&[
            Self::CommitFails,
            Self::ResponseIsLost,
            Self::NetworkIsCut,
            Self::MessageIsCut(connection, bytes),
            Self::KilledBefore,
            Self::KilledAfter,
        ])
    }
}

/// A sink that fails at a commit.
struct FaultySink {
    sink: StoreSink,
    /// The fault, and the number of commits before it.
    fault: Option<(u64, Fault)>,
    proxy: Proxy,
    killed: Arc<Notify>,
}

impl FaultySink {
    async fn die(&mut self) -> CdcResult<()> {
        self.killed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Sink for FaultySink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.sink.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.sink.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let fault = match &mut self.fault {
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if fault.is_some() {
            self.fault = None;
        }
        let unreachable = || Err(CdcError::new(CdcErrorKind::Unreachable, "injected fault"));
        match fault {
            Some(Fault::CommitFails) => return unreachable(),
            Some(Fault::KilledBefore) => return self.die().await,
            Some(Fault::NetworkIsCut) => self.proxy.cut(),
            _ => {}
        }
        self.sink.commit(batch, checkpoint).await?;
        match fault {
            Some(Fault::ResponseIsLost) => unreachable(),
            Some(Fault::KilledAfter) => self.die().await,
            _ => Ok(()),
        }
    }
}

/// Captures a workload with all the faults of a number of seeds. `create` makes the tables of a seed and
/// returns the settings of their capture.
pub(crate) async fn captures_survive_faults<W>(create: impl AsyncFn(u64) -> (W, CaptureSettings))
where
    W: Workload + 'static,
{
    let usual = if is_pravega() { PRAVEGA_SEEDS } else { SEEDS };
    let seeds = std::env::var("KULYA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual);
    let create = &create;
    let transactions = stream::iter(0..seeds)
        .map(|seed| async move {
            let (workload, settings) = create(seed).await;
            run(seed, Arc::new(workload), settings).await
        })
        .buffer_unordered(CONCURRENT_SEEDS)
        .fold(0, async |transactions, found| transactions + found)
        .await;
    // a snapshot that is interrupted until the end contains all transactions
    assert!(transactions as u64 > seeds, "too few transactions are captured from the log: {transactions}");
}

/// Runs a seed; returns the number of transactions that were captured from the log.
async fn run<W: Workload + 'static>(seed: u64, workload: Arc<W>, mut settings: CaptureSettings) -> usize {
    let mut rng = SeededRng::new(seed);
    settings.transaction_metadata = true;
    settings.segments = 2;
    let store = TestStore::create().await;
    let (proxy, url) = Proxy::before(&settings.url).await;
    let through_proxy = CaptureSettings { url, ..settings.clone() };
    let mut writes = SeededRng::new(seed ^ 0x5eed);
    let mut next_id = 1000;
    for _ in 0..FAULTS {
        let transactions: Vec<_> =
            (0..TRANSACTIONS_PER_FAULT).map(|_| statements(&mut writes, &mut next_id)).collect();
        let writer = tokio::spawn({
            let workload = Arc::clone(&workload);
            async move {
                for transaction in transactions {
                    workload.transaction(&transaction).await.unwrap();
                }
            }
        });
        let fault = Fault::random(&mut rng);
        // one of the first commits: of the snapshot's two tables, of its end, or of the log
        let fault = Some((rng.u64_below(4), fault));
        if let Some((_, Fault::MessageIsCut(connection, bytes))) = fault {
            proxy.cut_once(connection, bytes);
        }
        let killed = Arc::new(Notify::new());
        let sink = store.sink(&settings).await;
        let mut sink = FaultySink { sink, fault, proxy: proxy.clone(), killed: Arc::clone(&killed) };
        let capture = Capture::from(through_proxy.clone()).until_caught_up().run(&mut sink);
        tokio::select! {
            result = capture => if let Err(error) = result {
                // without a position nothing is retried before the first connection
                let is_first = store.sink(&settings).await.position().await.unwrap().is_none();
                let is_unreachable = error.kind() == CdcErrorKind::Unreachable;
                assert!(is_first && is_unreachable, "seed {seed}, {fault:?}: {error:?}");
            },
            () = killed.notified() => {}
        }
        writer.await.unwrap();
    }
    let mut last = store.sink(&settings).await;
    Capture::from(settings.clone()).until_caught_up().run(&mut last).await.unwrap();
    let transactions = check(&format!("seed {seed}"), store.store(), &*workload, &settings).await;
    drop_capture(&settings, store.store(), None).await.unwrap();
    workload.drop_tables().await;
    transactions
}
