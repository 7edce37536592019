//! The last answer of each lane, so that a client that lost one on the way asks again and gets it: [`Answers`].
//!
//! A lane is a client's sequence of calls, one at a time, numbered upwards (NFSv4.1 has the same as a session's slots).
//! A call that comes twice runs once; the second asker waits for the same answer. This lives as long as the process.
//! What must outlive it is the writer's mark in the commit itself, which the store keeps.

use futures::future::{BoxFuture, FutureExt, Shared};
use kulya_store::{Error, ErrorKind, Result, supervision};
use kulya_wire::{error, id_of, v1};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tonic::Status;

/// So many lanes are remembered, and so many bytes of their answers, but for the newest; who asked longest ago is
/// forgotten first.
const MOST_LANES: usize = 16_384;
const MOST_BYTES: usize = 64 << 20;

/// What a call that changes something is told.
#[derive(Clone)]
pub(super) enum Answer {
    /// Whether it was done now.
    Was(bool),
    /// What a commit gave.
    Committed(Arc<v1::Committed>),
}

impl Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::Was(_) => 0,
            Self::Committed(done) => held(done),
        }
    }
}

/// A commit's answer in memory, about.
fn held(done: &v1::Committed) -> usize {
    let pointers = done.pointers.as_ref().map_or(0, |pointers| pointers.offset.len());
    pointers * 16 + done.versions.len() * 8
}

type Told = std::result::Result<Answer, v1::ErrorDetail>;

#[derive(Default)]
pub(super) struct Answers(Mutex<Lanes>);

#[derive(Default)]
struct Lanes {
    lanes: HashMap<u128, Lane>,
    /// By when they last asked.
    order: BTreeMap<u64, u128>,
    asked: u64,
    bytes: usize,
}

struct Lane {
    number: u64,
    asked: u64,
    bytes: usize,
    answer: Shared<BoxFuture<'static, Told>>,
}

impl Answers {
    /// Does what a call asks, once. It is done to its end even when the asker goes.
    pub(super) async fn once(
        self: &Arc<Self>,
        call: Option<v1::Call>,
        act: impl Future<Output = Result<Answer>> + Send + 'static,
    ) -> std::result::Result<Answer, Status> {
        let Some(call) = call else {
            return act.await.map_err(|refusal| error::status(&refusal));
        };
        let id = id_of("lane", &call.lane).map_err(|refusal| error::status(&refusal))?;
        let answer = self.join(id, call.number, act)?;
        answer.await.map_err(error::detail_status)
    }

    /// The answer to come: of this call's first try, if there was one.
    fn join(
        self: &Arc<Self>,
        id: u128,
        number: u64,
        act: impl Future<Output = Result<Answer>> + Send + 'static,
    ) -> std::result::Result<Shared<BoxFuture<'static, Told>>, Status> {
        let mut lanes = self.lanes();
        match lanes.lanes.get(&id) {
            Some(lane) if lane.number == number => return Ok(lane.answer.clone()),
            // the client has long since given up
            Some(lane) if lane.number > number => {
                let what = format!("call {number} of a lane comes after {}: nothing was done", lane.number);
                return Err(error::status(&Error::invalid(what)));
            }
            _ => {}
        }
        let this = Arc::clone(self);
        let running = supervision::spawn_logged("gRPC call", async move {
            let told = act.await.map_err(|refusal| error::detail(&refusal));
            if let Ok(answer) = &told {
                this.lanes().weigh(id, number, answer.bytes());
            }
            told
        });
        let died = || error::detail(&Error::new(ErrorKind::Failed, "the call died in the server"));
        let answer =
            running.map(move |told| told.ok().flatten().unwrap_or_else(|| Err(died()))).boxed().shared();
        lanes.store(id, number, answer.clone());
        Ok(answer)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn store(&mut self, id: u128, number: u64, answer: Shared<BoxFuture<'static, Told>>) {
        self.forget(id);
        self.asked += 1;
        self.order.insert(self.asked, id);
        self.lanes.insert(id, Lane { number, asked: self.asked, bytes: 0, answer });
        self.keep_bounds();
    }

    fn weigh(&mut self, id: u128, number: u64, bytes: usize) {
        if let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.number == number) {
            lane.bytes = bytes;
            self.bytes += bytes;
            self.keep_bounds();
        }
    }

    fn keep_bounds(&mut self) {
        while self.lanes.len() > MOST_LANES || (self.bytes > MOST_BYTES && self.lanes.len() > 1) {
            let Some((_, &oldest)) = self.order.first_key_value() else { return };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, id: u128) {
        if let Some(lane) = self.lanes.remove(&id) {
            self.order.remove(&lane.asked);
            self.bytes -= lane.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::oneshot;

    fn call(lane: u128, number: u64) -> Option<v1::Call> {
        Some(v1::Call { lane: lane.to_be_bytes().to_vec().into(), number })
    }

    #[tokio::test]
    async fn a_call_runs_once_and_all_its_askers_are_told() {
        let (answers, runs) = (Arc::new(Answers::default()), Arc::new(AtomicU64::new(0)));
        let (go, gone) = oneshot::channel::<()>();
        let gone = gone.shared();
        let ask = |number| {
            let (runs, gone) = (Arc::clone(&runs), gone.clone());
            answers.once(call(1, number), async move {
                runs.fetch_add(1, Ordering::Relaxed);
                let _ = gone.await;
                Ok(Answer::Was(true))
            })
        };
        // the first asker goes away before there is an answer
        assert!(ask(5).now_or_never().is_none());
        let second = ask(5);
        go.send(()).unwrap();
        assert!(matches!(second.await, Ok(Answer::Was(true))));
        assert!(matches!(ask(5).await, Ok(Answer::Was(true))));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert!(ask(4).await.is_err(), "an older call is not done");
        assert!(ask(6).await.is_ok());
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_too_and_lanes_are_bounded() {
        let answers = Arc::new(Answers::default());
        let refuse = async { Err(Error::sealed("s/t")) };
        let first = answers.once(call(0, 1), refuse).await.err().unwrap();
        let again = answers.once(call(0, 1), async { Ok(Answer::Was(true)) }).await.err().unwrap();
        assert_eq!(error::carried(&first).unwrap().kind(), error::carried(&again).unwrap().kind());
        for lane in 1..=MOST_LANES as u128 {
            assert!(answers.once(call(lane, 1), async { Ok(Answer::Was(true)) }).await.is_ok());
        }
        let lanes = answers.lanes();
        assert_eq!((lanes.lanes.len(), lanes.order.len()), (MOST_LANES, MOST_LANES));
        assert!(!lanes.lanes.contains_key(&0), "who asked longest ago is forgotten");
    }

    #[tokio::test]
    async fn large_answers_are_bounded_together() {
        let answers = Arc::new(Answers::default());
        for lane in 0..10u128 {
            let versions = vec![0; MOST_BYTES / 8 / 4];
            let done = Arc::new(v1::Committed { versions, ..v1::Committed::default() });
            let told = answers.once(call(lane, 1), async move { Ok(Answer::Committed(done)) }).await;
            assert!(told.is_ok());
        }
        let lanes = answers.lanes();
        assert!(lanes.bytes <= MOST_BYTES && lanes.lanes.len() == 4, "{}", lanes.lanes.len());
    }
}
