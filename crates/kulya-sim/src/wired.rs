//! A wired world: a store in memory behind a server, clients on a [network](SimNetwork) that is cut, an oracle.
//!
//! The invariant: whatever the network does, each call's answer is the one that it would have had without a network, once;
//! except that a server which ended may have taken an answer with it, which is then said, and what the call did is there
//! once all the same; and that a transaction which was cut is not there, and says so. Who follows a stream gets every event
//! once, in order.

use crate::draw;
use crate::network::{Cut, SimNetwork, Way};
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

/// What a wired world has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wired {
    /// Steps that were taken.
    pub steps: u64,
    /// Connections that were cut, and servers that ended.
    pub cuts: u64,
    /// See `cuts`.
    pub restarts: u64,
    /// Answers that a server took with it, and transactions that were cut.
    pub lost: u64,
    /// See `lost`.
    pub aborted: u64,
    /// Events that were followed.
    pub followed: u64,
    /// Everything that happened, a line each.
    pub trace: String,
}

impl Wired {
    /// Adds what another world has seen, but for its trace.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.lost += other.lost;
        self.aborted += other.aborted;
        self.followed += other.followed;
    }
}

struct World {
    rng: SeededRng,
    network: SimNetwork,
    served: MemoryStore,
    remote: RemoteStore,
    oracle: MemoryStore,
    clock: Arc<ManualClock>,
    events: u64,
    report: Wired,
}

/// The events of each segment, with their offsets.
type Followed = BTreeMap<u32, Vec<(u64, bytes::Bytes)>>;

fn followed() -> StreamId {
    StreamId::new("world", "followed").expect("a right name")
}

/// Takes so many steps, on a runtime of one thread whose clock stands still; panics, with the trace, when the invariant
/// breaks.
pub async fn live_wired(seed: u64, steps: u64) -> Wired {
    let mut rng = SeededRng::new(seed);
    let clock = Arc::new(ManualClock::default());
    let (served, oracle) = (MemoryStore::with_clock(clock.clone()), MemoryStore::with_clock(clock.clone()));
    for store in [&served, &oracle] {
        model::make(store).await.expect("the world is made");
    }
    served.create_stream(&followed(), StreamConfig::with_segments(2)).await.expect("the world is made");
    let network = SimNetwork::before(Arc::new(served.clone()), SeededRng::new(rng.u64_below(u64::MAX)));
    let settings = RemoteSettings::new("http://world");
    let remote = RemoteStore::connect_over(settings, Arc::new(network.clone())).await;
    let remote = remote.expect("the network is whole yet");
    let report = Wired::default();
    let mut world = World { rng, network, served, remote, oracle, clock, events: 0, report };
    let follower = tokio::spawn(follow(world.remote.clone()));
    for _ in 0..steps {
        world.step().await;
        world.write().await;
    }
    world.end(follower).await
}

/// Reads a stream until it is sealed and over.
async fn follow(store: RemoteStore) -> Result<Followed> {
    let mut tail = store.tail(head_cut(&store, &followed()).await?, 1 << 10);
    let mut found: Followed = BTreeMap::new();
    while let Some((segment, chunk)) = tail.next().await? {
        found.entry(segment.number).or_default().extend(chunk.events);
    }
    Ok(found)
}

impl World {
    fn ensure(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.report.trace);
    }

    /// Draws what befalls the network next; gives whether a server may end by it.
    fn befall(&mut self) -> bool {
        let bytes = if self.rng.one_in(4) { 1500 } else { 150 };
        let cut = self.rng.one_in(2).then(|| Cut {
            after: self.rng.u64_below(bytes),
            way: if self.rng.one_in(2) { Way::There } else { Way::Back },
            restarts: self.rng.one_in(3),
            refuses: self.rng.u64_below(3) as u32,
        });
        let _ = writeln!(self.report.trace, "{cut:?}");
        self.network.befalls(cut);
        cut.is_some_and(|cut| cut.restarts)
    }

    async fn step(&mut self) {
        self.report.steps += 1;
        self.clock.advance(Duration::from_millis(self.rng.u64_below(8)));
        let step = draw::step(&mut self.rng);
        let may_restart = self.befall();
        let _ = write!(self.report.trace, "{step:?}");
        let answer = model::take(&self.remote, &step).await;
        self.network.befalls(None);
        let _ = writeln!(self.report.trace, " gave {answer:?}");
        match answer {
            Ok(found) => {
                let expected = self.expected(&step).await;
                let is_right = found == expected || may_restart && is_said_again(&step, &found, &expected);
                self.ensure(is_right, &format!("{found:?} and not {expected:?}"));
            }
            Err(error) if may_restart && error.kind() == ErrorKind::AnswerLost => {
                self.report.lost += 1;
                self.expected(&step).await;
            }
            Err(error) if is_cut_transaction(&step, &error) => self.report.aborted += 1,
            Err(error) => self.ensure(false, &format!("{step:?} failed: {error}")),
        }
        let found = model::digest(&self.served).await.expect("memory can be read");
        let expected = model::digest(&self.oracle).await.expect("memory can be read");
        self.ensure(found == expected, &format!("the store is\n{found}\nand not\n{expected}"));
    }

    async fn expected(&self, step: &Step) -> Answer {
        model::take(&self.oracle, step).await.expect("memory has no network")
    }

    /// Writes something for whoever follows.
    async fn write(&mut self) {
        let appends: Vec<Append> = (0..self.rng.u64_below(4))
            .map(|_| {
                self.events += 1;
                Append::keyed(&followed(), self.rng.next_u8().to_string(), self.events.to_string())
            })
            .collect();
        let may_restart = self.befall();
        let done = self.remote.commit(Commit::events(appends)).await;
        self.network.befalls(None);
        match done {
            Ok(_) => {}
            Err(error) if may_restart && error.kind() == ErrorKind::AnswerLost => self.report.lost += 1,
            Err(error) => self.ensure(false, &format!("a commit failed: {error}")),
        }
    }

    /// The followed stream is sealed, and whoever follows it has all of it.
    async fn end(mut self, follower: tokio::task::JoinHandle<Result<Followed>>) -> Wired {
        self.remote.seal_stream(&followed()).await.expect("the network is whole again");
        let found = follower.await.expect("the follower ends").expect("a follower outlives every cut");
        let mut expected: Followed = BTreeMap::new();
        for (pointer, event) in bounded_read(&self.served, &followed()).await.expect("memory can be read") {
            expected.entry(pointer.segment.number).or_default().push((pointer.offset, event));
        }
        self.report.followed = expected.values().map(|events| events.len() as u64).sum();
        self.ensure(self.report.followed == self.events, "each event is there once");
        self.ensure(found == expected, &format!("the follower has {found:?} and not {expected:?}"));
        (self.report.cuts, self.report.restarts) = self.network.cuts();
        self.report
    }
}

/// A server that ended has forgotten that it had answered: what was done is then said to be there already.
fn is_said_again(step: &Step, found: &Answer, expected: &Answer) -> bool {
    match step {
        Step::Commit { writer: Some(_), .. } => found.text == "[] true" && !found.refused,
        Step::Create(..) | Step::Seal(_) | Step::Delete(_) => {
            found.text == "false" && expected.text == "true"
        }
        _ => false,
    }
}

fn is_cut_transaction(step: &Step, error: &Error) -> bool {
    matches!(step, Step::Transaction { .. }) && error.kind() == ErrorKind::Unreachable
}
