//! Simulation of connection losses: a store in memory behind a server, clients on a simulated
//! [network](SimNetwork), an oracle.
//!
//! The invariant: each call takes effect exactly once and returns the same result as without a network. Two
//! exceptions are reported as errors: a restarted server may have lost the response of a call that took
//! effect, and an interrupted transaction is aborted. A tail returns every event once and in order.

use crate::network::{ConnectionLoss, Direction, SimNetwork};
use crate::steps::random_step;
use kulya_client::{RemoteSettings, RemoteStore};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Answer, Step};
use kulya_store::{
    Append, Commit, Error, ErrorKind, Result, StreamConfig, StreamId, StreamStore, bounded_read, head_cut,
};
use kulya_testkit::SeededRng;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Totals of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionLossReport {
    /// Steps.
    pub steps: u64,
    /// Lost connections.
    pub losses: u64,
    /// Restarts of the server.
    pub restarts: u64,
    /// Responses that a restarted server lost.
    pub lost_responses: u64,
    /// Interrupted transactions.
    pub aborted: u64,
    /// Events that the tail returned.
    pub tailed: u64,
    /// Log of the run, one line for each step.
    pub trace: String,
}

impl ConnectionLossReport {
    /// Adds the totals of another run, without its trace.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.losses += other.losses;
        self.restarts += other.restarts;
        self.lost_responses += other.lost_responses;
        self.aborted += other.aborted;
        self.tailed += other.tailed;
    }
}

struct Simulation {
    rng: SeededRng,
    network: SimNetwork,
    served: MemoryStore,
    remote: RemoteStore,
    oracle: MemoryStore,
    clock: Arc<ManualClock>,
    events: u64,
    report: ConnectionLossReport,
}

/// The events of each segment, with their offsets.
type TailedEvents = BTreeMap<u32, Vec<(u64, bytes::Bytes)>>;

fn tailed_stream() -> StreamId {
    StreamId::new("world", "followed").expect("a valid name")
}

/// Takes `steps` steps, on a single-threaded runtime with a paused clock.
///
/// # Panics
/// If the invariant is violated, with the trace.
pub async fn simulate_connection_loss(seed: u64, steps: u64) -> ConnectionLossReport {
    let mut rng = SeededRng::new(seed);
    let clock = Arc::new(ManualClock::default());
    let (served, oracle) = (MemoryStore::with_clock(clock.clone()), MemoryStore::with_clock(clock.clone()));
    for store in [&served, &oracle] {
        model::make(store).await.expect("the streams are created");
    }
    served
        .create_stream(&tailed_stream(), StreamConfig::with_segments(2))
        .await
        .expect("the streams are created");
    let network = SimNetwork::new(Arc::new(served.clone()), SeededRng::new(rng.u64_below(u64::MAX)));
    let settings = RemoteSettings::new("http://world");
    let remote = RemoteStore::connect_over(settings, Arc::new(network.clone())).await;
    let remote = remote.expect("the network works");
    let report = ConnectionLossReport::default();
    let mut simulation = Simulation { rng, network, served, remote, oracle, clock, events: 0, report };
    let tail = tokio::spawn(read_tail(simulation.remote.clone()));
    for _ in 0..steps {
        simulation.step().await;
        simulation.write().await;
    }
    simulation.finish(tail).await
}

/// Reads a stream until it is sealed and read completely.
async fn read_tail(store: RemoteStore) -> Result<TailedEvents> {
    let mut tail = store.tail(head_cut(&store, &tailed_stream()).await?, 1 << 10);
    let mut found: TailedEvents = BTreeMap::new();
    while let Some((segment, chunk)) = tail.next().await? {
        found.entry(segment.number).or_default().extend(chunk.events);
    }
    Ok(found)
}

impl Simulation {
    fn ensure(&self, condition: bool, what: &str) {
        assert!(condition, "{what}\n{}", self.report.trace);
    }

    /// Schedules a random connection loss or none; returns whether the server may restart.
    fn schedule_loss(&mut self) -> bool {
        let bytes = if self.rng.one_in(4) { 1500 } else { 150 };
        let loss = self.rng.one_in(2).then(|| ConnectionLoss {
            after_bytes: self.rng.u64_below(bytes),
            direction: if self.rng.one_in(2) { Direction::ToServer } else { Direction::ToClient },
            restarts_server: self.rng.one_in(3),
            refused_connections: self.rng.u64_below(3) as u32,
        });
        let _ = writeln!(self.report.trace, "{loss:?}");
        self.network.schedule(loss);
        loss.is_some_and(|loss| loss.restarts_server)
    }

    async fn step(&mut self) {
        self.report.steps += 1;
        self.clock.advance(Duration::from_millis(self.rng.u64_below(8)));
        let step = random_step(&mut self.rng);
        let may_restart = self.schedule_loss();
        let _ = write!(self.report.trace, "{step:?}");
        let result = model::take(&self.remote, &step).await;
        self.network.schedule(None);
        let _ = writeln!(self.report.trace, " returned {result:?}");
        match result {
            Ok(found) => {
                let expected = self.expected(&step).await;
                let is_correct = found == expected || may_restart && is_repeated(&step, &found, &expected);
                self.ensure(is_correct, &format!("{found:?} and not {expected:?}"));
            }
            Err(error) if may_restart && error.kind() == ErrorKind::AnswerLost => {
                self.report.lost_responses += 1;
                self.expected(&step).await;
            }
            Err(error) if is_interrupted_transaction(&step, &error) => self.report.aborted += 1,
            Err(error) => self.ensure(false, &format!("{step:?} failed: {error}")),
        }
        let found = model::digest(&self.served).await.expect("memory can be read");
        let expected = model::digest(&self.oracle).await.expect("memory can be read");
        self.ensure(found == expected, &format!("the store is\n{found}\nand not\n{expected}"));
    }

    async fn expected(&self, step: &Step) -> Answer {
        model::take(&self.oracle, step).await.expect("memory has no network")
    }

    /// Appends events for the tail.
    async fn write(&mut self) {
        let appends: Vec<Append> = (0..self.rng.u64_below(4))
            .map(|_| {
                self.events += 1;
                Append::keyed(&tailed_stream(), self.rng.next_u8().to_string(), self.events.to_string())
            })
            .collect();
        let may_restart = self.schedule_loss();
        let result = self.remote.commit(Commit::events(appends)).await;
        self.network.schedule(None);
        match result {
            Ok(_) => {}
            Err(error) if may_restart && error.kind() == ErrorKind::AnswerLost => {
                self.report.lost_responses += 1
            }
            Err(error) => self.ensure(false, &format!("a commit failed: {error}")),
        }
    }

    /// Seals the tailed stream and checks that the tail returned all of it.
    async fn finish(mut self, tail: tokio::task::JoinHandle<Result<TailedEvents>>) -> ConnectionLossReport {
        self.remote.seal_stream(&tailed_stream()).await.expect("the network works again");
        let found = tail.await.expect("the task ends").expect("a tail survives connection losses");
        let mut expected: TailedEvents = BTreeMap::new();
        for (pointer, event) in
            bounded_read(&self.served, &tailed_stream()).await.expect("memory can be read")
        {
            expected.entry(pointer.segment.number).or_default().push((pointer.offset, event));
        }
        self.report.tailed = expected.values().map(|events| events.len() as u64).sum();
        self.ensure(self.report.tailed == self.events, "each event is stored once");
        self.ensure(found == expected, &format!("the tail returned {found:?} and not {expected:?}"));
        (self.report.losses, self.report.restarts) = self.network.counts();
        self.report
    }
}

/// Whether the result is that of a repeated call: a restarted server has forgotten that it had executed the
/// call.
fn is_repeated(step: &Step, found: &Answer, expected: &Answer) -> bool {
    match step {
        Step::Commit { writer: Some(_), .. } => found.text == "[] true" && !found.refused,
        Step::Create(..) | Step::Seal(_) | Step::Delete(_) => {
            found.text == "false" && expected.text == "true"
        }
        _ => false,
    }
}

fn is_interrupted_transaction(step: &Step, error: &Error) -> bool {
    matches!(step, Step::Transaction { .. }) && error.kind() == ErrorKind::Unreachable
}
